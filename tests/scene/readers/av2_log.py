"""Writes a small synthetic log in the public format of the Argoverse 2 sensor data set.

A car drives a gentle left bend on a flat street at 70 m above the city's zero; three cameras of
32 x 24 pixels, two LiDARs merged into one sweep file per 100 ms. Everything is known exactly.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
from PIL import Image

LOG_ID = "00a6ffc1-6ce9-3bc3-a060-6006e9893a1a"
START_NS = 315_966_265_000_000_000
SWEEP_NS = 100_000_000
SWEEPS = 8
GROUND_Z = 70.0
ORIGIN_HEIGHT = 0.32
"""Of the vehicle frame above the ground."""
CAMERAS = {  # yaw in degrees, (width, height)
    "ring_front_center": (0.0, (24, 32)),
    "ring_side_left": (99.0, (32, 24)),
    "stereo_front_left": (0.0, (32, 24)),
}
TRACKS = {
    "aaaaaaaa-0000-0000-0000-000000000001": ("REGULAR_VEHICLE", (4.5, 1.9, 1.7)),
    "aaaaaaaa-0000-0000-0000-000000000002": ("PEDESTRIAN", (0.7, 0.7, 1.7)),
    "aaaaaaaa-0000-0000-0000-000000000003": ("BOLLARD", (0.3, 0.3, 1.0)),
}
VELOCITY = {"REGULAR_VEHICLE": (6.0, -1.5), "PEDESTRIAN": (0.3, 1.2), "BOLLARD": (0.0, 0.0)}
PLACE = {"REGULAR_VEHICLE": (12.0, 3.5), "PEDESTRIAN": (8.0, -4.0), "BOLLARD": (6.0, -5.0)}


@dataclass(frozen=True)
class SyntheticLog:
    folder: Path
    sweep_times: np.ndarray

    @property
    def archive(self) -> Path:
        return next((self.folder / "map").glob("log_map_archive_*.json"))

    @property
    def heights(self) -> Path:
        return next((self.folder / "map").glob("*.npy"))

    @property
    def transform(self) -> Path:
        return next((self.folder / "map").glob("*Sim2*.json"))


def write_log(parent: Path, log_id: str = LOG_ID) -> SyntheticLog:
    """Write ``parent/log_id`` and return where it lies."""
    folder = parent / log_id
    times = START_NS + SWEEP_NS * np.arange(SWEEPS, dtype=np.int64)
    _write_poses(folder)
    _write_calibration(folder)
    rows: list[dict[str, Any]] = []
    for time in times:
        points = _write_sweep(folder, int(time))
        rows += [_annotation(track, int(time), points) for track in TRACKS]
    rows = [r for r in rows if not (r["category"] == "BOLLARD" and r["timestamp_ns"] != times[2])]
    write_table(folder / "annotations.feather", pa.Table.from_pylist(rows))
    _write_images(folder)
    _write_map(folder, log_id)
    return SyntheticLog(folder, times)


def write_table(path: Path, table: pa.Table) -> None:
    """Feather version 2, LZ4, as the data set has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(
        sink, table.schema, options=options
    ) as writer:  # fmt: skip
        writer.write_table(table)


def read_back(path: Path) -> pa.Table:
    options = pa.ipc.IpcReadOptions(use_threads=False)
    return pa.ipc.open_file(pa.BufferReader(path.read_bytes()), options=options).read_all()


def city_from_vehicle(time_ns: int) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and translation: 8 m/s, turning left at 0.1 rad/s from a heading of 0.4 rad."""
    t = (time_ns - START_NS) / 1e9
    yaw = 0.4 + 0.1 * t
    x = 5_172.0 + 80 * (np.sin(yaw) - np.sin(0.4))
    y = 2_419.0 - 80 * (np.cos(yaw) - np.cos(0.4))
    return _turn(yaw), np.array([x, y, GROUND_Z + ORIGIN_HEIGHT])


def box_in_city(track: str, time_ns: int) -> tuple[float, np.ndarray]:
    """Yaw and middle of a box; paths are straight, at constant speed."""
    category, (_, _, height) = TRACKS[track]
    turn, start = city_from_vehicle(START_NS)
    velocity = velocity_in_city(track)
    ahead = np.array([*PLACE[category], 0.0])
    middle = turn @ ahead + start + velocity * (time_ns - START_NS) / 1e9
    middle[2] = GROUND_Z + height / 2
    return 0.4 + np.arctan2(VELOCITY[category][1], VELOCITY[category][0]), middle


def velocity_in_city(track: str) -> np.ndarray:
    return _turn(0.4) @ np.array([*VELOCITY[TRACKS[track][0]], 0.0])


def _turn(yaw: float) -> np.ndarray:
    return np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1.0]])


def _quaternion(yaw: float) -> dict[str, float]:
    return {"qw": float(np.cos(yaw / 2)), "qx": 0.0, "qy": 0.0, "qz": float(np.sin(yaw / 2))}


def _place(xyz: np.ndarray | tuple[float, ...]) -> dict[str, float]:
    return dict(zip(("tx_m", "ty_m", "tz_m"), map(float, xyz), strict=True))


def _write_poses(folder: Path) -> None:
    """Every 5 ms, with a second stamp 0.4 ms later now and then, as real logs have."""
    steps = START_NS - SWEEP_NS + 5_000_000 * np.arange(200, dtype=np.int64)
    times = np.sort(np.concatenate([steps, steps[::9] + 400_000]))
    rows = []
    for time in times.tolist():
        turn, at = city_from_vehicle(time)
        yaw = float(np.arctan2(turn[1, 0], turn[0, 0]))
        rows.append({"timestamp_ns": time, **_quaternion(yaw), **_place(at)})
    write_table(folder / "city_SE3_egovehicle.feather", pa.Table.from_pylist(rows))


def _write_calibration(folder: Path) -> None:
    looking_ahead = np.array([[0, 0, 1.0], [-1, 0, 0], [0, -1, 0]])
    mounts, lenses = [], []
    for name, (degrees, (width, height)) in CAMERAS.items():
        half = np.deg2rad(degrees) / 2
        qw, qx, qy, qz = 0.5, -0.5, 0.5, -0.5  # of looking_ahead
        assert np.allclose(looking_ahead @ [0, 0, 1], [1, 0, 0])
        c, s = float(np.cos(half)), float(np.sin(half))
        turned = (c * qw - s * qz, c * qx - s * qy, c * qy + s * qx, c * qz + s * qw)
        quaternion = dict(zip(("qw", "qx", "qy", "qz"), turned, strict=True))
        mounts.append({"sensor_name": name, **quaternion, **_place((1.6, 0.1, 1.4))})
        lenses.append(
            {
                "sensor_name": name, "fx_px": 28.0, "fy_px": 28.5, "cx_px": width / 2 - 0.4,
                "cy_px": height / 2 - 0.6, "k1": -0.24, "k2": -0.02, "k3": 0.01,
                "height_px": height, "width_px": width,
            }
        )  # fmt: skip
    upside_down = {"qw": 0.0, "qx": -1.0, "qy": 0.0, "qz": 0.0}
    mounts.append({"sensor_name": "up_lidar", **_quaternion(-0.01), **_place((1.35, 0, 1.64))})
    mounts.append({"sensor_name": "down_lidar", **upside_down, **_place((1.347, 0.005, 1.525))})
    write_table(
        folder / "calibration" / "egovehicle_SE3_sensor.feather", pa.Table.from_pylist(mounts)
    )
    schema = pa.schema(
        [("sensor_name", pa.string())]
        + [(n, pa.float64()) for n in ("fx_px", "fy_px", "cx_px", "cy_px", "k1", "k2", "k3")]
        + [("height_px", pa.uint16()), ("width_px", pa.uint16())]
    )
    write_table(
        folder / "calibration" / "intrinsics.feather", pa.Table.from_pylist(lenses, schema=schema)
    )


def _write_sweep(folder: Path, time_ns: int) -> np.ndarray:
    """Points on the ground and inside the boxes, moved to the stamp; returns them as stored."""
    random = np.random.default_rng(time_ns % 1_000_003)
    ground = random.uniform((-30, -30, 0), (30, 30, 0), (300, 3)) - (0, 0, ORIGIN_HEIGHT)
    clouds = [ground]
    for track in TRACKS:
        inside = random.uniform(-0.45, 0.45, (20, 3)) * TRACKS[track][1]
        yaw, middle = box_in_vehicle(track, time_ns)
        clouds.append(inside @ _turn(yaw).T + middle)
    points = np.concatenate(clouds).astype(np.float16)
    count = len(points)
    table = pa.table(
        {
            **{axis: points[:, i] for i, axis in enumerate("xyz")},
            "intensity": random.integers(0, 256, count).astype(np.uint8),
            "laser_number": random.integers(0, 64, count).astype(np.uint8),
            "offset_ns": np.sort(random.integers(2_654_000, 106_000_000, count)).astype(np.int32),
        }
    )
    write_table(folder / "sensors" / "lidar" / f"{time_ns}.feather", table)
    return points.astype(np.float64)


def box_in_vehicle(track: str, time_ns: int) -> tuple[float, np.ndarray]:
    turn, at = city_from_vehicle(time_ns)
    yaw, middle = box_in_city(track, time_ns)
    return yaw - float(np.arctan2(turn[1, 0], turn[0, 0])), turn.T @ (middle - at)


def _annotation(track: str, time_ns: int, points: np.ndarray) -> dict[str, Any]:
    category, size = TRACKS[track]
    yaw, middle = box_in_vehicle(track, time_ns)
    inside = (abs((points - middle) @ _turn(yaw)) <= np.array(size) / 2).all(axis=1)
    return {
        "timestamp_ns": time_ns,
        "track_uuid": track,
        "category": category,
        **dict(zip(("length_m", "width_m", "height_m"), size, strict=True)),
        **_quaternion(yaw),
        **_place(middle),
        "num_interior_pts": int(inside.sum()),
    }


def image_times(camera: str) -> np.ndarray:
    """Ring cameras fire at 10 Hz, 30 ms after the sweeps' stamps, stereo ones at 5 Hz."""
    step = 2 if camera.startswith("stereo") else 1
    return START_NS + 30_000_000 + SWEEP_NS * np.arange(0, SWEEPS, step, dtype=np.int64)


def _write_images(folder: Path) -> None:
    for number, (camera, (_, (width, height))) in enumerate(CAMERAS.items()):
        place = folder / "sensors" / "cameras" / camera
        place.mkdir(parents=True)
        for index, time in enumerate(image_times(camera).tolist()):
            pixels = np.full((height, width, 3), (40 + 20 * index, 90, 50 * number), np.uint8)
            Image.fromarray(pixels).save(place / f"{time}.jpg", quality=95)


def _write_map(folder: Path, log_id: str) -> None:
    place = folder / "map"
    place.mkdir()
    points = lambda *rows: [dict(zip("xyz", row, strict=True)) for row in rows]  # noqa: E731
    z = GROUND_Z
    lanes = {}
    for number, (low, left, right) in {
        101: (2_415.0, "SOLID_YELLOW", "DASHED_WHITE"),
        102: (2_411.5, "DASHED_WHITE", "NONE"),
    }.items():
        lanes[str(number)] = {
            "id": number,
            "is_intersection": False,
            "lane_type": "VEHICLE" if number == 101 else "BIKE",
            "left_lane_boundary": points((5_150.0, low + 3.5, z), (5_260.0, low + 3.5, z)),
            "left_lane_mark_type": left,
            "right_lane_boundary": points((5_150.0, low, z), (5_200.0, low, z), (5_260.0, low, z)),
            "right_lane_mark_type": right,
            "successors": [103],
            "predecessors": [],
            "right_neighbor_id": 102 if number == 101 else None,
            "left_neighbor_id": 101 if number == 102 else None,
        }
    archive = {
        "pedestrian_crossings": {
            "7": {
                "edge1": points((5_190.0, 2_410.0, z), (5_190.0, 2_420.0, z)),
                "edge2": points((5_193.0, 2_410.0, z), (5_193.0, 2_420.0, z)),
                "id": 7,
            }
        },
        "lane_segments": lanes,
        "drivable_areas": {
            "9": {
                "area_boundary": points(
                    (5_150.0, 2_405.0, z), (5_260.0, 2_405.0, z), (5_260.0, 2_425.0, z)
                ),
                "id": 9,
            }
        },
    }
    name = f"log_map_archive_{log_id}____PIT_city_47896.json"
    (place / name).write_text(json.dumps(archive))
    heights = np.full((200, 400), GROUND_Z, np.float16)
    heights[:, :20] = np.nan
    np.save(place / f"{log_id}_ground_height_surface____PIT.npy", heights)
    transform = {"R": [1.0, 0.0, 0.0, 1.0], "t": [-5_100.0, -2_380.0], "s": 2.0}
    (place / f"{log_id}___img_Sim2_city.json").write_text(json.dumps(transform))
