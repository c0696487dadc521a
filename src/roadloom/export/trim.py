"""A clip cut to what an export writes: later begin, fewer key frames, fewer cameras.

    ClipReader + which key frames, from when, which records -> TrimmedReader, itself a ClipReader

A trimmed clip is what reading the export back must give, so the two can be compared.
"""

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from roadloom.errors import BadInput
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Clip
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import ClipMeta, ClipReader, Records
from roadloom.scene.road_map import RoadMap
from roadloom.scene.sweep import Sweep

NS_PER_S = 1_000_000_000


class TrimmedReader(ClipReader):
    """Some key frames of ``inner``, and its records from a moment on. Picklable.

    Args:
        inner: the whole clip's reader.
        keys: key frames that stay, rising.
        begin_ns: earlier records go, but for those of a key frame that stays.
        images: keep the cameras.
        between: keep images that belong to no key frame too.
    """

    def __init__(
        self,
        inner: ClipReader,
        keys: Int64[np.ndarray, " key"],
        begin_ns: int,
        *,
        images: bool = True,
        between: bool = True,
    ) -> None:
        self.inner, self.keys, self.begin_ns = inner, keys, begin_ns
        self.with_images, self.between = images, between

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.inner, self.keys, self.begin_ns, self.with_images, self.between)

    @cached_property
    def meta(self) -> ClipMeta:  # type: ignore[override]
        meta = self.inner.meta
        rig = meta.rig if self.with_images else replace(meta.rig, cameras=())
        return replace(meta, rig=rig, key_times_ns=meta.key_times_ns[self.keys])

    def ego(self) -> PoseTrack:
        return self.inner.ego()

    def records(self, sensor: str) -> Records:
        whole, kept = self.inner.records(sensor), self._kept(sensor)
        key = whole.key[self.keys]
        there = np.isin(key, kept)
        return Records(
            time_ns=whole.time_ns[kept],
            world_from_ego=whole.world_from_ego[kept],
            key=np.where(there, np.searchsorted(kept, key), -1),
        )

    def _kept(self, sensor: str) -> Int64[np.ndarray, " record"]:
        """Numbers of the records that stay."""
        if sensor not in self._kept_of:
            whole = self.inner.records(sensor)
            stay = whole.time_ns >= self.begin_ns
            if sensor in self.meta.rig.camera_names and not self.between:
                stay[:] = False
            key = whole.key[self.keys]
            stay[key[key >= 0]] = True
            self._kept_of[sensor] = np.flatnonzero(stay)
        return self._kept_of[sensor]

    @cached_property
    def _kept_of(self) -> dict[str, Int64[np.ndarray, " record"]]:
        return {}

    def _record(self, sensor: str, index: int) -> int:
        return int(self._kept(sensor)[index])

    def image(self, camera: str, index: int) -> UInt8[np.ndarray, "height width 3"]:
        return self.inner.image(camera, self._record(camera, index))

    def image_bytes(self, camera: str, index: int) -> tuple[bytes, str] | None:
        return self.inner.image_bytes(camera, self._record(camera, index))

    def extra_image(self, kind: str, camera: str, index: int) -> np.ndarray:
        return self.inner.extra_image(kind, camera, self._record(camera, index))

    def sweep(self, lidar: str, index: int) -> Sweep:
        return self.inner.sweep(lidar, self._record(lidar, index))

    def boxes(self, key: int) -> Boxes:
        return self.inner.boxes(int(self.keys[key]))

    def boxes_at(self, time_ns: int) -> Boxes:
        return self.inner.boxes_at(time_ns)

    def road_map(self) -> RoadMap:
        return self.inner.road_map()

    def commands(self) -> tuple[tuple[int, str], ...]:
        return self.inner.commands()

    def occupancy_grids(self) -> tuple[VoxelGrid, ...]:
        return self.inner.occupancy_grids()

    def occupancy(self, key: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        return self.inner.occupancy(int(self.keys[key]), grid, solid=solid)

    def occupancy_at(self, time_ns: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        return self.inner.occupancy_at(time_ns, grid, solid=solid)

    def occupancy_masks(
        self, time_ns: int, grid: VoxelGrid
    ) -> tuple[Bool[np.ndarray, "x y z"] | None, Bool[np.ndarray, "x y z"] | None]:
        return self.inner.occupancy_masks(time_ns, grid)

    def occupancy_flow(
        self, time_ns: int, next_time_ns: int, grid: VoxelGrid
    ) -> Float32[np.ndarray, "x y z 3"]:
        return self.inner.occupancy_flow(time_ns, next_time_ns, grid)


def _again(
    inner: ClipReader, keys: np.ndarray, begin_ns: int, images: bool, between: bool
) -> TrimmedReader:
    return TrimmedReader(inner, keys, begin_ns, images=images, between=between)


def trimmed(
    clip: Clip,
    *,
    lead: int = 0,
    key_hz: int | None = None,
    images: bool = True,
    between: bool = True,
) -> Clip:
    """The clip from the first key frame on that ``lead`` sweeps of the main LiDAR go before.

    Key frames without a record of the main LiDAR go as well.

    Args:
        clip: any; it keeps its labels.
        lead: sweeps before the first key frame; without a LiDAR it must be 0 or counts nothing.
        key_hz: key frames a second, fewer than the clip has; None keeps all.
        images: keep the cameras.
        between: keep images between key frames.

    Raises:
        BadInput: no key frame is left.
    """
    keys = np.arange(len(clip), dtype=np.int64)
    begin = int(clip.times_ns[0]) if len(clip) else 0
    records = None if clip.meta.lidar is None else clip.reader.records(clip.meta.lidar)
    if records is not None:
        keys = keys[records.key >= 0]
        keys = keys[records.key[keys] >= lead]
    if not len(keys):
        raise _none_left(clip, lead, 0 if records is None else int((records.key < 0).sum()))
    keys = _thinned(clip.times_ns, keys, key_hz)
    if records is not None:
        begin = int(records.time_ns[records.key[keys[0]] - lead])
    reader = TrimmedReader(clip.reader, keys, begin, images=images, between=between)
    return Clip(reader, clip.labels)


def _none_left(clip: Clip, lead: int, bare: int) -> BadInput:
    """What is said where no key frame is left, ``bare`` of them being without a sweep."""
    short = f"no key frame of {clip.scene_id} has {lead} sweeps before it"
    if not len(clip) or bare == len(clip):
        return BadInput(
            f"{clip.scene_id} has no key frame with a sweep", file=clip.meta.source, field="lidar",
            remedy="restore the recording's files: an export follows the main LiDAR",
        )  # fmt: skip
    if bare:
        return BadInput(
            f"{short}: {bare} of its {len(clip)} have no sweep of their own",
            file=clip.meta.source, field="--lead-sweeps",
            remedy="restore the recording's absent files, or take what is there: --lead-sweeps 0 "
            "--partial",
        )  # fmt: skip
    return BadInput(
        short, file=clip.meta.source, field="--lead-sweeps",
        remedy="ask for fewer sweeps before the first key frame, or for 0",
    )  # fmt: skip


def _thinned(times: np.ndarray, keys: np.ndarray, key_hz: int | None) -> np.ndarray:
    """Of ``keys`` those nearest to every ``1 / key_hz`` seconds from the first on."""
    if key_hz is None or len(keys) < 2:
        return keys
    gap = float(np.median(np.diff(times[keys])))
    every = NS_PER_S // key_hz
    if every < 0.8 * gap:
        raise BadInput(
            f"there are {NS_PER_S / gap:.3g} key frames a second, not {key_hz}",
            field="--key-hz", remedy="leave --key-hz out to keep them all",
        )  # fmt: skip
    wanted = np.arange(times[keys[0]], times[keys[-1]] + 1, every)
    near = np.abs(times[keys][None] - wanted[:, None]).argmin(axis=1)
    return keys[np.unique(near)]
