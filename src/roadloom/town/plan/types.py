"""The description of one clip of a town: whole numbers only, the same on every machine.

Lengths are millimetres, distances along a path micrometres, times ticks of 50 ms; directions are
pairs of whole numbers of any length. Everything lies in the town's own frame (x, y on the plan, z
up), whose origin is near the middle of the ego's drive. A description is drawn from raw PCG64
words; arithmetic on the way is whole-number, or float64 with + - * / and square roots alone,
rounded to whole numbers before it is stored, so it does not depend on the machine.
"""

from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256

TICK_NS = 50_000_000
"""20 ticks a second: one for each turn of the LiDAR."""
CLIP_TICKS = 400
"""20 s. Key frames are at ticks 0, 10, ..., 390."""
MARGIN_TICKS = 20
"""Paths begin this long before tick 0 and end this long after the last."""
TRACK_TICKS = CLIP_TICKS + 2 * MARGIN_TICKS + 1
"""Entries of ``Actor.along``: entry i belongs to tick ``i - MARGIN_TICKS``."""

KERB_MM = 147
"""Pavements, medians and lawns lie this far above the road."""
EXTENT_MM = 400_000
"""The plan covers [-EXTENT_MM, EXTENT_MM] in x and y."""

Point = tuple[int, int]
Line = tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Look:
    """Light and air. Directions point towards the sun."""

    time_of_day: str
    """``day``, ``dusk``."""
    weather: str
    """``clear``, ``cloudy``, ``haze``, ``wet``."""
    season: str
    """``summer`` or ``autumn``: the colour of leaves."""
    sun: tuple[int, int, int]
    """Direction towards the sun; also at dusk, when it is low."""
    haze_ppm: int
    """Light lost to the air, in parts per million and metre."""
    wet_permille: int
    """0 dry, 1000 soaked with puddles."""
    cloud_permille: int
    """Share of the sky under cloud; 1000 is overcast, and the sun casts no shadow."""
    seed: int
    """For clouds, noise and stains."""


@dataclass(frozen=True, kw_only=True)
class Relief:
    """Ground height: a biquadratic B-spline over a square lattice (see ``relief.py``)."""

    step: int
    """Lattice spacing [mm]."""
    heights: tuple[tuple[int, ...], ...]
    """[column along x][row along y] control heights [mm]; (0, 0) belongs to the corner
    (-EXTENT_MM - step, -EXTENT_MM - step), so every place of the plan has nine around it."""


@dataclass(frozen=True, kw_only=True)
class PlanLane:
    id: int
    """Its index in ``RoadNet.lanes``."""
    kind: str
    """``vehicle`` or ``bike``."""
    centre: Line
    """In driving direction, vertices at most 2 m apart on bends; ends where the next one begins."""
    left: Line
    right: Line
    width: int
    left_mark: str
    """``none``, ``solid_white``, ``dashed_white``, ``solid_yellow``, ``double_yellow``."""
    right_mark: str
    street: int
    """Index of the street, -1 inside a junction."""
    junction: int
    """Index of the junction that this lane crosses, -1 outside."""
    turn: str
    """Inside a junction ``straight``, ``left`` or ``right``; else empty."""
    successors: tuple[int, ...]
    predecessors: tuple[int, ...]
    left_neighbor: int
    """Lane beside it in the same direction, or -1."""
    right_neighbor: int
    speed: int
    """Limit [mm/s]."""
    stop: int
    """Where along the centre [mm] the front of a waiting vehicle must stand; -1: no stop line."""
    control: str
    """At its end: ``signal``, ``stop``, ``yield`` or ``none``."""
    signal: int
    """Index into ``RoadNet.signals``, or -1."""
    conflicts: tuple[int, ...]
    """Inside a junction: lanes of the same junction whose area this one's crosses or joins."""
    gives_way_to: tuple[int, ...]
    """Of those, the ones that have the right of way over this lane when nothing shows red."""


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One group of lights that show the same."""

    junction: int
    offset: int
    """Ticks added to the clock."""
    phases: tuple[tuple[int, str], ...]
    """Lengths [ticks] and states (``green``, ``amber``, ``red``), repeated for ever."""

    def state(self, tick: int) -> str:
        """What it shows at a tick, which may be negative."""
        at = (tick + self.offset) % sum(length for length, _ in self.phases)
        for length, state in self.phases:
            if at < length:
                return state
            at -= length
        raise AssertionError("phases add up to the cycle")


@dataclass(frozen=True, kw_only=True)
class Area:
    """A piece of ground. Areas do not overlap and leave no gap between them inside the plan."""

    kind: str
    """``road``, ``junction``, ``parking`` at the relief's height; ``pavement``, ``forecourt``
    (paved ground before house fronts), ``median``, ``terrain`` at KERB_MM above it."""
    ring: Line
    """Counter-clockwise, not closed."""
    holes: tuple[Line, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """A zebra or a marked way for people over a street."""

    ring: Line
    path: Line
    """From kerb to kerb along its middle."""
    width: int
    street: int
    junction: int
    """-1 in the middle of a street."""
    signal: int
    """Light for the people, or -1: then vehicles yield."""
    lanes: tuple[tuple[int, int, int], ...]
    """(lane, from, to): stretch [mm] of each lane's centre that lies on the crossing."""


@dataclass(frozen=True, kw_only=True)
class Walk:
    """A way for people along a pavement; both directions."""

    id: int
    path: Line
    width: int
    links: tuple[int, ...]
    """Walks that touch one of its ends."""
    crossing: int
    """Index into ``RoadNet.crossings`` where this walk is one, else -1."""


@dataclass(frozen=True, kw_only=True)
class Paint:
    """A rectangle of paint on the road."""

    at: Point
    half: Point
    """From the middle to the middle of its far end: half its length, with direction [mm]."""
    half_width: int
    colour: str
    """``white`` or ``yellow``."""


@dataclass(frozen=True, kw_only=True)
class Street:
    """What a street looks like across; for those who place things along it."""

    id: int
    axis: Line
    """Its middle, from one junction's edge to the other's (or to the edge of the plan)."""
    kind: str
    """``main``, ``side`` or ``lane``."""
    left: tuple[int, int, int, int]
    """Distances [mm] of the left kerb, the far edge of the left pavement and of the front gardens
    from the axis, and the width of the left parking strip (0: none) inside the kerb."""
    right: tuple[int, int, int, int]
    median: int
    """Width of the median, 0 for none."""
    left_parking: tuple[tuple[int, int], ...] = ()
    """Stretches [mm] along the axis where the left parking strip is; between them the pavement
    reaches out to the lane. Their ends are slanted within the strip's width."""
    right_parking: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class RoadNet:
    streets: tuple[Street, ...]
    junctions: tuple[Line, ...]
    """Outline of each."""
    lanes: tuple[PlanLane, ...]
    signals: tuple[Signal, ...]
    areas: tuple[Area, ...]
    crossings: tuple[Crossing, ...]
    walks: tuple[Walk, ...]
    paint: tuple[Paint, ...]
    stop_lines: tuple[Line, ...]
    """Outlines of the stop lines' areas, for the map."""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """Something that stands still for the whole clip."""

    kind: str
    """A row of ``kinds.KINDS``."""
    at: Point
    """Middle of its footprint."""
    heading: Point
    """Its x axis on the plan."""
    size: tuple[int, int, int]
    """Length along x, width along y, height [mm]."""
    seed: int
    """32 bits from which the builder takes shape details and colours."""
    raised: int = 0
    """Height of its base above the relief [mm]: KERB_MM on pavements."""
    attribute: str = ""
    """nuScenes attribute such as ``vehicle.parked``."""
    signal: int = -1
    """Signal that it shows, for traffic lights."""
    shape: tuple[int, ...] = ()
    """More numbers where a kind says so: storeys of a building, plate of a sign."""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Something that moves (or may): it follows a path by a table of distances."""

    kind: str
    size: tuple[int, int, int]
    seed: int
    path: Line
    """Vertices at most 1 m apart where it bends. Of the rear axle for vehicles and two-wheelers
    (``KINDS[kind].rear_permille``), of the middle for all others."""
    along: tuple[int, ...]
    """Distance from the first vertex [micrometres] at each tick; never falls. Between ticks it is
    a cubic with the slopes of central differences."""
    attributes: tuple[tuple[int, str], ...]
    """(tick, nuScenes attribute from then on), rising."""
    raised: tuple[tuple[int, int], ...] = ((0, 0),)
    """(micrometres along, height above the relief [mm]): linear between, constant outside."""
    lanes: tuple[tuple[int, int], ...] = ()
    """(micrometres along, lane from there on) for those that keep lanes."""


@dataclass(frozen=True, kw_only=True)
class TownPlan:
    split: str
    index: int
    look: Look
    relief: Relief
    roads: RoadNet
    things: tuple[Thing, ...]
    actors: tuple[Actor, ...]
    ego: Actor
    """Kind ``ego``; its own body is never seen by its sensors."""
    commands: tuple[tuple[int, str], ...]
    """(tick, ``straight`` | ``left`` | ``right`` | ``follow``): what the ego is told from then
    on: its next turn within 50 m of the junction, else ``follow``."""
    offset: tuple[int, int, int]
    """The town's origin in the world [mm]."""
    bearing: Point
    """The town's x axis in the world."""

    def digest(self) -> str:
        """Hash of the whole description: what ``town-v1`` freezes."""
        words = sha256()
        _absorb(words.update, self)
        return words.hexdigest()


def _absorb(update: object, value: object) -> None:
    """Feed a value with its structure; refuses anything but whole numbers and text."""
    if is_dataclass(value):
        update(f"{type(value).__name__}(".encode())  # type: ignore[operator]
        for field in fields(value):
            _absorb(update, getattr(value, field.name))
    elif isinstance(value, tuple):
        update(f"[{len(value)}:".encode())  # type: ignore[operator]
        for item in value:
            _absorb(update, item)
    elif type(value) in (int, str):
        update(f"{value};".encode())  # type: ignore[operator]
    else:
        raise TypeError(f"a plan holds whole numbers and text, not {type(value).__name__}")
