"""Who would meet somebody head-on: ways that leave no room to pass are not walked."""

import numpy as np

from roadloom.town.traffic.people import SAMPLE_M, Person

LATE_S = (-4, -2, 0, 2, 4)
"""One of the two may come so much earlier or later than at their own pace."""
REACH_M = 1.6
"""Places are compared once a second: two who meet come this near along their ways."""
ROOM_M = 0.08
OPPOSITE = -0.3


class Meetings:
    """Where everybody will be, second by second, if nobody makes them wait."""

    def __init__(self, seconds: float) -> None:
        self._times = np.arange(0.0, seconds, 1.0)
        self._tracks = np.zeros((0, len(self._times), 4))
        self._sides = np.zeros((0, 2))

    def head_on(self, person: Person, sides: tuple[float, float]) -> bool:
        """Whether one who takes ``sides`` metres to their left and right walks into others."""
        track = self._track(person)
        count = len(self._times)
        left, right = sides
        for late in LATE_S:
            mine = track[max(0, late) : count + min(0, late)]
            theirs = self._tracks[:, max(0, -late) : count + min(0, -late)]
            dx, dy = theirs[..., 0] - mine[:, 0], theirs[..., 1] - mine[:, 1]
            facing = theirs[..., 2] * mine[:, 2] + theirs[..., 3] * mine[:, 3] < OPPOSITE
            ahead = np.abs(dx * mine[:, 2] + dy * mine[:, 3]) < REACH_M
            aside = dy * mine[:, 2] - dx * mine[:, 3]
            meets = aside - self._sides[:, :1] < left + ROOM_M
            meets &= aside + self._sides[:, 1:] > -right - ROOM_M
            if bool((facing & ahead & meets).any()):
                return True
        return False

    def add(self, person: Person, sides: tuple[float, float]) -> None:
        self._tracks = np.concatenate([self._tracks, self._track(person)[None]])
        self._sides = np.concatenate([self._sides, [sides]])

    def _track(self, person: Person) -> np.ndarray:
        s = np.minimum(person.s + person.v * self._times, person.way.length)
        rows = np.minimum((s / SAMPLE_M).astype(np.int64), len(person.table) - 1)
        return np.array(person.table)[rows]
