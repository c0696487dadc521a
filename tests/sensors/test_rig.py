"""Rigs refuse what cannot be mounted, compare to the last bit, and survive YAML unchanged."""

import copy
import math
import pickle
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.pose import Pose
from roadloom.sensors.camera import FisheyeCamera, PinholeCamera
from roadloom.sensors.lidar import SpinningLidar
from roadloom.sensors.presets import preset
from roadloom.sensors.rig import MountedCamera, MountedLidar, Rig
from roadloom.sensors.rig_yaml import rig_from_yaml, rig_to_yaml

PINHOLE = PinholeCamera(
    width=16, height=9, fx=10.1, fy=10.2, cx=7.5, cy=4.0, k1=-0.1, k2=1e-5, k3=-1e-17,
    p1=0.1, p2=2.0,
)  # fmt: skip
FISHEYE = FisheyeCamera(
    width=9, height=16, fx=3.3, fy=3.0, cx=4.0, cy=7.5, k1=0.1, k4=1e-9, max_angle_rad=1.6
)
BEAMS = SpinningLidar(
    name="toy", elevations_rad=np.array([-0.1, 0.3]), azimuth_offsets_rad=np.array([0.0, 1e-300]),
    firing_offsets_s=np.array([0.0, 1e-6]), columns=5, turn_s=0.1, direction="clockwise",
    start_azimuth_rad=-math.pi / 3, min_range_m=0.1, max_range_m=80.0,
)  # fmt: skip


def some_pose(seed: int) -> Pose:
    rng = np.random.default_rng(seed)
    return Pose.from_quaternion(rng.normal(size=4), rng.normal(size=3))


def some_rig() -> Rig:
    return Rig(
        name="test car",
        source="made up: for these tests",
        cameras=(
            MountedCamera(
                name="front", camera=PINHOLE, ego_from_camera=some_pose(1), row_time_ns=12_345,
                trigger_offset_ns=-7, source="a\nb # ä",
            ),
            MountedCamera(name="CAM_2", camera=FISHEYE, ego_from_camera=some_pose(2)),
        ),
        lidars=(
            MountedLidar(name="top", lidar=BEAMS, ego_from_lidar=some_pose(3), trigger_offset_ns=9),
            MountedLidar(name="unknown", lidar=None, ego_from_lidar=some_pose(4)),
        ),
    )  # fmt: skip


def with_pose(pose: Pose) -> MountedCamera:
    return MountedCamera(name="front", camera=PINHOLE, ego_from_camera=pose)


# --- the rig itself --------------------------------------------------------------------------


def test_sensors_are_found_by_name_and_a_wrong_name_lists_the_right_ones() -> None:
    rig = some_rig()
    assert rig.camera_names == ("front", "CAM_2") and rig.lidar_names == ("top", "unknown")
    assert rig.camera("CAM_2") is rig.cameras[1] and rig.lidar("top") is rig.lidars[0]
    with pytest.raises(MissingInput, match="no camera 'top'.*front, CAM_2"):
        rig.camera("top")
    with pytest.raises(MissingInput, match="no LiDAR 'front'.*top, unknown"):
        rig.lidar("front")
    with pytest.raises(MissingInput, match="no LiDAR"):
        replace(rig, lidars=()).lidar("top")


def test_no_two_sensors_share_a_name() -> None:
    rig = some_rig()
    with pytest.raises(ValueError, match="unique.*front"):
        replace(rig, cameras=(rig.cameras[0], rig.cameras[0]))
    with pytest.raises(ValueError, match="unique.*front"):
        replace(rig, lidars=(replace(rig.lidars[0], name="front"),))


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a\\b", "a\0", "a\n"])
def test_names_must_do_as_folders(name: str) -> None:
    with pytest.raises(ValueError, match="no name for a sensor"):
        replace(some_rig().cameras[0], name=name)


@pytest.mark.parametrize(
    "name",
    [
        ".",
        "x" * 101,
        "x" * 300,
        "\x7f",
        "a\x85",
        "a\u2028b",
        "\udcff",
        "a\r",
        "\u8def" * 90,
        5,
        None,
    ],
    ids=ascii,
)
def test_names_must_be_short_and_plain(unchecked: None, name: str) -> None:
    with pytest.raises(BadInput, match="^name: .*no name for a sensor.*remedy") as caught:
        replace(some_rig().lidars[0], name=name)
    assert len(str(caught.value)) < 250 and str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["x" * 100, "CAM_FRONT", "vorne links", "\u8def" * 60, "a.b"])
def test_words_of_any_language_are_names(name: str) -> None:
    assert replace(some_rig().cameras[0], name=name).name == name


MIRROR = np.diag([1.0, -1.0, 1.0])


@pytest.mark.parametrize(
    ("pose", "message"),
    [
        (Pose(MIRROR, np.zeros(3)), "left-handed"),
        (Pose(2 * np.eye(3), np.zeros(3)), "not orthonormal"),
        (Pose(np.zeros((3, 3)), np.zeros(3)), "not orthonormal"),
        (Pose(np.full((3, 3), np.nan), np.zeros(3)), "finite"),
        (Pose(np.eye(3), np.array([0.0, np.inf, 0.0])), "finite"),
        (Pose(np.eye(3), np.array([0.0, 2e9, 0.0])), "no vehicle is so large"),
        (Pose(np.eye(3)[None], np.zeros((1, 3))), "one pose"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_only_rigid_right_handed_mounts_are_accepted(pose: Pose, message: str) -> None:
    with pytest.raises(ValueError, match=f"front: ego_from_camera.*{message}"):
        with_pose(pose)
    with pytest.raises(ValueError, match=f"top: ego_from_lidar.*{message}"):
        MountedLidar(name="top", lidar=None, ego_from_lidar=pose)


def test_single_precision_mounts_are_widened() -> None:
    pose = some_pose(0)
    single = Pose(pose.rotation.astype(np.float32), pose.translation.astype(np.float32))
    mounted = with_pose(single).ego_from_camera
    assert mounted.rotation.dtype == mounted.translation.dtype == np.float64


def test_a_mount_is_its_own_copy() -> None:
    pose = some_pose(0)
    mounted = with_pose(pose)
    pose.translation[0] += 1
    assert mounted.ego_from_camera.translation[0] == pose.translation[0] - 1


def test_rigs_compare_to_the_last_bit_and_travel() -> None:
    rig = some_rig()
    assert rig == some_rig() and pickle.loads(pickle.dumps(rig)) == rig
    assert rig != "rig"
    nudged = some_pose(1)
    nudged.translation[2] = np.nextafter(nudged.translation[2], 9)
    first = rig.cameras[0]
    for changed in (
        replace(first, ego_from_camera=nudged),
        replace(first, name="other"),
        replace(first, camera=replace(PINHOLE, k3=0.0)),
        replace(first, camera=FISHEYE),
        replace(first, row_time_ns=12_346),
        replace(first, trigger_offset_ns=7),
        replace(first, source=""),
    ):
        assert replace(rig, cameras=(changed, rig.cameras[1])) != rig
    assert replace(rig, cameras=rig.cameras[::-1]) != rig
    assert replace(rig, lidars=rig.lidars[:1]) != rig
    assert replace(rig, source="elsewhere") != rig and replace(rig, name="else") != rig
    without = replace(rig.lidars[0], lidar=None)
    assert replace(rig, lidars=(without, rig.lidars[1])) != rig


@pytest.mark.parametrize("field", ["row_time_ns", "trigger_offset_ns"])
def test_times_are_whole_nanoseconds(unchecked: None, field: str) -> None:
    for wrong in (0.5, True, "1"):
        with pytest.raises(ValueError, match=f"^{field} must be a whole number"):
            replace(some_rig().cameras[0], **{field: wrong})


@pytest.mark.parametrize("field", ["row_time_ns", "trigger_offset_ns"])
def test_times_of_a_year_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        replace(some_rig().cameras[0], **{field: 2**62})


# --- YAML ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rig", [some_rig(), preset("nuscenes"), preset("av2")], ids=lambda r: r.name
)
def test_yaml_keeps_every_bit(rig: Rig) -> None:
    text = rig_to_yaml(rig)
    assert rig_from_yaml(text) == rig
    assert rig_to_yaml(rig_from_yaml(text)) == text
    empty = Rig(name="empty", cameras=(), lidars=())
    assert rig_from_yaml(rig_to_yaml(empty)) == empty


finite = st.floats(-1e9, 1e9)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    numbers=st.lists(finite, min_size=8, max_size=8),
    focal=st.floats(5e-324, 1e9),
    text=st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])),
    times=st.tuples(*[st.integers(-(10**15), 10**15)] * 2),
)
@example(
    numbers=[0.0, 5e-324, 1e9, 123456789.123456789, -1e-5, -0.0, 1e-22, 0.1],
    focal=1e-300,
    text="\x85 \u2028\r\n\0\ufeff",
    times=(-1, 1),
)
@example(numbers=[0.0] * 8, focal=1.0, text="\x85", times=(0, 0))
def test_yaml_keeps_any_number_and_any_text(
    numbers: list[float], focal: float, text: str, times: tuple[int, int]
) -> None:
    camera = PinholeCamera(
        width=3, height=2, fx=focal, fy=1.0, cx=numbers[0], cy=numbers[1],
        k1=numbers[2], k2=numbers[3], k3=numbers[4],
    )  # fmt: skip
    mounted = MountedCamera(
        name="c", camera=camera, ego_from_camera=Pose(np.eye(3), np.array(numbers[5:])),
        row_time_ns=times[0], trigger_offset_ns=times[1], source=text,
    )  # fmt: skip
    rig = Rig(name=text, cameras=(mounted,), lidars=(), source=text)
    assert rig_from_yaml(rig_to_yaml(rig)) == rig


def test_numpy_numbers_are_written_as_numbers() -> None:
    camera = replace(PINHOLE, fx=np.float64(10.1), cx=np.float64(7.5))
    mounted = replace(some_rig().cameras[0], camera=camera)
    rig = Rig(name="numpy", cameras=(mounted,), lidars=())
    assert rig_from_yaml(rig_to_yaml(rig)) == rig


def test_angles_turn_as_documented() -> None:
    """Yaw to the left, pitch nose down, roll right side down."""
    text = rig_to_yaml(Rig(name="r", cameras=some_rig().cameras[:1], lidars=()))
    tree = yaml.safe_load(text)

    def looking(yaw: float, pitch: float, roll: float) -> np.ndarray:
        pose = {"translation_m": [0, 0, 0], "yaw_pitch_roll_deg": [yaw, pitch, roll]}
        tree["cameras"][0]["ego_from_camera"] = pose
        return rig_from_yaml(yaml.safe_dump(tree)).cameras[0].ego_from_camera.rotation

    right, down, ahead = np.eye(3)
    np.testing.assert_allclose(looking(0, 0, 0) @ ahead, [1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(looking(0, 0, 0) @ right, [0, -1, 0], atol=1e-15)
    np.testing.assert_allclose(looking(0, 0, 0) @ down, [0, 0, -1], atol=1e-15)
    np.testing.assert_allclose(looking(90, 0, 0) @ ahead, [0, 1, 0], atol=1e-15)
    assert (looking(0, 10, 0) @ ahead)[2] < -0.1
    assert (looking(0, 0, 10) @ right)[2] < -0.1
    np.testing.assert_allclose(
        looking(30, 20, 0) @ ahead,
        np.array([np.cos(np.radians(30)), np.sin(np.radians(30)), 0]) * np.cos(np.radians(20))
        + [0, 0, -np.sin(np.radians(20))],
    )


# --- damage ----------------------------------------------------------------------------------

TREE = yaml.safe_load(rig_to_yaml(some_rig()))
OPTIONAL = {
    "source", "row_time_ns", "trigger_offset_ns", "beams",
    "k1", "k2", "k3", "k4", "p1", "p2", "max_angle_rad",
}  # fmt: skip


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in the file; of a row of numbers the last."""
    if path:
        yield path
    items: Any = tree.items() if isinstance(tree, dict) else ()
    if isinstance(tree, list):
        numbers = isinstance(tree[0], float)
        items = [(len(tree) - 1, tree[-1])] if numbers else enumerate(tree)
    for key, value in items:
        yield from places(value, (*path, key))


def spelled(path: tuple[Any, ...]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).removeprefix(".")


def damaged(path: tuple[Any, ...], how: str) -> str:
    tree = copy.deepcopy(TREE)
    parent = tree
    for key in path[:-1]:
        parent = parent[key]
    if how == "missing":
        del parent[path[-1]]
    elif how == "unknown":
        parent[path[-1]] = {"nonsense": 1}
    else:
        wrong = {"nan": math.nan, "inf": -math.inf, "text": "many", "list": [[]], "bool": True}
        parent[path[-1]] = wrong[how]
    return yaml.safe_dump(tree)


@pytest.mark.parametrize("how", ["missing", "unknown", "nan", "inf", "text", "list", "bool"])
def test_damage_to_any_field_is_named(how: str) -> None:
    """Every place in the file in turn: a typed error with the file and the field, or, where the
    damage is a legal value (an optional field left out, a text for a text), a rig."""
    refused = 0
    for path in places(TREE):
        text = damaged(path, how)
        key = path[-1]
        legal = how == "missing" and key in OPTIONAL
        legal |= how == "text" and key in ("name", "source", "device")
        legal |= how == "missing" and path in [("cameras", i) for i in range(2)]
        legal |= how == "missing" and path in [("lidars", i) for i in range(2)]
        if legal:
            rig_from_yaml(text)
            continue
        with pytest.raises(BadInput) as caught:
            rig_from_yaml(text, file="cars/mine.yaml")
        refused += 1
        error = caught.value
        assert error.file == "cars/mine.yaml", path
        assert error.field, path
        # The field named is the damaged one, or holds it, or lies in it.
        where, named = spelled(path), error.field
        assert where.startswith(named) or named.startswith(where), (where, str(error))
        assert "\n" not in str(error)
    assert refused > 40


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "roadloom_rig: is missing"),
        ("[1, 2]", "roadloom_rig: is missing"),
        ("{", "is not YAML"),
        ("roadloom_rig: !!python/object/apply:os.system [echo]", "is not YAML"),
        ("roadloom_rig: !!int ''", "is not YAML"),
        ("roadloom_rig: !!bool maybe", "is not YAML"),
        ("roadloom_rig: !!timestamp never", "is not YAML"),
        ("roadloom_rig: 2024-13-41", "is not YAML"),
        ("[" * 2000, "is not YAML"),
        ("roadloom_rig: 1\nroadloom_rig: 1", "used twice"),
        ("a: &a [1]\nb: [*a, *a]", "used twice"),
        ("roadloom_rig: 2", "roadloom_rig: version 2.*update roadloom"),
        ("roadloom_rig: true", "roadloom_rig: version True"),
        ("roadloom_rig: 1", "name: Object missing required field `name`"),
        ("roadloom_rig: 1\nname: x\ncameras: []\nlidars: []\ncolour: red", "colour: .*unknown"),
    ],
)
def test_what_is_no_rig_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=f"mine.yaml: .*{message}"):
        rig_from_yaml(text, file="mine.yaml")


def test_the_remedy_for_a_number_that_yaml_takes_for_text() -> None:
    text = rig_to_yaml(some_rig()).replace("k2: 1.0e-05", "k2: 1e-5")
    assert "k2: 1e-5" in text
    with pytest.raises(BadInput, match=r"cameras\[0\].k2: Expected `float`.*1.0e-3"):
        rig_from_yaml(text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rotation", "yaw_pitch_roll", "unknown field"),
        ("elevations_rad: [-0.1, 0.3]", "elevations_rad: [-0.1]", r"lidars\[0\].*one length"),
        ("elevations_rad: [-0.1, 0.3]", "turn_s: 0.1", "twice"),
        ("turn_s: 0.1", "turn_s: 0.1\n    elevations_deg: [1, 2]", "either elevations_rad or"),
        ("direction: clockwise", "direction: left", r"lidars\[0\].beams.direction: Invalid enum"),
        ("model: fisheye", "model: pentax", r"cameras\[1\].model: Invalid value 'pentax'"),
        ("width: 16", "width: 0", r"cameras\[0\]: width and height must be positive, got 0"),
        ("name: CAM_2", "name: front", "name: .*unique"),
    ],
)
def test_impossible_values_are_refused(old: str, new: str, message: str) -> None:
    text = rig_to_yaml(some_rig())
    assert old in text
    with pytest.raises(BadInput, match=message):
        rig_from_yaml(text.replace(old, new, 1))


@pytest.mark.parametrize("huge", ["1.0e+300", "-1.1e+9", "1" + "0" * 30, "9" * 400], ids=len)
@pytest.mark.parametrize(
    "path",
    [
        ("cameras", 0, "width"),
        ("cameras", 0, "fx"),
        ("cameras", 0, "cx"),
        ("cameras", 1, "k1"),
        ("cameras", 0, "ego_from_camera", "translation_m", 1),
        ("cameras", 0, "ego_from_camera", "yaw_pitch_roll_deg", 2),
        ("lidars", 0, "beams", "columns"),
        ("lidars", 0, "beams", "elevations_rad", 0),
    ],
    ids=lambda path: path[-1],
)
def test_huge_numbers_are_refused_by_field(path: tuple[Any, ...], huge: str) -> None:
    tree = copy.deepcopy(TREE)
    mount = tree["cameras"][0]["ego_from_camera"]
    if "yaw_pitch_roll_deg" in path:
        del mount["rotation"]
        mount["yaw_pitch_roll_deg"] = [0.0, 0.0, 0.0]
    place: Any = tree
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = "HERE"
    text = yaml.safe_dump(tree).replace("HERE", huge)
    with pytest.raises(BadInput, match="must be") as caught:
        rig_from_yaml(text, file="mine.yaml")
    assert caught.value.field == spelled(path) and caught.value.remedy
    assert len(str(caught.value)) < 300


def test_a_huge_time_in_a_file_is_refused_by_field() -> None:
    tree = copy.deepcopy(TREE)
    tree["cameras"][0]["row_time_ns"] = 10**30
    with pytest.raises(BadInput, match=r"cameras\[0\]: row_time_ns must be less than a year"):
        rig_from_yaml(yaml.safe_dump(tree))


def test_a_name_that_is_none_is_refused_by_field() -> None:
    tree = copy.deepcopy(TREE)
    tree["cameras"][1]["name"] = "x" * 300
    with pytest.raises(BadInput, match=r"^mine.yaml: cameras\[1\].name: .*remedy"):
        rig_from_yaml(yaml.safe_dump(tree), file="mine.yaml")


def test_a_left_handed_mount_in_a_file_is_refused() -> None:
    tree = copy.deepcopy(TREE)
    tree["lidars"][1]["ego_from_lidar"]["rotation"] = MIRROR.tolist()
    with pytest.raises(BadInput, match=r"mine.yaml: lidars\[1\]: unknown: .*left-handed"):
        rig_from_yaml(yaml.safe_dump(tree), file="mine.yaml")
