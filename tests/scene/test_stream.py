"""Streams: windows and nearest records against brute force, and the manners of a mapping."""

import math
import pickle

import numpy as np
import pytest

import roadloom
from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.pose import Pose
from roadloom.scene.reader import Records
from roadloom.scene.stream import Stream, Streams


def stream(times: list[int]) -> Stream[int]:
    poses = Pose(np.tile(np.eye(3), (len(times), 1, 1)), np.zeros((len(times), 3)))
    records = Records(
        time_ns=np.array(times, np.int64), world_from_ego=poses, key=np.zeros(0, np.int64)
    )
    return Stream(records, lambda index: 10 * index)


def test_window_and_nearest_equal_brute_force() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        times = np.sort(rng.integers(0, 3_000_000_000, rng.integers(1, 12))).tolist()
        some, at = stream(times), int(rng.integers(-500_000_000, 3_500_000_000))
        low, high = np.sort(rng.uniform(-2, 2, 2)).tolist()
        inside = [i for i, t in enumerate(times)
                  if at + round(low * 1e9) <= t <= at + round(high * 1e9)]  # fmt: skip
        assert list(some.window(at, low, high)) == inside
        assert some[some.window(at, low, high)] == [10 * i for i in inside]
        assert abs(times[some.nearest(at)] - at) == min(abs(t - at) for t in times)


def test_window_without_ends() -> None:
    some = stream([0, 5, 9])
    assert list(some.window(5, -math.inf, math.inf)) == [0, 1, 2]
    assert list(some.window(5, 0.0, math.inf)) == [1, 2]
    assert list(some.window(5, math.inf, math.inf)) == []
    for ends in ((1.0, -1.0), (math.nan, 1.0)):
        with pytest.raises(BadInput, match="window"):
            some.window(0, *ends)


def test_equally_near_is_the_earlier_and_nothing_is_near_nothing() -> None:
    assert stream([0, 10]).nearest(5) == 0
    with pytest.raises(NotRecorded):
        stream([]).nearest(0)


def test_streams_have_the_manners_of_a_mapping() -> None:
    streams = Streams(("A",), lambda name: stream([1, 2]))
    assert "A" in streams and "B" not in streams
    assert streams.get("B") is None and streams.get("A") is streams["A"]
    with pytest.raises(MissingInput, match="use one of A"):
        streams["B"]


def test_streams_of_a_clip_pickle() -> None:
    clip = roadloom.open("town-v1:val:0")[0]
    copy = pickle.loads(pickle.dumps(clip.images))["CAM_FRONT"]
    assert len(copy) == len(clip.images["CAM_FRONT"]) and "records" in repr(copy)


@pytest.mark.parametrize("time", [1.5, "x", None, math.nan])
def test_a_moment_is_a_whole_number(time: object) -> None:
    clip = roadloom.open("town-v1:val:0")[0]
    with pytest.raises(Exception, match="time_ns|whole number"):
        clip.at(time)  # type: ignore[arg-type]
