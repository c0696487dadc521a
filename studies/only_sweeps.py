"""A clip that holds some of its sweeps only: for labels that must not know the sweep they meet."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from roadloom.scene.clip import Clip
from roadloom.scene.reader import ClipReader, Records
from roadloom.scene.sweep import Sweep


class OnlySweeps(ClipReader):
    """``reader`` with the records ``numbers`` of LiDAR ``lidar``; sweeps are read once and kept."""

    def __init__(self, reader: ClipReader, lidar: str, numbers: Sequence[int]) -> None:
        self._reader, self._lidar, self._numbers = reader, lidar, list(numbers)
        self.meta = reader.meta
        self._kept: dict[int, Sweep] = {}

    def __getattribute__(self, name: str) -> Any:
        own = ("records", "sweep", "meta", "_reader", "_lidar", "_numbers", "_kept", "__class__")
        if name in own:
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "_reader"), name)

    def ego(self) -> Any:
        return self._reader.ego()

    def records(self, sensor: str) -> Records:
        every = self._reader.records(sensor)
        if sensor != self._lidar:
            return every
        place = {number: row for row, number in enumerate(self._numbers)}
        return Records(
            time_ns=every.time_ns[self._numbers],
            world_from_ego=every.world_from_ego[np.array(self._numbers, np.int64)],
            key=np.array([place.get(int(number), -1) for number in every.key], np.int64),
        )

    def sweep(self, lidar: str, index: int) -> Sweep:
        number = self._numbers[index] if lidar == self._lidar else index
        if number not in self._kept:
            self._kept[number] = self._reader.sweep(lidar, number)
        return self._kept[number]


def with_sweeps(clip: Clip, numbers: Sequence[int]) -> Clip:
    """``clip`` with these records of its main LiDAR alone."""
    assert clip.meta.lidar is not None
    return Clip(OnlySweeps(clip.reader, clip.meta.lidar, numbers))
