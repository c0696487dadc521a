"""Works: a stretch of a parking strip closed off, so that all lanes stay open.

Barriers or cones along the lane's edge and across both ends, a machine, material, signs.
"""

from roadloom.town.plan.sizes import draw_size
from roadloom.town.plan.things_rect import Number
from roadloom.town.plan.things_site import OFF_PARKING, ROADS, Site
from roadloom.town.plan.things_way import LEFT, RIGHT, Way

NEAR = 110_000
SHARE = 45
"""Per cent of clips with works."""


def draw_works(site: Site, ways: list[Way]) -> None:
    """Up to two works near the middle of the town."""
    dice = site.dice
    if not dice.percent(SHARE):
        return
    sides = [
        (way, side)
        for way in ways
        for side in (LEFT, RIGHT)
        if way.nearest_to_origin < NEAR and way.length > 50_000
    ]
    strips = [(way, side) for way, side in sides if way.numbers(side)[3] > 0]
    if strips:
        for _ in range(dice.between(1, 2)):
            way, side = dice.pick(strips)
            _strip_works(site, way, side)
    elif sides:
        way, side = dice.pick(sides)
        _pavement_works(site, way, side)


def _strip_works(site: Site, way: Way, side: int) -> None:
    dice = site.dice
    long = dice.between(13_000, 32_000)
    low = dice.between(16_000, max(16_001, int(way.length) - long - 16_000))
    high, step = low + long, 1 if side == RIGHT else -1
    kerb, _, _, strip = way.numbers(side)
    sign = way.sign(side)
    for end in (low, high):
        _across(site, way, side, float(end), kerb - strip / 2)
    barriers = dice.percent(45)
    pitch = dice.between(2_150, 2_400) if barriers else dice.between(1_700, 3_000)
    s = low + 1_600.0
    while s < high - 1_500:
        kind = "barrier" if barriers else dice.pick(("cone", "cone", "cone", "barrel"))
        size = draw_size(dice, kind)
        edge = kerb - strip + size[0] / 2 + 130
        _stand(site, way, side, s, sign * edge, kind, size, dice.between(-40, 40))
        s += pitch
    middle, inner = (low + high) / 2, kerb - (300 if barriers else 150)
    machine = dice.pick(("excavator", "roller", "excavator", "none"))
    if machine != "none":
        length, width, height = draw_size(dice, machine)
        width = min(width, strip - (1_050 if barriers else 720), 1_560)
        if width > 1_050:
            size = (length, width, height)
            _stand(site, way, side, middle, sign * (inner + 40 - width / 2), machine, size, 0)
    for _ in range(dice.between(1, 4)):
        size = draw_size(dice, "debris")
        at = middle + dice.pick((-1, 1)) * dice.between(2_900, max(3_000, long // 2 - 2_000))
        _stand(site, way, side, at, sign * (inner - size[1] / 2), "debris", size, 90)
    first = low if step > 0 else high
    for back in (2_300, 15_000):
        _sign(site, way, side, first - step * back)


def _stand(
    site: Site,
    way: Way,
    side: int,
    s: Number,
    left: Number,
    kind: str,
    size: tuple[int, int, int],
    askew: int,
) -> bool:
    """In the strip; barriers with their long side, y, along the street."""
    ux, uy = way.onward(s, side)
    turn = askew / 1000
    ux, uy = ux - turn * uy, uy + turn * ux
    heading = (-uy, ux) if kind == "barrier" else (ux, uy)
    attribute = "vehicle.stopped" if kind in ("excavator", "roller") else ""
    return site.put(
        kind, way.at(s, left), heading, size, kinds=OFF_PARKING, raised=0, attribute=attribute,
        keep=(site.no_parking,),
    )  # fmt: skip


def _across(site: Site, way: Way, side: int, s: Number, middle: Number) -> None:
    """One barrier across the strip."""
    dice = site.dice
    length, width, height = draw_size(dice, "barrier")
    strip = way.numbers(side)[3]
    site.put(
        "barrier", way.at(s, way.sign(side) * middle), way.onward(s, side),
        (length, min(width, strip - 120), height), kinds=OFF_PARKING, raised=0,
        keep=(site.no_parking,),
    )  # fmt: skip


def _sign(site: Site, way: Way, side: int, s: Number) -> None:
    """At the kerb before the works, its plate (+x) towards those who come."""
    size = draw_size(site.dice, "works_sign")
    ux, uy = way.onward(s, side)
    kerb = way.kerb(s, side)
    site.put("works_sign", way.at(s, way.sign(side) * (kerb + 130 + size[1] / 2)), (-ux, -uy), size)


def _pavement_works(site: Site, way: Way, side: int) -> None:
    """Where nobody parks: a row along the kerb beside an opened gutter."""
    dice = site.dice
    long = dice.between(9_000, 22_000)
    low = dice.between(12_000, max(12_001, int(way.length) - long - 12_000))
    kind = dice.pick(("barrier", "cone", "barrel"))
    s = float(low)
    while s < low + long:
        size = draw_size(dice, kind)
        off = way.kerb(s, side) + 110 + size[0] / 2
        ux, uy = way.onward(s, side)
        heading = (-uy, ux) if kind == "barrier" else (ux, uy)
        site.put(kind, way.at(s, way.sign(side) * off), heading, size, kinds=ROADS)
        s += 2_250 if kind == "barrier" else dice.between(1_600, 2_600)
    _sign(site, way, side, low - 2_500 if side == RIGHT else low + long + 2_500)
