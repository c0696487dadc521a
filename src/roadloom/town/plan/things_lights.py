"""Lamps, traffic lights and signs: posts by the kerb.

``traffic_light``, ``people_light``, ``sign`` and ``stop_sign`` face along their +x, towards those
who must see them. A traffic light wider than 1 m has an arm: the post stands at its +y end, the
arm reaches over the road to its -y end, where the lamps hang. A lamp post's post stands at its -x
end, the arm reaches over the road to +x. ``shape[0]`` of a sign is its plate (materials.SIGN_FACE).
"""

from math import sqrt

from roadloom.town.plan.things_rect import Number, Place
from roadloom.town.plan.things_site import PLATES, SIGN_POST, Site
from roadloom.town.plan.things_way import LEFT, RIGHT, Way
from roadloom.town.plan.types import KERB_MM, PlanLane, Point

NEAR = 220_000
OFF_KERB = 480
"""From the kerb to the middle of a post [mm]."""
NARROW = 285
"""The same for a sign on a pavement that has no room for more."""
GIVE_WAY, SPEED, NO_PARKING, PARKING, PEOPLE, DIRECTION, ONE_WAY, NAME = 1, 2, 3, 4, 5, 6, 8, 9
POST_SIZE = (420, 420, 3_370)
SIGN_SIZE = (110, 640, 2_730)


def draw_controls(site: Site, ways: list[Way]) -> None:
    """Lights and signs where lanes end at a junction; lights for people at crossings."""
    done: dict[tuple[int, int, int], int] = {}
    for lane in site.roads.lanes:
        if lane.street < 0 or lane.kind != "vehicle" or lane.control == "none":
            continue
        way = ways[lane.street]
        if way.nearest_to_origin > NEAR:
            continue
        x, y, s, side = _end(way, lane)
        key = (lane.street, side, lane.signal if lane.control == "signal" else -1)
        done[key] = done.get(key, 0) + 1
        if done[key] == 1:
            arm = lane.control == "signal" and _lanes_beside(site, lane) > 1
            _control(site, way, lane, s, side, arm)
    _people_lights(site)


def _end(way: Way, lane: PlanLane) -> tuple[Number, Number, Number, int]:
    """Where a lane's vehicles wait, and the side of the street."""
    x, y = _place_along(lane.centre, lane.stop) if lane.stop >= 0 else lane.centre[-1]
    s, left = way.project(x, y)
    (x0, y0), (x1, y1) = lane.centre[-2], lane.centre[-1]
    ux, uy = way.ahead(s)
    onward = (x1 - x0) * ux + (y1 - y0) * uy
    return x, y, s, RIGHT if onward > 0 else LEFT


def _place_along(line: tuple[Point, ...], along: int) -> Place:
    left = float(along)
    for (x0, y0), (x1, y1) in zip(line, line[1:], strict=False):
        size = sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0))
        if left <= size and size > 0:
            return x0 + (x1 - x0) * left / size, y0 + (y1 - y0) * left / size
        left -= size
    return float(line[-1][0]), float(line[-1][1])


def _lanes_beside(site: Site, lane: PlanLane) -> int:
    count = 1
    for step in ("left_neighbor", "right_neighbor"):
        other = getattr(lane, step)
        while other >= 0 and count < 5:
            count += site.roads.lanes[other].kind == "vehicle"
            other = getattr(site.roads.lanes[other], step)
    return count


def _control(site: Site, way: Way, lane: PlanLane, s: Number, side: int, arm: bool) -> None:
    ux, uy = way.onward(s, side)
    facing = (-ux, -uy)
    if lane.control == "signal":
        if arm:
            _mast(site, way, lane, s, side)
            return
        _post(site, way, s, side, "traffic_light", facing, POST_SIZE, signal=lane.signal)
    elif lane.control == "stop":
        _post(site, way, s, side, "stop_sign", facing, (110, 770, 2_690))
    else:
        _post(site, way, s, side, "sign", facing, SIGN_SIZE, shape=(GIVE_WAY,))


def _mast(site: Site, way: Way, lane: PlanLane, s: Number, side: int) -> None:
    """Post at the kerb, arm to the middle of the inner lane."""
    onward = way.onward(s, side)
    arm = lane.width * 3 // 2 + 700
    for shift in (0, 400, -400, 900, -900):
        kerb = way.kerb(s + shift, side)
        middle = way.at(s + shift, way.sign(side) * (kerb + OFF_KERB + 120 - arm / 2))
        size = (460, arm, 6_230)
        if site.put(
            "traffic_light", middle, (-onward[0], -onward[1]), size,
            kinds=_ALL_ROADS, signal=lane.signal,
        ):  # fmt: skip
            return


_ALL_ROADS = frozenset(("road", "junction", "parking"))


def _post(
    site: Site,
    way: Way,
    s: Number,
    side: int,
    kind: str,
    facing: Place,
    size: tuple[int, int, int],
    *,
    signal: int = -1,
    shape: tuple[int, ...] = (),
) -> bool:
    """At the kerb near a place, where there is room."""
    beyond = way.numbers(side)[1] + SIGN_POST
    for shift in (0, 350, -350, 800, -800, 1_300):
        kerb = way.kerb(s + shift, side)
        for out in (kerb + OFF_KERB, kerb + OFF_KERB + 150, beyond, kerb + NARROW):
            if out == kerb + NARROW and kind not in PLATES:
                continue
            at = way.at(s + shift, way.sign(side) * out)
            if site.put(kind, at, facing, size, signal=signal, shape=shape):
                return True
    return False


def _people_lights(site: Site) -> None:
    """One at each end of a crossing with lights, to the right of those who come over."""
    for crossing in site.roads.crossings:
        if crossing.signal < 0:
            continue
        for end, other in ((-1, 0), (0, -1)):
            (x0, y0), (x1, y1) = crossing.path[other], crossing.path[end]
            size = sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0))
            ux, uy = (x1 - x0) / size, (y1 - y0) / size
            for out, aside in ((550, 300), (800, 300), (550, 700), (800, 1_100), (1_100, 500)):
                right = crossing.width / 2 + aside
                at = (x1 + out * ux + right * uy, y1 + out * uy - right * ux)
                if site.put(
                    "people_light", at, (-ux, -uy), (380, 380, 2_770), signal=crossing.signal
                ):
                    break


def draw_signs(site: Site, ways: list[Way]) -> None:
    """Speed and parking signs behind junctions, warnings of crossings, names at corners."""
    dice = site.dice
    for way in ways:
        if way.nearest_to_origin > 150_000 or way.length < 30_000:
            continue
        for side in (LEFT, RIGHT):
            forward = side == RIGHT
            for plate, share, into in (
                (NAME, 70, 2_200), (SPEED, 45, 13_000), (NO_PARKING, 60, 22_000),
            ):  # fmt: skip
                shift = into + dice.between(0, 2_500)
                if not dice.percent(share):
                    continue
                s = float(shift) if forward else way.length - shift
                ux, uy = way.onward(s, side)
                strip = way.numbers(side)[3] > 0
                chosen = PARKING if plate == NO_PARKING and strip else plate
                number = (way.street.kind == "main") * 20 + 30
                _post(site, way, s, side, "sign", (-ux, -uy), SIGN_SIZE, shape=(chosen, number))
    for crossing in site.roads.crossings:
        if crossing.signal < 0 and crossing.junction < 0 and crossing.street >= 0:
            _crossing_signs(site, ways[crossing.street], crossing.path[0], crossing.width)


def _crossing_signs(site: Site, way: Way, at: Point, width: int) -> None:
    s, _ = way.project(*at)
    for side in (LEFT, RIGHT):
        back = -1 if side == RIGHT else 1
        near = s + back * (width / 2 + 500)
        ux, uy = way.onward(near, side)
        _post(site, way, near, side, "sign", (-ux, -uy), SIGN_SIZE, shape=(PEOPLE, 0))


def draw_lamps(site: Site, ways: list[Way]) -> None:
    """Street lamps at even distances on alternating sides, their arms over the road."""
    dice = site.dice
    for way in ways:
        spacing = dice.between(24_000, 31_000)
        tall = dice.between(7_600, 8_600) if way.kind == "main" else dice.between(5_600, 6_900)
        reach = dice.between(1_700, 2_300) if way.kind == "main" else dice.between(1_250, 1_600)
        side = dice.between(0, 1)
        if way.nearest_to_origin > (220_000 if way.kind == "main" else 150_000):
            continue
        s = way.margin(0, 7_000) + dice.between(0, 5_000)
        while s < way.length - way.margin(1, 5_000):
            _lamp(site, way, side, s, (reach, tall))
            side = 1 - side
            s += spacing


def _lamp(site: Site, way: Way, side: int, s: Number, shape: tuple[int, int]) -> None:
    reach, tall = shape
    for shift in (0, 700, -700, 1_600):
        kerb = way.kerb(s + shift, side) + OFF_KERB
        middle = way.at(s + shift, way.sign(side) * (kerb + 120 - reach / 2))
        inward = way.inward(s + shift, side)
        if site.put("lamp_post", middle, inward, (reach, 230, tall), gap=60, raised=KERB_MM):
            return
