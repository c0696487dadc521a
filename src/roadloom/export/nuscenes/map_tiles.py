"""Where each scene lies in the shared map of a city: every scene gets a square tile of its own.

    number of the scene, its path -> Tile: city, place on the grid, root_from_world as a shift

A nuScenes root knows four cities, each with one map and one mask, but clips come with worlds of
their own. So the world of every scene is moved, by a translation alone, into a tile that no other
scene shares. Tiles fill growing squares from the map's lower left corner, so a scene's place
depends on its number only, and scenes can be appended. All coordinates in a tile are positive.
"""

from dataclasses import dataclass
from math import floor, isqrt

import numpy as np
from jaxtyping import Float

from roadloom.errors import BadInput

CITIES = (
    "boston-seaport",
    "singapore-onenorth",
    "singapore-queenstown",
    "singapore-hollandvillage",
)
"""The locations that the devkit's map loads."""
SPREAD = "spread"
"""In place of a city: scenes go to the four in turn."""
TILE_M = 480.0
"""Edge of a tile: 20 s at 14 m/s, and the map on either side."""
MARGIN_M = 100.0
"""How far around the path the map is kept."""
MAX_EDGE_M = 3400.0
"""Edge of a city's map: its mask then has the pixels of the largest of nuScenes, Queenstown's
(32,286 x 36,871 at 0.1 m)."""
HEIGHT_STEP_M = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """The square that one scene has in the map of a city."""

    city: str
    column: int
    row: int
    edge_m: float
    shift: Float[np.ndarray, "3"]
    """World of the root minus world of the clip [m]: whole metres in x and y, so that masks of
    0.1 m keep their pixels. In z it takes the middle of the path to about 0, where every pose of
    nuScenes is."""
    low: Float[np.ndarray, "2"]
    """Lower corner, in the root's world, of what is kept of the map."""
    high: Float[np.ndarray, "2"]
    """Upper corner of it."""

    @property
    def corner(self) -> Float[np.ndarray, "2"]:
        """Lower left corner of the tile in the root's world [m]."""
        return np.array([self.column, self.row]) * self.edge_m


def place(
    number: int,
    path: Float[np.ndarray, "pose 3"],
    *,
    city: str = SPREAD,
    edge_m: float = TILE_M,
    margin_m: float = MARGIN_M,
) -> Tile:
    """The tile of a scene.

    Args:
        number: of the scene in the root, from 0.
        path: positions of the vehicle in the clip's world [m].
        city: one of ``CITIES`` for all scenes, or ``SPREAD``.
        edge_m: of the tiles; the same for every scene of a root.
        margin_m: how far beyond the path's bounding box the map is kept.

    Raises:
        BadInput: no such city, the path is too long for a tile, or the city is full.
    """
    slot = check_room(number + 1, city=city, edge_m=edge_m)
    column, row = cell_of(slot)
    low, high = path[:, :2].min(axis=0), path[:, :2].max(axis=0)
    extent = float((high - low).max()) + 2 * margin_m
    if extent > edge_m - 1:  # the middle is rounded to a metre
        raise BadInput(
            f"the path and {margin_m:g} m around it span {extent:.0f} m, a tile {edge_m:g} m",
            field="tile_m", remedy="choose larger tiles for this root, or cut the clip",
        )  # fmt: skip
    corner = np.array([column, row]) * edge_m
    flat = np.round(corner + edge_m / 2 - (low + high) / 2)
    raised = -np.round(np.median(path[:, 2]) / HEIGHT_STEP_M) * HEIGHT_STEP_M
    return Tile(
        city=city_of(number, city),
        column=column,
        row=row,
        edge_m=edge_m,
        shift=np.array([*flat, raised + 0.0]),
        low=low + flat - margin_m,
        high=high + flat + margin_m,
    )


def check_room(scenes: int, *, city: str = SPREAD, edge_m: float = TILE_M) -> int:
    """The place of the last of so many scenes on its city's grid, where there is one.

    Raises:
        BadInput: no such city, a tile of no size that a map could have, or too many scenes.
    """
    if city not in (*CITIES, SPREAD):
        raise BadInput(
            f"the devkit knows no map of {city!r}", field="city",
            remedy=f"use one of {', '.join((*CITIES, SPREAD))}",
        )  # fmt: skip
    if not 1 <= edge_m <= MAX_EDGE_M or edge_m != floor(edge_m):
        raise BadInput(
            f"tiles of {edge_m:g} m", field="tile_m",
            remedy=f"choose whole metres from 1 to {MAX_EDGE_M:g}",
        )  # fmt: skip
    each = floor(MAX_EDGE_M / edge_m) ** 2
    room = each * (len(CITIES) if city == SPREAD else 1)
    if scenes > room:
        raise BadInput(
            f"{scenes} scenes need more room than the {room} tiles of {edge_m:g} m that "
            f"{'four cities have' if city == SPREAD else f'{city} has'}",
            field="city",
            remedy="choose smaller tiles, or several roots"
            if city == SPREAD
            else f"use {SPREAD!r}, smaller tiles, or several roots",
        )
    return (scenes - 1) // len(CITIES) if city == SPREAD else scenes - 1


def city_of(number: int, city: str = SPREAD) -> str:
    """The city of a scene by its number."""
    return CITIES[number % len(CITIES)] if city == SPREAD else city


def cell_of(slot: int) -> tuple[int, int]:
    """Column and row of the n-th tile of a city, both from 0.

    The first n * n tiles fill a square of n columns; the next ones go up its right side and back
    along its top.
    """
    side = isqrt(slot)
    beyond = slot - side * side
    return (side, beyond) if beyond <= side else (2 * side - beyond, side)


def canvas_edge(cells: list[tuple[int, int]], edge_m: float) -> tuple[float, float]:
    """Width and height [m] of a city's map that holds these columns and rows of tiles."""
    return (
        (max(column for column, _ in cells) + 1) * edge_m,
        (max(row for _, row in cells) + 1) * edge_m,
    )
