"""A small nuScenes root made from formulas, so that every answer of the reader is known.

Two scenes of a car that drives a curve; a van that overtakes it, a person who stands, a cone seen
once. Tokens are of any length and script, as the format allows.
"""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.scene.class_maps import DATASET_NAMES

VERSION = "v1.0-mini"
LOCATION = "singapore-onenorth"
START_US = 1_532_402_927_600_000
KEY_US = 500_000
SPEED, YAW_RATE = 8.0, 0.2
VAN_VELOCITY = np.array([3.0, 10.0, 0.0])
RINGS, COLUMNS = 32, 12
TURN_S = 0.05
WIDTH, HEIGHT = 32, 18
EGO_FROM_LIDAR = Pose(rotation_from_yaw(np.array(-np.pi / 2)), np.array([0.94, 0.0, 1.84]))
LOOKING = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
MOUNTS = {
    "LIDAR_TOP": EGO_FROM_LIDAR,
    "CAM_FRONT": Pose(LOOKING, np.array([1.7, 0.0, 1.5])),
    "CAM_BACK": Pose(rotation_from_yaw(np.array(np.pi)) @ LOOKING, np.array([0.0, 0.1, 1.6])),
    "RADAR_FRONT": Pose(np.eye(3), np.array([3.4, 0.0, 0.5])),
}
MODALITY = {"LIDAR": "lidar", "CAM": "camera", "RADAR": "radar"}
OFFSET_US = {"LIDAR_TOP": 0, "CAM_FRONT": -35_000, "CAM_BACK": -10_000, "RADAR_FRONT": 7_000}
"""Of a key frame's record, after its sample."""
SWEEPS = {"LIDAR_TOP": 2, "CAM_FRONT": 1, "CAM_BACK": 0, "RADAR_FRONT": 0}
"""Records between two key frames."""
INTRINSIC = [[25.0, 0.0, 15.5], [0.0, 25.0, 8.5], [0.0, 0.0, 1.0]]


@dataclass
class Root:
    """Tables as lists of records, and all other files as bytes."""

    keys: int = 4
    """Key frames of each scene."""
    origin: np.ndarray = field(default_factory=lambda: np.array([12.0, 10.0, 0.0]))
    """Where the drive begins in the world [m]."""
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _tables_of_names(self)
        for scene in range(2):
            _scene(self, scene)
        _link(self.tables)
        self.files["maps/mask.png"] = _png()
        self.files[f"maps/expansion/{LOCATION}.json"] = json.dumps(expansion()).encode()

    def write(self, folder: Path) -> Path:
        """Write all of it below ``folder`` and return the root."""
        written = {f"{VERSION}/{k}.json": table_bytes(v) for k, v in self.tables.items()}
        for name, data in (self.files | written).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return folder

    def world_from_ego(self, scene: int, time_us: float) -> Pose:
        """On a circle, from the scene's start."""
        t = (time_us - scene_start_us(scene)) / 1e6
        yaw = 0.3 + YAW_RATE * t
        radius = SPEED / YAW_RATE
        way = radius * np.array([np.sin(yaw) - np.sin(0.3), np.cos(0.3) - np.cos(yaw), 0.0])
        return Pose(rotation_from_yaw(np.array(yaw)), self.origin + way)


def scene_start_us(scene: int) -> int:
    return START_US + scene * 60_000_000


def table_bytes(records: list[dict[str, Any]]) -> bytes:
    """As the published tables are laid out: a field a line, no indentation."""
    return json.dumps(records, indent=0, ensure_ascii=False).encode()


def van_at(root: Root, scene: int, time_us: float) -> np.ndarray:
    """Centre of the van in the world."""
    t = (time_us - scene_start_us(scene)) / 1e6
    return root.origin + np.array([2.0, 3.0, 1.1]) + VAN_VELOCITY * t


def _tables_of_names(root: Root) -> None:
    names = DATASET_NAMES["lidarseg"]
    root.tables = {
        "sensor": [
            {"token": f"s-{name}", "channel": name, "modality": MODALITY[name.split("_")[0]]}
            for name in MOUNTS
        ],
        "calibrated_sensor": [],
        "log": [
            {
                "token": "Fahrt-ä", "logfile": "n015-2018", "vehicle": "n015",
                "date_captured": "2018-07-24", "location": LOCATION,
            }
        ],
        "map": [
            {
                "token": "map", "category": "semantic_prior", "filename": "maps/mask.png",
                "log_tokens": ["Fahrt-ä"],
            }
        ],
        "category": [
            {"token": f"c{i}", "name": name, "description": "}, {", "index": i}
            for i, name in names.items()
        ],
        "attribute": [
            {"token": "moving", "name": "vehicle.moving", "description": ""},
            {"token": "standing", "name": "pedestrian.standing", "description": ""},
        ],
        "visibility": [
            {"token": str(i + 1), "level": level, "description": level}
            for i, level in enumerate(("v0-40", "v40-60", "v60-80", "v80-100"))
        ],
        "scene": [], "sample": [], "ego_pose": [], "sample_data": [], "instance": [],
        "sample_annotation": [], "lidarseg": [],
    }  # fmt: skip


def _scene(root: Root, scene: int) -> None:
    tables, start = root.tables, scene_start_us(scene)
    for name, mount in MOUNTS.items():
        tables["calibrated_sensor"].append(
            {
                "token": f"k{scene}-{name}", "sensor_token": f"s-{name}",
                "translation": mount.translation.tolist(), "rotation": mount.quaternion.tolist(),
                "camera_intrinsic": INTRINSIC if name.startswith("CAM") else [],
            }
        )  # fmt: skip
    samples = [f"sample-{scene}-{i}" for i in range(root.keys)]
    tables["scene"].append(
        {
            "token": f"scene-token-{scene}", "log_token": "Fahrt-ä", "nbr_samples": root.keys,
            "first_sample_token": samples[0], "last_sample_token": samples[-1],
            "name": f"scene-000{scene + 1}", "description": "rain, overtaking",
        }
    )  # fmt: skip
    for i, token in enumerate(samples):
        time = start + i * KEY_US
        tables["sample"].append(
            {"token": token, "timestamp": time, "scene_token": f"scene-token-{scene}"}
        )
        _annotations(root, scene, i, token, time)
    for name in MOUNTS:
        for i, token in enumerate(samples):
            between = SWEEPS[name] + 1 if i else 1
            for k in reversed(range(between)):
                time = start + i * KEY_US + OFFSET_US[name] - k * KEY_US // between
                _record(root, scene, name, token, time, is_key=k == 0)


def _annotations(root: Root, scene: int, i: int, sample: str, time: int) -> None:
    yaw = float(np.arctan2(VAN_VELOCITY[1], VAN_VELOCITY[0]))
    objects = [
        ("van", "vehicle.car", van_at(root, scene, time), [2.0, 5.0, 2.2], yaw, ["moving"], "4"),
        ("person", "human.pedestrian.adult", root.origin + [9.0, -4.0, 0.9], [0.6, 0.7, 1.8],
         1.0, ["standing"], "2"),
    ]  # fmt: skip
    if i == 1:
        cone = root.origin + [6.0, 2.0, 0.4]
        objects.append(("cone", "movable_object.trafficcone", cone, [0.4, 0.3, 0.8], 0.0, [], ""))
    numbers = {name: key for key, name in DATASET_NAMES["lidarseg"].items()}
    for name, category, center, size, turn, attributes, visibility in objects:
        instance = f"{name}-{scene}"
        known = [r["token"] for r in root.tables["instance"]]
        if instance not in known:
            root.tables["instance"].append(
                {"token": instance, "category_token": f"c{numbers[category]}"}
            )
        root.tables["sample_annotation"].append(
            {
                "token": f"{instance}@{i}", "sample_token": sample, "instance_token": instance,
                "visibility_token": visibility, "attribute_tokens": attributes,
                "translation": np.asarray(center).tolist(), "size": size,
                "rotation": [float(np.cos(turn / 2)), 0.0, 0.0, float(np.sin(turn / 2))],
                "num_lidar_pts": 3 + i, "num_radar_pts": i,
            }
        )  # fmt: skip


def _record(root: Root, scene: int, name: str, sample: str, time: int, *, is_key: bool) -> None:
    pose = root.world_from_ego(scene, time)
    token = f"{name}.{scene}.{time}"
    suffix = {"LIDAR": "pcd.bin", "CAM": "jpg", "RADAR": "pcd"}[name.split("_")[0]]
    folder = "samples" if is_key else "sweeps"
    camera = suffix == "jpg"
    root.tables["ego_pose"].append(
        {
            "token": f"pose {token}", "timestamp": time, "rotation": pose.quaternion.tolist(),
            "translation": pose.translation.tolist(),
        }
    )  # fmt: skip
    filename = f"{folder}/{name}/{token}.{suffix}"
    root.tables["sample_data"].append(
        {
            "token": token, "sample_token": sample, "ego_pose_token": f"pose {token}",
            "calibrated_sensor_token": f"k{scene}-{name}", "timestamp": time,
            "fileformat": "jpg" if camera else "pcd", "is_key_frame": is_key,
            "height": HEIGHT if camera else 0, "width": WIDTH if camera else 0,
            "filename": filename,
        }
    )  # fmt: skip
    if camera:
        root.files[filename] = _jpeg(len(root.files))
    elif name.startswith("RADAR"):
        root.files[filename] = b"# .PCD v0.7\n"
    else:
        points, _, _ = lidar_rows(root, scene, time)
        root.files[filename] = points.tobytes()
        if is_key:
            labels = f"lidarseg/{VERSION}/{token}_lidarseg.bin"
            hit = points[:, 4] < RINGS - 4
            root.files[labels] = np.where(hit, 24, 0).astype(np.uint8).tobytes()
            root.tables["lidarseg"].append(
                {"token": token, "sample_data_token": token, "filename": labels}
            )


def lidar_rows(root: Root, scene: int, time_us: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of a sweep's file, the time [us] of each shot and the world point that it hit.

    Each shot goes to the road; the four upper rings meet nothing, so their world point is the
    sensor itself.
    """
    column, ring = (g.ravel() for g in np.mgrid[:COLUMNS, :RINGS])
    times = time_us - 1e6 * TURN_S * (COLUMNS - 1 - column) / COLUMNS
    azimuth = np.pi / 2 - 2 * np.pi * (column + 0.5) / COLUMNS
    reach = 4.0 + 0.5 * np.arange(RINGS)[:, None]
    end = root.world_from_ego(scene, time_us)
    mount = EGO_FROM_LIDAR
    world = np.empty((COLUMNS, RINGS, 3))
    for c, i in enumerate(range(0, len(ring), RINGS)):
        ego = root.world_from_ego(scene, times[i])
        sensor = ego.rotation @ mount.translation + ego.translation
        out = ego.rotation @ [np.cos(azimuth[i]), np.sin(azimuth[i]), 0.0]
        world[c] = sensor + reach * out - [0.0, 0.0, sensor[2] - root.origin[2]]
        world[c, RINGS - 4 :] = sensor
    world = world.reshape(-1, 3)
    ego_points = (world - end.translation) @ end.rotation
    lidar = (ego_points - mount.translation) @ mount.rotation
    rows = np.column_stack([lidar, ring * 8.0, ring]).astype("<f4")
    return rows, times, world


def _link(tables: dict[str, list[dict[str, Any]]]) -> None:
    """``prev``, ``next``, and the counts and ends that follow from them."""
    chains = {
        "sample": lambda r: r["scene_token"],
        "sample_data": lambda r: r["calibrated_sensor_token"],
        "sample_annotation": lambda r: r["instance_token"],
    }
    for table, key in chains.items():
        last: dict[str, dict[str, Any]] = {}
        for record in tables[table]:
            before = last.get(key(record))
            record["prev"], record["next"] = before["token"] if before else "", ""
            if before:
                before["next"] = record["token"]
            last[key(record)] = record
    for instance in tables["instance"]:
        own = [r for r in tables["sample_annotation"] if r["instance_token"] == instance["token"]]
        instance["nbr_annotations"] = len(own)
        instance["first_annotation_token"] = own[0]["token"]
        instance["last_annotation_token"] = own[-1]["token"]


def _jpeg(seed: int) -> bytes:
    pixels = np.full((HEIGHT, WIDTH, 3), seed * 5 % 256, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=95)
    return buffer.getvalue()


def _png() -> bytes:
    """40 m x 30 m at 0.1 m; the road covers y from 5 to 25 m."""
    mask = np.zeros((300, 400), np.uint8)
    mask[50:250] = 255
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, format="PNG")
    return buffer.getvalue()


def expansion() -> dict[str, Any]:
    """A road 40 m long with two lanes, a crossing and a walkway with a hole."""
    corners = {
        "a": (0, 5), "b": (40, 5), "c": (40, 25), "d": (0, 25),
        "e": (10, 5), "f": (13, 5), "g": (13, 25), "h": (10, 25),
        "i": (11, 8), "j": (12, 8), "k": (12, 9), "l": (0, 15), "m": (40, 15),
    }  # fmt: skip
    polygons = {"road": "abcd", "strip": "efgh", "lane1": "abml", "lane2": "lmcd"}
    return {
        "version": "1.3",
        "node": [{"token": t, "x": float(x), "y": float(y)} for t, (x, y) in corners.items()],
        "line": [
            {"token": "middle", "node_tokens": ["l", "m"]},
            {"token": "no nodes", "node_tokens": []},
        ],
        "polygon": [
            {
                "token": token, "exterior_node_tokens": list(nodes),
                "holes": [{"node_tokens": ["i", "j", "k"]}] if token == "strip" else [],
            }
            for token, nodes in polygons.items()
        ],
        "drivable_area": [{"token": "da", "polygon_tokens": ["road", "strip"]}],
        "road_segment": [{"token": "rs", "polygon_token": "road", "is_intersection": False}],
        "road_block": [],
        "ped_crossing": [{"token": "pc", "polygon_token": "strip"}],
        "walkway": [{"token": "w", "polygon_token": "strip"}],
        "stop_line": [{"token": "sl", "polygon_token": "strip"}],
        "carpark_area": [{"token": "ca", "polygon_token": "strip"}],
        "road_divider": [{"token": "rd", "line_token": "middle"}],
        "lane_divider": [
            {"token": "ld", "line_token": "middle"},
            {"token": "nothing", "line_token": "no nodes"},
        ],
        "lane": [
            {
                "token": "right", "polygon_token": "lane1", "lane_type": "CAR",
                "left_lane_divider_segments": [
                    {"node_token": "l", "segment_type": "SINGLE_SOLID_WHITE"},
                    {"node_token": "m", "segment_type": "NIL"},
                ],
                "right_lane_divider_segments": [],
            }
        ],
        "lane_connector": [{"token": "turn", "polygon_token": "lane2"}],
        "connectivity": {"right": {"incoming": [], "outgoing": ["turn"]}},
        "arcline_path_3": {
            "right": [
                {
                    "start_pose": [0.0, 10.0, 0.0], "end_pose": [20.0, 20.0, 1.5707963267948966],
                    "shape": "SLS", "radius": 10.0,
                    "segment_length": [10.0, 15.707963267948966, 0.0],
                }
            ]
        },
    }  # fmt: skip
