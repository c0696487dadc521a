"""Colours of classes that colour-blind eyes can tell apart.

The 17 classes of the ``occ3d18`` view (free is not drawn) have colours found by a search for
the largest least difference. Any two of them differ by at least 13 (CIEDE2000) to protan,
deutan and tritan eyes, simulated in full by the matrices of Machado et al. 2009, and by at
least 16 to other eyes; two colours side by side are just told apart at 1 to 2. From white and
from the dark background each differs by at least 12, to other eyes by 16.
``tests/scene/test_palette.py`` measures all of it.

A finer class takes the colour of the view's class it belongs to, or of its group, lightened or
darkened step by step: siblings look alike on purpose. Whatever the class, its colour differs
from white and from the dark background by at least 12; paint is cream, as white would vanish.
"""

from types import MappingProxyType

import numpy as np
from jaxtyping import UInt8

from roadloom.scene.class_views import view
from roadloom.scene.classes import CLASSES, UNKNOWN, check_ids, class_id

DARK_BACKGROUND = (20, 23, 28)
"""RGB that pages and pictures put behind a scene, beside white."""

_OCC3D18 = {
    "others": (156, 150, 153),
    "barrier": (137, 88, 72),
    "bicycle": (174, 108, 166),
    "bus": (255, 217, 42),
    "car": (49, 119, 255),
    "construction_vehicle": (214, 153, 0),
    "motorcycle": (126, 0, 107),
    "pedestrian": (136, 11, 7),
    "traffic_cone": (203, 77, 0),
    "trailer": (161, 165, 255),
    "truck": (58, 56, 214),
    "driveable_surface": (102, 108, 113),
    "other_flat": (79, 62, 68),
    "sidewalk": (223, 202, 240),
    "terrain": (190, 205, 136),
    "manmade": (139, 219, 194),
    "vegetation": (67, 162, 108),
    "free": DARK_BACKGROUND,
}

# Whose colour a class takes that the view counts among its "others".
_OF_GROUP = {
    "human": "pedestrian",
    "animal": "pedestrian",
    "two_wheeler": "bicycle",
    "vehicle": "car",
    "object": "barrier",
    "other": "others",
}
_OWN = {
    "marking.road_line": (232, 228, 196),
    "flat.rail_track": (124, 104, 100),
    "flat.parking": (112, 120, 150),
    "nature.water": (96, 150, 190),
    "sky": (176, 212, 244),
    "unknown": (72, 74, 82),
}
_FROM_OCC3D18 = {
    "Free": "free",
    "Building": "manmade",
    "Barrier": "barrier",
    "Other": "others",
    "Pedestrian": "pedestrian",
    "Pole": "traffic_cone",
    "Road": "driveable_surface",
    "Ground": "terrain",
    "Sidewalk": "sidewalk",
    "Vegetation": "vegetation",
    "Vehicle": "car",
    "Bicycle": "bicycle",
}
"""DynamicCity's classes; its "Pole" holds the cones of Occ3D."""

_LIGHTEST, _DARKEST = 0.4, 0.5
"""Share of white and of black in the last shades of a family: more would vanish on the white and
on the dark background."""


def _families() -> dict[str, list[int]]:
    """Class ids by the view class whose colour they take; its representative comes first."""
    occ3d18 = view("occ3d18")
    families = {
        name: [int(first)]
        for name, first in zip(occ3d18.names, occ3d18.representatives, strict=True)
    }
    for info in CLASSES:
        if info.name in _OWN or info.id in occ3d18.representatives:
            continue
        name = occ3d18.names[occ3d18.lut[info.id]]
        families[_OF_GROUP[info.group] if name == "others" else name].append(info.id)
    return families


def _shades(color: tuple[int, int, int], count: int) -> UInt8[np.ndarray, "shade 3"]:
    """The colour, then by turns lighter and darker ones, further each time."""
    base = np.array(color, np.float64)
    steps = max(1, count // 2)
    shades = [base]
    for k in range(1, count):
        end, most = (255.0, _LIGHTEST) if k % 2 else (0.0, _DARKEST)
        shades.append(base + most * ((k + 1) // 2) / steps * (end - base))
    return np.round(shades).astype(np.uint8)


def _build() -> UInt8[np.ndarray, "256 3"]:
    table = np.zeros((256, 3), np.uint8)
    for name, ids in _families().items():
        table[ids] = _shades(_OCC3D18[name], len(ids))
    for name, color in _OWN.items():
        table[class_id(name)] = color
    table.setflags(write=False)
    return table


PALETTE: UInt8[np.ndarray, "256 3"] = _build()
"""RGB of each id of our class list; black where there is no class."""


def colors_of(ids: UInt8[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape 3"]:
    """RGB of each of our ids; raises UnknownClass for a value that is none."""
    check_ids(ids)
    return PALETTE[ids]


def view_colors(name: str) -> UInt8[np.ndarray, "class 3"]:
    """RGB of each class of a view: always among the colours that eyes can tell apart.

    Raises:
        BadInput: there is no such view.
    """
    return np.array([_OCC3D18[_FROM_OCC3D18.get(c, c)] for c in view(name).names], np.uint8)


HEX = MappingProxyType(
    {i: "#{:02x}{:02x}{:02x}".format(*PALETTE[i]) for i in (*range(len(CLASSES)), UNKNOWN)}
)
"""The palette as web colours: id -> ``#rrggbb``."""
