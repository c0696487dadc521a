"""The preset rigs: rounded, sourced, and true to the files they were taken from."""

import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from roadloom.errors import MissingInput
from roadloom.geometry.pose import Pose
from roadloom.sensors.camera import PinholeCamera
from roadloom.sensors.presets import PRESETS, preset
from roadloom.sensors.rig_file import EGO_FROM_FORWARD_CAMERA
from roadloom.sensors.rig_yaml import rig_from_yaml, rig_to_yaml

FROM_RECORDINGS = ("nuscenes", "av2")
"""Measured on files at hand, which their sources name; the others name addresses."""
AV2_EGO_ABOVE_GROUND_M = 0.32
"""Measured on 156 poses against the log's ground height (real_statistics, head)."""


def angles_deg(rotation: np.ndarray) -> np.ndarray:
    """Yaw, pitch, roll of Rz Ry Rx."""
    return np.degrees(
        [
            math.atan2(rotation[1, 0], rotation[0, 0]),
            -math.asin(np.clip(rotation[2, 0], -1, 1)),
            math.atan2(rotation[2, 1], rotation[2, 2]),
        ]
    )


def check_mount(ours: Pose, exact: Pose, camera: bool) -> None:
    """1 cm and half a degree, each rounded to nearest."""
    undo = EGO_FROM_FORWARD_CAMERA.T if camera else np.eye(3)
    assert abs(ours.translation - exact.translation).max() <= 0.005 + 1e-9
    turned = angles_deg(ours.rotation @ undo) - angles_deg(exact.rotation @ undo)
    assert abs((turned + 180) % 360 - 180).max() <= 0.25 + 1e-9


def check_lens(ours: PinholeCamera, exact: dict[str, float]) -> None:
    for name, value in exact.items():
        step = 0.01 if name.startswith("k") else 10.0
        assert abs(getattr(ours, name) - value) <= step / 2 + 1e-9, name


@pytest.fixture
def av2_log(real_data: Path) -> Path:
    logs = sorted(real_data.glob("av2/sensor/val/7fab2350-*"))
    if not logs:
        pytest.skip(f"no AV2 log 7fab2350 under {real_data}")
    return logs[0]


@pytest.fixture
def nuscenes_root(real_data: Path) -> Path:
    root = real_data / "nuscenes"
    if not (root / "v1.0-mini").is_dir():
        pytest.skip(f"no nuScenes v1.0-mini under {real_data}")
    return root


def feather_rows(path: Path) -> dict[str, dict[str, Any]]:
    feather = pytest.importorskip("pyarrow.feather")
    return {row["sensor_name"]: row for row in feather.read_table(path).to_pylist()}


def pose_of(row: dict[str, Any], lift_m: float) -> Pose:
    return Pose.from_quaternion(
        np.array([row[k] for k in ("qw", "qx", "qy", "qz")]),
        np.array([row["tx_m"], row["ty_m"], row["tz_m"] + lift_m]),
    )


# --- on their own ----------------------------------------------------------------------------


def test_the_list_is_the_folder_and_a_wrong_name_gets_it() -> None:
    folder = files("roadloom.sensors") / "presets"
    found = {entry.name.removesuffix(".yaml") for entry in folder.iterdir()}
    assert found == set(PRESETS)
    with pytest.raises(MissingInput, match="'kitti'.*nuscenes, av2, waymo, nuplan, hyperion"):
        preset("kitti")


def test_every_sensor_is_there_under_its_own_name() -> None:
    nuscenes, av2 = preset("nuscenes"), preset("av2")
    assert nuscenes.camera_names == (
        "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_FRONT_LEFT",
        "CAM_BACK", "CAM_BACK_LEFT", "CAM_BACK_RIGHT",
    )  # fmt: skip
    assert nuscenes.lidar_names == ("LIDAR_TOP",)
    assert set(av2.camera_names) == {
        "ring_front_center", "ring_front_left", "ring_front_right",
        "ring_side_left", "ring_side_right", "ring_rear_left", "ring_rear_right",
    }  # fmt: skip
    assert av2.lidar_names == ("up_lidar", "down_lidar")
    waymo = preset("waymo")
    assert waymo.camera_names == ("FRONT", "FRONT_LEFT", "FRONT_RIGHT", "SIDE_LEFT", "SIDE_RIGHT")
    assert waymo.lidar_names == ("TOP",)
    assert preset("nuplan").camera_names == tuple(
        f"CAM_{name}" for name in ("F0", "L0", "L1", "L2", "R0", "R1", "R2", "B0")
    )
    assert preset("hyperion").camera_names == tuple(
        f"camera_{name}fov"
        for name in (
            "front_wide_120", "front_tele_30", "cross_left_120", "cross_right_120",
            "rear_left_70", "rear_right_70",
        )
    )  # fmt: skip
    assert not preset("nuplan").lidars and not preset("hyperion").lidars


def test_no_two_presets_are_named_alike() -> None:
    assert len({preset(name).name for name in PRESETS}) == len(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_yaml_keeps_every_bit_of_a_preset(name: str) -> None:
    rig = preset(name)
    assert rig_from_yaml(rig_to_yaml(rig)) == rig


@pytest.mark.parametrize("name", PRESETS)
def test_numbers_are_rounded_and_none_is_without_a_source(name: str) -> None:
    file = files("roadloom.sensors") / "presets" / f"{name}.yaml"
    tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert tree["source"]
    for sensor in tree["cameras"] + tree["lidars"]:
        assert len(sensor["source"]) > 40, sensor["name"]
        assert name in FROM_RECORDINGS or "https://" in sensor["source"], sensor["name"]
        pose = sensor.get("ego_from_camera") or sensor["ego_from_lidar"]
        steps = [(v, 0.01) for v in pose["translation_m"]]
        steps += [(v, 0.5) for v in pose["yaw_pitch_roll_deg"]]
        steps += [(sensor[k], 10.0) for k in ("fx", "fy", "cx", "cy") if k in sensor]
        steps += [(sensor[k], 0.01) for k in ("k1", "k2", "k3") if k in sensor]
        steps += [(sensor[k], 0.001) for k in ("p1", "p2", "p3", "p4") if k in sensor]
        steps += [(sensor.get("max_angle_rad", 0), 0.01)]
        steps += [(sensor.get("trigger_offset_ns", 0), 100_000)]
        for value, step in steps:
            assert abs(value / step - round(value / step)) < 1e-6, (sensor["name"], value)


@pytest.mark.parametrize("name", PRESETS)
def test_cameras_see_what_lies_in_their_direction(name: str) -> None:
    """Named left sees to the left, and so on; every pixel of every lens is usable."""
    for mounted in preset(name).cameras:
        ahead = mounted.ego_from_camera.rotation @ np.array([0.0, 0.0, 1.0])
        words = mounted.name.lower().replace("cam_f", "front").replace("cam_b0", "back")
        words = words.replace("cam_l", "left").replace("cam_r", "right")
        assert ("left" not in words) or ahead[1] > 0.4
        assert ("right" not in words) or ahead[1] < -0.4
        assert ("front" not in words) or ahead[0] > 0.5
        assert ("back" not in words and "rear" not in words) or ahead[0] < -0.2
        assert any(word in words for word in ("left", "right", "front", "back", "rear"))
        assert abs(ahead[2]) < 0.06  # none looks up or down by more than 3.5 degrees
        w, h = mounted.camera.width, mounted.camera.height
        u, v = np.linspace(-0.5, w - 0.5, 60), np.linspace(-0.5, h - 0.5, 60)
        _, valid = mounted.camera.unproject(np.stack(np.meshgrid(u, v), -1))
        assert valid.all()


@pytest.mark.parametrize("name", PRESETS)
def test_the_left_side_mirrors_the_right(name: str) -> None:
    """Vehicles are symmetric to 15 cm and 9 degrees; nothing sits in the road or far above."""
    rig = preset(name)
    places = {m.name: m.ego_from_camera for m in rig.cameras}
    twins = {"LEFT": "RIGHT", "left": "right", "CAM_L": "CAM_R"}
    pairs = 0
    for left, pose in places.items():
        word = next((word for word in twins if word in left), None)
        if word is None:
            continue
        other = places[left.replace(word, twins[word])]
        pairs += 1
        mirror = np.diag([1.0, -1.0, 1.0])
        assert abs(pose.translation - mirror @ other.translation).max() <= 0.15, left
        looks, twin = (p.rotation @ np.array([0.0, 0.0, 1.0]) for p in (pose, other))
        assert looks @ (mirror @ twin) > np.cos(np.radians(9)), left
    assert pairs == {"nuscenes": 2, "av2": 3, "waymo": 2, "nuplan": 3, "hyperion": 2}[name]
    for place in [*places.values(), *(m.ego_from_lidar for m in rig.lidars)]:
        assert 0.8 <= place.translation[2] <= 2.3  # above the bumper, below the roof's rack
        assert -0.6 <= place.translation[0] <= 3.1  # rear window to front wheels
        assert abs(place.translation[1]) <= 1.1


@pytest.mark.parametrize("name", PRESETS)
def test_the_cameras_of_a_rig_leave_no_gap_on_the_horizon(name: str) -> None:
    """Waymo's vehicles have no camera behind: the side ones see up to 113 degrees."""
    azimuth = np.linspace(-np.pi, np.pi, 3600)
    points = 60 * np.stack([np.cos(azimuth), np.sin(azimuth), 0 * azimuth], -1) + [0, 0, 1.6]
    covered = np.zeros(len(points), bool)
    for mounted in preset(name).cameras:
        covered |= mounted.camera.project(mounted.ego_from_camera.inverse().apply(points))[1]
    if name == "waymo":
        behind = abs(azimuth) > np.radians(113)
        assert covered[behind].mean() < 0.05
        covered |= behind
    assert covered.all()


@pytest.mark.parametrize(
    ("name", "camera", "left_deg", "right_deg"),
    [
        ("waymo", "FRONT", 25.2, 25.2),  # Sun et al., table 3
        ("waymo", "SIDE_LEFT", 25.2, 25.2),
        ("hyperion", "camera_front_wide_120fov", 60, 60),  # by their names
        ("hyperion", "camera_front_tele_30fov", 15, 15),
        ("hyperion", "camera_rear_left_70fov", 35, 35),
    ],
)
def test_lenses_see_as_wide_as_their_makers_say(
    name: str, camera: str, left_deg: float, right_deg: float
) -> None:
    lens = preset(name).camera(camera).camera
    row = np.full(2, lens.cy)
    directions, _ = lens.unproject(np.stack([[-0.5, lens.width - 0.5], row], -1))
    seen = np.degrees(np.arctan2(abs(directions[:, 0]), directions[:, 2]))
    np.testing.assert_allclose(seen, [left_deg, right_deg], rtol=0, atol=1.2)


def test_beam_tables_follow_the_rules_of_their_devices() -> None:
    """HDL-32E: 4/3 degrees a ring, lower and upper half in turn, 1.152 us apart.
    VLP-32C: both units are of one make, and fire pairs 2.304 us apart."""
    hdl = preset("nuscenes").lidars[0].lidar
    assert hdl is not None
    ring = np.arange(32)
    np.testing.assert_allclose(
        np.degrees(hdl.elevations_rad), -92 / 3 + ring * 4 / 3, rtol=0, atol=0.0051
    )
    order = np.where(ring < 16, 2 * ring, 2 * (ring - 16) + 1)
    np.testing.assert_allclose(hdl.firing_offsets_s, order * 1.152e-6, rtol=0, atol=1e-12)
    up, down = (mounted.lidar for mounted in preset("av2").lidars)
    assert up is not None and down is not None
    for table in ("elevations_rad", "azimuth_offsets_rad", "firing_offsets_s"):
        np.testing.assert_array_equal(getattr(up, table), getattr(down, table))
    times, counts = np.unique(np.rint(up.firing_offsets_s / 2.304e-6), return_counts=True)
    assert times.tolist() == list(range(16)) and (counts == 2).all()


def test_waymos_top_lidar_spans_what_its_paper_says() -> None:
    """Sun et al., CVPR 2020, table 2: -17.6 to +2.4 degrees, 75 m; 64 rows of 2650."""
    mounted = preset("waymo").lidar("TOP")
    top = mounted.lidar
    assert top is not None and (top.beams, top.columns) == (64, 2650)
    degrees = np.degrees(top.elevations_rad)
    assert (np.diff(degrees) < 0).all()
    np.testing.assert_allclose(degrees[[0, -1]], [2.4, -17.6], rtol=0, atol=0.3)
    assert top.max_range_m == 75.0
    first = mounted.ego_from_lidar.rotation @ top.rays()[0][0, 0]
    quarter = mounted.ego_from_lidar.rotation @ top.rays()[0][2650 // 4, 0]
    assert first[0] < -0.99 and quarter[1] > 0.99  # from behind over the left


# --- against the recordings ------------------------------------------------------------------


def test_nuscenes_cameras_are_the_files_rounded(nuscenes_root: Path) -> None:
    def table(name: str) -> list[dict[str, Any]]:
        return json.loads((nuscenes_root / "v1.0-mini" / f"{name}.json").read_text())

    channel = {s["token"]: s["channel"] for s in table("sensor")}
    calibrated = {c["token"]: c for c in table("calibrated_sensor")}
    keys = {
        channel[calibrated[d["calibrated_sensor_token"]]["sensor_token"]]: d
        for d in table("sample_data")
        if d["is_key_frame"]
    }
    rig = preset("nuscenes")
    stamp = keys["LIDAR_TOP"]["timestamp"]
    for name, data in keys.items():
        row = calibrated[data["calibrated_sensor_token"]]
        exact = Pose.from_quaternion(np.array(row["rotation"]), np.array(row["translation"]))
        if name == "LIDAR_TOP":
            check_mount(rig.lidar(name).ego_from_lidar, exact, camera=False)
            continue
        mounted, k = rig.camera(name), np.array(row["camera_intrinsic"])
        check_mount(mounted.ego_from_camera, exact, camera=True)
        check_lens(mounted.camera, {"fx": k[0, 0], "fy": k[1, 1], "cx": k[0, 2], "cy": k[1, 2]})
        offset_ns = (data["timestamp"] - stamp) * 1000
        assert abs(mounted.trigger_offset_ns - offset_ns) <= 50_000
        assert (mounted.camera.width, mounted.camera.height) == (1600, 900)
    assert set(keys) == {*rig.camera_names, *rig.lidar_names}


def test_hdl_32e_fires_where_the_recorded_points_lie(nuscenes_root: Path) -> None:
    """Each point of the sweep against the ray of its column and ring.

    The file holds the points in the sensor frame of the sweep's end; the sensor's drift of
    0.452 m during the sweep (real_statistics, section 3) is taken out again.
    """
    file = next((nuscenes_root / "samples" / "LIDAR_TOP").glob("*.pcd.bin"))
    points = np.fromfile(file, np.float32).reshape(-1, 5)[:, :3].astype(np.float64)
    lidar = preset("nuscenes").lidar("LIDAR_TOP").lidar
    assert lidar is not None
    fired, time_ns = lidar.rays()
    left = 1 - time_ns[..., None] / (lidar.turn_s * 1e9)
    seen = points.reshape(lidar.columns, lidar.beams, 3) - np.array([0.0, -0.452, -0.015]) * left
    far = np.linalg.norm(seen, axis=-1) > 5  # nearer are the vehicle and shots without return
    turned, rise = spherical_error(seen[far], fired[far])
    assert len(turned) > 20_000
    assert abs(np.median(turned)) < 0.25  # start rounded to half a degree
    assert np.quantile(abs(turned - np.median(turned)), 0.95) < 0.12
    assert abs(np.median(rise)) < 0.02 and np.quantile(abs(rise), 0.95) < 0.08
    ring = np.broadcast_to(np.arange(lidar.beams), far.shape)[far]
    medians = [np.median(turned[ring == r]) for r in range(8, 32)]
    assert np.ptp(medians) < 0.03  # a wrong firing order would spread them by 0.25 degrees


def test_av2_sensors_are_the_files_rounded(av2_log: Path) -> None:
    poses = feather_rows(av2_log / "calibration" / "egovehicle_SE3_sensor.feather")
    lenses = feather_rows(av2_log / "calibration" / "intrinsics.feather")
    rig = preset("av2")
    assert {*rig.camera_names} == {name for name in lenses if name.startswith("ring_")}
    for mounted in rig.cameras:
        row = lenses[mounted.name]
        exact = pose_of(poses[mounted.name], AV2_EGO_ABOVE_GROUND_M)
        check_mount(mounted.ego_from_camera, exact, camera=True)
        names = ("fx", "fy", "cx", "cy")
        check_lens(
            mounted.camera,
            {n: row[f"{n}_px"] for n in names} | {k: row[k] for k in ("k1", "k2", "k3")},
        )
        assert mounted.camera.width == row["width_px"]
        assert mounted.camera.height == row["height_px"]
    for lidar in rig.lidars:
        exact = pose_of(poses[lidar.name], AV2_EGO_ABOVE_GROUND_M)
        check_mount(lidar.ego_from_lidar, exact, camera=False)


@pytest.mark.parametrize("name", ["up_lidar", "down_lidar"])
def test_vlp_32c_fires_where_the_recorded_points_lie(av2_log: Path, name: str) -> None:
    """Each return of both sweeps against the ray of its laser at its own time."""
    feather = pytest.importorskip("pyarrow.feather")
    mount = feather_rows(av2_log / "calibration" / "egovehicle_SE3_sensor.feather")[name]
    first_laser = 0 if name == "up_lidar" else 32
    mounted = preset("av2").lidar(name)
    lidar = mounted.lidar
    assert lidar is not None
    sweeps = sorted((av2_log / "sensors" / "lidar").glob("*.feather"))
    assert len(sweeps) == 2
    for sweep in sweeps:
        table = feather.read_table(sweep)
        laser = table["laser_number"].to_numpy().astype(int) - first_laser
        mine = (laser >= 0) & (laser < 32)
        points = np.stack([table[c].to_numpy() for c in "xyz"], -1)[mine].astype(np.float64)
        laser, offset_ns = laser[mine], table["offset_ns"].to_numpy()[mine].astype(np.int64)
        motion = ego_motion(av2_log, int(sweep.stem), offset_ns)
        then = motion.apply(points[:, None])[:, 0]
        seen = pose_of(mount, 0.0).inverse().apply(then)
        far = np.linalg.norm(seen, axis=-1) > 8
        time_s = (offset_ns - mounted.trigger_offset_ns) / 1e9 - lidar.firing_offsets_s[laser]
        column = time_s / (lidar.turn_s / lidar.columns)
        fired = lidar.rays()[0][np.rint(column).astype(int) % lidar.columns, laser]
        turned, rise = spherical_error(seen[far], fired[far])
        # Half a degree of rounding, half a degree of drift between sweeps, 0.1 of a column.
        assert abs(np.median(turned)) < 1.0
        assert np.quantile(abs(turned - np.median(turned)), 0.95) < 0.3
        assert abs(np.median(rise)) < 0.01 and np.quantile(abs(rise), 0.95) < 0.03
        ring = laser[far]
        medians = [np.median(turned[ring == r]) for r in range(32) if (ring == r).sum() > 200]
        # The lower unit turns 0.1 % faster than nominal, which spreads unevenly seen beams.
        assert len(medians) > 28 and np.ptp(medians) < 0.2
        _, every_rise = spherical_error(seen, fired)
        for beam in range(32):
            assert abs(np.median(every_rise[laser == beam])) < 0.03, beam
        assert offset_ns.min() >= mounted.trigger_offset_ns - 50_000


def spherical_error(seen: np.ndarray, fired: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Degrees by which points lie off their rays in azimuth and in elevation."""

    def split(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        flat = np.hypot(v[..., 0], v[..., 1])
        return np.arctan2(v[..., 1], v[..., 0]), np.arctan2(v[..., 2], flat)

    (a, e), (b, f) = split(seen), split(fired)
    return np.degrees(np.angle(np.exp(1j * (a - b)))), np.degrees(e - f)


def ego_motion(log: Path, stamp_ns: int, offset_ns: np.ndarray) -> Pose:
    """ego at each offset from ego at the stamp, by straight interpolation of the log's poses."""
    feather = pytest.importorskip("pyarrow.feather")
    table = feather.read_table(log / "city_SE3_egovehicle.feather")
    time_ns = table["timestamp_ns"].to_numpy()
    order = np.argsort(time_ns)
    columns = ("qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")
    values = np.stack([table[c].to_numpy() for c in columns], -1)[order]
    time_ns = time_ns[order]

    def at(moments: np.ndarray) -> Pose:
        i = np.clip(np.searchsorted(time_ns, moments) - 1, 0, len(time_ns) - 2)
        share = ((moments - time_ns[i]) / np.maximum(time_ns[i + 1] - time_ns[i], 1))[:, None]
        a, b = values[i], values[i + 1]
        same = (a[:, :4] * b[:, :4]).sum(-1, keepdims=True) >= 0
        b = np.where(same, b, b * ([-1.0] * 4 + [1.0] * 3))
        mixed = a * (1 - share) + b * share
        return Pose.from_quaternion(mixed[:, :4], mixed[:, 4:])

    return at(stamp_ns + offset_ns).inverse() @ at(np.array([stamp_ns]))
