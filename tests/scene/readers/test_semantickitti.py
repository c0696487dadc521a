"""SemanticKITTI: what was written comes back; the real scan agrees with its voxels at -2.2 m."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.scene.readers.occupancy_roots import (
    KITTI_SHAPE,
    bits,
    kitti_points,
    kitti_voxels,
    points,
    pose,
    write_kitti,
)

import roadloom
from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.voxel_grid import OCC3D, SEMANTICKITTI, VoxelGrid
from roadloom.scene.class_maps import ids_from
from roadloom.scene.classes import FREE, UNKNOWN, class_id
from roadloom.scene.readers.semantickitti import EGO_GRID, HEIGHT_M
from roadloom.scene.source import Source


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_kitti(tmp_path_factory.mktemp("kitti"))


def opened(root: Path) -> Source:
    return roadloom.open(f"semantickitti:{root}")


def test_key_frames_are_the_scans_with_voxels(made: Path) -> None:
    clip = opened(made)[0]
    assert clip.scene_id == "08" and len(clip) == 2 and len(clip.sweeps["velodyne"]) == 6
    assert clip.attributes["scans"] == [0, 5] and clip.attributes["not_recorded"] == []
    assert clip.times_ns.tolist() == [0, 518_500_000]
    assert clip.reader.records("velodyne").key.tolist() == [0, 5]
    assert clip[1].lidar().time_ns == clip.times_ns[1]
    for step, sweep in enumerate(clip.sweeps["velodyne"]):
        vehicle = sweep.world_from_ego @ clip.meta.our_from_vehicle
        np.testing.assert_allclose(vehicle.translation, pose(step).translation, atol=1e-4)
        np.testing.assert_allclose(vehicle.rotation, pose(step).rotation, atol=1e-5)
        identity = vehicle.rotation @ vehicle.rotation.T
        np.testing.assert_allclose(identity, np.eye(3), atol=1e-12)
    assert list(opened(made).reader.problems(None, partial=False)) == []


def test_scans_have_classes_and_objects(made: Path) -> None:
    clip = opened(made)[0]
    sweep, rows, stored = clip.sweeps["velodyne"][3], points(3), kitti_points(3)
    np.testing.assert_allclose(sweep.points[:, :2], rows[:, :2])
    np.testing.assert_allclose(sweep.points[:, 2], rows[:, 2] + HEIGHT_M, atol=1e-6)
    np.testing.assert_array_equal(sweep.intensity, rows[:, 3])
    np.testing.assert_array_equal(sweep.label, ids_from("semantickitti", stored & 0xFFFF))
    assert (sweep.label[stored & 0xFFFF == 0] == UNKNOWN).all()
    assert (clip.reader.instances(3) == 8).all()
    assert opened(made)[1].sweeps["velodyne"][3].label is None


def test_voxels_come_back_in_both_frames(made: Path) -> None:
    clip = opened(made)[0]
    assert clip.occupancy_grids == (EGO_GRID,)
    for key, frame in enumerate((0, 5)):
        stored = kitti_voxels(frame)
        ours, native = clip[key].occupancy(EGO_GRID), clip[key].occupancy(SEMANTICKITTI)
        assert (ours.frame, native.frame) == ("ego", "lidar")
        np.testing.assert_array_equal(ours.labels, native.labels)
        assert (ours.labels[stored == 0] == FREE).all()
        there = stored != 0
        np.testing.assert_array_equal(ours.labels[there], ids_from("semantickitti", stored[there]))
        np.testing.assert_array_equal(ours.mask_lidar, ~bits(frame + 1, KITTI_SHAPE))
        np.testing.assert_array_equal(clip.reader.hits(key), bits(frame, KITTI_SHAPE))
        np.testing.assert_array_equal(clip.reader.occluded(key), bits(frame + 2, KITTI_SHAPE))
    with pytest.raises(NotRecorded, match="grid"):
        clip[0].occupancy(OCC3D)


def test_without_classes_a_voxel_is_occupied_by_something(made: Path) -> None:
    found = opened(made)[1][0].occupancy(EGO_GRID)
    np.testing.assert_array_equal(found.occupied, bits(0, KITTI_SHAPE))
    assert (found.labels[found.occupied] == class_id("other.occupied")).all()


def test_the_real_scan_and_its_voxels_agree_at_one_height_only(real_data: Path) -> None:
    clip = opened(real_data / "semantickitti")[0]
    assert clip.attributes["not_recorded"] == ["times", "poses"]
    marked = clip[0].occupancy(SEMANTICKITTI).occupied
    assert marked.sum() == 16_150
    raw = clip[0].lidar().points.astype(np.float64) - [0.0, 0.0, HEIGHT_M]

    def hit(floor: float) -> np.ndarray:
        grid = VoxelGrid(lower_m=(0.0, -25.6, floor), cell_m=(0.2,) * 3, shape=KITTI_SHAPE)
        cells, inside = grid.cell_of(raw)
        found = np.zeros(KITTI_SHAPE, bool)
        found[tuple(cells[inside].T)] = True
        return found

    right, wrong = hit(-2.2), hit(-2.0)
    assert (right & marked).sum() > 0.999 * marked.sum()
    assert (right & marked).sum() > 0.98 * right.sum()
    assert (wrong & marked).sum() < 0.25 * marked.sum()


def test_without_voxels_every_scan_is_a_key_frame(tmp_path: Path) -> None:
    root = write_kitti(tmp_path, ("08",))
    for file in (root / "sequences/08/voxels").iterdir():
        file.unlink()
    for name in ("poses.txt", "times.txt"):
        (root / "sequences/08" / name).unlink()
    clip = opened(root)[0]
    assert len(clip) == 6 and clip.occupancy_grids == ()
    assert clip.times_ns.tolist() == [n * 100_000_000 for n in range(6)]
    assert clip.attributes["not_recorded"] == ["times", "poses"]
    with pytest.raises(NotRecorded, match=r"poses of 6 frames .*calib\.txt"):
        clip[0].lidar()
    with pytest.raises(NotRecorded, match="no voxels"):
        clip[0].occupancy(EGO_GRID)


def test_voxels_may_come_without_their_scans(tmp_path: Path) -> None:
    root = write_kitti(tmp_path, ("08",))
    (root / "sequences/08/velodyne/000005.bin").unlink()
    clip = opened(root)[0]
    assert clip.reader.records("velodyne").key.tolist() == [0, -1]
    assert clip[1].occupancy(EGO_GRID).occupied.any()
    np.testing.assert_allclose(
        clip[1].world_from_ego.translation[:2], pose(5).translation[:2], atol=1e-4
    )


def _cut(name: str) -> Callable[[Path], object]:
    return lambda f: (f / name).write_bytes((f / name).read_bytes()[:-1])


def _lines(name: str, count: int) -> Callable[[Path], object]:
    return lambda f: (f / name).write_text("\n".join((f / name).read_text().split("\n")[:count]))


def _text(name: str, text: str) -> Callable[[Path], object]:
    return lambda f: (f / name).write_text(text)


def _first(name: str, value: float, kind: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        data = np.fromfile(folder / name, kind)
        data[3] = value
        data.tofile(folder / name)

    return change


def _gone(name: str) -> Callable[[Path], object]:
    return lambda f: (f / name).unlink()


def _folder(name: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return change


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "times too few": (_lines("times.txt", 4), "line 6: has 4 lines, but there is a scan 5"),
    "poses too few": (_lines("poses.txt", 3), "line 6: has 3 lines, but there is a scan 5"),
    "no Tr": (_lines("calib.txt", 1), "Tr: is missing"),
    "a short Tr": (_text("calib.txt", "Tr: 1 2 3"), "Tr: must be 12 numbers"),
    "words in Tr": (_text("calib.txt", "Tr: a b"), "Tr: is no row of numbers"),
    "Tr that turns nothing": (_text("calib.txt", "Tr:" + " 1" * 12), "Tr: its rotation is none"),
    "a cut voxel file": (_cut("voxels/000005.label"), "cut off"),
    "cut bits": (_cut("voxels/000005.invalid"), "holds 262143 cells"),
    "a voxel's class": (_first("voxels/000005.label", 2, "<u2"), "semantickitti has no class 2"),
    "a point's class": (_first("labels/000001.label", 2, "<u4"), "semantickitti has no class 2"),
    "reflectance": (_first("velodyne/000001.bin", 7, "<f4"), "intensity: reflectance"),
    "a cut scan": (_cut("velodyne/000001.bin"), "cut off"),
    "numbers in Tr": (_text("calib.txt", "Tr: 1e200" + " 0" * 11), "Tr: holds a number beyond"),
    "no classes of voxels": (_gone("voxels/000005.label"), "000005.label: no such file"),
    "no mask": (_gone("voxels/000000.invalid"), "000000.invalid: no such file"),
    "no classes of points": (_gone("labels/000001.label"), "000001.label: no such file"),
    "a folder of classes": (_folder("voxels/000005.label"), "000005.label: cannot be read"),
    "a name": (lambda f: (f / "velodyne/first.bin").touch(), "six digits"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named_and_is_a_problem(name: str, tmp_path: Path) -> None:
    change, message = DAMAGE[name]
    root = write_kitti(tmp_path, ("08",))
    change(root / "sequences/08")
    found = list(opened(root).reader.problems("08", partial=False))
    assert found and all(isinstance(e, BadInput) for e in found)
    assert any(message in str(e) for e in found), found


def test_empty_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="holds no folder sequences"):
        opened(tmp_path)
    (tmp_path / "sequences/00").mkdir(parents=True)
    with pytest.raises(MissingInput, match="neither scans nor voxels"):
        _ = opened(tmp_path)[0]
