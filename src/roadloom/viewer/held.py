"""A clip that keeps what it read last, as page, pictures and film ask for the same frame."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor, wait
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import ClipReader, Records
from roadloom.scene.road_map import RoadMap
from roadloom.scene.sweep import Sweep

Item = TypeVar("Item")
SPARE = 8
"""Items kept beside one image per camera."""


def held(clip: Clip) -> Clip:
    """The same clip, through a reader that keeps the last key frame's worth of items."""
    return Clip(HeldReader(clip.reader), clip.labels)


class HeldReader(ClipReader):
    """Answers as the reader it wraps; asks it again only for what has been dropped."""

    def __init__(self, reader: ClipReader) -> None:
        self.reader, self.meta = reader, reader.meta
        self._most = len(reader.meta.rig.cameras) + SPARE
        self._kept: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._lock = Lock()

    def _keep(self, key: tuple[Any, ...], read: Callable[[], Item]) -> Item:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        item = read()
        with self._lock:
            self._kept[key] = item
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return item

    def read_ahead(self, frame: Frame, pool: Executor) -> None:
        """Read a frame's images side by side: most of that work leaves the interpreter free.

        What cannot be read is left for whoever asks for it, who gets the error.
        """
        cameras = self.meta.rig.camera_names
        wait([pool.submit(_look, frame, camera) for camera in cameras])

    def ego(self) -> PoseTrack:
        return self.reader.ego()

    def records(self, sensor: str) -> Records:
        return self.reader.records(sensor)

    def image(self, camera: str, index: int) -> np.ndarray:
        return self._keep(("image", camera, index), lambda: self.reader.image(camera, index))

    def image_bytes(self, camera: str, index: int) -> tuple[bytes, str] | None:
        return self.reader.image_bytes(camera, index)

    def sweep(self, lidar: str, index: int) -> Sweep:
        return self._keep(("sweep", lidar, index), lambda: self.reader.sweep(lidar, index))

    def boxes(self, key: int) -> Boxes:
        return self._keep(("boxes", key), lambda: self.reader.boxes(key))

    def boxes_at(self, time_ns: int) -> Boxes:
        return self.reader.boxes_at(time_ns)

    def road_map(self) -> RoadMap:
        return self.reader.road_map()  # the clip keeps it

    def commands(self) -> tuple[tuple[int, str], ...]:
        return self.reader.commands()

    def occupancy(self, key: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        return self._keep(
            ("occupancy", key, grid, solid),
            lambda: self.reader.occupancy(key, grid, solid=solid),
        )

    def occupancy_at(self, time_ns: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        return self.reader.occupancy_at(time_ns, grid, solid=solid)

    def occupancy_masks(
        self, time_ns: int, grid: VoxelGrid
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        return self.reader.occupancy_masks(time_ns, grid)

    def occupancy_flow(self, time_ns: int, next_time_ns: int, grid: VoxelGrid) -> np.ndarray:
        return self.reader.occupancy_flow(time_ns, next_time_ns, grid)

    def occupancy_grids(self) -> tuple[VoxelGrid, ...]:
        return self.reader.occupancy_grids()

    def extra_image(self, kind: str, camera: str, index: int) -> np.ndarray:
        return self.reader.extra_image(kind, camera, index)


def _look(frame: Frame, camera: str) -> None:
    _ = frame.image(camera).pixels
