"""Which sweeps a label is made of: the records of every LiDAR within the window of a key frame."""

import numpy as np

from roadloom.errors import BadInput, NotRecorded
from roadloom.label.recipe import Window
from roadloom.scene.clip import Clip
from roadloom.scene.reader import Records
from roadloom.scene.stream import Stream
from roadloom.scene.sweep import Sweep


def sweeps_within(clip: Clip, key: int, window: Window) -> list[tuple[str, int]]:
    """LiDAR and record number of each sweep around key frame ``key``, LiDAR by LiDAR, in time.

    A key frame's own records always belong to it, whatever their stamps.

    Raises:
        BadInput: there is no such key frame.
        NotRecorded: the clip has no LiDAR, or no sweep in this window.
    """
    found = records_within(clip, key, window)
    if not found:
        raise no_sweep(clip, key)
    return found


def records_within(clip: Clip, key: int, window: Window) -> list[tuple[str, int]]:
    """As ``sweeps_within``; empty where there are none."""
    if not 0 <= key < len(clip):
        raise BadInput(
            f"there is no key frame {key}", field="key",
            remedy=f"{clip.scene_id} has {len(clip)}, counted from 0",
        )  # fmt: skip
    if not clip.rig.lidar_names:
        raise NotRecorded(
            f"{clip.scene_id} has no LiDAR to label with", field="lidar",
            remedy="labels are made of LiDAR sweeps: name a recording that has them",
        )  # fmt: skip
    return [
        (name, record)
        for name, stream in clip.sweeps.items()
        for record in _records(clip, stream, key, window).tolist()
    ]


def no_sweep(clip: Clip, key: int) -> NotRecorded:
    """What is said where a window is empty."""
    return NotRecorded(
        f"key frame {key} of {clip.scene_id} has no sweep in its window", field="window",
        remedy="fuse a longer window, or label other key frames",
    )  # fmt: skip


def _records(clip: Clip, stream: Stream[Sweep], key: int, window: Window) -> np.ndarray:
    if window.keyframes_before is None or window.keyframes_after is None:
        time_ns = int(clip.times_ns[key])
        spanned = np.array(stream.window(time_ns, -window.before_s, window.after_s), np.int64)
        if not window.include_sweeps:
            spanned = np.intersect1d(spanned, stream.records.key)
        if window.before_s == window.after_s == 0:
            spanned = spanned[:0]  # "the key frame's own sweep alone"
        return np.union1d(spanned, _own(stream.records, range(key, key + 1)))
    first = max(key - window.keyframes_before, 0)
    last = min(key + window.keyframes_after, len(clip) - 1)
    own = _own(stream.records, range(first, last + 1))
    if not window.include_sweeps:
        return own
    between = np.arange(_side(clip, stream, first, "right"), _side(clip, stream, last, "left") + 1)
    return np.union1d(own, between)


def _side(clip: Clip, stream: Stream[Sweep], key: int, side: str) -> int:
    """The record of a key frame; without one, the first after (right) or last before (left) it."""
    number = int(stream.records.key[key])
    if number >= 0:
        return number
    place = int(np.searchsorted(stream.times_ns, clip.times_ns[key], side))  # type: ignore[call-overload]
    return place if side == "right" else place - 1


def _own(records: Records, keys: range) -> np.ndarray:
    numbers = records.key[keys.start : keys.stop]
    return np.unique(numbers[numbers >= 0])
