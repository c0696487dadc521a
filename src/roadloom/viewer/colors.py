"""Colours of classes and of layout channels as arrays: the palette, and eight tones for the map."""

import numpy as np
from jaxtyping import UInt8

from roadloom.scene.layout import CHANNELS
from roadloom.scene.palette import colors_of, view_colors

_MAP_TONES = {
    "drivable_area": (67, 81, 77),
    "ped_crossing": (222, 190, 120),
    "walkway": (134, 122, 152),
    "stop_line": (222, 84, 70),
    "carpark_area": (78, 98, 134),
    "road_divider": (248, 250, 246),
    "lane_divider": (170, 186, 190),
    "road_block": (96, 70, 92),
}
"""Ground is dark and paint is light, so that boxes in class colours stand out on both."""


def class_colors(ids: UInt8[np.ndarray, " item"]) -> UInt8[np.ndarray, "item 3"]:
    """sRGB of each class id; raises UnknownClass for a value that is none."""
    return colors_of(ids)


def layer_colors() -> UInt8[np.ndarray, "channel 3"]:
    """sRGB of each layout channel, in the order of ``CHANNELS``."""
    boxes = view_colors("det10").tolist()
    tones = [_MAP_TONES[name] for name in CHANNELS[: len(_MAP_TONES)]]
    return np.array([*tones, *boxes], np.uint8)
