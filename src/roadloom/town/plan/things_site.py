"""Where things may stand: the ground's areas, what is there already, and what must stay free."""

from math import sqrt

from roadloom.town.dice import Dice
from roadloom.town.kinds import KINDS
from roadloom.town.plan.things_rect import (
    CELL,
    Hash,
    Number,
    Place,
    Rect,
    cells,
    cells_of,
    crosses,
    rect,
)
from roadloom.town.plan.types import EXTENT_MM, KERB_MM, Line, Look, Point, RoadNet, Thing

ROADS = frozenset(("road", "junction", "parking"))
BUILT = frozenset(("road", "junction", "parking", "pavement", "median"))
OFF_PARKING = frozenset(("road", "junction", "pavement", "median"))
FREE_WALK = 1200
"""Width that stays free along every walk [mm]."""
TRUNK = 600
POST = 240
"""Side of the square that a trunk, a post with an arm takes on the ground [mm]."""
SIGN_POST = 110
PLATES = ("sign", "stop_sign")
UNIT = 10_000
"""Length of the headings that are drawn."""


def ground_rect(thing: Thing) -> Rect | None:
    """What a thing takes of the ground, where others can stand under the rest of it: a tree's
    trunk, a sign's post, the post of a lamp (at its -x end), the post of a light with an arm (at
    its +y end). None for far woods."""
    length, width, _ = thing.size
    whole = rect(thing.at, thing.heading, length, width)
    if thing.kind == "hill":
        return None
    if thing.kind == "tree":
        return rect(thing.at, thing.heading, min(TRUNK, length), min(TRUNK, width))
    if thing.kind in PLATES:
        return rect(thing.at, thing.heading, SIGN_POST, SIGN_POST)
    if thing.kind == "lamp_post" and length > POST:
        shift = POST / 2 - whole.half_length
        at = (whole.x + shift * whole.ux, whole.y + shift * whole.uy)
        return rect(at, thing.heading, POST, width)
    if thing.kind == "traffic_light" and width > 1000:
        shift = whole.half_width - POST / 2
        at = (whole.x - shift * whole.uy, whole.y + shift * whole.ux)
        return rect(at, thing.heading, length, POST)
    return whole


def _body_rect(thing: Thing) -> Rect | None:
    """What other things must stay out of: with signs also what is under their plates."""
    if thing.kind in PLATES:
        return rect(thing.at, thing.heading, thing.size[0], thing.size[1])
    return ground_rect(thing)


class Site:
    """Collects things; each is refused where it would stand in another or on wrong ground."""

    def __init__(self, dice: Dice, roads: RoadNet, look: Look) -> None:
        self.dice = dice
        self.autumn = look.season == "autumn"
        self.roads = roads
        self.things: list[Thing] = []
        self.gaps: list[tuple[int, int, Number, int]] = []
        """Lots left open: street, side, where along it, how long."""
        self.solids, self.walls, self.crowns = Hash(), Hash(), Hash()
        self.walks, self.sight, self.no_parking = Hash(), Hash(), Hash()
        self._edges: dict[Point, list[tuple[str, float, float, float, float]]] = {}
        self._rings: dict[Point, list[tuple[str, Line]]] = {}
        for area in roads.areas:
            if area.kind in BUILT:
                self._learn(area.kind, area.ring)
        for walk in roads.walks:
            _strips(self.walks, walk.path, FREE_WALK)
        for crossing in roads.crossings:
            a, b = crossing.path[0], crossing.path[-1]
            middle, along = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2), (b[0] - a[0], b[1] - a[1])
            size = sqrt(along[0] * along[0] + along[1] * along[1])
            self.walks.add(rect(middle, along, size + 4000, crossing.width))
            self.sight.add(rect(middle, along, size + 4000, crossing.width + 12_000))
            self.no_parking.add(rect(middle, along, size, crossing.width + 12_400))

    def _learn(self, kind: str, ring: Line) -> None:
        xs, ys = [p[0] for p in ring], [p[1] for p in ring]
        x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
        for cell in cells(x, y, (max(xs) - min(xs)) / 2, (max(ys) - min(ys)) / 2):
            self._rings.setdefault(cell, []).append((kind, ring))
        for (x0, y0), (x1, y1) in zip(ring, (*ring[1:], ring[0]), strict=True):
            edge = (kind, float(x0), float(y0), float(x1), float(y1))
            reach = abs(x1 - x0) / 2, abs(y1 - y0) / 2
            for cell in cells((x0 + x1) / 2, (y0 + y1) / 2, *reach):
                self._edges.setdefault(cell, []).append(edge)

    def kind_at(self, x: Number, y: Number) -> str:
        """Kind of the area at a place, ``terrain`` where nothing is built."""
        for kind, ring in self._rings.get((int(x // CELL), int(y // CELL)), ()):
            if _inside(ring, x, y):
                return kind
        return "terrain"

    def on(self, r: Rect, kinds: frozenset[str]) -> bool:
        """Whether a rectangle shares ground with areas of some kinds."""
        for cell in cells_of(r):
            for kind, x0, y0, x1, y1 in self._edges.get(cell, ()):
                if kind in kinds and crosses(r, x0, y0, x1, y1):
                    return True
        return self.kind_at(r.x, r.y) in kinds

    def free(
        self, r: Rect, kinds: frozenset[str] = ROADS, gap: Number = 30, keep: tuple[Hash, ...] = ()
    ) -> bool:
        """Whether nothing stands within ``gap`` of a rectangle and its ground is of other kinds."""
        wide = r.grown(gap)
        if max(abs(r.x) + r.radius, abs(r.y) + r.radius) > EXTENT_MM:
            return False
        if self.solids.hits(wide) or any(other.hits(r) for other in keep):
            return False
        return not self.on(r, kinds)

    def add(self, thing: Thing) -> Thing:
        self.things.append(thing)
        body = _body_rect(thing)
        if body is not None:
            self.solids.add(body)
        if KINDS[thing.kind].family == "building":
            self.walls.add(rect(thing.at, thing.heading, thing.size[0], thing.size[1]))
        if thing.kind == "tree":
            self.crowns.add(rect(thing.at, thing.heading, thing.size[0], thing.size[1]))
        return thing

    def put(
        self,
        kind: str,
        at: Place,
        heading: Place,
        size: tuple[int, int, int],
        *,
        kinds: frozenset[str] = ROADS,
        gap: Number = 30,
        raised: int = KERB_MM,
        attribute: str = "",
        signal: int = -1,
        shape: tuple[int, ...] = (),
        keep: tuple[Hash, ...] | None = None,
    ) -> bool:
        """Add a thing if its place is free. Small things leave the walks free unless told."""
        thing = Thing(
            kind=kind,
            at=(round(at[0]), round(at[1])),
            heading=(round(heading[0] * UNIT), round(heading[1] * UNIT)),
            size=size,
            seed=self.dice.between(0, 2**32 - 1),
            raised=raised,
            attribute=attribute,
            signal=signal,
            shape=shape,
        )
        ground, body = ground_rect(thing), _body_rect(thing)
        if ground is None or body is None or self.solids.hits(body.grown(gap)):
            return False
        if not self.free(ground, kinds, gap, (self.walks,) if keep is None else keep):
            return False
        self.add(thing)
        return True

    def put_far(self, kind: str, at: Place, heading: Place, size: tuple[int, int, int]) -> None:
        """Add what stands outside the plan, where nothing else is."""
        self.add(
            Thing(
                kind=kind,
                at=(round(at[0]), round(at[1])),
                heading=(round(heading[0] * UNIT), round(heading[1] * UNIT)),
                size=size,
                seed=self.dice.between(0, 2**32 - 1),
                raised=KERB_MM,
            )
        )


def _strips(known: Hash, path: Line, width: int) -> None:
    for (x0, y0), (x1, y1) in zip(path, path[1:], strict=False):
        dx, dy = x1 - x0, y1 - y0
        size = sqrt(dx * dx + dy * dy)
        if size > 0:
            known.add(rect(((x0 + x1) / 2, (y0 + y1) / 2), (dx, dy), size, width))


def _inside(ring: Line, x: Number, y: Number) -> bool:
    """By counting how often a ray to the right leaves the ring."""
    odd = False
    x0, y0 = ring[-1]
    for x1, y1 in ring:
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            odd = not odd
        x0, y0 = x1, y1
    return odd
