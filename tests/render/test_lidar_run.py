"""Sweeps of frames and of whole sources: movers of a clip, files, resuming, refusals."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.scene.rich_clip import GRID, RichReader, rich_clip

from roadloom.cli.main import main
from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.ply import read_ply
from roadloom.render.lidar import Fate, device_times_ns
from roadloom.render.lidar_frame import MODELS, mount_of, render_sweep
from roadloom.render.lidar_run import LidarJob, read_images, render_source
from roadloom.render.moving import boxes_around, movers_of
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import class_id
from roadloom.scene.clip import Clip
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import SourceReader
from roadloom.scene.registry import KINDS

CAR = class_id("vehicle.car")
ROAD = class_id("flat.drivable")


class StreetReader(RichReader):
    """The rich clip with occupancy at every key frame: a road, and the cars in their boxes."""

    def occupancy(self, key: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        if grid != GRID:
            raise NotRecorded("no occupancy", field="occupancy")
        labels = np.zeros(grid.shape, np.uint8)
        labels[:, :, 1] = ROAD
        labels[16:19, 8:12, 2:] = CAR
        return Occupancy(grid=grid, labels=labels)

    def boxes(self, key: int) -> Boxes:
        time_ns = int(self.meta.key_times_ns[key])
        place = Pose(np.eye(3)[None], np.array([[3.0, 0.0, 0.2]]))
        return Boxes.make(
            time_ns, np.array([CAR]), place, np.array([[1.3, 1.7, 1.5]]),
            velocity=np.array([[8.0, 0.0, 0.0]]), track_id=np.array(["car"]),
        )  # fmt: skip


class StreetSource(SourceReader):
    """Scenes a and b in one folder."""

    def __init__(self, place: str) -> None:
        self.place = Path(place)

    @property
    def scenes(self) -> tuple[str, ...]:
        return ("a", "b")

    def open_scene(self, scene: str) -> StreetReader:
        return StreetReader(self.place, scene=scene)


@pytest.fixture
def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(KINDS, "street", "tests.render.test_lidar_run:StreetSource")
    (tmp_path / "street").mkdir()
    return f"street:{tmp_path}/street"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_boxes_at_the_ends_of_a_turn_come_in_the_frames_own_ego_frame(tmp_path: Path) -> None:
    clip = Clip(StreetReader(tmp_path))
    time_ns = int(clip.times_ns[0]) + 200_000_000
    frame = clip.at(time_ns)
    begin, end = time_ns - 70_000_000, time_ns + 30_000_000
    boxes, others = boxes_around(frame, begin, end)
    assert boxes.time_ns == time_ns and [o.time_ns for o in others] == [begin, end]
    for other in others:
        then = clip.at(other.time_ns)
        there = then.world_from_ego.apply(then.boxes.pose.translation)
        here = frame.world_from_ego.apply(other.pose.translation)
        assert np.abs(there - here).max() < 1e-9


def test_a_frame_renders_its_movers_and_a_frozen_one_does_not(tmp_path: Path) -> None:
    clip = Clip(StreetReader(tmp_path))
    frame = clip[1]
    rolling = render_sweep(frame, GRID, "HDL-32E")
    frozen = render_sweep(frame, GRID, "HDL-32E", moving=False)
    assert (rolling.mover == 0).sum() > 5 and (frozen.mover == -1).all()
    assert (rolling.label[rolling.mover == 0] == CAR).all()
    assert set(np.unique(rolling.label[rolling.returned])) == {CAR, ROAD}
    assert np.ptp(rolling.origins[..., 0]) > 0.3 and np.ptp(frozen.origins[..., 0]) == 0
    mount = mount_of(clip, "HDL-32E")
    assert (rolling.ray_time_ns.ravel() == device_times_ns(mount, frame.time_ns)).all()
    sweep = rolling.sweep()
    assert sweep.time_ns == frame.time_ns and sweep.origins[0].name == "HDL-32E"
    assert (sweep.world_from_ego.translation == frame.world_from_ego.translation).all()


def test_ground_is_not_carried_away_with_a_box() -> None:
    reader = StreetReader.__new__(StreetReader)
    labels = StreetReader.occupancy(reader, 0, GRID)
    low = Pose(np.eye(3)[None], np.array([[3.0, 0.0, -0.3]]))  # the box reaches into the road
    boxes = Boxes.make(
        10, np.array([CAR]), low, np.array([[1.3, 1.7, 2.0]]), velocity=np.array([[9.0, 0, 0]])
    )  # fmt: skip
    movers = movers_of(labels, boxes, [Boxes.empty(100_000_010)])
    assert movers is not None
    owned = labels.labels[movers.owner == 0]
    assert (owned == CAR).all() and len(owned) > 10 and (movers.owner[:, :, 1] == -1).all()


def test_of_two_boxes_the_nearer_has_a_cell() -> None:
    labels = Occupancy(grid=GRID, labels=np.full(GRID.shape, CAR, np.uint8))
    place = Pose(np.tile(np.eye(3), (2, 1, 1)), np.array([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    boxes = Boxes.make(
        10, np.array([CAR, CAR]), place, np.array([[4.0, 2.0, 1.2], [4.0, 2.0, 1.2]]),
        velocity=np.array([[9.0, 0, 0], [-9.0, 0, 0]]),
    )  # fmt: skip
    movers = movers_of(labels, boxes, [Boxes.empty(100_000_010)])
    assert movers is not None
    x = GRID.centers()[..., 0]
    assert (x[movers.owner == 0] < 0).all() and (x[movers.owner == 1] > 0).all()
    assert (movers.owner == 0).sum() == (movers.owner == 1).sum() > 50


def test_a_source_becomes_files_that_a_second_run_keeps(street: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = render_source(LidarJob(source=street), out)
    assert first == (6, 0, 2, 0)
    written = files_of(out)
    assert len(written) == 7 and json.loads(written["lidar.json"])["source"] == street
    (out / "b" / "TOP").joinpath(next((out / "b" / "TOP").iterdir()).name).unlink()
    assert render_source(LidarJob(source=street), out) == (1, 5, 2, 0)
    assert files_of(out) == written
    again = tmp_path / "again"
    for part in (0, 1):
        render_source(LidarJob(source=street), again, shard=(part, 2), workers=1)
    assert files_of(again) == written


def test_a_file_holds_what_the_frame_renders(street: str, tmp_path: Path) -> None:
    render_source(LidarJob(source=f"{street}:a"), tmp_path / "out")
    clip = Clip(StreetReader(tmp_path / "street", scene="a"))
    expected = render_sweep(clip[2], GRID)
    found = read_images(tmp_path / "out" / "a" / "TOP" / f"{clip.times_ns[2]}.npz")
    assert (found.range_m == expected.range_m.astype(np.float32)).all()
    assert (found.label == expected.label).all() and (found.fate == expected.fate).all()
    assert (found.time_ns == expected.ray_time_ns).all() and int(found.stamp_ns) == clip.times_ns[2]
    there = found.fate == Fate.RETURNED
    assert there.any() and np.isnan(found.points[~there]).all()
    assert np.abs(found.points[there] - expected.points[there]).max() < 1e-6
    assert (found.world_from_ego[:3, 3] == clip[2].world_from_ego.translation).all()


def test_the_program_writes_clouds_of_a_model(
    street: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    flags = ["--out", str(out), "--lidar", "HDL-32E", "--format", "ply", "--grid", "occ3d"]
    with pytest.raises(SystemExit) as status:
        main(["render", "lidar", f"{street}:a", *flags])
    assert status.value.code == 2 and "occupancy" in capsys.readouterr().err
    flags = flags[:-2]  # nothing is whole: the folder is free for other flags
    with pytest.raises(SystemExit) as status:
        main(["render", "lidar", f"{street}:a", *flags])
    assert status.value.code == 0 and "3 sweeps of 1 scene" in capsys.readouterr().out
    with pytest.raises(SystemExit) as status:
        main(["render", "lidar", f"{street}:a", *flags, "--no-moving"])
    assert status.value.code == 2 and "--moving: the folder was begun" in capsys.readouterr().err
    files = sorted((out / "a" / "HDL-32E").glob("*.ply"))
    cloud = read_ply(files[0])
    assert len(files) == 3 and cloud.label is not None and set(cloud.label) == {CAR, ROAD}
    assert any("licence" in line for line in cloud.comments)


def test_all_sweeps_need_occupancy_at_any_time(street: str, tmp_path: Path) -> None:
    with pytest.raises(NotRecorded, match="key frames only"):
        render_source(LidarJob(source=street, keys_only=False), tmp_path / "out")


def test_a_lidar_is_one_of_the_rig_or_a_model(tmp_path: Path) -> None:
    clip = rich_clip(tmp_path)
    assert mount_of(clip) == mount_of(clip, "TOP") == clip.rig.lidar("TOP")
    for name in MODELS:
        mount = mount_of(clip, name)
        assert mount.name == name and mount.lidar is not None and mount.lidar.beams >= 32
        place = clip.rig.lidar("TOP").ego_from_lidar
        assert (mount.ego_from_lidar.translation == place.translation).all()
    with pytest.raises(NotRecorded, match="beams"):
        mount_of(clip, "SIDE")
    with pytest.raises(MissingInput, match="TOP, SIDE, HDL-32E"):
        mount_of(clip, "nosuch")
    bare = rich_clip(tmp_path)
    bare.meta = replace(bare.meta, lidar=None, rig=replace(bare.rig, lidars=()))
    with pytest.raises(NotRecorded, match="HDL-32E"):
        mount_of(bare)
    assert mount_of(bare, "HDL-32E").ego_from_lidar.translation[2] > 1.5


def test_bad_flags_and_folders_are_refused(street: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--grid"):
        LidarJob(source=street, grid="nosuch")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    with pytest.raises(BadInput, match="lidar.json"):
        render_source(LidarJob(source=street), tmp_path / "full")
    with pytest.raises(MissingInput, match="nosuch"):
        render_source(LidarJob(source=street, lidar="nosuch"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(BadInput, match="processes"):
        render_source(LidarJob(source=street), tmp_path / "out", workers=0)
    damaged = tmp_path / "x.npz"
    damaged.write_bytes(b"PK no zip")
    with pytest.raises(BadInput):
        read_images(damaged)
