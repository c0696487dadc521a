"""The town as a map: areas, lines, lanes and ground height in the world frame.

Layers keep to what nuScenes means by them: ``drivable_area`` is all that vehicles may stand on,
``road_block`` one side of a street between two junctions, ``road_divider`` what parts traffic that
goes opposite ways, ``lane_divider`` what parts lanes that go the same way.
"""

from collections.abc import Iterable

import numpy as np
import shapely
from jaxtyping import Bool, Float

from roadloom.geometry.pose import Pose
from roadloom.scene.map_raster import GroundHeight
from roadloom.scene.road_map import Lane, Line, Polygon, RoadMap
from roadloom.town.mesh.ground import LOW
from roadloom.town.plan.types import EXTENT_MM, KERB_MM, Area, PlanLane, Relief
from roadloom.town.plan.types import Line as PlanLine
from roadloom.town.relief import height
from roadloom.town.world import World

PIXEL_M = 1.0
"""Of the ground's raster."""
KERB = KERB_MM / 1000
WALKWAY = ("pavement", "forecourt")
MARKS = {
    "none": "NONE",
    "solid_white": "SOLID_WHITE",
    "dashed_white": "DASHED_WHITE",
    "solid_yellow": "SOLID_YELLOW",
    "double_yellow": "DOUBLE_SOLID_YELLOW",
}


def road_map(world: World) -> RoadMap:
    """Everything the plan says about the place; heights are those of the ground's surface."""
    plan, net = world.plan, world.plan.roads
    lift = _Lift(plan.relief, world.world_from_town)
    low = _united(area for area in net.areas if area.kind in LOW)
    walkway = _united(area for area in net.areas if area.kind in WALKWAY)
    return RoadMap(
        name=f"town {plan.split} {plan.index}",
        polygons={
            "drivable_area": lift.polygons(low, 0.0),
            "ped_crossing": lift.rings(crossing.ring for crossing in net.crossings),
            "walkway": lift.polygons(walkway, KERB),
            "stop_line": lift.rings(net.stop_lines),
            "carpark_area": lift.rings(a.ring for a in net.areas if a.kind == "parking"),
            "road_block": lift.rings(_blocks(net.lanes)),
        },
        lines={
            "road_divider": tuple(map(lift.line, _road_dividers(net.lanes))),
            "lane_divider": tuple(map(lift.line, _lane_dividers(net.lanes))),
        },
        lanes=tuple(_lane(lane, lift) for lane in net.lanes),
        ground=_ground(plan.relief, world.world_from_town, low),
    )


class _Lift:
    """From the plan's millimetres to the world, at the ground's height."""

    def __init__(self, relief: Relief, world_from_town: Pose) -> None:
        self._relief, self._world_from_town = relief, world_from_town

    def metres(self, places: Float[np.ndarray, "vertex 2"], raised: float) -> Line:
        z = height(self._relief, places[:, 0], places[:, 1]) + raised
        return self._world_from_town.apply(np.concatenate([places, z[:, None]], axis=1))

    def line(self, line: PlanLine) -> Line:
        return self.metres(np.array(line, np.float64) / 1000, 0.0)

    def rings(self, rings: Iterable[PlanLine]) -> tuple[Polygon, ...]:
        return tuple(Polygon.make(self.line(ring)) for ring in rings)

    def polygons(self, found: np.ndarray, raised: float) -> tuple[Polygon, ...]:
        """From shapely's polygons in millimetres."""

        def ring(part: shapely.LinearRing) -> Line:
            return self.metres(shapely.get_coordinates(part) / 1000, raised)

        return tuple(
            Polygon.make(ring(part.exterior), [ring(hole) for hole in part.interiors])
            for part in found
        )


def _united(areas: Iterable[Area]) -> np.ndarray:
    """Polygons that cover the same ground and do not touch, counter-clockwise."""
    whole = shapely.union_all([shapely.Polygon(area.ring, area.holes) for area in areas])
    parts = shapely.get_parts(shapely.orient_polygons(whole))
    return parts[shapely.area(parts) > 0]


# -- lines -----------------------------------------------------------------------------------------


def _sides(lanes: tuple[PlanLane, ...]) -> list[list[PlanLane]]:
    """Lanes of each street that go the same way, from the middle outward."""
    sides: list[list[PlanLane]] = []
    for lane in lanes:
        if lane.street < 0:
            continue
        # They lie one after the other; the next one begins where the last one ends sideways.
        if sides and sides[-1][-1].street == lane.street and sides[-1][-1].right == lane.left:
            sides[-1].append(lane)
        else:
            sides.append([lane])
    return sides


def _blocks(lanes: tuple[PlanLane, ...]) -> list[PlanLine]:
    return [(*side[-1].right, *reversed(side[0].left)) for side in _sides(lanes)]


def _road_dividers(lanes: tuple[PlanLane, ...]) -> list[PlanLine]:
    """The innermost edges; one line where both ways share it."""
    found: dict[PlanLine, None] = {}
    for side in _sides(lanes):
        line = side[0].left
        if line[::-1] not in found:
            found[line] = None
    return list(found)


def _lane_dividers(lanes: tuple[PlanLane, ...]) -> list[PlanLine]:
    return [lane.left for side in _sides(lanes) for lane in side[1:]]


def _lane(lane: PlanLane, lift: _Lift) -> Lane:
    left, right = lift.line(lane.left), lift.line(lane.right)
    return Lane(
        id=str(lane.id),
        left=left,
        right=right,
        centerline=lift.line(lane.centre),
        left_mark=MARKS[lane.left_mark],
        right_mark=MARKS[lane.right_mark],
        polygon=Polygon.make(np.concatenate([right, left[::-1]])),
        successors=tuple(map(str, lane.successors)),
        predecessors=tuple(map(str, lane.predecessors)),
        left_neighbor=_name(lane.left_neighbor),
        right_neighbor=_name(lane.right_neighbor),
        kind=lane.kind,
        is_intersection=lane.junction >= 0,
        speed_limit_mps=lane.speed / 1000,
    )


def _name(lane: int) -> str:
    return "" if lane < 0 else str(lane)


# -- ground ----------------------------------------------------------------------------------------


def _ground(relief: Relief, world_from_town: Pose, low: np.ndarray) -> GroundHeight:
    """Heights at the middles of a square raster over the plan."""
    extent = EXTENT_MM / 1000
    at = np.arange(-extent + PIXEL_M / 2, extent, PIXEL_M)
    x, y = np.meshgrid(at, at)
    raised = np.where(_inside(low, x, y), 0.0, KERB)
    turn, shift = world_from_town.rotation[:2, :2], world_from_town.translation
    heights = height(relief, x, y) + raised + shift[2]
    return GroundHeight(
        heights=heights.astype(np.float32),
        world_from_pixel=np.concatenate(
            [turn * PIXEL_M, (turn @ [at[0], at[0]] + shift[:2])[:, None]], axis=1
        ),
    )


def _inside(
    polygons: np.ndarray, x: Float[np.ndarray, "row column"], y: Float[np.ndarray, "row column"]
) -> Bool[np.ndarray, "row column"]:
    """Pixels whose middle lies in a polygon (in millimetres)."""
    found = np.zeros(x.shape, bool)
    shapely.prepare(polygons)
    for polygon in polygons:
        found |= shapely.contains_xy(polygon, x * 1000, y * 1000)
    return found
