"""CarlaSC: what was written comes back, in both frames; damage is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scene.readers.occupancy_roots import (
    CARLA_PARAMS,
    CARLA_SCENES,
    CARLA_SHAPE,
    carla_counts,
    numbers,
    points,
    pose,
    write_carla,
)

import roadloom
from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.voxel_grid import CARLA_SC, OCC3D
from roadloom.scene.class_maps import to_dataset
from roadloom.scene.readers.carla_sc import HEIGHT_M
from roadloom.scene.source import Source


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_carla(tmp_path_factory.mktemp("carla"))


def opened(root: Path) -> Source:
    return roadloom.open(f"carla_sc:{root}")


def test_scenes_times_poses_and_what_is_assumed(made: Path) -> None:
    source = opened(made)
    assert source.scenes == CARLA_SCENES == opened(made / "Cartesian").scenes
    clip = source[0]
    assert clip.times_ns.tolist() == [0, 100_000_000, 200_000_000]
    assert clip.attributes["split"] == "Train" and clip.attributes["town"] == "Town01_Light"
    assert clip.attributes["assumed"] == {"lidar_height_m": HEIGHT_M, "y_axis": "left"}
    for step in range(3):
        ours = clip[step].world_from_ego @ clip.meta.our_from_vehicle
        np.testing.assert_allclose(ours.translation, pose(step).translation, atol=1e-12)
        np.testing.assert_allclose(ours.rotation, pose(step).rotation, atol=1e-12)
    assert list(source.reader.problems(None, partial=False)) == []
    assert list(source.reader.absent_files(None)) == []


def test_the_same_cells_answer_to_both_grids(made: Path) -> None:
    clip = opened(made)[0]
    (ego_grid,) = clip.occupancy_grids
    assert ego_grid.lower_m == (-25.6, -25.6, round(HEIGHT_M - 2.0, 6))
    assert clip.reader.stored_grid == CARLA_SC  # bounds in single precision and all
    for key in range(3):
        stored = numbers(key, CARLA_SHAPE, 23, "<u4")
        as_stored, ours = clip[key].occupancy(CARLA_SC), clip[key].occupancy(ego_grid)
        assert (as_stored.frame, ours.frame) == ("lidar", "ego")
        np.testing.assert_array_equal(as_stored.labels, ours.labels)
        np.testing.assert_array_equal(to_dataset("carla_sc", ours.labels), stored)
        np.testing.assert_array_equal(clip.reader.counts(key), carla_counts(key))
        np.testing.assert_array_equal(ours.mask_lidar, carla_counts(key) > 0)
    with pytest.raises(NotRecorded, match="grid"):
        clip[0].occupancy(OCC3D)


def test_scans_are_raised_to_the_ground(made: Path) -> None:
    sweep = opened(made)[1][2].lidar()
    rows = points(2)
    np.testing.assert_allclose(sweep.points[:, :2], rows[:, :2])
    np.testing.assert_allclose(sweep.points[:, 2], rows[:, 2] + HEIGHT_M, atol=1e-6)
    assert np.isnan(sweep.intensity).all()
    stored = numbers(2, (50,), 23, "<u4")
    np.testing.assert_array_equal(to_dataset("carla_sc", sweep.label), stored)


def _params(**new: Any) -> Callable[[Path], object]:
    return lambda f: (f / "evaluation/params.json").write_text(json.dumps(CARLA_PARAMS | new))


def _text(name: str, text: str) -> Callable[[Path], object]:
    return lambda f: (f / name).write_text(text)


def _cut(name: str) -> Callable[[Path], object]:
    return lambda f: (f / name).write_bytes((f / name).read_bytes()[:-4])


def _first(name: str, value: float, kind: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        data = np.fromfile(folder / name, kind)
        data[0] = value
        data.tofile(folder / name)

    return change


ROW = "1 0 0 0 0 1 0 0 0 0 1 0\n"
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cylinders": (_params(coordinates="cylindrical"), "coordinates: must be one of cartesian"),
    "half a cell": (_params(grid_size=[128, 128, 8.5]), "grid_size: must be whole"),
    "upside down": (_params(max_bound=[25.6, 25.6, -3]), "max_bound: must lie above"),
    "a pose too few": (_text("poses.txt", ROW * 2), "has 2 poses for 3 times"),
    "a short pose": (_text("poses.txt", ROW + "1 2 3\n"), "line 2: has 3 numbers, not 12"),
    "a word": (_text("poses.txt", ROW.replace("1", "one")), "line 1: holds no numbers"),
    "no rotation": (_text("poses.txt", ROW + ROW.replace("1", "2") + ROW), "line 2: its rotation"),
    "not a number": (_text("times.txt", "0\nnan\n"), "line 2: holds a number beyond"),
    "times that stand": (_text("times.txt", "0\n0.1\n0.1\n"), "line 3: is not later"),
    "a time below 0": (_text("times.txt", "-1\n0.1\n0.2\n"), "line 1: a time below 0"),
    "no times": (_text("times.txt", ""), "times.txt: the file is empty"),
    "cut labels": (_cut("evaluation/000000.label"), "holds 131071 cells, the grid has 128 x 128"),
    "cut counts": (_cut("evaluation/000000.bin"), "holds 131071 cells"),
    "no such class": (_first("evaluation/000000.label", 23, "<u4"), "carla_sc has no class 23"),
    "counts below 0": (_first("evaluation/000000.bin", -1, "<f4"), "counts below 0"),
    "a cut scan": (_cut("velodyne/000000.bin"), "cut off"),
    "points that are none": (_first("velodyne/000000.bin", np.nan, "<f4"), "points: holds NaN"),
    "a label too few": (_cut("labels/000000.label"), "has 50 points, its labels 49"),
    "a point's class": (_first("labels/000000.label", 99, "<u4"), "carla_sc has no class 99"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named_and_is_a_problem(name: str, tmp_path: Path) -> None:
    change, message = DAMAGE[name]
    root = write_carla(tmp_path, CARLA_SCENES[:1])
    folder = root / "Cartesian/Train/Town01_Light/cartesian"
    change(folder)
    found = list(opened(root).reader.problems(CARLA_SCENES[0], partial=False))
    assert len(found) == 1 and message in str(found[0])
    assert isinstance(found[0], BadInput) and str(found[0]).startswith(str(folder))


def test_an_absent_file_is_a_problem_unless_partial(tmp_path: Path) -> None:
    root = write_carla(tmp_path, CARLA_SCENES[:1])
    gone = root / "Cartesian/Train/Town01_Light/cartesian/evaluation/000001.bin"
    gone.unlink()
    reader = opened(root).reader
    assert list(reader.absent_files(None)) == ["Train/Town01_Light/cartesian/evaluation/000001.bin"]
    assert [e.file for e in reader.problems(None, partial=False)] == [str(gone)]
    assert list(reader.problems(None, partial=True)) == []
    with pytest.raises(MissingInput, match="holds no Train"):
        opened(tmp_path / "Cartesian/Train")
