"""Films of whole sources: pictures, times and bytes."""

import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tests.scene.rich_clip import KEYS, RichReader, rich_clip

from roadloom.errors import BadInput, MissingExtra, NotRecorded
from roadloom.export.video import (
    VideoOptions,
    export_video,
    film_frame,
    moments,
    ticks,
    write_film,
)
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.clip import Clip
from roadloom.scene.reader import Records

av = pytest.importorskip("av", reason="the video extra is not installed")

SMALL = VideoOptions(width=128)
GRID = VoxelGrid(lower_m=(-20.0, -20.0, -1.0), cell_m=(0.4, 0.4, 0.4), shape=(100, 100, 16))


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return rich_clip(tmp_path)


def facts(path: Path) -> tuple[int, Fraction, tuple[int, int]]:
    """Frames, rate, size, as PyAV reads them."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        sizes = [(f.width, f.height) for f in container.decode(video=0)]
        return len(sizes), stream.average_rate, sizes[0]


def test_a_film_of_key_frames_plays_at_the_speed_of_the_drive(clip: Clip, tmp_path: Path) -> None:
    assert write_film(clip, tmp_path / "a.mp4", SMALL) == KEYS
    count, rate, _ = facts(tmp_path / "a.mp4")
    assert (count, rate) == (KEYS, Fraction(2))


class Fast(RichReader):
    """The front camera takes ten images a second, and misses one."""

    def records(self, sensor: str) -> Records:
        if sensor != "CAM_FRONT":
            return super().records(sensor)
        first = int(self.meta.key_times_ns[0])
        times = first + 100_000_000 * np.array([0, 1, 2, 3, 5, 6, 7, 8, 9, 10], np.int64)
        return Records(time_ns=times, world_from_ego=self.pose(times), key=np.array([0, 4, 9]))


def test_the_native_rate_is_that_of_the_busiest_camera(tmp_path: Path) -> None:
    clip = Clip(Fast(tmp_path))
    options = VideoOptions(width=128, rate="native", bev=False)
    assert write_film(clip, tmp_path / "a.mp4", options) == 11  # the missed one is held
    assert facts(tmp_path / "a.mp4")[:2] == (11, Fraction(10))
    rate, shown = ticks(moments(clip, "native"))
    assert rate == 10 and shown.tolist() == [0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9]


def test_moments_off_the_path_are_left_out(clip: Clip) -> None:
    times = moments(clip, "native")
    path = clip.ego.time_ns
    assert len(times) == KEYS and times[0] >= path[0] and times[-1] <= path[-1]


def test_jitter_does_not_drift() -> None:
    rng = np.random.default_rng(3)
    exact = np.arange(200) * 83_333_333
    times = np.sort(exact + rng.integers(-9_000_000, 9_000_000, 200)).astype(np.int64)
    rate, shown = ticks(times)
    error = times[shown] - times[0] - np.arange(len(shown)) * float(1_000_000_000 / rate)
    assert abs(error).max() < 83_333_333  # never a whole frame away
    assert abs(len(shown) - 200) <= 2


def test_one_moment_is_one_frame() -> None:
    assert ticks(np.array([7], np.int64)) == (Fraction(1), np.array([0]))
    with pytest.raises(BadInput, match="frames a second"):
        ticks(np.array([0, 10], np.int64))


@pytest.mark.parametrize(
    "flags", [{"bev": False}, {"cameras": False}, {"lidar": True}, {"boxes": False}]
)
def test_every_flag_shows(clip: Clip, flags: dict) -> None:
    plain = film_frame(clip[0], GRID, VideoOptions(width=512))
    other = film_frame(clip[0], GRID, VideoOptions(width=512, **flags))
    assert plain.shape != other.shape or (plain != other).any()


def test_the_same_bytes_again(clip: Clip, tmp_path: Path) -> None:
    for name in "ab":
        write_film(clip, tmp_path / f"{name}.mp4", SMALL)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_whole_source_resumed(clip: Clip, tmp_path: Path) -> None:
    clip.save(tmp_path / "clips/a")
    (tmp_path / "second").mkdir()
    rich_clip(tmp_path / "second", scene="rich-2").save(tmp_path / "clips/b")
    source = f"folder:{tmp_path}/clips"
    assert export_video(source, tmp_path / "out", SMALL, shard=(1, 2)) == (1, 0, KEYS)
    assert not (tmp_path / "out/rich-1.mp4").exists()
    assert export_video(source, tmp_path / "out", SMALL) == (1, 1, KEYS)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "export.json", "rich-1.mp4", "rich-2.mp4",
    ]  # fmt: skip
    with pytest.raises(BadInput, match="--width"):
        export_video(source, tmp_path / "out", VideoOptions(width=256))


class Blind(RichReader):
    """A rig without cameras."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.meta = replace(self.meta, rig=replace(self.meta.rig, cameras=()))


def test_without_cameras(tmp_path: Path) -> None:
    clip = Clip(Blind(tmp_path))
    with pytest.raises(NotRecorded, match="--no-cameras"):
        write_film(clip, tmp_path / "a.mp4", SMALL)
    assert write_film(clip, tmp_path / "a.mp4", VideoOptions(width=64, cameras=False)) == KEYS
    with pytest.raises(NotRecorded, match="--rate keys"):
        write_film(clip, tmp_path / "b.mp4", VideoOptions(cameras=False, rate="native"))


def test_damage_leaves_no_film(clip: Clip, tmp_path: Path) -> None:
    clip.save(tmp_path / "clip")
    (image, *_) = sorted((tmp_path / "clip").rglob("*.jpg"))
    image.write_bytes(image.read_bytes()[:60])
    with pytest.raises(BadInput, match=image.name):
        export_video(f"folder:{tmp_path}/clip", tmp_path / "out", SMALL)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["export.json"]


@pytest.mark.parametrize(
    "flags", [{"cameras": False, "bev": False}, {"width": 3}, {"crf": 52}, {"grid": "no"}]
)
def test_bad_options(flags: dict) -> None:
    with pytest.raises(BadInput, match=r"--\w"):
        VideoOptions(**flags)


def test_without_pyav(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match="roadloom.video"):
        export_video("town-v1:val:3", tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()
