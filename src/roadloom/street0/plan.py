"""What stands and moves in one scene, in whole millimetres and ticks: the seed of everything else.

Coordinates are those of the street: x along it in the ego's driving direction, y to the left,
z up from the road. One tick is 50 ms; tick 0 is the first key frame.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

TICK_NS = 50_000_000
FIRST_TICK, LAST_TICK = -20, 220
"""Nothing touches anything else from the first to the last of these."""
KERB_MM = 150
"""Height of everything beside the road."""

Colour = tuple[int, int, int]
"""sRGB, 0 to 255."""
Heading = tuple[int, int]
"""Any vector along the object's x axis, so that no angle needs to be rounded."""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One object, annotated or not. Its shape follows from kind, size and variant."""

    kind: str
    """A row of ``shapes.KINDS``."""
    x: int
    """Of the middle of its footprint, at tick 0 [mm]."""
    y: int
    z: int
    """Of the ground that it stands on [mm]."""
    size: tuple[int, int, int]
    """Length, width, height [mm]."""
    heading: Heading = (1, 0)
    speed: int = 0
    """Along the heading [mm per tick]; only headings along an axis move."""
    colour: Colour = (128, 128, 128)
    variant: int = 0
    attribute: str = ""


@dataclass(frozen=True, kw_only=True)
class Drive:
    """The ego's rear axle: ``x + speed k + gain k^2 / 2``, and one smooth shift to the side."""

    x: int
    y: int
    speed: int
    """[mm per tick] at tick 0."""
    gain: int
    """[mm per tick^2]; 1 is 0.4 m/s^2."""
    shift: int
    """[mm] to the left, from ``shift_start`` and for ``shift_ticks``."""
    shift_start: int
    shift_ticks: int


@dataclass(frozen=True, kw_only=True)
class Paint:
    """A white rectangle on the road, or one of another colour."""

    low: tuple[int, int]
    high: tuple[int, int]
    yellow: bool = False


@dataclass(frozen=True, kw_only=True)
class Section:
    """The street seen along its axis: everything but what stands on it. All in mm."""

    lanes: int
    """In each direction; traffic keeps to the right."""
    lane: int
    """Width of one lane."""
    parking: tuple[int, int]
    """Width of the strip for parked cars on the right and on the left; 0 is none."""
    pavement: tuple[int, int]
    """Width of the pavement on the right and on the left."""
    lawn: tuple[int, int]
    """From the pavement to the fronts of the buildings, right and left."""

    @property
    def kerb(self) -> tuple[int, int]:
        """y of the right and the left kerb."""
        return (-self.lanes * self.lane - self.parking[0], self.lanes * self.lane + self.parking[1])

    def front(self, side: int) -> int:
        """Distance from the axis to the building line; ``side`` 0 is right, 1 left."""
        return abs(self.kerb[side]) + self.pavement[side] + self.lawn[side]

    def lane_center(self, side: int, lane: int) -> int:
        """y of the middle of a lane, counted from the axis."""
        middle = self.lane * (2 * lane + 1) // 2
        return -middle if side == 0 else middle


@dataclass(frozen=True, kw_only=True)
class StreetPlan:
    split: str
    index: int
    section: Section
    zebra: tuple[int, int]
    """From where to where along x the pedestrian crossing lies."""
    paint: tuple[Paint, ...]
    drive: Drive
    things: tuple[Thing, ...]
    """Annotated objects first, in an order that never changes: the row names the track."""
    sun: tuple[int, int, int]
    """Vector towards the sun."""
    haze: int
    """Share of light lost per kilometre is ``1 - exp(-haze / 1000)``."""
    offset: tuple[int, int, int]
    """Where the street's origin lies in the world [mm]."""
    bearing: Heading
    """The street's x axis in the world."""

    def digest(self) -> str:
        """Hash of the whole description; equal on every machine."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
