"""``town-v0:SPLIT[:SCENE]``: a street of plain boxes, cast exactly, for any rig.

Nothing is stored: a reader is a split, an index and a config, and draws its world when asked.
The caster is imported with the first picture or sweep, since it brings numba.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64, UInt8

from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import OCC3D, VoxelGrid
from roadloom.scene.boxes import Boxes
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import ClipMeta, ClipReader, Records, SourceReader
from roadloom.scene.road_map import RoadMap
from roadloom.scene.sweep import Sweep
from roadloom.sensors.rig import Rig
from roadloom.street0.config import EGO_MARGIN_NS, NS_PER_S, SPLITS, StreetConfig
from roadloom.street0.world import World, build_world

if TYPE_CHECKING:
    from roadloom.street0.camera_view import View

LICENCE = "Apache-2.0"
EGO_HZ = 100


class TownSource(SourceReader):
    """The scenes of one split; ``place`` is train, val or test."""

    def __init__(self, place: str, config: StreetConfig | None = None) -> None:
        if place not in SPLITS:
            raise MissingInput(
                f"town-v0 has no split {place!r}", field="SOURCE",
                remedy=f"use one of {', '.join(f'town-v0:{name}' for name in SPLITS)}",
            )  # fmt: skip
        self.place, self.config = place, config or StreetConfig()

    @classmethod
    def with_rig(cls, place: str, rig: Rig) -> "TownSource":
        """The same streets through the sensors of ``rig``, images at the rig's own size."""
        return cls(place, StreetConfig(rig=rig, image_scale=1.0))

    @property
    def scenes(self) -> tuple[str, ...]:
        return tuple(str(i) for i in range(SPLITS[self.place]))

    def open_scene(self, scene: str) -> "TownReader":
        self._check(scene)
        return TownReader(self.place, int(scene), self.config)

    def problems(self, scene: str | None, *, partial: bool) -> Iterator[BadInput]:
        """Nothing is stored, so nothing but the name of the scene can be wrong."""
        if scene is not None:
            try:
                self._check(scene)
            except MissingInput as error:
                yield error

    def _check(self, scene: str) -> None:
        if scene not in self.scenes:
            raise MissingInput(
                f"no scene {scene!r}", file=f"town-v0:{self.place}", field="SCENE",
                remedy=f"use a number from 0 to {len(self.scenes) - 1}",
            )  # fmt: skip


class TownReader(ClipReader):
    """One scene. A copy that travels to a worker holds the seed and the config alone."""

    def __init__(self, split: str, index: int, config: StreetConfig) -> None:
        self.split, self.index, self.config = split, index, config
        self._views: dict[tuple[str, int], View] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return TownReader, (self.split, self.index, self.config)

    @cached_property
    def meta(self) -> ClipMeta:  # type: ignore[override]
        rig = self.rig
        return ClipMeta(
            scene_id=str(self.index),
            source=f"town-v0:{self.split}",
            licence=LICENCE,
            rig=rig,
            key_times_ns=self._start_ns + self._steps(self.config.key_hz),
            lidar=rig.lidar_names[0] if rig.lidars else None,
            our_from_vehicle=Pose.identity(),
            attributes={
                "description": "a street of plain boxes, made by roadloom town-v0",
                "weather": "clear",
                "time_of_day": "day",
                "world_hash": self.world.plan.digest(),
            },
        )

    @cached_property
    def rig(self) -> Rig:
        return self.config.scaled_rig()

    @property
    def world(self) -> World:
        return build_world(self.split, self.index)

    @property
    def _start_ns(self) -> int:
        return self.world.start_ns

    def _steps(self, rate_hz: int) -> Int64[np.ndarray, " step"]:
        """Nanoseconds since the start of the clip, from 0 up to the duration."""
        step = NS_PER_S // rate_hz
        return np.arange(0, round(self.config.duration_s * NS_PER_S), step, dtype=np.int64)

    def ego(self) -> PoseTrack:
        end = round(self.config.duration_s * NS_PER_S) + EGO_MARGIN_NS
        step = NS_PER_S // EGO_HZ
        times = self._start_ns + np.arange(-EGO_MARGIN_NS, end + step, step, dtype=np.int64)
        return PoseTrack(time_ns=times, world_from_ego=self.world.world_from_ego(times))

    def records(self, sensor: str) -> Records:
        """Key frames have the LiDAR's stamps; each camera fires at its own moment around them."""
        camera = sensor in self.rig.camera_names
        rate = self.config.camera_hz if camera else self.config.lidar_hz
        offset = self.rig.camera(sensor).trigger_offset_ns if camera else 0
        if not camera:
            self.rig.lidar(sensor)
        times = self._start_ns + self._steps(rate) + offset
        key = np.arange(len(self.meta.key_times_ns), dtype=np.int64) * (rate // self.config.key_hz)
        return Records(time_ns=times, world_from_ego=self.world.world_from_ego(times), key=key)

    def image(self, camera: str, index: int) -> UInt8[np.ndarray, "height width 3"]:
        return self._view(camera, index).pixels(self.config.edge_samples)

    def extra_image(self, kind: str, camera: str, index: int) -> np.ndarray:
        view = self._view(camera, index)
        return {"depth": lambda: view.depth, "semantic": lambda: view.semantic}[kind]()

    def sweep(self, lidar: str, index: int) -> Sweep:
        from roadloom.street0.lidar_view import see

        return see(self.world, self.rig.lidar(lidar), int(self.records(lidar).time_ns[index]))

    def boxes(self, key: int) -> Boxes:
        from roadloom.street0.annotations import annotate

        sweeps, views = [], []
        for lidar in self.rig.lidars:
            if lidar.lidar is not None:
                sweeps.append(self.sweep(lidar.name, int(self.records(lidar.name).key[key])))
        for camera in self.rig.camera_names:
            views.append(self._view(camera, int(self.records(camera).key[key])))
        time_ns = int(self.meta.key_times_ns[key])
        return annotate(self.world, time_ns, self.config.box_range_m, key, sweeps, views)

    def road_map(self) -> RoadMap:
        from roadloom.street0.street_map import road_map

        return road_map(self.world)

    def occupancy(self, key: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        from roadloom.street0.surfaces import occupancy

        return occupancy(self.world, int(self.meta.key_times_ns[key]), grid, solid=solid)

    def occupancy_grids(self) -> tuple[VoxelGrid, ...]:
        """The grids on which this clip is worth keeping; any other can be asked for as well."""
        return (OCC3D,)

    def _view(self, camera: str, index: int) -> "View":
        """Rays and hits of one image, kept for the last few: pictures, depth and boxes share it."""
        from roadloom.street0.camera_view import View

        name = (camera, index)
        if name not in self._views:
            while len(self._views) >= 2 * len(self.rig.cameras):
                del self._views[next(iter(self._views))]
            time_ns = int(self.records(camera).time_ns[index])
            self._views[name] = View.of(self.world, self.rig.camera(camera), time_ns)
        return self._views[name]
