"""PLY exports: what is in a file is what the clip holds, in the frame that was asked for."""

import json
import pickle
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.scene.rich_clip import GRID, KEYS, RichReader, rich_clip

import roadloom
from roadloom.errors import BadInput, NotRecorded
from roadloom.export.ply import PlyOptions, _into, export_ply, write_scene
from roadloom.export.ply_merge import merged_cloud, moving_tracks
from roadloom.export.ply_shapes import Placing, boxes_mesh, cube_faces
from roadloom.geometry.box import corners
from roadloom.geometry.pose import Pose
from roadloom.io.ply import read_ply
from roadloom.io.ply_mesh import PlyMesh, read_mesh
from roadloom.scene.classes import class_id
from roadloom.scene.clip import Clip
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.palette import colors_of
from roadloom.scene.sweep import Sweep
from roadloom.viewer.projection import still_points

ALL = PlyOptions(sweeps=True, occupancy="points", boxes="lines", merge=True)
SOME = PlyOptions(sweeps=True, boxes="lines")


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return rich_clip(tmp_path, origin=5e6)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two scenes as folder clips."""
    folder = tmp_path_factory.mktemp("clips")
    for number in (1, 2):
        (folder / f"map-{number}").mkdir()
        mine = rich_clip(folder / f"map-{number}", scene=f"rich-{number}")
        mine.save(folder / f"clips/{number}")
    return f"folder:{folder}/clips"


def plain_vertices(path: Path) -> np.ndarray:
    """x, y, z by a reader that knows nothing of ours: names, types and rows of the header."""
    data = path.read_bytes()
    header, _, body = data.partition(b"end_header\n")
    lines = header.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    count, kinds, reading = 0, [], False
    for line in lines[2:]:
        words = line.split()
        if words[0] == "element":
            reading = words[1] == "vertex"
            count = int(words[2]) if reading else count
        elif words[0] == "property" and reading:
            kinds.append((words[2], {"float": "<f4", "uchar": "u1"}[words[1]]))
    rows = np.frombuffer(body, np.dtype(kinds), count)
    return np.stack([rows[axis] for axis in "xyz"], axis=-1)


def test_sweeps_in_the_ego_frame(clip: Clip, tmp_path: Path) -> None:
    assert write_scene(clip, tmp_path / "out", PlyOptions(sweeps=True)) == KEYS
    for frame in clip:
        path = tmp_path / f"out/sweeps/{frame.time_ns}.ply"
        cloud, sweep = read_ply(path), frame.lidar()
        hits = sweep[sweep.returned]
        np.testing.assert_array_equal(cloud.points, still_points(hits, clip.ego).astype(np.float32))
        np.testing.assert_array_equal(cloud.intensity, hits.intensity)
        np.testing.assert_array_equal(plain_vertices(path), cloud.points)
        assert cloud.label is not None
        np.testing.assert_array_equal(cloud.colors, colors_of(cloud.label))


def test_the_world_is_given_less_a_whole_origin(clip: Clip, tmp_path: Path) -> None:
    write_scene(clip, tmp_path / "out", PlyOptions(sweeps=True, frame="world"))
    about = json.loads((tmp_path / "out/scene.json").read_text())
    assert about["origin_m"] == [5_000_000.0, 5_000_000.0, 0.0]
    for frame, row in zip(clip, about["key_frames"], strict=True):
        cloud = read_ply(tmp_path / "out" / row["files"]["sweeps"])
        sweep = frame.lidar()
        still = still_points(sweep[sweep.returned], clip.ego)
        world = frame.world_from_ego.apply(still.astype(np.float32).astype(np.float64))
        found = cloud.points.astype(np.float64) + about["origin_m"]
        np.testing.assert_allclose(found, world, atol=1e-5)  # 5,000 km out
        np.testing.assert_array_equal(
            row["world_from_ego"]["translation_m"], frame.world_from_ego.translation
        )


def test_occupied_cells_as_points(clip: Clip, tmp_path: Path) -> None:
    write_scene(clip, tmp_path / "out", PlyOptions(occupancy="points"))
    files = sorted(p.stem for p in (tmp_path / "out/occupancy").iterdir())
    assert files == [str(clip[0].time_ns), str(clip[2].time_ns)]  # the second has none
    cloud = read_ply(tmp_path / f"out/occupancy/{clip[0].time_ns}.ply")
    centers, classes = clip[0].occupancy(GRID).points()
    np.testing.assert_array_equal(cloud.points, centers.astype(np.float32))
    np.testing.assert_array_equal(cloud.label, classes)


def volume(mesh: PlyMesh) -> float:
    """By the divergence theorem; positive if the triangles turn the right way."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


def test_cubes_enclose_what_is_occupied(clip: Clip, tmp_path: Path) -> None:
    write_scene(clip, tmp_path / "out", PlyOptions(occupancy="cubes"))
    path = tmp_path / f"out/occupancy/{clip[0].time_ns}.ply"
    mesh, occupancy = read_mesh(path), clip[0].occupancy(GRID)
    cells = int(occupancy.occupied.sum())
    assert volume(mesh) == pytest.approx(cells * 0.4**3, rel=1e-5)
    np.testing.assert_array_equal(plain_vertices(path), mesh.vertices)
    np.testing.assert_array_equal(mesh.colors, colors_of(mesh.label))


def test_faces_are_those_of_a_slow_twin() -> None:
    rng = np.random.default_rng(1)
    labels = np.where(rng.random(GRID.shape) < 0.2, class_id("vehicle.car"), 0).astype(np.uint8)
    labels[rng.random(GRID.shape) < 0.1] = 255
    occupancy = Occupancy(grid=GRID, labels=labels)
    faces, classes = cube_faces(occupancy)
    found = {tuple(np.round(f.mean(axis=0), 6)) for f in faces}
    expected = set()
    occupied = occupancy.occupied
    for cell in np.argwhere(occupied):
        for axis in range(3):
            for side in (-1, 1):
                other = cell.copy()
                other[axis] += side
                inside = (other >= 0).all() and (other < GRID.shape).all()
                if not (inside and occupied[tuple(other)]):
                    middle = GRID.center_of(cell)
                    middle[axis] += side * GRID.cell_m[axis] / 2
                    expected.add(tuple(np.round(middle, 6)))
    assert found == expected and len(faces) == len(expected)
    assert (classes == class_id("vehicle.car")).all()


def test_occupancy_of_the_lidar_frame_is_brought_to_the_ego(clip: Clip) -> None:
    from roadloom.export.ply_shapes import occupancy_cloud

    labels = clip[0].occupancy(GRID).labels
    occupancy = Occupancy(grid=GRID, labels=labels, frame="lidar")
    cloud = occupancy_cloud(clip[0], occupancy, Placing.of(clip, world=False))
    mount = clip.rig.lidar("TOP").ego_from_lidar
    np.testing.assert_allclose(cloud.points, mount.apply(occupancy.points()[0]), atol=1e-5)


def test_boxes_as_cuboids_and_as_lines(clip: Clip, tmp_path: Path) -> None:
    boxes, placing = clip[0].boxes, Placing.of(clip, world=False)
    solid = boxes_mesh(clip[0], boxes, placing, lines=False)
    assert volume(solid) == pytest.approx(float(boxes.size.prod(axis=1).sum()), rel=1e-5)
    write_scene(clip, tmp_path / "out", PlyOptions(boxes="lines"))
    lines = read_mesh(tmp_path / f"out/boxes/{clip[0].time_ns}.ply")
    assert len(lines.edges) == 13 * len(boxes) and not len(lines.faces)
    shape = corners(boxes.pose, boxes.size)
    np.testing.assert_allclose(lines.vertices.reshape(-1, 10, 3)[:, :8], shape, atol=1e-5)
    front = lines.vertices.reshape(-1, 10, 3)[:, 9] - lines.vertices.reshape(-1, 10, 3)[:, 8]
    np.testing.assert_allclose(
        front, boxes.pose.rotation[:, :, 0] * boxes.size[:, :1] / 2, atol=1e-5
    )
    np.testing.assert_array_equal(lines.label, boxes.class_id.repeat(10))
    empty = read_mesh(tmp_path / f"out/boxes/{clip[2].time_ns}.ply")  # annotated: nothing there
    assert not len(empty.vertices)


def test_the_merged_cloud_keeps_the_first_point_of_each_voxel(clip: Clip, tmp_path: Path) -> None:
    write_scene(clip, tmp_path / "out", PlyOptions(merge=True, voxel_m=0.5))
    cloud = read_ply(tmp_path / "out/merged.ply")
    about = json.loads((tmp_path / "out/scene.json").read_text())
    assert about["merged"]["movers_removed"] and about["merged"]["points"] == len(cloud.points)
    cells = np.floor(cloud.points.astype(np.float64) / 0.5).astype(int)
    assert len(np.unique(cells, axis=0)) > 0.99 * len(cloud.points)  # but for float32's rounding
    origin = np.array(about["merged"]["origin_m"])
    seen = []
    for sweep in clip.sweeps["TOP"]:
        points = still_points(sweep, clip.ego)
        seen.append(sweep.world_from_ego.apply(points) - origin)
    every = np.concatenate(seen)
    away = np.linalg.norm(cloud.points[:, None] - every[None], axis=-1).min(axis=1)
    assert away.max() < 1e-3  # each is a point that was measured
    lost = {tuple(c) for c in np.floor(every / 0.5).astype(int)} - {tuple(c) for c in cells}
    assert len(lost) < 0.1 * len(cells)  # what may lie in the vehicle or in the car that moves


class WithCar(RichReader):
    """Sweeps of key frames with a point on the vehicle itself, one in the car that moves, and one
    in a person whose box has no track; the fourth stands beside the car."""

    def sweep(self, lidar: str, index: int) -> Sweep:
        sweep = super().sweep(lidar, index)
        if index % 2 == 0:
            box = self.boxes(index // 2).pose.translation
            car = box[0] if len(box) else np.array([8.0, 2.0, 0.8])
            person = box[1] if len(box) else np.array([5.0, -3.0, 0.9])
            sweep.points[1:5] = [[0.5, 0.2, 1.0], car, person, car + [0.0, 4.0, 0.0]]
        return sweep


def test_the_vehicle_and_movers_are_no_part_of_the_map(tmp_path: Path) -> None:
    clip = Clip(WithCar(tmp_path))
    cloud, removed = merged_cloud(clip, 0.01)
    assert removed
    points = cloud.points.astype(np.float64) + Placing.of(clip, world=True).origin_m
    for key, kept in ((0, [False, False, False, True]), (1, [False, False, False, True])):
        world = clip[key].world_from_ego.apply(clip[key].lidar().points[1:5].astype(np.float64))
        nearest = np.linalg.norm(points[:, None] - world, axis=-1).min(axis=0)
        assert (nearest < 1e-3).tolist() == kept
    last = clip[2].world_from_ego.apply(clip[2].lidar().points[2:3].astype(np.float64))
    assert np.linalg.norm(points - last, axis=-1).min() < 1e-3  # annotated: no car there


def test_movers_are_tracks_that_change_their_place(clip: Clip) -> None:
    tracks = moving_tracks(clip)
    assert tracks == {"car"}  # it is seen twice, some metres apart in the world


def test_what_no_key_frame_has_is_an_error(clip: Clip, tmp_path: Path) -> None:
    with pytest.raises(NotRecorded, match="occupancy"):
        write_scene(clip, tmp_path / "out", PlyOptions(occupancy="points", grid="occ3d"))


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "--sweeps"),
        ({"sweeps": True, "grid": "no"}, "--grid"),
        ({"merge": True, "voxel_m": 0.0}, "--voxel-m"),
    ],
)
def test_bad_options(options: dict, field: str) -> None:
    with pytest.raises(BadInput, match=field):
        PlyOptions(**options)


def test_too_small_voxels_are_refused(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roadloom.export.ply_merge.REACH", 1000)
    with pytest.raises(BadInput, match="--voxel-m"):
        write_scene(clip, tmp_path / "x", PlyOptions(merge=True, voxel_m=1e-3))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_whole_source_by_shards_resumed_and_by_workers(source: str, tmp_path: Path) -> None:
    assert export_ply(source, tmp_path / "a", ALL) == (2, 0, 2 * KEYS)
    whole = contents(tmp_path / "a")
    assert export_ply(source, tmp_path / "a", ALL) == (0, 2, 0)
    for part in range(2):
        assert export_ply(source, tmp_path / "b", ALL, shard=(part, 2)) == (1, 0, KEYS)
    assert contents(tmp_path / "b") == whole
    (tmp_path / "b/rich-1/scene.json").unlink()  # as a kill leaves it
    (tmp_path / "b/rich-2/merged.ply").write_bytes(b"cut")
    assert export_ply(source, tmp_path / "b", ALL) == (2, 0, 2 * KEYS)
    assert contents(tmp_path / "b") == whole


def test_what_workers_are_sent_can_be_sent() -> None:
    task = pickle.loads(pickle.dumps(partial(_into, ALL)))
    assert task.args == (ALL,)


def test_one_scene_then_the_rest(source: str, tmp_path: Path) -> None:
    assert export_ply(f"{source}:rich-2", tmp_path / "a", SOME) == (1, 0, KEYS)
    assert export_ply(source, tmp_path / "a", SOME) == (1, 1, KEYS)


def test_other_flags_and_other_folders_are_refused(source: str, tmp_path: Path) -> None:
    export_ply(f"{source}:rich-1", tmp_path / "a", SOME)
    with pytest.raises(BadInput, match="--boxes"):
        export_ply(source, tmp_path / "a", PlyOptions(sweeps=True))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    with pytest.raises(BadInput, match="not empty"):
        export_ply(source, tmp_path / "mine", SOME)
    with pytest.raises(BadInput, match="no folder"):
        export_ply(source, tmp_path / "mine/letter.txt", SOME)


def test_damaged_data_is_named_and_leaves_no_record(source: str, tmp_path: Path) -> None:
    shutil.copytree(source.removeprefix("folder:"), tmp_path / "clips")
    (sweep, *_) = sorted((tmp_path / "clips/2").rglob("TOP/*.npz"))
    sweep.write_bytes(sweep.read_bytes()[:100])
    with pytest.raises(BadInput, match=sweep.name):
        export_ply(f"folder:{tmp_path}/clips", tmp_path / "a", SOME)
    assert (tmp_path / "a/rich-1/scene.json").exists()
    assert not (tmp_path / "a/rich-2/scene.json").exists()


def test_real_drives(real_data: Path, tmp_path: Path) -> None:
    clip = roadloom.open(f"nuscenes:{real_data}/nuscenes")[0]
    write_scene(clip, tmp_path / "out", PlyOptions(sweeps=True, boxes="cubes", merge=True))
    cloud = read_ply(tmp_path / "out/merged.ply")
    assert len(cloud.points) > 5000
    placing = Placing.of(clip, world=True)
    path = clip.ego.world_from_ego.translation - np.array(placing.origin_m)
    low = np.quantile(cloud.points[:, 2], 0.02)
    assert abs(low - path[:, 2].mean()) < 3  # the ground, at the height of the path


def test_an_origin_is_a_whole_kilometre(clip: Clip) -> None:
    placing = Placing.of(clip, world=True)
    moved = placing.put(np.array([[1.0, 2.0, 3.0]]), Pose(np.eye(3), np.array([5e6, 5e6, 0.0])))
    np.testing.assert_array_equal(moved, np.float32([[1, 2, 3]]))
