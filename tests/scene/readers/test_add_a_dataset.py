"""The reader in docs/add_a_dataset.md runs and keeps the contract."""

import importlib
import json
import pickle
import re
import sys
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.contracts import test_readers

import roadloom
from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.scene.classes import class_name
from roadloom.scene.registry import KINDS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "add_a_dataset.md"
MODULE = "mydrives_of_the_document"


@pytest.fixture(autouse=True)
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    text = PAGE.read_text()
    block = re.search(r"```python\n(.*?)```", text, re.S)
    line = re.search(r'"mydrives": "roadloom\.scene\.readers\.mydrives:(\w+)",', text)
    assert block is not None and line is not None
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / f"{MODULE}.py").write_text(block.group(1))
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    monkeypatch.setitem(KINDS, "mydrives", f"{MODULE}:{line.group(1)}")
    importlib.invalidate_caches()
    yield
    sys.modules.pop(MODULE, None)


@pytest.fixture
def drives(tmp_path: Path) -> Path:
    folder = tmp_path / "drives" / "monday"
    folder.mkdir(parents=True)
    frames = []
    for index in range(3):
        Image.new("RGB", (40, 30), (10 * index, 20, 30)).save(folder / f"{index}.png")
        np.float32([[5, 1, -1.8], [7 + index, -2, 0]]).tofile(folder / f"{index}.bin")
        frames.append(
            {
                "time_ns": 10**18 + index * 10**8,
                "place": [5_000_000.0 + index, -3.0, 40.3],
                "yaw": 0.1 * index,
                "image": f"{index}.png",
                "points": f"{index}.bin",
                "boxes": [
                    {
                        "class": "car", "track": "a", "middle": [9.0 - index, 2.0, 0.5],
                        "yaw": 0.2, "length_width_height": [4.5, 1.9, 1.6],
                    }
                ],
            }
        )  # fmt: skip
    table = {
        "camera": {
            "width": 40,
            "height": 30,
            "f": 35.0,
            "cx": 19.5,
            "cy": 14.5,
            "place": [1, 0, 1],
        },
        "lidar_place": [0.9, 0.0, 1.5],
        "frames": frames,
    }
    (folder / "drive.json").write_text(json.dumps(table))
    return folder.parent


def test_the_example_becomes_clips(drives: Path) -> None:
    source = roadloom.open(f"mydrives:{drives}")
    assert source.scenes == ("monday",)
    clip = source[0]
    assert len(clip) == 3
    frame = clip[1]
    assert np.allclose(frame.world_from_ego.translation, [5_000_001, -3, 40.0])
    assert frame.image("front").pixels[0, 0].tolist() == [10, 20, 30]
    assert np.allclose(frame.lidar().points, [[5.9, 1, 0], [8.9, -2, 1.8]], atol=1e-6)
    assert [class_name(i) for i in frame.boxes.class_id] == ["vehicle.car"]
    assert np.allclose(frame.boxes.pose.translation, [[8, 2, 0.8]])
    with pytest.raises(NotRecorded):
        _ = clip.map
    between = clip.at(10**18 + 50_000_000)
    assert between.boxes.track_id.tolist() == ["a"] and len(between.lidar()) == 2


def test_the_example_pickles(drives: Path) -> None:
    clip = roadloom.open(f"mydrives:{drives}")[0]
    copy = pickle.loads(pickle.dumps(clip))
    assert copy[2].boxes.same_as(clip[2].boxes) and copy[2].lidar().same_as(clip[2].lidar())


def test_the_example_can_be_validated(drives: Path) -> None:
    reader = roadloom.open(f"mydrives:{drives}").reader
    assert list(reader.problems(None, partial=False)) == []
    (drives / "monday" / "1.png").unlink()
    assert list(reader.absent_files(None)) == ["monday/1.png"]
    assert list(reader.problems(None, partial=True)) == []
    (problem,) = reader.problems(None, partial=False)
    assert isinstance(problem, MissingInput) and problem.file == str(drives / "monday" / "1.png")


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('"class": "car"', '"class": "tram"', "frames[0].boxes[0].class"),
        ('"f": 35.0', '"f": "long"', "camera.f"),
        ('"f": 35.0', '"f": -35.0', "camera.f"),
        ("[4.5, 1.9, 1.6]", "[4.5, 0, 1.6]", "frames[0].boxes[0].length_width_height"),
        ('"yaw": 0.2', '"yaw": null', "frames[0].boxes[0].yaw"),
        ('"frames"', '"fames"', "frames"),
    ],
)
def test_the_example_names_damage(drives: Path, old: str, new: str, field: str) -> None:
    file = drives / "monday" / "drive.json"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    (problem,) = roadloom.open(f"mydrives:{drives}").reader.problems(None, partial=False)
    assert isinstance(problem, BadInput)
    assert (problem.file, problem.field) == (str(file), field)


def test_a_truncated_sweep_is_a_problem(drives: Path) -> None:
    (drives / "monday" / "2.bin").write_bytes(b"short")
    (problem,) = roadloom.open(f"mydrives:{drives}").reader.problems("monday", partial=True)
    assert problem.file == str(drives / "monday" / "2.bin")


CONTRACT = {
    name: test
    for name, test in vars(test_readers).items()
    if name.startswith("test_")
    and {"source", "clip"} & set(signature(test).parameters)
    and "opened" not in signature(test).parameters  # watches the whole process
}


@pytest.mark.parametrize("name", CONTRACT)
def test_the_example_keeps_the_contract(name: str, drives: Path, tmp_path: Path) -> None:
    source = roadloom.open(f"mydrives:{drives}")
    given = {"source": source, "clip": source[0], "tmp_path": tmp_path}
    CONTRACT[name](**{what: given[what] for what in signature(CONTRACT[name]).parameters})


def test_the_page_says_how_to_join_the_contract() -> None:
    text = PAGE.read_text()
    assert "`SOURCES` of `tests/contracts/test_readers.py`" in text
    assert test_readers.SOURCES["av2 made"] is test_readers._av2  # a name and a function, as shown
