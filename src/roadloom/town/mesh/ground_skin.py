"""What each area looks like: material, tint, and where its texture runs along a street."""

from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Bool, Float, Float32, Int64, UInt8

from roadloom.town.mesh.materials import GRASS, PAVEMENT, ROAD, linear
from roadloom.town.mesh.mesh import STYLE
from roadloom.town.plan.types import RoadNet

MATERIAL = {
    "road": ROAD, "junction": ROAD, "parking": ROAD,
    "pavement": PAVEMENT, "forecourt": PAVEMENT, "median": PAVEMENT, "terrain": GRASS,
}  # fmt: skip
TINT = {
    "road": (76, 76, 79),
    "junction": (73, 73, 76),
    "parking": (82, 81, 83),
    "pavement": (148, 145, 139),
    "forecourt": (141, 138, 131),
    "median": (140, 139, 134),
    "terrain": (84, 104, 52),
}
"""sRGB; roads come near to 0.08 linear."""
BEYOND_M = 40.0
SLABS = (0.5, 0.6, 0.75)
"""Sides of slabs [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Skin:
    """Rows belong to the plan's areas."""

    material: UInt8[np.ndarray, " area"]
    tint: Float32[np.ndarray, "area 3"]
    style: Float32[np.ndarray, "area 6"]
    axis: np.ndarray
    """The nearest street's axis [m], extended straight beyond both its ends."""
    follows: Bool[np.ndarray, " area"]
    """Whether uv runs along and across the street; else uv is the plan's x, y."""

    def uv(
        self, flat: Float[np.ndarray, "triangle 3 2"], area: Int64[np.ndarray, " triangle"]
    ) -> Float[np.ndarray, "triangle 3 2"]:
        """Places on the surface for corners of triangles of these areas."""
        found = flat.copy()
        some = self.follows[area]
        places = shapely.points(flat[some])
        axes = self.axis[area[some]][:, None]
        found[some, :, 0] = shapely.line_locate_point(axes, places)
        found[some, :, 1] = shapely.distance(axes, places)
        return found


def skin_of(net: RoadNet) -> Skin:
    areas = net.areas
    kinds = np.array([area.kind for area in areas])
    axes, middle, ahead = _streets_beside(net)
    style = np.zeros((len(areas), STYLE), np.float32)
    road = np.isin(kinds, ("road", "junction", "parking"))
    style[kinds == "parking", 0] = 1
    style[kinds == "junction", 0] = 2
    style[road, 1:3] = ahead[road]
    paved = ~road & (kinds != "terrain")
    number = (np.abs(np.floor(middle * 1000)).astype(np.int64) * (7, 13)).sum(axis=1)
    style[paved, 0] = np.array(SLABS)[number[paved] // 1024 % len(SLABS)]
    style[paved, 1] = number[paved] % 251
    style[kinds == "terrain", 0] = number[kinds == "terrain"] % 251
    return Skin(
        material=np.array([MATERIAL[kind] for kind in kinds], np.uint8),
        tint=np.array([linear(*TINT[kind]) for kind in kinds], np.float32),
        style=style,
        axis=axes,
        follows=paved,
    )


def _streets_beside(net: RoadNet) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each area the nearest street's axis, the area's middle, the street's direction [m]."""
    middles = np.array([np.mean(area.ring, axis=0) for area in net.areas]) / 1000
    if not net.streets:
        empty = shapely.linestrings(np.array([[(-1e3, 0.0), (1e3, 0.0)]]))
        return np.repeat(empty, len(middles)), middles, np.tile((1.0, 0.0), (len(middles), 1))
    lines = [np.array(street.axis, np.float64) / 1000 for street in net.streets]
    tree = shapely.STRtree([shapely.LineString(line) for line in lines])
    nearest = tree.nearest(shapely.points(middles))
    longer = np.array([shapely.LineString(_extended(line)) for line in lines])
    chords = np.array([line[-1] - line[0] for line in lines])
    chords /= np.sqrt((chords**2).sum(axis=1, keepdims=True))
    return longer[nearest], middles, chords[nearest]


def _extended(line: Float[np.ndarray, "vertex 2"]) -> Float[np.ndarray, "longer 2"]:
    """Straight on beyond both ends, so that places around corners lie beside it too."""
    first, last = line[0] - line[1], line[-1] - line[-2]
    ends = [
        tip + direction * BEYOND_M / np.sqrt((direction**2).sum())
        for tip, direction in ((line[0], first), (line[-1], last))
    ]
    return np.concatenate([ends[:1], line, ends[1:]])
