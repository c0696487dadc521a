"""The check that a reader gets for nothing: every field is read, every failure named."""

import numpy as np

from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.scene.boxes import Boxes
from roadloom.scene.reader import ClipMeta, ClipReader, Records, SourceReader
from roadloom.scene.sweep import Sweep
from roadloom.sensors.rig import MountedLidar, Rig

TIMES = np.array([0, 100_000_000, 200_000_000], np.int64)


class Damaged(ClipReader):
    """Three key frames; one sweep is damaged, two are absent, and boxes of the first are bad."""

    def __init__(self) -> None:
        mount = MountedLidar(name="TOP", lidar=None, ego_from_lidar=Pose.identity(), source="test")
        self.meta = ClipMeta(
            scene_id="one", source="damaged:here", licence="none", lidar="TOP",
            rig=Rig(name="test", cameras=(), lidars=(mount,), source="test"),
            key_times_ns=TIMES, our_from_vehicle=Pose.identity(),
        )  # fmt: skip

    def ego(self) -> PoseTrack:
        return PoseTrack(time_ns=TIMES, world_from_ego=Pose.stack([Pose.identity()] * 3))

    def records(self, sensor: str) -> Records:
        return Records(time_ns=TIMES, world_from_ego=self.ego().world_from_ego, key=np.arange(3))

    def sweep(self, lidar: str, index: int) -> Sweep:
        if index == 1:
            raise BadInput("is cut off", file="1.bin", field="points", remedy="restore it")
        raise MissingInput("no such file", file=f"{index}.bin", field="file", remedy="restore it")

    def boxes(self, key: int) -> Boxes:
        if key == 0:
            raise BadInput("has a NaN", file="boxes.csv", field="x", remedy="mend it")
        return Boxes.empty(int(TIMES[key]))


class DamagedSource(SourceReader):
    scenes = ("one",)

    def open_scene(self, scene: str) -> ClipReader:
        return Damaged()


def found(*, partial: bool) -> list[tuple[str | None, str | None]]:
    problems = DamagedSource().problems(None, partial=partial)
    return [(problem.file, problem.field) for problem in problems]


def test_everything_is_read_and_every_failure_named() -> None:
    assert found(partial=False) == [
        ("0.bin", "file"), ("1.bin", "points"), ("2.bin", "file"), ("boxes.csv", "x"),
    ]  # fmt: skip


def test_partial_passes_over_absent_files_only() -> None:
    assert found(partial=True) == [("1.bin", "points"), ("boxes.csv", "x")]


def test_a_scene_that_does_not_open_is_a_problem() -> None:
    class Shut(DamagedSource):
        def open_scene(self, scene: str) -> ClipReader:
            raise BadInput("no table", file="table.json", field="scene", remedy="restore it")

    assert [problem.file for problem in Shut().problems("one", partial=False)] == ["table.json"]
