"""Labels of LiDAR points as nuScenes-lidarseg stores them: one byte per row of a key frame's sweep.

    Sweep, the points kept in its file -> point_labels -> lidarseg/VERSION/TOKEN_lidarseg.bin

A sweep without labels gets no file. A label for which the format has no class of its own becomes
the nearest one (``NEAREST``); an unknown label is ``noise``, 0, which the benchmark ignores.
"""

from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from roadloom.export.nuscenes.classes import CATEGORIES, category_of
from roadloom.scene.class_maps import DATASET_CLASSES
from roadloom.scene.classes import CLASSES, UNKNOWN, class_id
from roadloom.scene.sweep import Sweep

NEAREST = {
    "human.rider.bicycle": "vehicle.bicycle",
    "human.rider.motorcycle": "vehicle.motorcycle",
    "human.rider.wheeled_device": "human.pedestrian.personal_mobility",
    "object.construction_barrel": "movable_object.trafficcone",
    "object.construction_sign": "static.manmade",
    "object.bollard": "static.manmade",
    "object.fixed": "static.manmade",
    "flat.road": "flat.driveable_surface",
    "flat.parking": "flat.driveable_surface",
    "marking.road_line": "flat.driveable_surface",
    "flat.ground": "flat.other",
    "flat.rail_track": "flat.other",
    "nature.water": "flat.other",
    "nature.trunk": "static.vegetation",
    "free": "noise",
    "sky": "noise",
    "unknown": "noise",
}
"""Ours -> category. Riders belong to what they ride, as in nuScenes; structures are man-made;
boxes' classes follow ``category_of``; anything else is ``static.other``."""


def lidarseg_file(version: str, sample_data: str) -> str:
    """Relative to the root; ``version`` names the folder of the tables."""
    return f"lidarseg/{version}/{sample_data}_lidarseg.bin"


def lidarseg_row(version: str, sample_data: str) -> dict[str, Any]:
    """Row of the table ``lidarseg``; its token is that of the sweep's record."""
    return {
        "token": sample_data,
        "sample_data_token": sample_data,
        "filename": lidarseg_file(version, sample_data),
    }


def point_labels(
    sweep: Sweep, rows: Int64[np.ndarray, " row"] | slice = slice(None)
) -> UInt8[np.ndarray, " row"] | None:
    """Category of each point, by the numbers of the official table; None without labels.

    Args:
        sweep: of a key frame.
        rows: the points that its file holds, in the file's order.
    """
    if sweep.label is None:
        return None
    return _table()[sweep.label[rows]]


@cache
def _table() -> UInt8[np.ndarray, "256"]:
    """Number of the category by our class id."""
    number = {name: value for value, name in CATEGORIES.items()}
    same = {ours: value for value, ours in DATASET_CLASSES["lidarseg"].items()}
    nearest = {class_id(ours): number[name] for ours, name in NEAREST.items()}
    table = np.full(256, number["static.other"], np.uint8)
    for info in CLASSES:
        base = info.id if info.base is None else info.base
        boxed = category_of(base)
        if base in same:
            table[info.id] = same[base]
        elif base in nearest:
            table[info.id] = nearest[base]
        elif boxed is not None:
            table[info.id] = number[boxed]
        elif info.group == "structure":
            table[info.id] = number["static.manmade"]
    table[UNKNOWN] = number["noise"]
    return table
