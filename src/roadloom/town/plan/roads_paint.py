"""Paint: rectangles that lie wholly on the road."""

from collections.abc import Iterator
from itertools import pairwise

from roadloom.town.plan.roads_curves import Number, whole
from roadloom.town.plan.roads_streets import STOP_LINE, End, Span, StreetShape
from roadloom.town.plan.types import Line, Paint

LINE = 60
"""Half the width of lines [mm]."""
DASH, GAP = 3_000, 6_000
BAY = 6_000
"""Length of a parking bay."""
SHORTEST = 30
"""Shorter pieces of lines are left out."""
BORDER = 100
"""From the plan's edge to the first paint."""
INSET = 40
"""Lines beside a kerb keep this far away from it."""


def paint_of(street: StreetShape) -> list[Paint]:
    return [
        *_lines(street),
        *_bays(street),
        *_zebras(street),
        *_stop_bars(street),
        *_arrows(street),
    ]


def stop_line_rings(street: StreetShape) -> list[Line]:
    found = []
    for backward, (low, high), (inner, outer) in _stop_places(street):
        sign = 1 if backward else -1
        ring = [
            street.at(low, sign * inner), street.at(high, sign * inner),
            street.at(high, sign * outer), street.at(low, sign * outer),
        ]  # fmt: skip
        found.append(tuple(ring if sign > 0 else ring[::-1]))
    return found


def _bar(
    street: StreetShape, a: tuple[Number, Number], b: tuple[Number, Number], half: int, colour: str
) -> Paint:
    """From one place (s, left) to another; half as wide as ``half``."""
    (ax, ay), (bx, by) = street.at(*a), street.at(*b)
    at = whole((ax + bx) / 2, (ay + by) / 2)
    return Paint(at=at, half=whole((bx - ax) / 2, (by - ay) / 2), half_width=half, colour=colour)


# -- along the street ------------------------------------------------------------------------------


def _lines(street: StreetShape) -> Iterator[Paint]:
    profile = street.profile
    spans = _open_spans(street)
    if profile.median:
        for low, high in street.medians:
            for sign in (1, -1):
                left = sign * (profile.median // 2 + LINE + 2 * INSET)
                yield from _solid(street, (low + 1_200, high - 1_200), left, "yellow")
    else:
        yield from _centre(street, spans)
    for k in range(1, profile.lanes):
        for sign in (1, -1):
            left = sign * (profile.median // 2 + k * profile.lane)
            yield from _dashed(street, spans, left, "white")
    if profile.bike:
        for span in spans:
            for sign in (1, -1):
                yield from _solid(street, span, sign * (profile.kerb - profile.bike), "white")
    yield from _edges(street, spans)


def _edges(street: StreetShape, spans: list[Span]) -> Iterator[Paint]:
    profile = street.profile
    for side, sign in ((0, 1), (1, -1)):
        if profile.kind == "main" and street.parking[side]:
            for span in street.parking[side]:
                yield from _solid(street, span, sign * (profile.kerb - LINE - INSET), "white")
        elif profile.edge_mark == "solid_white" and not profile.bike:
            for span in spans:
                yield from _solid(street, span, sign * (profile.kerb - 300), "white")


def _centre(street: StreetShape, spans: list[Span]) -> Iterator[Paint]:
    mark = street.profile.centre_mark
    if mark == "dashed_white":
        yield from _dashed(street, spans, 0, "white")
        for end, (low, high) in ((0, spans[0]), (1, spans[-1])):
            # Whole near a junction.
            if street.ends[end].junction >= 0:
                near = (low, low + DASH) if end == 0 else (high - DASH, high)
                yield from _solid(street, near, 0, "white")
    elif mark in ("solid_yellow", "double_yellow"):
        for left in (0,) if mark == "solid_yellow" else (110, -110):
            for span in spans:
                yield from _solid(street, span, left, "yellow")


def _open_spans(street: StreetShape) -> list[Span]:
    """Stretches between junctions' stop lines and crossings."""
    low, far = (end.line + STOP_LINE if end.junction >= 0 else BORDER for end in street.ends)
    high = street.length - far
    if not street.zebra[1]:
        return [(low, high)]
    return [(low, street.zebra[0] - 600), (street.zebra[1] + 600, high)]


def _solid(street: StreetShape, span: Span, left: Number, colour: str) -> Iterator[Paint]:
    low, high = span
    for a, b in pairwise(sorted({low, high, *street.between(low, high)})):
        if b - a >= SHORTEST:
            yield _bar(street, (a, left), (b, left), LINE, colour)


def _dashed(street: StreetShape, spans: list[Span], left: Number, colour: str) -> Iterator[Paint]:
    for low, high in spans:
        start = low + DASH + GAP // 2
        for s in range(start, high - 2 * DASH, DASH + GAP):
            yield _bar(street, (s, left), (s + DASH, left), LINE, colour)


def _bays(street: StreetShape) -> Iterator[Paint]:
    profile = street.profile
    for side, sign in ((0, 1), (1, -1)):
        strip, taper = profile.parking[side], street.taper(side)
        for low, high in street.parking[side]:
            near, far = profile.kerb + INSET, profile.kerb + strip - INSET
            count = (high - low - 2 * taper) // BAY
            if profile.kind != "lane" and count:
                pitch = (high - low - 2 * taper - 400) // count
                for k in range(count + 1):
                    s = low + taper + 200 + k * pitch
                    yield _bar(street, (s, sign * near), (s, sign * far), LINE, "white")


# -- across the street -----------------------------------------------------------------------------


def _zebras(street: StreetShape) -> Iterator[Paint]:
    kerb = street.profile.kerb
    for (low, high), where in street.crossings:
        if where < 2 and street.ends[where].control == "signal":
            for s in (low + 100, high - 100):
                yield _bar(street, (s, kerb - INSET), (s, INSET - kerb), 100, "white")
            continue
        count = (2 * kerb - 500) // 1_000
        start = -(count - 1) * 500
        for k in range(count):
            left = start + 1_000 * k
            yield _bar(street, (low, left), (high, left), 250, "white")


def _stop_places(street: StreetShape) -> Iterator[tuple[bool, Span, Span]]:
    """Whether for backward traffic, stretch along the axis, inner and outer edge."""
    profile = street.profile
    edges = (profile.median // 2 if profile.median else 0) + 150, profile.kerb - 100
    for which in (0, 1):
        end = street.ends[which]
        if end.control != "none":
            near = end.line if which == 0 else street.length - end.line - STOP_LINE
            yield which == 0, (near, near + STOP_LINE), edges
    if street.zebra[1]:
        low, high = street.zebra
        yield False, (low - 1_000 - STOP_LINE, low - 1_000), edges
        yield True, (high + 1_000, high + 1_000 + STOP_LINE), edges


def _stop_bars(street: StreetShape) -> Iterator[Paint]:
    for backward, (low, high), (inner, outer) in _stop_places(street):
        sign, s = (1, street.ends[0]) if backward else (-1, street.ends[1])
        middle = (low + high) // 2
        mid_block = street.zebra[1] and abs(middle - sum(street.zebra) // 2) < 6_000
        if s.control == "yield" or mid_block:
            for left in range(inner, outer - 500, 900):
                ends = ((middle, sign * left), (middle, sign * (left + 500)))
                yield _bar(street, *ends, STOP_LINE // 2, "white")
        else:
            ends = ((middle, sign * inner), (middle, sign * outer))
            yield _bar(street, *ends, STOP_LINE // 2, "white")


# -- arrows ----------------------------------------------------------------------------------------


def _arrows(street: StreetShape) -> Iterator[Paint]:
    """Before junctions of wide streets, one for each lane."""
    profile = street.profile
    if profile.lanes < 2:
        return
    for which in (0, 1):
        end = street.ends[which]
        if end.junction < 0 or end.control == "none":
            continue
        for k in range(profile.lanes):
            left = profile.median // 2 + k * profile.lane + profile.lane // 2
            for back in (6_000, 24_000):
                tip = end.line + STOP_LINE + back
                yield from _arrow(street, which, tip, left, _branch(end, profile.lanes, k))


def _branch(end: End, lanes: int, lane: int) -> int:
    """Side to which a lane may turn off: 1 left, -1 right, 0 neither. Lanes count from within."""
    if lane == 0 and "left" in end.turns:
        return 1
    return -1 if lane == lanes - 1 and "right" in end.turns else 0


def _arrow(street: StreetShape, which: int, tip: int, left: int, branch: int) -> Iterator[Paint]:
    """Shaft with a head, and a branch with its own."""
    sign = 1 if which == 0 else -1

    def place(back: Number, beside: Number) -> tuple[Number, Number]:
        s = tip + back
        return (s if which == 0 else street.length - s), sign * (left - beside)

    yield _bar(street, place(500, 0), place(4_000, 0), 75, "white")
    for beside in (350, -350):
        yield _bar(street, place(0, 0), place(700, beside), 75, "white")
    if branch:
        end = place(2_200, branch * 900)
        yield _bar(street, place(3_000, branch * 75), end, 75, "white")
        for back, beside in ((2_636, 792), (2_251, 454)):
            yield _bar(street, end, place(back, branch * beside), 75, "white")
