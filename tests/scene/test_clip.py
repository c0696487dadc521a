"""Streams and frames: looking up by time equals looking at everything, and poses compose."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.scene.rich_clip import CAMERA_LATE_NS, GRID, KEYS, START_NS, STEP_NS, rich_clip

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.pose import Pose
from roadloom.scene.clip import NS_PER_S, Clip, Stream
from roadloom.scene.reader import Records


@pytest.fixture(params=[0.0, 5e6], ids=["near", "5000km"])
def clip(request: pytest.FixtureRequest, tmp_path: Path) -> Clip:
    return rich_clip(tmp_path, request.param)


def stream(times: list[int]) -> Stream[int]:
    poses = Pose(np.broadcast_to(np.eye(3), (len(times), 3, 3)), np.zeros((len(times), 3)))
    records = Records(
        time_ns=np.array(times, np.int64), world_from_ego=poses, key=np.zeros(0, np.int64)
    )
    return Stream(records, lambda index: index * 10)


@pytest.mark.parametrize("seed", range(20))
def test_nearest_and_window_equal_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = 1_600_000_000_000_000_000
    times = (base + np.sort(rng.choice(40, rng.integers(1, 12), replace=False)) * NS_PER_S).tolist()
    made = stream(times)
    for time in range(base - 3 * NS_PER_S, base + 43 * NS_PER_S, NS_PER_S // 2):
        best = min(range(len(times)), key=lambda i: (abs(times[i] - time), i))
        assert made.nearest(time) == best
        for start, end in ((-2.0, 3.0), (0.0, 0.0), (-1.5, -1.0), (1.0, 9.0)):
            low, high = time + int(start * NS_PER_S), time + int(end * NS_PER_S)
            inside = [i for i, t in enumerate(times) if low <= t <= high]
            assert list(made.window(time, start, end)) == inside


def test_windows_are_exact_to_the_nanosecond() -> None:
    made = stream([0, 1, 100_000_000, 100_000_001])
    assert list(made.window(0, 0.0, 0.1)) == [0, 1, 2]
    assert list(made.window(1, -1e-9, 0.1)) == [0, 1, 2, 3]


@pytest.mark.parametrize("ends", [(1.0, 0.0), (float("nan"), 1.0), (0.0, float("nan"))])
def test_a_window_that_ends_before_it_starts_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(BadInput, match="window"):
        stream([0]).window(0, *ends)


def test_streams_index_like_sequences() -> None:
    made = stream([0, 5, 9])
    assert [made[-1], made[0]] == [20, 0] and made[1:] == [10, 20] and list(made) == [0, 10, 20]
    for wrong in (3, -4):
        with pytest.raises(IndexError):
            made[wrong]
    with pytest.raises(NotRecorded):
        stream([]).nearest(0)
    assert list(stream([]).window(0, -1.0, 1.0)) == []


def test_clips_index_like_sequences(clip: Clip) -> None:
    assert [frame.key for frame in clip] == list(range(KEYS))
    assert clip[-1].time_ns == clip.times_ns[-1]
    assert [frame.key for frame in clip[1:]] == [1, 2]
    assert clip.duration_s == 1.0
    with pytest.raises(IndexError):
        clip[KEYS]


def test_at_a_key_frame_s_time_is_the_key_frame(clip: Clip) -> None:
    for key in range(KEYS):
        frame = clip.at(int(clip.times_ns[key]))
        assert frame.key == key
        assert frame.boxes.same_as(clip[key].boxes)
        assert np.array_equal(frame.world_from_ego.rotation, clip[key].world_from_ego.rotation)
    assert clip.at(START_NS + 1).key is None


def test_at_any_time_the_pose_is_that_of_the_path(clip: Clip) -> None:
    reader = clip.reader
    times = START_NS + np.arange(-100_000_000, 1_400_000_000, 33_333_333)
    truth = reader.pose(times)  # type: ignore[attr-defined]
    for i, time in enumerate(times.tolist()):
        # A chord of 7 cm on a circle of 23 m: 0.03 mm.
        off = clip.at(time).world_from_ego.translation - truth.translation[i]
        assert np.abs(off).max() < 5e-5


def test_off_the_path_is_refused_at_once(clip: Clip) -> None:
    for time in (int(clip.ego.time_ns[0]) - 1, int(clip.ego.time_ns[-1]) + 1):
        with pytest.raises(BadInput, match="outside"):
            clip.at(time)


@pytest.mark.parametrize("time", [2**70, -(2**70), 2**63, -(2**63), True, False])
def test_what_is_no_moment_is_refused(clip: Clip, time: int) -> None:
    with pytest.raises(BadInput) as caught:
        clip.at(time)
    assert caught.value.field == "time_ns" and caught.value.remedy


@pytest.mark.parametrize("dt_s", [float("nan"), float("inf"), -float("inf"), 1e300, -1e10])
def test_flow_over_no_span_is_refused(clip: Clip, dt_s: float) -> None:
    with pytest.raises(BadInput) as caught:
        clip[0].occupancy_flow(GRID, dt_s=dt_s)
    assert caught.value.field == "dt_s" and caught.value.remedy


def test_an_image_keeps_its_own_time_and_pose(clip: Clip) -> None:
    image = clip[1].image("CAM_FRONT")
    assert image.time_ns == clip.times_ns[1] + CAMERA_LATE_NS
    moved = image.world_from_ego.translation - clip[1].world_from_ego.translation
    assert np.linalg.norm(moved) == pytest.approx(7.0 * CAMERA_LATE_NS / 1e9, rel=0.02)
    chain = image.world_from_ego @ image.mount.ego_from_camera
    assert np.array_equal(image.world_from_camera.translation, chain.translation)
    assert image.pixels is image.pixels  # decoded once


def test_a_frame_takes_the_records_that_belong_to_it(clip: Clip) -> None:
    assert sorted(clip[0].images) == ["CAM_FRONT", "CAM_LEFT"]
    assert sorted(clip[1].images) == ["CAM_FRONT"]
    assert clip[2].image("CAM_LEFT").time_ns == clip.times_ns[2] + CAMERA_LATE_NS
    with pytest.raises(NotRecorded):
        clip[1].image("CAM_LEFT")
    with pytest.raises(MissingInput, match="CAM_FRONT"):
        clip[0].image("CAM_FRNT")
    between = clip.at(START_NS + 3 * STEP_NS // 4)
    assert between.image("CAM_FRONT").time_ns == clip.times_ns[1] + CAMERA_LATE_NS


def test_points_of_any_moment_stay_where_they_are_in_the_world(clip: Clip) -> None:
    for time in (START_NS + 10_000_000, START_NS + STEP_NS // 2, START_NS + STEP_NS - 1):
        frame = clip.at(time)
        carried = frame.lidar()
        index = clip.sweeps["TOP"].nearest(time)
        own = clip.sweeps["TOP"][index]
        assert carried.time_ns == time
        seen = own.returned
        here = frame.world_from_ego.apply(carried.points[seen].astype(np.float64))
        there = own.world_from_ego.apply(own.points[seen].astype(np.float64))
        assert np.abs(here - there).max() < 1e-5
    assert clip[1].lidar().same_as(clip.sweeps["TOP"][2])


def test_boxes_between_key_frames_join_them(clip: Clip) -> None:
    first, second = clip[0], clip[1]
    steps = [clip.at(START_NS + 1 + i * (STEP_NS - 2) // 8) for i in range(9)]
    centers = [f.world_from_ego.apply(f.boxes.pose.translation) for f in steps]
    assert all(f.boxes.track_id.tolist() == ["car"] for f in steps)
    for frame, center in ((first, centers[0]), (second, centers[-1])):
        end = frame.world_from_ego.apply(frame.boxes.pose.translation)[:1]
        np.testing.assert_allclose(center, end, rtol=0, atol=1e-6)
    strides = [np.linalg.norm(b - a) for a, b in pairwise(centers)]
    np.testing.assert_allclose(strides, np.mean(strides), rtol=1e-5)
    with pytest.raises(NotRecorded, match="outside"):
        _ = clip.at(START_NS - 1).boxes


def test_occupancy_and_extra_images_belong_to_key_frames(clip: Clip) -> None:
    assert clip[0].occupancy(GRID).grid == GRID
    with pytest.raises(NotRecorded, match="key frames"):
        clip.at(START_NS + 1).occupancy(GRID)
    assert clip[0].extra_image("depth", "CAM_FRONT").shape == (16, 24)
    with pytest.raises(BadInput, match="depth, semantic"):
        clip[0].extra_image("flow", "CAM_FRONT")


def test_records_that_no_sensor_can_have_are_refused() -> None:
    poses = Pose(np.broadcast_to(np.eye(3), (2, 3, 3)), np.zeros((2, 3)))
    none = np.zeros(0, np.int64)
    with pytest.raises(ValueError, match="fall"):
        Records(time_ns=np.array([2, 1]), world_from_ego=poses, key=none)
    with pytest.raises(ValueError, match="as many"):
        Records(time_ns=np.array([2]), world_from_ego=poses, key=none)
    with pytest.raises(ValueError, match="record 2 of 2"):
        Records(time_ns=np.array([1, 2]), world_from_ego=poses, key=np.array([2]))


def test_what_only_made_worlds_know_says_so(clip: Clip) -> None:
    between = clip.at(START_NS + STEP_NS // 3)
    with pytest.raises(NotRecorded, match="key frames only"):
        between.occupancy(GRID)
    for frame in (clip[0], between):
        with pytest.raises(NotRecorded, match="flow"):
            frame.occupancy_flow(GRID)


def test_masks_are_asked_for_only_where_none_are_stored(
    clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = clip[0].occupancy(GRID)
    bare = replace(stored, mask_lidar=None, mask_camera=None)
    seen = np.zeros(GRID.shape, bool)
    seen[1] = True
    monkeypatch.setattr(clip.reader, "occupancy", lambda key, grid, solid: bare)
    with pytest.raises(NotRecorded, match="masks"):
        clip[0].occupancy(GRID, masks=True)
    monkeypatch.setattr(clip.reader, "occupancy_masks", lambda time_ns, grid: (None, seen))
    assert clip[0].occupancy(GRID).mask_camera is None
    found = clip[0].occupancy(GRID, masks=True)
    assert found.mask_lidar is None and found.mask_camera is seen
    held = replace(stored, mask_lidar=~seen, mask_camera=None)
    monkeypatch.setattr(clip.reader, "occupancy", lambda key, grid, solid: held)
    assert np.array_equal(clip[0].occupancy(GRID, masks=True).mask_lidar, ~seen)
