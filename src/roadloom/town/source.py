"""``town-v1:SPLIT[:SCENE]``: the built-in town as a source, for any rig.

Nothing is stored: a reader is a split, an index and a config, and draws its world when asked.
What costs time is imported with the first picture, sweep or cell that needs it, and nothing is
computed that is not asked for.
"""

from collections.abc import Iterator
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

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
from roadloom.town.config import MARGIN_NS, NS_PER_S, TownConfig
from roadloom.town.plan.draw import PLACES, check_place, dice_of, start_ns
from roadloom.town.plan.look import draw_look
from roadloom.town.plan.types import TICK_NS

if TYPE_CHECKING:
    from roadloom.town.camera.view import View
    from roadloom.town.world import World

LICENCE = "Apache-2.0"
WORLDS_HELD = 2
"""Readers that may hold images at a time."""
EGO_HZ = 100
"""The ego's path is linear between 10 ms; see ``tracks.py``."""


class TownSource(SourceReader):
    """The clips of one split; ``place`` is train, val or test."""

    def __init__(self, place: str, config: TownConfig | None = None) -> None:
        if place not in PLACES:
            raise MissingInput(
                f"town-v1 has no split {place!r}", field="SOURCE",
                remedy=f"use one of {', '.join(f'town-v1:{name}' for name in PLACES)}",
            )  # fmt: skip
        self.place, self.config = place, config or TownConfig()

    @classmethod
    def with_rig(cls, place: str, rig: Rig) -> "TownSource":
        """The same streets through the sensors of ``rig``, images at the rig's own size."""
        return cls(place, TownConfig(rig=rig, image_scale=1.0))

    @property
    def scenes(self) -> tuple[str, ...]:
        return tuple(str(i) for i in range(PLACES[self.place]))

    def open_scene(self, scene: str) -> "TownReader":
        self._check(scene)
        return TownReader(self.place, int(scene), self.config)

    def problems(self, scene: str | None, *, partial: bool) -> Iterator[BadInput]:
        """Nothing is stored, so it is the world that is checked: every law of the road broken."""
        from roadloom.town.audit import audit
        from roadloom.town.world import build_world

        for name in self.scenes if scene is None else (scene,):
            try:
                self._check(name)
            except MissingInput as error:
                yield error
                continue
            for broken in audit(build_world(self.place, int(name))):
                yield BadInput(broken, file=f"town-v1:{self.place}:{name}", field="world")

    def _check(self, scene: str) -> None:
        if scene not in self.scenes:
            raise MissingInput(
                f"no scene {scene!r}", file=f"town-v1:{self.place}", field="SCENE",
                remedy=f"use a number from 0 to {PLACES[self.place] - 1}",
            )  # fmt: skip


class TownReader(ClipReader):
    """One clip. A copy that travels to a worker holds the seed and the config alone."""

    def __init__(self, split: str, index: int, config: TownConfig) -> None:
        check_place(split, index)
        self.split, self.index, self.config = split, index, config
        self._views: dict[tuple[str, int], View] = {}
        self._lock = Lock()  # of the views: images may be asked for by several threads
        self._sweeps: dict[tuple[str, int], Sweep] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return TownReader, (self.split, self.index, self.config)

    @cached_property
    def meta(self) -> ClipMeta:  # type: ignore[override]
        rig = self.rig
        look = draw_look(dice_of(self.split, self.index, 0))  # its own dice: no town is drawn
        return ClipMeta(
            scene_id=str(self.index),
            source=f"town-v1:{self.split}",
            licence=LICENCE,
            rig=rig,
            key_times_ns=self._start_ns + self._steps(self.config.key_hz),
            lidar=rig.lidar_names[0] if rig.lidars else None,
            our_from_vehicle=Pose.identity(),
            attributes={
                "description": "a made-up town, drawn by roadloom town-v1",
                "weather": look.weather,
                "time_of_day": look.time_of_day,
                "season": look.season,
            },
        )

    @cached_property
    def rig(self) -> Rig:
        return self.config.scaled_rig()

    @property
    def world(self) -> "World":
        from roadloom.town.world import build_world

        return build_world(self.split, self.index)

    @property
    def world_hash(self) -> str:
        """Of the whole description of this clip's town."""
        return self.world.plan.digest()

    @property
    def _start_ns(self) -> int:
        return start_ns(self.split, self.index)

    def _steps(self, rate_hz: int) -> Int64[np.ndarray, " step"]:
        """Nanoseconds since the start of the clip, from 0 up to the duration."""
        step = NS_PER_S // rate_hz
        return np.arange(0, round(self.config.duration_s * NS_PER_S), step, dtype=np.int64)

    @property
    def _path_ns(self) -> Int64[np.ndarray, " time"]:
        """Times of the ego's path."""
        end = round(self.config.duration_s * NS_PER_S) + MARGIN_NS
        step = NS_PER_S // EGO_HZ
        return self._start_ns + np.arange(-MARGIN_NS, end + step, step, dtype=np.int64)

    def _check_moment(self, time_ns: int) -> None:
        first, last = self._path_ns[[0, -1]].tolist()
        if not first <= time_ns <= last:
            raise BadInput(
                f"{time_ns} ns lies outside the path of the ego", field="time_ns",
                file=f"{self.meta.source}:{self.index}", remedy=f"stay between {first} and {last}",
            )  # fmt: skip

    def ego(self) -> PoseTrack:
        times = self._path_ns
        return PoseTrack(time_ns=times, world_from_ego=self.world.world_from_ego(times))

    def records(self, sensor: str) -> Records:
        """Key frames have the LiDAR's stamps; each camera fires at its own moment around them."""
        if sensor in self.rig.camera_names:
            rate = self.config.camera_hz
            offset = self.rig.camera(sensor).trigger_offset_ns
        else:
            rate, offset = self.config.lidar_rate_hz(self.rig.lidar(sensor)), 0
        times = self._start_ns + self._steps(rate) + offset
        key = np.arange(len(self.meta.key_times_ns), dtype=np.int64) * (rate // self.config.key_hz)
        return Records(time_ns=times, world_from_ego=self.world.world_from_ego(times), key=key)

    def image(self, camera: str, index: int) -> UInt8[np.ndarray, "height width 3"]:
        return self._view(camera, index).pixels(self.config.rays_per_pixel)

    def extra_image(self, kind: str, camera: str, index: int) -> np.ndarray:
        view = self._view(camera, index)
        return {
            "depth": lambda: view.depth,
            "semantic": lambda: view.semantic,
            "normal": lambda: view.normal,
            "instance": lambda: view.instance,
        }[kind]()

    def sweep(self, lidar: str, index: int) -> Sweep:
        from roadloom.town.lidar.see import see

        name = (lidar, index)
        if name not in self._sweeps:
            _forget(self._sweeps, 2 * len(self.rig.lidars))
            self._sweeps[name] = see(
                self.world, self.rig.lidar(lidar), int(self.records(lidar).time_ns[index]),
                frozen=self.config.frozen, physics=self.config.lidar_physics,
            )  # fmt: skip
        return self._sweeps[name]

    def boxes(self, key: int) -> Boxes:
        from roadloom.town.annotations import annotate

        sweeps = [self.sweep(name, self._record(name, key)) for name in self.rig.lidar_names]
        views = [self._view(name, self._record(name, key)) for name in self.rig.camera_names]
        time_ns = int(self.meta.key_times_ns[key])
        return annotate(
            self.world, time_ns, self.config.box_range_m, key, sweeps, views,
            hidden=self.config.hidden_boxes,
        )  # fmt: skip

    def boxes_at(self, time_ns: int) -> Boxes:
        from roadloom.town.annotations import annotate

        self._check_moment(time_ns)
        return annotate(
            self.world, time_ns, self.config.box_range_m, -1, (), (),
            hidden=self.config.hidden_boxes,
        )  # fmt: skip

    def commands(self) -> tuple[tuple[int, str], ...]:
        plan = self.world.plan
        return tuple((self._start_ns + tick * TICK_NS, command) for tick, command in plan.commands)

    def road_map(self) -> RoadMap:
        from roadloom.town.road_map import road_map

        return road_map(self.world)

    def occupancy(self, key: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        return self.occupancy_at(int(self.meta.key_times_ns[key]), grid, solid=solid)

    def occupancy_at(self, time_ns: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        from roadloom.town.occupancy.labels import occupancy

        self._check_moment(time_ns)
        return occupancy(self.world, time_ns, grid, solid=solid)

    def occupancy_masks(
        self, time_ns: int, grid: VoxelGrid
    ) -> tuple[Bool[np.ndarray, "x y z"] | None, Bool[np.ndarray, "x y z"] | None]:
        from roadloom.town.cast.caster import caster_of
        from roadloom.town.occupancy.masks import visibility

        self._check_moment(time_ns)
        return visibility(self.world, time_ns, self.rig, grid, caster_of(self.world))

    def occupancy_flow(
        self, time_ns: int, next_time_ns: int, grid: VoxelGrid
    ) -> Float32[np.ndarray, "x y z 3"]:
        from roadloom.town.occupancy.flow import occupancy_flow

        self._check_moment(time_ns)
        self._check_moment(next_time_ns)
        return occupancy_flow(self.world, time_ns, next_time_ns, grid)

    def occupancy_grids(self) -> tuple[VoxelGrid, ...]:
        """The grids on which this clip is worth keeping; any other can be asked for as well."""
        return (OCC3D,)

    def _record(self, sensor: str, key: int) -> int:
        return int(self.records(sensor).key[key])

    def _view(self, camera: str, index: int) -> "View":
        """Rays and hits of one image, kept for the last few: pictures, depth and boxes share it."""
        from roadloom.town.camera.view import View

        _keep_to_the_last(self)
        name = (camera, index)
        time_ns = int(self.records(camera).time_ns[index])
        with self._lock:
            if name not in self._views:
                _forget(self._views, len(self.rig.cameras))
                self._views[name] = View.of(self.world, self.rig.camera(camera), time_ns)
            return self._views[name]


_SEEN: list["ref[TownReader]"] = []
"""Readers that may hold images, the latest last."""


def _keep_to_the_last(reader: TownReader) -> None:
    """Let a reader that others have overtaken drop its images: each of them holds its world."""
    if _SEEN and _SEEN[-1]() is reader:
        return
    _SEEN[:] = [r for r in _SEEN if r() is not reader and r() is not None] + [ref(reader)]
    while len(_SEEN) > WORLDS_HELD:
        overtaken = _SEEN.pop(0)()
        if overtaken is not None:
            overtaken._views.clear()


def _forget(kept: dict[tuple[str, int], Any], most: int) -> None:
    """Make room for one more."""
    while len(kept) >= max(most, 1):
        del kept[next(iter(kept))]
