"""docs/rig_format.md: its example is a rig that works, its tables list every field there is."""

import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from roadloom.errors import BadInput
from roadloom.sensors import rig_file
from roadloom.sensors.camera import FisheyeCamera, PinholeCamera
from roadloom.sensors.rig import Rig
from roadloom.sensors.rig_yaml import rig_from_yaml, rig_to_yaml

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "rig_format.md").read_text()


def example() -> str:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.S)
    return str(block)


@pytest.fixture
def rig() -> Rig:
    return rig_from_yaml(example(), file="rig_format.md")


def table_under(heading: str) -> dict[str, str]:
    """Field -> its default, of the first table under a heading."""
    section = TEXT.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]
    found: dict[str, str] = {}
    for row in re.findall(r"^\| (`.*)\|$", section, re.M):
        names, _kind, default = (cell.strip() for cell in re.split(r" \| ", row)[:3])
        found |= dict.fromkeys(re.findall(r"`(\w+)`", names), default)
    return found


COMMON = {field.name for field in msgspec.structs.fields(rig_file._Camera)}
SAID = {"": "empty", 0: "0", np.pi: "pi", None: "none"}


@pytest.mark.parametrize(
    ("heading", "kind", "left_out"),
    [
        ("## The file", rig_file.RigFile, set()),
        ("## A pose", rig_file._Pose, set()),
        ("## A camera", rig_file._Camera, set()),
        ("### `model: pinhole`", rig_file._Pinhole, COMMON),
        ("### `model: f-theta`", rig_file._FTheta, COMMON),
        ("### `model: fisheye`", rig_file._Fisheye, COMMON),
        ("## A LiDAR", rig_file._Lidar, set()),
        ("### `beams`", rig_file._Beams, set()),
    ],
)
def test_the_tables_list_every_field_and_its_default(
    heading: str, kind: type[msgspec.Struct], left_out: set[str]
) -> None:
    told = table_under(heading)
    if kind is rig_file._Camera:
        assert told.pop("model") == "needed"
    fields = [f for f in msgspec.structs.fields(kind) if f.name not in left_out]
    assert set(told) == {f.name for f in fields}
    for field in fields:
        if field.required:
            assert told[field.name] == "needed", field.name
        else:
            one_of_two = field.default is None and told[field.name] == "one of the two"
            assert one_of_two or told[field.name] == SAID[field.default], field.name


def test_the_example_has_a_pinhole_a_fisheye_and_a_lidar(rig: Rig) -> None:
    front, rear = (mounted.camera for mounted in rig.cameras)
    assert isinstance(front, PinholeCamera) and isinstance(rear, FisheyeCamera)
    assert np.isclose(np.degrees(rear.limit_rad), 95)
    (top,) = rig.lidars
    assert top.lidar is not None and top.lidar.beams == 16
    assert rig_from_yaml(rig_to_yaml(rig)) == rig


def test_the_page_s_code_drives_the_rig_through_the_street(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_car.yaml").write_text(example())
    monkeypatch.chdir(tmp_path)
    block = re.search(r"```python\n(.*?)```", TEXT, re.S)
    assert block is not None
    names: dict[str, Any] = {}
    exec(compile(block.group(1), "rig_format.md", "exec"), names)  # our own text
    clip = names["clip"]
    assert clip.rig.camera_names == ("FRONT", "REAR_WIDE")
    frame = clip[0]
    for name in clip.rig.camera_names:
        lens = clip.rig.camera(name).camera
        assert frame.image(name).pixels.shape == (lens.height, lens.width, 3)
    sweep = frame.lidar()
    assert len(sweep) > 1000 and set(sweep.ring.tolist()) <= set(range(16))


def test_what_the_page_says_of_turns_is_so(rig: Rig) -> None:
    """Straight ahead, back and 20 degrees down; a point on the axis lands on the middle."""
    front, rear = rig.cameras
    for mounted, ahead in ((front, (30.0, 0.0, 0.0)), (rear, (-30.0, 0.0, 0.0))):
        down = 0.03490658503988659 if mounted is front else 0.3490658503988659  # 2, 20 degrees
        drop = np.array([0.0, 0.0, -30.0 * np.tan(down)])
        point = mounted.ego_from_camera.translation + np.array(ahead) + drop
        seen = mounted.ego_from_camera.inverse().apply(point[None])
        pixel, valid = mounted.camera.project(seen)
        assert valid.all()
        np.testing.assert_allclose(
            pixel[0], [mounted.camera.cx, mounted.camera.cy], rtol=0, atol=1e-9
        )
    left = front.ego_from_camera.translation + np.array([30.0, 5.0, 0.0])
    pixel, _ = front.camera.project(front.ego_from_camera.inverse().apply(left[None]))
    assert pixel[0, 0] < front.camera.cx  # y is to the left, u to the right


def test_the_fisheye_sees_behind_itself_and_no_further(rig: Rig) -> None:
    lens = rig.camera("REAR_WIDE").camera
    angle = np.radians([89.0, 94.9, 95.1])
    points = np.stack([np.sin(angle), np.zeros(3), np.cos(angle)], axis=-1)
    assert np.isfinite(lens.project(points)[0]).all(axis=-1).tolist() == [True, True, False]


def test_the_lidar_turns_as_the_page_says(rig: Rig) -> None:
    lidar = rig.lidar("TOP").lidar
    assert lidar is not None
    directions, time_ns = lidar.rays()
    azimuth = np.unwrap(np.arctan2(directions[:, 0, 1], directions[:, 0, 0]))
    assert np.isclose(abs(azimuth[0]), np.pi) and (np.diff(azimuth) < 0).all()  # clockwise
    assert time_ns[0].tolist() == [2000 * beam for beam in range(16)]
    assert np.isclose(directions[0, 0, 2], np.sin(np.radians(-15)))


def test_powers_of_ten_are_read_as_the_page_says() -> None:
    text = example().replace("fx: 960.0", "fx: 0.96e+3").replace("k2: 0.07", "k2: 7.0e-2")
    assert text != example() and rig_from_yaml(text) == rig_from_yaml(example())


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("k1: 0.02", "k1: 0.02\n  k5: 0.1", "cameras[1].k5"),
        ("width: 1280", "width: 1280.0", "cameras[0].width"),
        ("k2: 0.07", "k2: 7e-2", "cameras[0].k2"),
        ("fx: 960.0", "fx: 0.96e3", "cameras[0].fx"),
        ("max_angle_rad: 1.6580627893946132", "max_angle_rad: 3.2", "cameras[1]"),
        ("roadloom_rig: 1", "roadloom_rig: 2", "roadloom_rig"),
        ("lidars:\n", "lidars:\n- name: FRONT\n  ego_from_lidar: {}\n", "ego_from_lidar"),
    ],
)
def test_the_rules_of_the_file_hold(old: str, new: str, field: str) -> None:
    assert example().count(old) == 1
    with pytest.raises(BadInput) as caught:
        rig_from_yaml(example().replace(old, new), file="mine.yaml")
    assert caught.value.file == "mine.yaml" and field in str(caught.value)
