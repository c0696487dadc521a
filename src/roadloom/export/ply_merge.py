"""The whole drive as one cloud: what stands still, in the world, thinned to one point a voxel.

    every sweep -> without the vehicle itself and without movers -> world -> first point a voxel

Movers are told by their boxes: tracks that change their place in the world, and objects without
a track of a kind that moves. Where a recording has no boxes their trails stay in the cloud.
"""

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int64

from roadloom.errors import BadInput, NotRecorded
from roadloom.export.ply_shapes import Placing
from roadloom.geometry.box import inside
from roadloom.io.ply import PointCloud
from roadloom.io.progress import show_progress
from roadloom.label.recipe import EgoBox
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import class_info
from roadloom.scene.clip import Clip
from roadloom.scene.sweep import Sweep
from roadloom.viewer.colors import class_colors
from roadloom.viewer.draw import ramp_colors
from roadloom.viewer.projection import SLACK_NS, at_time, still_points

MOVED_M = 1.0
"""A track that goes further than this in the drive is a mover; annotators waver by less."""
MARGIN_M = 0.1
"""A box holds points up to this far outside it."""
MOVERS = ("human", "two_wheeler", "vehicle", "animal")
"""Groups of classes that move, for objects without a track."""
COMPACT_AT = 2_000_000
"""Points that are held before they are thinned."""
REACH = 1 << 20
"""Voxels on each side of the origin: three numbers of 21 bits make one key."""


@dataclass
class _Points:
    """Columns that belong together."""

    key: Int64[np.ndarray, " point"]
    points: Float[np.ndarray, "point 3"]
    intensity: Float[np.ndarray, " point"]
    label: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> "_Points":
        return _Points(self.key[rows], self.points[rows], self.intensity[rows], self.label[rows])


def merged_cloud(clip: Clip, voxel_m: float) -> tuple[PointCloud, bool]:
    """The static map of a drive, and whether movers could be taken out.

    The point that a voxel keeps is the first that was measured in it. Points keep their class
    where every sweep has classes; colours are those of classes, else of height above the path.

    Raises:
        NotRecorded: the recording has no sweep.
        BadInput: the voxels are too small for so long a drive.
    """
    placing = Placing.of(clip, world=True)
    movers = moving_tracks(clip)
    streams = [(name, clip.sweeps[name]) for name in clip.rig.lidar_names]
    turns = sorted(
        (int(time), name, number)
        for name, stream in streams
        for number, time in enumerate(stream.times_ns)
    )
    if not turns:
        raise NotRecorded("this recording has no LiDAR sweeps", field="--merge")
    held: list[_Points] = []
    waiting, labelled = 0, True
    for _, name, number in show_progress(turns, desc=f"merge {clip.scene_id}", unit="sweep"):
        sweep = clip.sweeps[name][number]
        labelled = labelled and sweep.label is not None
        held.append(_thinned([_standing(clip, sweep, placing, movers, voxel_m)]))
        waiting += len(held[-1].key)
        if waiting > COMPACT_AT:
            held, waiting = [_thinned(held)], 0
    found = _thinned(held)
    colors = class_colors(found.label) if labelled else _height_colors(clip, placing, found.points)
    cloud = PointCloud(
        points=found.points.astype(np.float32),
        colors=colors,
        intensity=found.intensity,
        label=found.label if labelled else None,
        comments=placing.comments(clip, f"static map of {len(turns)} sweeps, voxels {voxel_m:g} m"),
    )
    return cloud, movers is not None


def moving_tracks(clip: Clip) -> set[str] | None:
    """Tracks that change their place; None where the recording has no boxes."""
    low: dict[str, np.ndarray] = {}
    high: dict[str, np.ndarray] = {}
    for frame in clip:
        try:
            boxes = frame.boxes
        except NotRecorded:
            return None
        places = frame.world_from_ego.apply(boxes.pose.translation)
        for track, place in zip(boxes.track_id.tolist(), places, strict=True):
            low[track] = np.minimum(low.get(track, place), place)
            high[track] = np.maximum(high.get(track, place), place)
    return {t for t in low if t and float(np.linalg.norm(high[t] - low[t])) > MOVED_M}


def mover_boxes(clip: Clip, time_ns: int, movers: set[str]) -> list[Boxes]:
    """Movers around a moment, in its ego frame: as interpolated, and as each neighbouring key
    frame's velocities carry them, since one that only a single neighbour holds has no path."""
    frame = clip.at(time_ns)
    found = []
    with suppress(NotRecorded):  # off the annotated span the nearest key frame's must do
        found.append(frame.boxes)
    if frame.key is None:
        after = int(np.searchsorted(clip.times_ns, time_ns))
        ego_from_world = frame.world_from_ego.inverse()
        for key in {max(after - 1, 0), min(after, len(clip) - 1)}:
            other = clip[key]
            carried = at_time(other.boxes, time_ns)
            found.append(carried.moved(ego_from_world @ other.world_from_ego, time_ns))
    return [boxes[_moves(boxes, movers)] for boxes in found]


def _moves(boxes: Boxes, movers: set[str]) -> Bool[np.ndarray, " box"]:
    kinds = [class_info(i).group in MOVERS for i in boxes.class_id.tolist()]
    rows = zip(boxes.track_id.tolist(), kinds, strict=True)
    return np.array([track in movers if track else kind for track, kind in rows], bool)


def _standing(
    clip: Clip, sweep: Sweep, placing: Placing, movers: set[str] | None, voxel_m: float
) -> _Points:
    """A sweep's points that belong to the map, in the world less the file's origin."""
    hits = sweep[sweep.returned & np.isfinite(sweep.points).all(axis=1)]
    points = still_points(hits, clip.ego)
    kept = ~_in_vehicle(points)
    if movers:
        moment = int(np.clip(sweep.time_ns, clip.ego.time_ns[0], clip.ego.time_ns[-1]))
        if abs(moment - sweep.time_ns) > SLACK_NS:
            raise BadInput(
                f"a sweep at {sweep.time_ns} ns lies off the path", file=clip.meta.source,
                field=clip.scene_id,
            )  # fmt: skip
        for boxes in mover_boxes(clip, moment, movers):
            if len(boxes):
                grown = boxes.size + 2 * MARGIN_M
                kept &= ~inside(points, boxes.pose, grown).any(axis=0)
    hits, points = hits[kept], points[kept]
    origin = np.array(placing.origin_m)
    pose = replace(sweep.world_from_ego, translation=sweep.world_from_ego.translation - origin)
    in_world = pose.apply(points)
    cells = np.floor(in_world / voxel_m).astype(np.int64)
    if len(cells) and (abs(cells) >= REACH).any():
        raise BadInput(
            f"voxels of {voxel_m} m are too small for a drive that reaches "
            f"{float(abs(in_world).max()):.0f} m", field="--voxel-m", remedy="give larger ones",
        )  # fmt: skip
    shifted = cells + REACH
    key = (shifted[:, 0] << 42) | (shifted[:, 1] << 21) | shifted[:, 2]
    label = np.zeros(len(key), np.uint8) if hits.label is None else hits.label
    return _Points(key, in_world, hits.intensity.astype(np.float32), label)


def _in_vehicle(points: np.ndarray) -> Bool[np.ndarray, " point"]:
    box = EgoBox()
    found = np.all((points >= box.lower_m) & (points <= box.upper_m), axis=1)
    return np.asarray(found)


def _thinned(parts: list[_Points]) -> _Points:
    """The first point of every voxel, in the order of the parts."""
    key = np.concatenate([p.key for p in parts])
    _, first = np.unique(key, return_index=True)
    rows = np.sort(first)
    whole = _Points(
        key,
        np.concatenate([p.points for p in parts]),
        np.concatenate([p.intensity for p in parts]),
        np.concatenate([p.label for p in parts]),
    )
    return whole[rows]


def _height_colors(clip: Clip, placing: Placing, points: np.ndarray) -> np.ndarray:
    """By height above the nearest place of the path, as far as the path goes up and down."""
    path = clip.ego.world_from_ego.translation - np.array(placing.origin_m)
    path = path[:: max(1, len(path) // 200)]
    height = np.empty(len(points))
    for rows in np.array_split(np.arange(len(points)), max(1, len(points) // 20_000)):
        away = ((points[rows, None, :2] - path[None, :, :2]) ** 2).sum(axis=-1)
        height[rows] = points[rows, 2] - path[away.argmin(axis=1), 2]
    return ramp_colors(1 - np.clip((height + 1) / 5, 0, 1))
