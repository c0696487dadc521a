"""Objects over a whole drive: across key frames that leave them out, and at rest.

Annotators leave an object out while nothing of it is seen. Two things are known of it all the
same: between two annotated moments not far apart it went from one to the other; and what stood
still whenever it was annotated stands there when it is not.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from roadloom.geometry.box import corners
from roadloom.geometry.interpolate import interpolate_boxes
from roadloom.geometry.pose import Pose
from roadloom.label.objects import Objects, joined, objects_of
from roadloom.scene.boxes import Boxes, Strings

BRIDGE_NS = 1_200_000_000
"""Gaps up to this long are bridged: at 2 key frames a second one key frame, whose neighbours lie
1 s apart, give or take jitter of stamps. A car that brakes by 3 m/s2 is then up to 0.5 m off."""
STILL_M = 0.4
"""An object stands if no corner of its box is ever farther than this from the corner's median
place: a cell of the usual grid. Parked cars of recordings wander by 0.1 to 0.3 m, as poses and
annotators do; a corner of a car is 0.4 m off after a turn of 9 degrees."""
STILL_SPAN_NS = 1_000_000_000
STILL_M_S = 0.2
"""What was annotated for a shorter time stands only if it is annotated to be slower than this."""


class DriveTracks:
    """Every annotation of a drive, in the world, track by track and in time."""

    def __init__(self, moments: Sequence[Boxes], world_from_moment: Sequence[Pose]) -> None:
        """
        Args:
            moments: the boxes of each annotated moment, each in the frame whose pose is given.
        """
        found = joined([
            objects_of(boxes).moved(pose)
            for boxes, pose in zip(moments, world_from_moment, strict=True)
        ])  # fmt: skip
        tracked = [boxes.track_id != "" for boxes in moments]
        times = [np.full(t.sum(), b.time_ns) for b, t in zip(moments, tracked, strict=True)]
        speeds = [
            np.linalg.norm(b.velocity[t], axis=1) for b, t in zip(moments, tracked, strict=True)
        ]
        time_ns = np.concatenate([np.zeros(0, np.int64), *times])
        order = np.lexsort((time_ns, found.track))
        self._all, self._time_ns = found.rows(order), time_ns[order]
        self._speed = np.concatenate([np.zeros(0), *speeds])[order]
        same = self._all.track[1:] == self._all.track[:-1]
        span = np.diff(self._time_ns)
        self._before = np.flatnonzero(same & (span > 0) & (span <= BRIDGE_NS))
        """Rows that are followed by the same object, not long after."""
        self._first = np.append(True, ~same)[: len(self._time_ns)]
        self._rests = self._at_rest()

    def _at_rest(self) -> Bool[np.ndarray, " row"]:
        """Of each row, whether its track stands still whenever it is annotated."""
        rests = np.zeros(len(self._time_ns), bool)
        places = corners(self._all.pose, self._all.size)
        ends = [*np.flatnonzero(self._first).tolist(), len(rests)]
        for a, b in zip(ends[:-1], ends[1:], strict=True):
            away = places[a:b] - np.median(places[a:b], axis=0)
            known = self._time_ns[b - 1] - self._time_ns[a] >= STILL_SPAN_NS
            slow = bool((self._speed[a:b] <= STILL_M_S).all())  # NaN, unknown, is not
            rests[a:b] = (known or slow) and np.linalg.norm(away, axis=-1).max() <= STILL_M
        return rests

    def standing(self, track: Strings) -> Bool[np.ndarray, " box"]:
        """Which of these tracks stand still whenever they are annotated."""
        return np.isin(track, self._all.track[self._rests])

    def bridged(self, time_ns: int, world_from_frame: Pose, without: Strings) -> Objects:
        """Objects that are annotated at most ``BRIDGE_NS`` apart before and after a moment.

        Args:
            without: tracks that are left out.
        """
        rows = self._before
        rows = rows[(self._time_ns[rows] < time_ns) & (time_ns < self._time_ns[rows + 1])]
        rows = rows[self._other(rows, without)]
        if not len(rows):
            return self._all.rows(rows)
        times = self._time_ns[rows]
        share = (time_ns - times) / (self._time_ns[rows + 1] - times)
        carry = world_from_frame.inverse()
        first, last = (self._all.rows(r).moved(carry) for r in (rows, rows + 1))
        pose, size = interpolate_boxes(first.pose, first.size, last.pose, last.size, share)
        return Objects(first.track, first.class_id, pose, size)

    def resting(self, time_ns: int, world_from_frame: Pose, without: Strings) -> Objects:
        """Objects that stand, each as it is annotated nearest to a moment; of two moments as near
        the earlier one.

        Args:
            without: tracks that are left out.
        """
        rows = np.flatnonzero(self._rests)
        rows = rows[self._other(rows, without)]
        order = np.lexsort((np.abs(self._time_ns[rows] - time_ns), self._all.track[rows]))
        rows = rows[order]
        track = self._all.track[rows]
        rows = rows[np.append(True, track[1:] != track[:-1])[: len(rows)]]
        return self._all.rows(rows).moved(world_from_frame.inverse())

    def _other(self, rows: np.ndarray, without: Strings) -> Bool[np.ndarray, " row"]:
        """Which rows are of none of these tracks; of a few texts a set knows faster than NumPy."""
        left_out = set(without.tolist())
        return np.array([t not in left_out for t in self._all.track[rows].tolist()], bool)
