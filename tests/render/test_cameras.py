"""Maps of whole rigs, from grids to files: distances, hidden things, poses, resumed runs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.prepare.toy_source import KEYS, ToyReader
from tests.scene.rich_clip import GRID, LOOKING, RIG, rich_clip

from roadloom.cli.main import main
from roadloom.cli.many import tell_items
from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.image import read_image
from roadloom.render.cameras import CameraMaps, CameraOptions, render_cameras, render_frame
from roadloom.render.gaussians import gaussians_of
from roadloom.render.place import ego_from_grid
from roadloom.render.run_cameras import (
    CameraJob,
    Summary,
    picture,
    read_maps,
    render_source,
    write_maps,
)
from roadloom.scene.class_views import view
from roadloom.scene.classes import FREE, UNKNOWN, class_id
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import Records
from roadloom.scene.registry import KINDS
from roadloom.sensors.camera import FisheyeCamera, PinholeCamera
from roadloom.sensors.rig import MountedCamera, Rig
from roadloom.sensors.rig_yaml import rig_to_yaml

CAR, ROAD, WALL = class_id("vehicle.car"), class_id("flat.drivable"), class_id("structure.building")
OTHER_ROAD = class_id("flat.road")
ROOM = VoxelGrid(lower_m=(0.0, -6.0, -1.0), cell_m=(0.4, 0.3, 0.25), shape=(40, 40, 16))
CAMERA = PinholeCamera(width=64, height=48, fx=60.0, fy=60.0, cx=31.5, cy=23.5)
LENS = FisheyeCamera(width=64, height=48, fx=25.0, fy=25.0, cx=31.5, cy=23.5, k1=0.01)


def mounted(name: str, camera, yaw: float = 0.0) -> MountedCamera:
    turn = rotation_from_yaw(np.array(yaw)) @ LOOKING
    return MountedCamera(
        name=name, camera=camera, ego_from_camera=Pose(turn, np.array([0.0, 0.0, 1.0]))
    )


CAR_RIG = Rig(name="two", cameras=(mounted("A", CAMERA), mounted("B", LENS)), lidars=())


def room(*slabs: tuple[int, int], grid: VoxelGrid = ROOM) -> Occupancy:
    """Free but for whole layers of cells across x: (index, class)."""
    labels = np.zeros(grid.shape, np.uint8)
    labels[5:8] = UNKNOWN  # not known: not drawn
    for index, kind in slabs:
        labels[index] = kind
    return Occupancy(grid=grid, labels=labels)


def test_gaussians_sit_in_the_middle_of_occupied_cells() -> None:
    occupancy = room((20, WALL))
    found = gaussians_of(occupancy)
    assert len(found) == 40 * 16 and set(found.classes) == {WALL}
    assert np.allclose(found.centers[0], [8.2, -5.85, -0.875])
    assert np.allclose(found.covariances[7], np.diag([0.2, 0.15, 0.125]) ** 2)
    assert (found.opacities == 1).all()
    assert np.allclose(gaussians_of(occupancy, spread=1.0).covariances[0, 0, 0], 0.16)
    for bad in ({"spread": 0.0}, {"spread": float("inf")}, {"opacity": 0.0}, {"opacity": 1.1}):
        with pytest.raises(BadInput):
            gaussians_of(occupancy, **bad)


def test_a_wall_reads_its_distance_and_hides_the_next() -> None:
    """A pinhole looks straight at a layer whose centres lie 8.2 m ahead: there z is 8.2 m."""
    alone = render_cameras(room((20, WALL)), CAR_RIG)["A"]
    inner = alone.depth[10:38, 10:54]
    assert abs(inner - 8.2).max() < 1e-5
    assert (alone.semantic[10:38, 10:54] == WALL).all() and alone.alpha[10:38, 10:54].min() > 0.8
    hit = np.isfinite(alone.depth)
    assert np.allclose(alone.depth_sum[hit], alone.depth[hit] * alone.alpha[hit], atol=1e-4)
    both = render_cameras(room((20, WALL), (30, CAR)), CAR_RIG)["A"]
    assert (both.semantic[10:38, 10:54] == WALL).all()
    # A little of the second, 4 m behind, shows between the first's cells: what light was left.
    leak = 4.0 * (1 - alone.alpha[hit]) / both.alpha[hit]
    assert (both.depth[hit] >= 8.2 - 1e-4).all()
    assert (both.depth[hit] <= 8.2 + leak + 1e-4).all()
    assert (both.alpha >= alone.alpha - 1e-6).all()


def test_where_nothing_is_hit() -> None:
    maps = render_cameras(room(), CAR_RIG)
    assert set(maps) == {"A", "B"}
    for m in maps.values():
        assert np.isposinf(m.depth).all() and (m.depth_sum == np.float32(51.2)).all()
        assert (m.semantic == FREE).all() and (m.alpha == 0).all()
    coarse = render_cameras(room(), CAR_RIG, CameraOptions(view="occ3d18"))
    assert (coarse["A"].semantic == view("occ3d18").names.index("free")).all()
    faint = render_cameras(room((20, WALL)), CAR_RIG, CameraOptions(opacity=0.02))["A"]
    assert 0 < faint.alpha.max() < 0.1 and np.isposinf(faint.depth).all()


def test_classes_of_a_view_blend_before_the_largest_is_taken() -> None:
    """Of ten columns four are car, three drivable, three road: the car wins, or the ground."""
    pattern = [CAR, ROAD, CAR, OTHER_ROAD, CAR, ROAD, OTHER_ROAD, CAR, ROAD, OTHER_ROAD]
    labels = np.zeros(ROOM.shape, np.uint8)
    labels[20] = np.tile(pattern, 4)[:, None]
    occupancy = Occupancy(grid=ROOM, labels=labels)
    soft = {"cameras": ("A",), "spread": 3.0, "opacity": 0.02}
    ours = render_cameras(occupancy, CAR_RIG, CameraOptions(**soft))["A"].semantic
    assert (ours[20:28, 20:44] == CAR).all()
    coarse = render_cameras(occupancy, CAR_RIG, CameraOptions(**soft, view="occ3d18"))["A"].semantic
    assert (coarse[20:28, 20:44] == view("occ3d18").names.index("driveable_surface")).all()


def test_resized_cameras_and_threads() -> None:
    occupancy = room((20, WALL), (12, 0))
    small = render_cameras(occupancy, CAR_RIG, CameraOptions(size=(32, 24)), num_threads=2)
    assert small["B"].depth.shape == (24, 32)
    twice = render_cameras(occupancy, CAR_RIG, CameraOptions(size=(32, 24)))
    assert all(
        np.array_equal(a, b)
        for name in small
        for a, b in zip(small[name], twice[name], strict=True)
    )
    lone = render_cameras(
        occupancy, CAR_RIG, CameraOptions(size=(32, 24), cameras=("B",)), num_threads=3
    )
    assert np.array_equal(lone["B"].depth, small["B"].depth)


def test_a_grid_in_another_frame_needs_its_place() -> None:
    plain = room((20, WALL))
    shifted = VoxelGrid(lower_m=(-7.0, -6.0, -1.5), cell_m=ROOM.cell_m, shape=ROOM.shape)
    other = Occupancy(grid=shifted, labels=plain.labels, frame="lidar")
    with pytest.raises(BadInput, match="lidar frame"):
        render_cameras(other, CAR_RIG)
    place = Pose(np.eye(3), np.array([7.0, 0.0, 0.5]))
    moved = render_cameras(other, CAR_RIG, ego_from_grid=place)["B"]
    assert np.allclose(moved.depth, render_cameras(plain, CAR_RIG)["B"].depth, atol=1e-5)


def test_a_frames_cameras_look_from_where_the_vehicle_was(tmp_path: Path) -> None:
    """Each image of the clip is 30 ms late, and the world 5,000 km out."""
    frame = rich_clip(tmp_path, origin=3e6)[2]
    found = render_frame(frame, GRID)
    assert set(found) == {"CAM_FRONT", "CAM_LEFT"}
    then = frame.image("CAM_FRONT").world_from_ego
    carried = render_cameras(
        frame.occupancy(GRID), RIG, ego_from_grid=then.inverse() @ frame.world_from_ego
    )
    still = render_cameras(frame.occupancy(GRID), RIG)
    assert np.allclose(found["CAM_FRONT"].alpha, carried["CAM_FRONT"].alpha, atol=1e-5)
    assert abs(found["CAM_FRONT"].alpha - still["CAM_FRONT"].alpha).max() > 0.01
    with pytest.raises(NotRecorded):
        render_frame(rich_clip(tmp_path)[1], GRID)
    with pytest.raises(MissingInput, match="CAM_BACK"):
        render_frame(frame, GRID, CameraOptions(cameras=("CAM_BACK",)))


def test_a_frames_grid_may_lie_in_the_frame_of_the_lidar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = rich_clip(tmp_path)
    frame = clip[2]
    occupancy = replace(frame.occupancy(GRID), frame="lidar")
    monkeypatch.setattr(frame, "occupancy", lambda _: occupancy)
    mount = RIG.lidar("TOP").ego_from_lidar
    late = frame.image("CAM_FRONT").world_from_ego.inverse() @ frame.world_from_ego
    wanted = render_cameras(occupancy, RIG, ego_from_grid=late @ mount)["CAM_FRONT"]
    found = render_frame(frame, GRID)["CAM_FRONT"]
    assert wanted.alpha.max() > 0.5 and np.allclose(found.alpha, wanted.alpha, atol=1e-5)
    world = replace(occupancy, frame="world")
    points = np.array([[3.0, -2.0, 1.0]])
    np.testing.assert_allclose(
        frame.world_from_ego.apply(ego_from_grid(frame, world).apply(points)), points, atol=1e-6
    )
    monkeypatch.setattr(clip, "meta", replace(clip.meta, lidar=None))
    with pytest.raises(NotRecorded, match="lidar frame"):
        ego_from_grid(frame, occupancy)


def test_options_are_checked() -> None:
    for bad in (
        {"size": (0, 5)}, {"size": (5, 20_000)}, {"view": "none"}, {"near_m": 300.0},
        {"far_m": np.inf}, {"spread": np.nan}, {"spread": 0.0}, {"opacity": np.nan},
    ):  # fmt: skip
        with pytest.raises(BadInput):
            CameraOptions(**bad)


def test_files_come_back_and_half_of_them_nearly(tmp_path: Path) -> None:
    labels = np.zeros(ROOM.shape, np.uint8)
    labels[:, :, 0] = ROAD
    maps = render_cameras(Occupancy(grid=ROOM, labels=labels), CAR_RIG)["B"]
    write_maps(tmp_path / "a.npz", maps)
    write_maps(tmp_path / "b.npz", maps, half=True)
    same, near = read_maps(tmp_path / "a.npz"), read_maps(tmp_path / "b.npz")
    assert all(np.array_equal(a, b) for a, b in zip(same, maps, strict=True))
    assert np.allclose(near.depth, maps.depth, rtol=5e-4)
    assert np.array_equal(near.semantic, maps.semantic)
    colours = picture(maps)
    assert colours.shape == (48, 128, 3) and len(np.unique(colours[:, 64:])) > 3
    assert picture(CameraMaps(*maps[:2], maps.semantic * 0 + 255, maps.alpha), "det10").any()
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:500])
    with pytest.raises(BadInput):
        read_maps(tmp_path / "a.npz")


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "toy", "tests.prepare.toy_source:ToySource")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.*"))}


@pytest.mark.usefixtures("toys")
def test_a_run_writes_every_key_frame_and_goes_on_where_it_was_left(tmp_path: Path) -> None:
    options = CameraOptions(size=(48, 27), cameras=("CAM_FRONT", "CAM_BACK"), view="occ3d18")
    job = CameraJob(source="toy:street:0", grid="carla_sc", options=options)
    first = render_source(job, tmp_path / "a")
    assert first == Summary(written=KEYS, kept=0, scenes=1)
    files = contents(tmp_path / "a")
    assert len(files) == 1 + KEYS * 2 * 2
    png = next((tmp_path / "a" / "0" / "CAM_BACK").glob("*.png"))
    assert read_image(png).shape == (27, 96, 3)
    maps = read_maps(png.with_suffix(".npz"))
    assert np.isfinite(maps.depth).any() and maps.semantic.max() < 18
    for gone in ("CAM_FRONT", "CAM_BACK"):
        next((tmp_path / "a" / "0" / gone).glob("*.npz")).unlink()
    again = render_source(job, tmp_path / "a")
    assert 1 <= again.written <= 2 and again.written + again.kept == KEYS
    assert contents(tmp_path / "a") == files
    for other in (
        CameraJob(source="toy:street:0", grid="occ3d", options=options),
        CameraJob(source="toy:street:0", grid="carla_sc", half=True, options=options),
    ):
        with pytest.raises(BadInput, match="begun with"):
            render_source(other, tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("keep")
    with pytest.raises(BadInput, match="not empty"):
        render_source(job, tmp_path / "b")
    with pytest.raises(BadInput, match="no grid"):
        CameraJob(source="toy:street", grid="cube")


@pytest.mark.usefixtures("toys")
def test_key_frames_without_an_image_are_counted_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = ToyReader.records

    def gappy(reader: ToyReader, sensor: str) -> Records:
        records = whole(reader, sensor)
        return replace(records, key=np.where(np.arange(KEYS) == 1, -1, records.key))

    monkeypatch.setattr(ToyReader, "records", gappy)
    options = CameraOptions(size=(16, 9), cameras=("CAM_FRONT",))
    job = CameraJob(source="toy:street:0", grid="carla_sc", options=options)
    assert render_source(job, tmp_path) == (KEYS - 1, 0, 1, 1)
    done = render_source(job, tmp_path)
    assert done == (0, KEYS - 1, 1, 1)
    tell_items(done, tmp_path, "key frame", "rendered")
    told = capsys.readouterr().out
    assert f"; {KEYS - 1} were there already; 1 left out, as no camera has an image" in told


@pytest.mark.usefixtures("toys")
def test_a_vehicle_without_cameras_is_refused(tmp_path: Path) -> None:
    rig = tmp_path / "blind.yaml"
    rig.write_text(rig_to_yaml(replace(CAR_RIG, cameras=())))
    job = CameraJob(source="toy:street:0", grid="carla_sc", rig=str(rig))
    with pytest.raises(NotRecorded, match="blind.yaml has no cameras") as caught:
        render_source(job, tmp_path / "out")
    assert caught.value.field == "--rig" and caught.value.remedy
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("toys")
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["render", "cameras", "toy:street", "--grid", "carla_sc", "--size", "32x18"]
    flags = ["--cameras", "CAM_FRONT", "--no-pictures", "--half"]
    with pytest.raises(SystemExit) as ended:
        main([*words, *flags, "--out", str(tmp_path / "m"), "--shard", "1/2"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert f"{KEYS} key frames of 1 scene rendered to" in told and "read_maps(FILE)" in told
    assert len(list((tmp_path / "m").rglob("*.npz"))) == KEYS
    assert not list((tmp_path / "m").rglob("*.png"))
    assert json.loads((tmp_path / "m" / "cameras.json").read_text())["size"] == [32, 18]
    (tmp_path / "other.yaml").write_text(rig_to_yaml(CAR_RIG))
    with pytest.raises(SystemExit) as ended:
        main(
            [
                *words[:2],
                "toy:street:1",
                *words[3:],
                "--rig",
                str(tmp_path / "other.yaml"),
                "--out",
                str(tmp_path / "o"),
            ]
        )
    assert ended.value.code == 0
    assert {p.parent.name for p in (tmp_path / "o").rglob("*.png")} == {"A", "B"}
    assert f"look at them: {tmp_path / 'o'}/SCENE/CAMERA/TIME.png" in capsys.readouterr().out
    for bad, message in (
        (["--size", "32"], "--size"),
        (["--cameras", "NOSE"], "NOSE"),
        (["--view", "none"], "view"),
        (["--rig", str(tmp_path / "no.yaml")], "no.yaml"),
    ):
        with pytest.raises(SystemExit) as ended:
            main([*words[:5], *bad, "--out", str(tmp_path / "n")])
        assert ended.value.code == 2
        assert message in capsys.readouterr().err
