"""One sweep made ready for labels: rays without the vehicle, objects' points in their boxes.

    sweep -> each ray from its LiDAR's place at the point's own time
          -> what hit the vehicle itself taken out
          -> points that a box holds, and pieces of rays near boxes, in the frames of these boxes
          -> a class for every point

Nothing here depends on the moment that is labelled, so a sweep is prepared once for all of them.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, UInt8

from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.label.drive import Drive
from roadloom.label.ground import MapClasses
from roadloom.label.movers import ObjectPaths
from roadloom.label.objects import Objects, matched
from roadloom.label.recipe import EgoBox, Recipe
from roadloom.scene.classes import CLASSES, FREE, UNKNOWN, check_ids, class_id
from roadloom.scene.clip import Clip
from roadloom.scene.sweep import Sweep

OCCUPIED, NOISE, EGO = map(class_id, ("other.occupied", "other.noise", "vehicle.ego"))
REACH_M = 0.5
"""Rays are kept with a box from this far outside it, so that they cross its outer cells whole."""
SECTORS = 120
"""Directions in which boxes are looked for."""

_THING = np.zeros(256, bool)
_THING[[c.id for c in CLASSES if c.thing]] = True
_GROUND = np.zeros(256, bool)
_GROUND[[c.id for c in CLASSES if c.name.startswith(("flat.", "marking.", "nature.terrain"))]] = (
    True
)


class Rays(NamedTuple):
    """Rays in one frame or several: run r owns rows ``offsets[r]`` to ``offsets[r + 1]``."""

    starts: Float32[np.ndarray, "ray 3"]
    ends: Float32[np.ndarray, "ray 3"]
    classes: UInt8[np.ndarray, " ray"]
    """Of the surface at the end; 0 where the end is none here."""
    offsets: Int64[np.ndarray, " offset"]
    ground: Bool[np.ndarray, " ray"]
    """Whether the ray ends on the ground."""

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self)


class ReadySweep(NamedTuple):
    """Float32 holds its places to a few micrometres, for all are near the vehicle or a box."""

    world_from_frame: Pose
    """Of ``standing``: the sweep's own ego frame."""
    standing: Rays
    """Every ray, in one run; what an object stopped is no surface here."""
    tracks: tuple[str, ...]
    carried: Rays
    """A run for each track, in the frame of its box."""

    @property
    def nbytes(self) -> int:
        return self.standing.nbytes + self.carried.nbytes


class SweepMaker:
    """Makes the sweeps of one clip ready."""

    def __init__(self, clip: Clip, recipe: Recipe) -> None:
        """
        Raises:
            NotRecorded: the recipe wants boxes and the clip has none.
        """
        self._clip, self._recipe = clip, recipe
        self.drive = Drive(clip.ego)
        self.paths = ObjectPaths(clip, self.drive) if recipe.boxes else None
        self._map = MapClasses(clip)

    def ready(self, lidar: str, record: int) -> ReadySweep:
        """Sweep ``record`` of a LiDAR.

        Raises:
            BadInput: a point that returned is not finite, or was measured off the path.
        """
        sweep = self._clip.sweeps[lidar][record]
        _check_finite(sweep, lidar, record)
        # Of a shot that met nothing no range is known: it says nothing.
        labels = _labels(sweep)
        sweep, labels = _kept(sweep, labels, sweep.returned & ~np.isin(labels, (NOISE, EGO)))
        points = self._points(sweep)
        outside = ~self._on_ego(sweep, points)
        (sweep, labels), points = _kept(sweep, labels, outside), points[outside]
        starts = self._starts(sweep)
        holder, objects, carried = self._carry(sweep, starts, points, labels)
        boxed = np.append(objects.class_id, np.uint8(UNKNOWN))[holder]  # -1 takes the last
        by_map = np.full(len(points), UNKNOWN, np.uint8)
        rest = np.flatnonzero((labels == UNKNOWN) & (boxed == UNKNOWN))
        ground = _GROUND[labels]
        by_map[rest], ground[rest] = self._map.classes(points[rest], sweep.world_from_ego)
        classes = _first_known(labels, boxed, by_map)
        standing = Rays(
            starts.astype(np.float32), points.astype(np.float32),
            np.where(holder < 0, classes, FREE).astype(np.uint8),
            np.array([0, len(points)], np.int64), ground,
        )  # fmt: skip
        pieces = Rays(
            carried.starts, carried.ends,
            np.where(carried.held, classes[carried.rays], FREE).astype(np.uint8), carried.offsets,
            np.zeros(len(carried.rays), bool),
        )  # fmt: skip
        return ReadySweep(sweep.world_from_ego, standing, tuple(objects.track.tolist()), pieces)

    def _points(self, sweep: Sweep) -> Float[np.ndarray, "point 3"]:
        """In the ego frame of the sweep's stamp."""
        points = sweep.points.astype(np.float64)
        if sweep.motion_compensated or not len(points):
            return points
        carry = sweep.world_from_ego.inverse() @ self.drive.at(sweep.point_time_ns)
        moved: np.ndarray = carry.apply(points[:, None])[:, 0]
        return moved

    def _on_ego(self, sweep: Sweep, points: np.ndarray) -> Bool[np.ndarray, " point"]:
        """What lies in the vehicle's box in the ego frame of the point's own time."""
        found = np.zeros(len(points), bool)
        if not len(points):
            return found
        box = self._recipe.ego_box
        size = float(np.linalg.norm(np.maximum(np.abs(box.lower_m), np.abs(box.upper_m))))
        sweep_from_world = sweep.world_from_ego.inverse()
        away = points - self.drive.points_at(sweep.point_time_ns, np.zeros(3), sweep_from_world)
        # What is turned by an angle moves by less than the angle times its distance.
        swing = self.drive.largest_turn(sweep.point_time_ns, sweep_from_world) * size + 0.01
        lower, upper = np.array(box.lower_m) - swing, np.array(box.upper_m) + swing
        near = np.flatnonzero(((away >= lower) & (away <= upper)).all(axis=1))
        if len(near):
            own_from_sweep = self.drive.at(sweep.point_time_ns[near]).inverse()
            own = (own_from_sweep @ sweep.world_from_ego).apply(points[near, None])[:, 0]
            found[near] = _in_box(own, box)
        return found

    def _starts(self, sweep: Sweep) -> Float[np.ndarray, "point 3"]:
        """Where the LiDAR of each point was at the point's own time."""
        starts = np.zeros((len(sweep), 3))
        for number, origin in enumerate(sweep.origins):
            rows = np.flatnonzero(sweep.origin_id == number)
            starts[rows] = self.drive.points_at(
                sweep.point_time_ns[rows], origin.ego_from_lidar.translation,
                sweep.world_from_ego.inverse(),
            )  # fmt: skip
        return starts

    def _carry(
        self, sweep: Sweep, starts: np.ndarray, points: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, Objects, "Pieces"]:
        """The box that holds each point, the boxes, and the pieces of rays."""
        share = np.zeros(len(points))
        times = [sweep.time_ns, sweep.time_ns]
        if self.paths is not None and self.paths.exact and len(points):
            times = [int(sweep.point_time_ns.min()), int(sweep.point_time_ns.max())]
            share = (sweep.point_time_ns - times[0]) / max(times[1] - times[0], 1)
        first, last = self._objects(times, sweep.world_from_ego)
        rule = np.where(labels == UNKNOWN, 1, np.where(_THING[labels], 2, 0)).astype(np.uint8)
        holder, carried = pieces_of(
            starts, points, share, rule, first, last, self._recipe.box_margin_m
        )
        return holder, first, carried

    def _objects(self, times: list[int], world_from_frame: Pose) -> tuple[Objects, Objects]:
        """Objects at two moments, the smallest first: it holds what several boxes could."""
        if self.paths is None:
            none = Objects(
                np.zeros(0, "<U1"), np.zeros(0, np.uint8),
                Pose(np.zeros((0, 3, 3)), np.zeros((0, 3))), np.zeros((0, 3)),
            )  # fmt: skip
            return none, none
        first = self.paths.at(times[0], world_from_frame)
        last = first if times[1] == times[0] else self.paths.at(times[1], world_from_frame)
        first, last = matched(first, last)
        order = np.lexsort((first.track, first.size.prod(axis=1)))
        return first.rows(order), last.rows(order)


class Pieces(NamedTuple):
    """Parts of rays near boxes, box by box, each in the frame of its box."""

    starts: Float32[np.ndarray, "piece 3"]
    ends: Float32[np.ndarray, "piece 3"]
    rays: Int64[np.ndarray, " piece"]
    held: Bool[np.ndarray, " piece"]
    """Whether the box holds the ray's end."""
    offsets: Int64[np.ndarray, " offset"]


def pieces_of(
    starts: Float[np.ndarray, "ray 3"],
    ends: Float[np.ndarray, "ray 3"],
    share: Float[np.ndarray, " ray"],
    rule: UInt8[np.ndarray, " ray"],
    first: Objects,
    last: Objects,
    margin_m: float,
) -> tuple[Int64[np.ndarray, " ray"], Pieces]:
    """Which box holds each ray's end (-1 none), and the parts of rays near boxes.

    Args:
        share: of each ray between the moments of ``first`` and ``last``; between them boxes run
            linearly, turns too, which at 1 rad/s shortens a 5 m box by 3 mm in a tenth of a second.
        rule: 0 for ends that no box may hold, 1 for those above its floor, 2 for all.
    """
    from roadloom.label.hold_kernels import hold

    holder = np.empty(len(starts), np.int64)
    boxes = [np.concatenate([o.pose.rotation.reshape(-1, 9), o.pose.translation], axis=1)
             for o in (first, last)]  # fmt: skip
    given = (
        np.ascontiguousarray(starts), np.ascontiguousarray(ends), share, rule, *boxes,
        first.size / 2, first.floor_m, margin_m, max(REACH_M, margin_m),
        *_sectors(starts, first, last, max(REACH_M, margin_m)), holder,
    )  # fmt: skip
    count, room = len(starts) + 1, 0
    while room < count:  # a second time only where there are more pieces than rays
        room = count
        rays, box = np.empty(room, np.int64), np.empty(room, np.int64)
        begin, end = np.empty((room, 3), np.float32), np.empty((room, 3), np.float32)
        count = hold(*given, rays, box, begin, end)
    rays, box = rays[:count], box[:count]
    order = np.argsort(box, kind="stable")
    offsets = np.searchsorted(box[order], np.arange(len(first.track) + 1))
    rays, box = rays[order], box[order]
    return holder, Pieces(begin[order], end[order], rays, holder[rays] == box, offsets)


def _sectors(
    starts: Float[np.ndarray, "ray 3"], first: Objects, last: Objects, reach_m: float
) -> tuple[Int64[np.ndarray, " edge"], Int64[np.ndarray, " listed"]]:
    """Which boxes rays may come near, by their direction on the plan: of sector s the rows
    ``listed[edges[s]:edges[s + 1]]``, rising.

    A ray that comes within r of a place c starts at most d off the starts' middle o; so its
    direction is at most asin((r + d) / |c - o|) off that from o to c.
    """
    step = 2 * np.pi / SECTORS
    middle = starts[:, :2].mean(axis=0) if len(starts) else np.zeros(2)
    spread = np.linalg.norm(starts[:, :2] - middle, axis=1).max(initial=0.0)
    center = (first.pose.translation + last.pose.translation)[:, :2] / 2 - middle
    swing = np.linalg.norm((last.pose.translation - first.pose.translation)[:, :2], axis=1) / 2
    radius = np.linalg.norm(first.size / 2 + reach_m, axis=1) + swing + spread + 1e-3
    away = np.linalg.norm(center, axis=1)
    around = away <= radius
    half = np.arcsin(np.where(around, 0.0, radius / np.where(around, 1.0, away))) + step
    heading = -np.pi + step * (np.arange(SECTORS) + 0.5)
    off = heading[:, None] - np.arctan2(center[:, 1], center[:, 0])
    off = np.abs((off + np.pi) % (2 * np.pi) - np.pi)
    sector, listed = np.nonzero((off <= half) | around)
    return np.searchsorted(sector, np.arange(SECTORS + 1)), listed


def _first_known(*choices: UInt8[np.ndarray, " point"]) -> UInt8[np.ndarray, " point"]:
    """The first class of each point that is known; ``other.occupied`` where none is."""
    classes = np.full(len(choices[0]), OCCUPIED, np.uint8)
    for choice in reversed(choices):
        known = choice != UNKNOWN
        classes[known] = choice[known]
    return classes


def _in_box(points: np.ndarray, box: EgoBox) -> Bool[np.ndarray, " point"]:
    return np.all((points >= box.lower_m) & (points <= box.upper_m), axis=-1)


def _labels(sweep: Sweep) -> UInt8[np.ndarray, " point"]:
    """Labels that say what a point is; unknown for all others."""
    if sweep.label is None:
        return np.full(len(sweep), UNKNOWN, np.uint8)
    check_ids(sweep.label, field="label")
    return np.where(np.isin(sweep.label, (FREE, OCCUPIED)), UNKNOWN, sweep.label).astype(np.uint8)


def _kept(sweep: Sweep, labels: np.ndarray, rows: np.ndarray) -> tuple[Sweep, np.ndarray]:
    return sweep[rows], labels[rows]


def _check_finite(sweep: Sweep, lidar: str, record: int) -> None:
    bad = sweep.returned & ~np.isfinite(sweep.points).all(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        raise BadInput(
            f"point {row} of sweep {record} of {lidar} returned, and is {sweep.points[row]}",
            field="points", remedy="restore the sweep, or mark such shots as not returned",
        )  # fmt: skip
