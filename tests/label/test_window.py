"""Exactly which sweeps a window holds."""

import numpy as np
import pytest
from tests.label.toy import MOUNT, Shot, ToyReader

from roadloom.geometry.pose import Pose
from roadloom.label.recipe import WINDOWS, Window
from roadloom.label.window import sweeps_within
from roadloom.scene.clip import Clip

KEYS = (0.0, 0.5, 1.0, 1.5, 2.0)
NOTHING = np.zeros((0, 3))


def drive() -> Clip:
    """TOP ten times a second from -0.2 s to 2.2 s, SIDE 20 ms late at every second key frame."""
    shots = [Shot(i / 10, NOTHING) for i in range(-2, 23)]
    shots += [Shot(t + 0.02, NOTHING, lidar="SIDE") for t in KEYS[::2]]
    return Clip(Late(shots, key_s=KEYS, mounts={"TOP": MOUNT, "SIDE": Pose.identity()}))


class Late(ToyReader):
    def records(self, sensor: str):
        found = super().records(sensor)
        if sensor == "SIDE":
            found.key[::2] = np.arange(3)
        return found


def tenths(key: int, window: Window) -> tuple[list[int], list[int]]:
    """Times of TOP [0.1 s] and key frames of SIDE."""
    found = sweeps_within(drive(), key, window)
    assert found == sorted(found, key=lambda n: (n[0] != "TOP", n[1]))
    return [n - 2 for name, n in found if name == "TOP"], [
        2 * n for name, n in found if name == "SIDE"
    ]


@pytest.mark.parametrize(
    "name, key, top, side",
    [
        ("frame", 2, [10], [2]),
        ("frame", 1, [5], []),
        ("0.5s", 2, range(5, 16), [2]),
        ("0.5s", 0, range(-2, 6), [0]),  # one-sided at the ends of the drive
        ("0.5s", 4, range(15, 23), [4]),
        ("1s", 2, range(0, 21), [0, 2]),  # SIDE's last one comes 20 ms too late
        ("scene", 3, range(-2, 23), [0, 2, 4]),
        ("frames1", 2, [10], [2]),
        ("frames3", 2, range(5, 16), [2]),
        ("frames5", 2, range(0, 21), [0, 2, 4]),
        ("frames5", 0, range(0, 11), [0, 2]),
        ("frames3", 4, range(15, 21), [4]),
    ],
)
def test_presets(name: str, key: int, top: list[int], side: list[int]) -> None:
    assert tenths(key, WINDOWS[name]) == (list(top), list(side))


def test_key_frames_alone() -> None:
    assert tenths(2, Window(before_s=1.0, after_s=0.5, include_sweeps=False)) == (
        [0, 5, 10, 15], [0, 2],
    )  # fmt: skip
    window = Window(keyframes_before=1, keyframes_after=2, include_sweeps=False)
    assert tenths(2, window) == ([5, 10, 15, 20], [2, 4])


def test_one_side_only() -> None:
    assert tenths(2, Window(before_s=0.3, after_s=0.0))[0] == [7, 8, 9, 10]
    assert tenths(2, Window(keyframes_before=0, keyframes_after=1))[0] == list(range(10, 16))
