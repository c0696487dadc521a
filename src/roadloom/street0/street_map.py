"""The street as a map: areas, lines and lanes in the world frame."""

import numpy as np

from roadloom.scene.road_map import Lane, Line, Polygon, RoadMap
from roadloom.street0.draw_street import END, START
from roadloom.street0.plan import KERB_MM
from roadloom.street0.world import World

Corner = tuple[int, int]


def road_map(world: World) -> RoadMap:
    """Heights are the true ones: 0 on the road, the kerb's beside it, plus the world's own."""
    plan, section = world.plan, world.plan.section
    edge, (right, left) = section.lanes * section.lane, section.kerb
    zebra = plan.zebra

    def area(x: Corner, y: Corner, z: int = 0) -> Polygon:
        ring = [(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])]
        return Polygon.make(_world(world, ring, z))

    def line(y: int) -> Line:
        return _world(world, [(START, y), (END, y)], 0)

    whole = (START, END)
    parking = [(low, high) for low, high in ((right, -edge), (edge, left)) if low < high]
    dividers = [s * lane * section.lane for lane in range(1, section.lanes) for s in (-1, 1)]
    return RoadMap(
        name=f"town-v0 {plan.split} {plan.index}",
        polygons={
            "drivable_area": (area(whole, (right, left)),),
            "ped_crossing": (area(zebra, (-edge, edge)),),
            "walkway": (
                area(whole, (right - section.pavement[0], right), KERB_MM),
                area(whole, (left, left + section.pavement[1]), KERB_MM),
            ),
            "stop_line": (
                area((zebra[0] - 1500, zebra[0] - 1150), (-edge + 200, -250)),
                area((zebra[1] + 1150, zebra[1] + 1500), (250, edge - 200)),
            ),
            "carpark_area": tuple(area(whole, strip) for strip in parking),
        },
        lines={"road_divider": (line(0),), "lane_divider": tuple(map(line, dividers))},
        lanes=tuple(_lane(world, side, lane) for side in (0, 1) for lane in range(section.lanes)),
    )


def _lane(world: World, side: int, lane: int) -> Lane:
    """Lane ``lane`` from the middle of the street; side 0 drives along x, side 1 against it."""
    section = world.plan.section
    ends = (START, END) if side == 0 else (END, START)
    sign = -1 if side == 0 else 1
    inner, outer = sign * lane * section.lane, sign * (lane + 1) * section.lane

    def along(y: int) -> Line:
        return _world(world, [(ends[0], y), (ends[1], y)], 0)

    def name(number: int) -> str:
        return f"{'right' if side == 0 else 'left'}-{number}"

    outermost = lane == section.lanes - 1
    middle = "DASHED_WHITE" if section.lanes == 1 else "DOUBLE_SOLID_YELLOW"
    parked = section.parking[side] > 0
    return Lane(
        id=name(lane),
        left=along(inner),
        right=along(outer),
        centerline=along(section.lane_center(side, lane)),
        left_mark=middle if lane == 0 else "DASHED_WHITE",
        right_mark=("SOLID_WHITE" if parked else "NONE") if outermost else "DASHED_WHITE",
        polygon=Polygon.make(np.concatenate([along(inner), along(outer)[::-1]])),
        left_neighbor="" if lane == 0 else name(lane - 1),
        right_neighbor="" if outermost else name(lane + 1),
        speed_limit_mps=50 / 3.6,
    )


def _world(world: World, corners: list[Corner], z: int) -> Line:
    points = np.array([(x, y, z) for x, y in corners], np.float64) / 1000
    return world.world_from_street.apply(points)
