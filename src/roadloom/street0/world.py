"""A scene's description as arrays in metres and seconds, in the street's own frame.

StreetPlan -> World: parts and objects for the caster, the ego's path, the place in the world

Everything is cast in the street's frame, where coordinates stay below a few hundred metres;
only the poses that leave the town carry its far-away place in the world.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from roadloom.geometry.pose import Pose
from roadloom.scene.classes import class_id
from roadloom.street0.draw import draw_plan
from roadloom.street0.plan import KERB_MM, TICK_NS, Drive, StreetPlan
from roadloom.street0.shapes import KINDS, Part, bounds, parts_of

BOX_MARGIN_MM = 10
"""Annotated boxes are this much larger than what they hold: along, across and above."""
BOX_FLOOR_MM = 5
"""They begin this far above the ground, so that they hold none of it."""
TICK_S = TICK_NS * 1e-9
PAINT_BIN_M = 8.0
START_NS = 1_600_000_000_000_000_000
"""Time of the first key frame of scene 0; every scene has its own hour."""


class Tables(NamedTuple):
    """What the kernels read; packed, since every array that is passed on costs time."""

    moving: np.ndarray
    """[object 7] position at time 0 [m], velocity along x and y [m/s], cosine and sine."""
    spans: np.ndarray
    """[object 2] first row of its parts in ``boxes`` and the row after the last."""
    boxes: np.ndarray
    """[box 6] lowest and highest corner in the object's frame [m]; before the parts of each
    object comes a row with the bounds of all of them, which is never hit."""
    kerb: np.ndarray
    """y of the right and the left kerb, and the height of both [m]."""


class Materials(NamedTuple):
    """How the rows of ``Tables.boxes`` look."""

    kind: np.ndarray
    """[box] int64, a material of ``shapes``."""
    colour: np.ndarray
    """[box 3] linear."""
    style: np.ndarray
    """[box 4] of facades [m]."""
    class_id: np.ndarray
    """[box] uint8."""


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    plan: StreetPlan

    @cached_property
    def parts(self) -> list[list[Part]]:
        """Of each thing."""
        return [parts_of(thing) for thing in self.plan.things]

    @cached_property
    def rows(self) -> list[Part]:
        """One per row of ``tables.boxes``; the row of an object's bounds is its first part's."""
        return [part for parts in self.parts for part in (parts[0], *parts)]

    @cached_property
    def owner(self) -> Int64[np.ndarray, " box"]:
        """The object of each row of ``tables.boxes``."""
        return np.repeat(np.arange(len(self.parts)), [1 + len(p) for p in self.parts])

    @cached_property
    def tables(self) -> Tables:
        things = self.plan.things
        ends = np.cumsum([1 + len(parts) for parts in self.parts])
        boxes = []
        for parts in self.parts:
            boxes += [sum(bounds(parts), ()), *(part.low + part.high for part in parts)]
        velocity = self.turns * _metres([t.speed for t in things])[:, None] / TICK_S
        position = _metres([(t.x, t.y, t.z) for t in things])
        first = 1 + np.concatenate([[0], ends[:-1]])
        right, left = self.plan.section.kerb
        return Tables(
            moving=np.concatenate([position, velocity, self.turns], axis=1),
            spans=np.stack([first, ends], axis=1),
            boxes=_metres(boxes),
            kerb=_metres([right, left, KERB_MM]),
        )

    @cached_property
    def materials(self) -> Materials:
        return Materials(
            kind=np.array([p.material for p in self.rows], np.int64),
            colour=linear_from_srgb(np.array([p.colour for p in self.rows], np.float64)),
            style=_metres([p.style for p in self.rows]),
            class_id=np.array([class_id(p.cls) for p in self.rows], np.uint8),
        )

    @cached_property
    def paint(self) -> tuple[Float[np.ndarray, "rectangle 5"], Float[np.ndarray, " bin"]]:
        """Low x and y, high x and y [m] and 1 for yellow; and where to look for a place.

        Rectangles come once for every stretch of ``PAINT_BIN_M`` that they reach into. The second
        array holds the first stretch's low end [m], then the row at which each one begins.
        """
        rows = _metres([(*p.low, *p.high, 1000 * p.yellow) for p in self.plan.paint])
        start = float(np.floor(rows[:, 0].min()))
        first, last = (
            np.floor((rows[:, c] - start) / PAINT_BIN_M).astype(np.int64) for c in (0, 2)
        )
        stretches = [np.flatnonzero((first <= i) & (i <= last)) for i in range(last.max() + 1)]
        begins = np.cumsum([0, *(len(members) for members in stretches)])
        return rows[np.concatenate(stretches)], np.array([start, *begins], np.float64)

    @cached_property
    def turns(self) -> Float[np.ndarray, "object 2"]:
        """Cosine and sine of each thing's heading."""
        heading = np.array([t.heading for t in self.plan.things], np.float64)
        return heading / np.sqrt((heading**2).sum(axis=1, keepdims=True))

    @cached_property
    def annotated(self) -> Int64[np.ndarray, " box"]:
        """Rows of the things that carry a box."""
        rows = [i for i, t in enumerate(self.plan.things) if KINDS[t.kind].annotated]
        return np.array(rows, np.int64)

    @cached_property
    def annotation(self) -> tuple[Float[np.ndarray, "object 3"], Float[np.ndarray, "object 3"]]:
        """Middle in the object's frame and size of the box around each thing [m]."""
        both = self.tables.boxes[self.tables.spans[:, 0] - 1]
        margin = BOX_MARGIN_MM / 1000
        low, high = both[:, :3] - margin, both[:, 3:] + margin
        low[:, 2] = BOX_FLOOR_MM / 1000
        return (low + high) / 2, high - low

    def street_from_object(self, time_s: float) -> Pose:
        """Poses of everything at one time."""
        cos, sin = self.turns[:, 0], self.turns[:, 1]
        position = self.tables.moving[:, :3].copy()
        position[:, :2] += self.tables.moving[:, 3:5] * time_s
        return Pose(_turn(cos, sin), position)

    @property
    def start_ns(self) -> int:
        """Time of tick 0."""
        splits = ("train", "val", "test")
        return START_NS + (splits.index(self.plan.split) * 100 + self.plan.index) * 3600 * 10**9

    def seconds(self, time_ns: Int64[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Since tick 0."""
        return (time_ns - self.start_ns) * 1e-9

    def second(self, time_ns: int) -> float:
        return (time_ns - self.start_ns) * 1e-9

    @cached_property
    def world_from_street(self) -> Pose:
        bearing = np.array(self.plan.bearing, np.float64)
        turn = bearing / np.sqrt((bearing**2).sum())
        return Pose(_turn(turn[:1], turn[1:])[0], _metres(self.plan.offset))

    def street_from_ego(self, time_ns: Int64[np.ndarray, " time"]) -> Pose:
        """The ego's exact pose at any times."""
        return drive_pose(self.plan.drive, self.seconds(time_ns) / TICK_S)

    def world_from_ego(self, time_ns: Int64[np.ndarray, " time"]) -> Pose:
        return self.world_from_street @ self.street_from_ego(time_ns)


@lru_cache(maxsize=4)
def build_world(split: str, index: int) -> World:
    return World(plan=draw_plan(split, index))


def drive_pose(drive: Drive, tick: Float[np.ndarray, " time"]) -> Pose:
    """The rear axle follows the path and the nose its tangent; arithmetic and roots only."""
    share = np.clip((tick - drive.shift_start) / drive.shift_ticks, 0.0, 1.0)
    aside = share**3 * (share * (share * 6 - 15) + 10)
    aside_speed = 30 * share**2 * (share - 1) ** 2 / drive.shift_ticks
    x = drive.x + drive.speed * tick + drive.gain * tick * tick / 2
    y = drive.y + drive.shift * aside
    ahead, across = drive.speed + drive.gain * tick, drive.shift * aside_speed
    norm = np.sqrt(ahead**2 + across**2)
    position = np.stack([x, y, np.zeros_like(x)], axis=-1) / 1000
    return Pose(_turn(ahead / norm, across / norm), position)


def linear_from_srgb(value: np.ndarray) -> np.ndarray:
    """Linear light, 0 to 1, of sRGB values 0 to 255 (IEC 61966-2-1)."""
    share = value / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def _turn(cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    zero, one = np.zeros_like(cos), np.ones_like(cos)
    rows = [[cos, -sin, zero], [sin, cos, zero], [zero, zero, one]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _metres(millimetres: object) -> np.ndarray:
    return np.asarray(millimetres, np.float64) / 1000
