"""Keeps the things of a scene apart, in whole numbers, at every tick of the scene."""

import numpy as np

from roadloom.street0.plan import FIRST_TICK, LAST_TICK, Drive, Thing

TICKS = np.arange(FIRST_TICK, LAST_TICK + 1, dtype=np.int64)
EGO_LENGTH, EGO_WIDTH, EGO_REAR = 4900, 2000, 1100
"""The ego's body [mm], and how far it reaches behind the rear axle."""


class Crowd:
    """Upright footprints that may not come near each other."""

    def __init__(self) -> None:
        self._x = np.zeros((0, len(TICKS)), np.int64)
        self._y = np.zeros((0, len(TICKS)), np.int64)
        self._reach = np.zeros((0, 2), np.int64)

    def add_drive(self, drive: Drive) -> None:
        """The ego; half a millimetre of its path is rounded away, half a metre is kept clear."""
        x = drive.x + drive.speed * TICKS + drive.gain * TICKS * TICKS // 2
        middle = x + EGO_LENGTH // 2 - EGO_REAR
        y = np.full_like(x, drive.y)
        half = (EGO_LENGTH // 2 + 500, EGO_WIDTH // 2 + abs(drive.shift) + 200)
        self._append(middle, y, half)

    def add(self, thing: Thing, gap: tuple[int, int] = (400, 150)) -> bool:
        """Take the thing in if it keeps ``gap`` [mm] along and across the street to all others."""
        x, y = _path(thing)
        half = footprint(thing)
        free_x = np.abs(self._x - x) >= self._reach[:, :1] + half[0] + gap[0]
        free_y = np.abs(self._y - y) >= self._reach[:, 1:] + half[1] + gap[1]
        if not (free_x | free_y).all():
            return False
        self._append(x, y, half)
        return True

    def _append(self, x: np.ndarray, y: np.ndarray, half: tuple[int, int]) -> None:
        self._x = np.concatenate([self._x, x[None]])
        self._y = np.concatenate([self._y, y[None]])
        self._reach = np.concatenate([self._reach, np.array([half], np.int64)])


def footprint(thing: Thing) -> tuple[int, int]:
    """Half the sides of an upright rectangle along x and y that holds the thing, rounded up."""
    hx, hy = abs(thing.heading[0]), abs(thing.heading[1])
    length, width = thing.size[0] // 2 + 30, thing.size[1] // 2 + 30
    # |cos| and |sin| are at most these shares; both are exact for headings along an axis.
    norm = max(hx, hy)
    return (
        -((-length * hx - width * hy) // norm),
        -((-length * hy - width * hx) // norm),
    )


def _path(thing: Thing) -> tuple[np.ndarray, np.ndarray]:
    hx, hy = thing.heading
    x = thing.x + (thing.speed * hx) * TICKS
    return x, thing.y + (thing.speed * hy) * TICKS
