"""Buildings along the streets, what lies behind them, and what closes the views.

A building's x axis runs along its street and its FRONT is the side at y = -width / 2: doors,
shop windows and balconies belong there. ``shape[0]`` is the number of storeys.
"""

from math import sqrt

from roadloom.town.dice import Dice
from roadloom.town.kinds import KINDS
from roadloom.town.plan.things_rect import Number, Place, rect
from roadloom.town.plan.things_site import BUILT, Site
from roadloom.town.plan.things_way import LEFT, RIGHT, Way
from roadloom.town.plan.types import EXTENT_MM

NEAR, WIDE = 150_000, 230_000
"""Within the first all lots are built on; to the second they are larger and fewer."""
REACH = 26_000
"""How far beyond a street's ends lots are looked for, to close corners."""
STEP = 1_500
NUDGE = 400
"""How far a lot moves on where not even a small building has room, and where one had."""

MIX: dict[str, tuple[tuple[str, int], ...]] = {
    "main": (("shop", 50), ("building", 34), ("office", 8), ("hall", 3), ("gap", 5)),
    "side": (("building", 58), ("shop", 22), ("office", 4), ("hall", 5), ("gap", 11)),
    "gardens": (("house", 66), ("building", 16), ("hall", 4), ("gap", 14)),
    "lane": (("house", 70), ("building", 12), ("hall", 3), ("gap", 15)),
}
"""Of a hundred lots along each kind of street; ``gardens``: side streets with front gardens."""


def draw_buildings(site: Site, ways: list[Way]) -> None:
    order = sorted(ways, key=lambda w: (("main", "side", "lane").index(w.kind), w.street.id))
    for way in order:
        for side in (LEFT, RIGHT):
            _line(site, way, side)
    _skyline(site)
    _hills(site)


def _line(site: Site, way: Way, side: int) -> None:
    dice = site.dice
    near = way.nearest_to_origin < NEAR
    if not near and (way.nearest_to_origin > WIDE or way.kind != "main"):
        return
    setback = dice.between(25, 85)
    s = -float(way.margin(0, REACH))
    end = way.length + way.margin(1, REACH)
    while s < end:
        apart = way.from_origin(s)
        if apart > WIDE or (apart > NEAR and way.kind != "main"):
            s += 12_000
            continue
        s = _lot(site, way, side, s, setback, sparse=apart > NEAR)


def _lot(site: Site, way: Way, side: int, s: Number, setback: int, sparse: bool) -> Number:
    """Build at a place; where the next lot may begin."""
    dice = site.dice
    _, pavement, garden, _ = way.numbers(side)
    green = way.kind == "side" and garden > pavement
    kind = _pick(dice, MIX["gardens" if green else way.kind])
    if kind == "gap":
        long = dice.between(6_000, 12_000)
        site.gaps.append((way.street.id, side, s, long))
        return s + long
    if not _room(site, way, side, s, setback):
        return s + STEP
    length, depth = _ground_plan(dice, kind, sparse)
    storeys, height = _heights(dice, kind)
    gap = dice.between(2_600, 6_500) if kind in ("house", "hall") else dice.between(40, 90)
    for shrink in (0, 3_000, 6_000):
        size = (length - shrink, depth - shrink // 3, height)
        if size[0] < 6_500:
            break
        for push in (0, 110, 350, 900):
            if _build(site, way, side, s, setback + push, kind, size, storeys):
                return s + size[0] + gap
    return s + NUDGE


def _room(site: Site, way: Way, side: int, s: Number, setback: int) -> bool:
    """Whether the smallest building would fit: the quick answer at junctions."""
    reach = way.numbers(side)[1] + setback
    at = way.at(s + 3_000, way.sign(side) * (reach + 2_600))
    return site.free(rect(at, way.ahead(s + 3_000), 5_900, 5_000), BUILT, gap=20)


def _build(
    site: Site,
    way: Way,
    side: int,
    s: Number,
    setback: int,
    kind: str,
    size: tuple[int, int, int],
    storeys: int,
) -> bool:
    """Front parallel to the street's chord before it."""
    sign = way.sign(side)
    garden = way.numbers(side)[2]
    front = garden + setback
    a, b = way.at(s, sign * front), way.at(s + size[0], sign * front)
    dx, dy = b[0] - a[0], b[1] - a[1]
    chord = sqrt(dx * dx + dy * dy)
    ux, uy = sign * dx / chord, sign * dy / chord
    # y points away from the street: x along it on the left, against it on the right.
    middle = (
        (a[0] + b[0]) / 2 - uy * size[1] / 2,
        (a[1] + b[1]) / 2 + ux * size[1] / 2,
    )
    heading: Place = (ux, uy)
    gap = 1_000 if kind in ("house", "hall") else 35
    return site.put(kind, middle, heading, size, kinds=BUILT, gap=gap, shape=(storeys,), keep=())


def _ground_plan(dice: Dice, kind: str, sparse: bool) -> tuple[int, int]:
    low, high, shallow, deep = {
        "shop": (9_000, 19_000, 9_500, 13_000),
        "building": (12_000, 24_000, 10_000, 13_500),
        "office": (18_000, 30_000, 14_000, 19_000),
        "house": (8_500, 13_500, 7_800, 10_500),
        "hall": (20_000, 34_000, 14_000, 24_000),
    }[kind]
    if sparse:
        low, high = low + 6_000, high + 12_000
    return dice.between(low, high), dice.between(shallow, deep)


def _heights(dice: Dice, kind: str) -> tuple[int, int]:
    """Storeys and the height with roof."""
    extra = dice.between(0, 290)
    if kind == "shop":
        storeys = dice.pick((2, 3, 3, 3, 4, 4, 4, 5))
        return storeys, 3_900 + 3_050 * (storeys - 1) + 650 + extra
    if kind == "building":
        storeys = dice.pick((3, 3, 4, 4, 4, 5, 5, 6))
        return storeys, 3_050 * storeys + 700 + extra
    if kind == "office":
        storeys = dice.between(6, 12)
        return storeys, 3_600 * storeys + 1_100 + extra
    if kind == "house":
        storeys = dice.pick((1, 2, 2, 2))
        return storeys, 2_800 * storeys + 3_100 + 3 * extra
    return 1, dice.between(5_400, 8_700)


def _pick(dice: Dice, mix: tuple[tuple[str, int], ...]) -> str:
    at = dice.between(0, 99)
    for name, share in mix:
        if at < share:
            return name
        at -= share
    raise AssertionError("shares add up to a hundred")


def _skyline(site: Site) -> None:
    """Large plain buildings 200 to 390 m away, wherever there is room."""
    dice = site.dice
    for _ in range(90):
        x, y = dice.between(-385_000, 385_000), dice.between(-385_000, 385_000)
        apart = sqrt(x * x + y * y)
        if apart < 200_000:
            continue
        size = (dice.between(22_000, 44_000), dice.between(15_000, 24_000), 0)
        storeys = dice.pick((3, 4, 4, 5, 5, 6, 7, 9, 12, 15))
        size = (*size[:2], 3_100 * storeys + dice.between(700, 1_900))
        turn = dice.between(-120, 120) / 1000
        heading = (1.0, turn) if dice.percent(50) else (-turn, 1.0)
        ground = rect((x, y), heading, size[0], size[1])
        if site.free(ground, BUILT, gap=2_000):
            site.put(
                "skyline", (x, y), heading, size, kinds=BUILT, gap=2_000, shape=(storeys,), keep=()
            )


def _hills(site: Site) -> None:
    """A ring of woods just outside the plan, so that no street ends in the sky."""
    dice = site.dice
    reach = EXTENT_MM + 31_000
    for along in range(-400_000, 401_000, 200_000):
        for x, y in ((along, -reach), (along, reach), (-reach, along), (reach, along)):
            length, width = dice.between(214_000, 252_000), dice.between(46_000, 60_000)
            shift = dice.between(-9_000, 9_000)
            upright = abs(x) == reach
            at = (x, y + shift) if upright else (x + shift, y)
            site.put_far(
                "hill", at, (0, 1) if upright else (1, 0),
                (length, width, dice.between(13_000, 34_000)),
            )  # fmt: skip


def buildings(site: Site) -> list[tuple[Place, Place, tuple[int, int, int], str]]:
    """Middle, unit x axis, size and kind of the buildings along streets."""
    found = []
    for thing in site.things:
        if KINDS[thing.kind].family == "building" and thing.kind != "skyline":
            hx, hy = thing.heading
            size = sqrt(hx * hx + hy * hy)
            found.append(
                (
                    (float(thing.at[0]), float(thing.at[1])),
                    (hx / size, hy / size),
                    thing.size,
                    thing.kind,
                )
            )
    return found
