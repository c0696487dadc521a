"""Trees, hedges, bushes; fences and walls of gardens.

A tree's size is its crown's; on the ground it takes its trunk. Hedges, fences and walls run along
their x axis.
"""

from math import sqrt

from roadloom.town.dice import Dice
from roadloom.town.plan.things_houses import buildings
from roadloom.town.plan.things_rect import Number, Place, Rect
from roadloom.town.plan.things_site import BUILT, FREE_WALK, ROADS, TRUNK, Site
from roadloom.town.plan.things_way import LEFT, RIGHT, Way
from roadloom.town.plan.types import KERB_MM

NEAR = 150_000
INTO_WALL = 60
"""How far outermost leaves may reach into a wall [mm]."""
SMALLEST = 1_250
"""Radius of the smallest crown [mm]."""
SMALLEST_ABOVE = 1_850
"""The same over pavements."""
TREE_SHARE = {"main": 42, "side": 30, "lane": 15}
"""Of a hundred sides of streets, those with a row of trees."""
BARE = 22
"""More of them on main streets where nobody parks."""


def plant_tree(
    site: Site,
    at: Place,
    radius: int,
    stretch: int,
    kinds: frozenset[str] = BUILT,
    smallest: int = SMALLEST,
) -> bool:
    """A tree whose crown is made small enough to stay out of walls and of other crowns.

    ``stretch`` is its height, in thousandths of the crown's width.
    """
    dice = site.dice
    room = site.walls.nearest(at[0], at[1], radius) + INTO_WALL
    fits = min(radius, int(room))
    if fits < smallest:
        return False
    crown = rect_of(at, fits)
    if site.crowns.hits(crown):
        return False
    size = (
        2 * fits + dice.between(-90, 0),
        2 * fits + dice.between(-90, 0),
        2 * fits * stretch // 1000,
    )
    turn = (dice.between(-1000, 1000) / 1000, dice.between(1, 1000) / 1000)
    return site.put(
        "tree", at, turn, size, kinds=kinds, gap=150, shape=(int(site.autumn),), keep=(site.walks,)
    )


def _stretch(dice: Dice) -> int:
    """Mostly round, some tall, few like columns."""
    return dice.between(3_000, 3_500) if dice.percent(6) else dice.between(1_330, 2_300)


def rect_of(at: Place, half: Number) -> Rect:
    """A square that a crown half fills: neighbours' leaves may touch."""
    return Rect(at[0], at[1], 1.0, 0.0, half * 0.55, half * 0.55)


def draw_street_trees(site: Site, ways: list[Way]) -> None:
    """Rows along the kerbs, clear of junctions and crossings."""
    dice = site.dice
    for way in ways:
        for side in (LEFT, RIGHT):
            bare = way.kind == "main" and way.numbers(side)[3] == 0
            rows = dice.percent(TREE_SHARE[way.kind] + BARE * bare)
            spacing, size = dice.between(9_500, 16_000), dice.between(2_000, 3_300)
            stretch = dice.between(1_330, 1_440)  # so high that people and cars pass below
            if not rows or way.nearest_to_origin > 250_000:
                continue
            s = way.margin(0, 11_000) + dice.between(0, 6_000)
            while s < way.length - way.margin(1, 11_000):
                far = way.from_origin(s)
                if far < 210_000 and (far < NEAR or dice.percent(20)):
                    _street_tree(site, way, side, s, (size, stretch))
                s += spacing + dice.between(-600, 600)


def _street_tree(site: Site, way: Way, side: int, s: Number, row: tuple[int, int]) -> None:
    dice = site.dice
    kerb = way.kerb(s, side)
    room = (way.numbers(side)[1] - kerb - FREE_WALK) / 2 - TRUNK / 2 - 60
    offset = min(max(room, 640), 1_250) - dice.between(0, 60)
    at = way.at(s, way.sign(side) * (kerb + offset))
    if site.sight.hits(rect_of(at, 500)):
        return
    plant_tree(site, at, row[0] + dice.between(-250, 250), row[1], ROADS, SMALLEST_ABOVE)


def draw_gardens(site: Site) -> None:
    """Hedges, fences or walls before houses, trees and bushes around buildings."""
    dice = site.dice
    for at, along, size, kind in buildings(site):
        apart = sqrt(at[0] * at[0] + at[1] * at[1])
        if apart > NEAR + 30_000:
            continue
        if kind == "house":
            _front_garden(site, at, along, size)
        if dice.percent(26 if kind == "house" else 11):
            back = size[1] / 2 + dice.between(3_000, 8_000)
            where = _local(at, along, dice.between(-size[0] // 2, size[0] // 2), back)
            radius = dice.between(1_700, 3_600)
            plant_tree(site, where, radius, _stretch(dice))
        if kind == "house" or (kind == "building" and dice.percent(40)):
            _bushes(site, at, along, size)


def _front_garden(site: Site, at: Place, along: Place, size: tuple[int, int, int]) -> None:
    """One kind of boundary along the pavement, with a gap for the door."""
    dice = site.dice
    kind, low, high = dice.pick(
        (("hedge", 900, 1_700), ("hedge", 900, 1_700), ("fence", 900, 1_300), ("wall", 700, 1_300))
    )
    thick = {"hedge": dice.between(560, 850), "fence": 70, "wall": dice.between(210, 300)}[kind]
    tall = dice.between(low, high)
    door = dice.between(-size[0] // 4, size[0] // 4)
    reach = size[0] // 2 + 900
    spans = ((-reach, door - 600), (door + 600, reach))
    for out in range(7_400, 700, -300):
        y = -size[1] / 2 - out
        if sum([_boundary(site, kind, at, along, span, (y, thick, tall)) for span in spans]):
            return


def _boundary(
    site: Site,
    kind: str,
    at: Place,
    along: Place,
    span: tuple[int, int],
    how: tuple[Number, int, int],
) -> bool:
    y, thick, tall = how
    length = span[1] - span[0]
    if length < 1_200:
        return False
    place = _local(at, along, (span[0] + span[1]) / 2, y + thick / 2)
    return site.put(
        kind, place, along, (length, thick, tall), kinds=BUILT, gap=40, keep=(site.walks,)
    )


def _bushes(site: Site, at: Place, along: Place, size: tuple[int, int, int]) -> None:
    dice = site.dice
    for _ in range(dice.between(0, 2)):
        wide = dice.between(800, 1_900)
        front = dice.percent(55)
        y = (-size[1] / 2 - dice.between(900, 3_500)) if front else size[1] / 2 + wide
        where = _local(at, along, dice.between(-size[0] // 2, size[0] // 2), y)
        turn = (dice.between(-1000, 1000) / 1000, dice.between(1, 1000) / 1000)
        tall = wide * dice.between(65, 110) // 100
        site.put("bush", where, turn, (wide, wide, tall), kinds=BUILT, gap=60)


def draw_gaps(site: Site, ways: list[Way]) -> None:
    """Lots without a building: a hedge, fence or wall along the pavement, trees behind it."""
    dice = site.dice
    for street, side, s, long in site.gaps:
        way = ways[street]
        kind, thick, tall = dice.pick(
            (("hedge", 700, 1_500), ("fence", 70, 1_600), ("wall", 240, 1_900), ("none", 0, 0))
        )
        edge, middle = way.numbers(side)[1], s + long / 2
        sign, along = way.sign(side), way.ahead(middle)
        if kind != "none" and way.from_origin(s) < NEAR + 30_000:
            for cut in (500, 2_000, 4_000):
                size = (long - cut, thick, tall + dice.between(-130, 130))
                place = way.at(middle, sign * (edge + thick / 2 + 230))
                if site.put(kind, place, along, size, kinds=BUILT, gap=40):
                    break
        for _ in range(dice.between(0, 2)):
            radius = dice.between(1_800, 3_600)
            place = way.at(s + dice.between(0, long), sign * (edge + dice.between(2_400, 7_500)))
            plant_tree(site, place, radius, _stretch(dice))


def draw_yards(site: Site) -> None:
    """Trees anywhere on free ground, most of them near the middle."""
    dice = site.dice
    for _ in range(20):
        reach = dice.pick((110_000, 150_000, 240_000))
        at = (float(dice.between(-reach, reach)), float(dice.between(-reach, reach)))
        radius = dice.between(2_200, 4_200)
        if site.kind_at(*at) == "terrain":
            plant_tree(site, at, radius, _stretch(dice))


def draw_medians(site: Site, ways: list[Way]) -> None:
    """Bushes, some trees and guard rails on medians."""
    dice = site.dice
    for way in ways:
        width = way.street.median
        rail, spacing = dice.percent(30), dice.between(5_000, 11_000)
        if width < 1_200 or way.nearest_to_origin > 250_000:
            continue
        s = 14_000.0
        while s < way.length - 14_000:
            at, along = way.at(s, 0), way.ahead(s)
            median = BUILT - {"median"}
            if site.kind_at(*at) == "median" and not site.sight.hits(rect_of(at, 1_200)):
                if rail:
                    size = (3_960, 300, 790)
                    site.put("guard_rail", at, along, size, kinds=median, gap=20)
                elif dice.percent(30):
                    plant_tree(site, at, 1_450, dice.between(1_800, 2_300), median)
                else:
                    wide = min(width - 900, 1_300)
                    site.put(
                        "bush",
                        at,
                        along,
                        (wide, wide, wide * 8 // 10),
                        kinds=median,
                        raised=KERB_MM,
                    )
            s += 4_000 if rail else spacing


def _local(at: Place, along: Place, x: Number, y: Number) -> Place:
    return at[0] + x * along[0] - y * along[1], at[1] + x * along[1] + y * along[0]
