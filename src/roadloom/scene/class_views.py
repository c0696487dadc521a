"""Named coarser lists of classes, as models use them: ``view("occ3d18").apply(ids)``.

A view says for every class of ours which of its own it is, or that it is to be ignored (255).
A class that is appended to our list makes this module refuse to load until each view has
decided about it; a moving variant follows its base.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
from jaxtyping import UInt8

from roadloom.errors import BadInput
from roadloom.scene.classes import CLASSES, DETECTION_NAMES, check_ids, class_id

IGNORE = 255
"""View id of everything that the view does not judge."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassView:
    name: str
    names: tuple[str, ...]
    """Names of the view ids 0, 1, ..."""
    lut: UInt8[np.ndarray, "256"]
    """View id of each id of ours; ``IGNORE`` where the view has none."""
    representatives: UInt8[np.ndarray, " view"]
    """The one id of ours that stands for each view id on the way back."""

    def __len__(self) -> int:
        return len(self.names)

    def __reduce__(self) -> tuple[object, ...]:
        return view, (self.name,)

    def apply(self, ids: UInt8[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
        """View ids of our ids.

        Raises:
            UnknownClass: a value that our list does not hold.
        """
        check_ids(ids)
        return self.lut[ids]

    def to_classes(self, view_ids: UInt8[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
        """Our ids for view ids, as a model gives them; ``IGNORE`` becomes unknown.

        Raises:
            BadInput: a value that is no view id; names it.
        """
        bad = (view_ids >= len(self)) & (view_ids != IGNORE)
        if bad.any():
            raise BadInput(
                f"the view {self.name} has no class {int(view_ids[bad].flat[0])}",
                field=self.name,
                remedy=f"use 0 to {len(self) - 1}, or {IGNORE} for ignored",
            )
        table = np.full(256, class_id("unknown"), np.uint8)
        table[: len(self)] = self.representatives
        return table[view_ids]


# Which classes of ours each view class takes; the first is its representative.

_FOUR_WHEELS = {
    "bus": ("vehicle.bus", "vehicle.bus.rigid", "vehicle.bus.articulated", "vehicle.bus.school"),
    "car": ("vehicle.car", "vehicle.regular", "vehicle"),
    "construction_vehicle": ("vehicle.construction",),
    "trailer": (
        "vehicle.trailer",
        "vehicle.trailer.message_board",
        "vehicle.trailer.traffic_light",
    ),
    "truck": ("vehicle.truck", "vehicle.truck.box", "vehicle.truck.cab", "vehicle.large"),
}
# nuScenes counts a rider as part of what is ridden; so do the views.
_BICYCLE = ("two_wheeler.bicycle", "human.rider.bicycle")
_MOTORCYCLE = ("two_wheeler.motorcycle", "human.rider.motorcycle")
_PEDESTRIAN = (
    "human.pedestrian",
    "human.adult",
    "human.child",
    "human.construction_worker",
    "human.police_officer",
    "human.signaler",
)
_CONE = ("object.traffic_cone", "object.construction_barrel")
# What the nuScenes tasks leave out, though it has boxes.
_LEFT_OUT = (
    "human.wheelchair",
    "human.stroller",
    "human.personal_mobility",
    "human.rider.wheeled_device",
    "animal",
    "animal.dog",
    "two_wheeler.wheeled_device",
    "vehicle.ambulance",
    "vehicle.police",
    "vehicle.railed",
    "vehicle.other",
    "vehicle.ego",
    "object.crossing_sign",
    "object.bicycle_rack",
    "object.pushable",
    "object.debris",
    "object.generic",
    "object.movable",
    "object.other",
)
_OTHERS = ("other", "other.occupied", "other.static", "other.noise")
_ROAD = ("flat.drivable", "flat.road", "flat.parking", "marking.road_line")
_STRUCTURE = tuple(c.name for c in CLASSES if c.group == "structure")
_STREET_FURNITURE = ("object.bollard", "object.fixed", "object.construction_sign")
_NOT_PLACED = ("sky", "unknown")

_OCC3D18: dict[str, tuple[str, ...]] = {
    "others": ("other", *_OTHERS[1:], *_LEFT_OUT),
    "barrier": ("object.barrier",),
    "bicycle": _BICYCLE,
    "bus": _FOUR_WHEELS["bus"],
    "car": _FOUR_WHEELS["car"],
    "construction_vehicle": _FOUR_WHEELS["construction_vehicle"],
    "motorcycle": _MOTORCYCLE,
    "pedestrian": _PEDESTRIAN,
    "traffic_cone": _CONE,
    "trailer": _FOUR_WHEELS["trailer"],
    "truck": _FOUR_WHEELS["truck"],
    "driveable_surface": _ROAD,
    "other_flat": ("flat.other", "flat.ground", "flat.rail_track", "nature.water"),
    "sidewalk": ("flat.sidewalk",),
    "terrain": ("nature.terrain",),
    "manmade": (*_STRUCTURE, *_STREET_FURNITURE),
    "vegetation": ("nature.vegetation", "nature.trunk"),
    "free": ("free",),
}
"""Occ3D on nuScenes. The 16 judged classes take from lidarseg what its challenge gives them;
what that challenge merges into its class 0 is "others" here too."""

_SIGNS = ("structure.traffic_sign", "structure.stop_sign", "structure.traffic_light")
_FENCES = ("structure.fence", "structure.wall", "structure.guard_rail")
_DYNAMICCITY12: dict[str, tuple[str, ...]] = {
    "Free": ("free",),
    "Building": ("structure.building", "structure.manmade", "structure.other"),
    "Barrier": ("object.barrier", *_FENCES),
    "Other": (
        "other",
        *_OTHERS[1:],
        "human.wheelchair",
        "human.stroller",
        "human.personal_mobility",
        "human.rider.wheeled_device",
        "animal",
        "animal.dog",
        "two_wheeler.wheeled_device",
        "object.bicycle_rack",
        "object.pushable",
        "object.debris",
        "object.generic",
        "object.fixed",
        "object.movable",
        "object.other",
        "structure.bridge",
        "flat.rail_track",
        "nature.water",
        "sky",
    ),
    "Pedestrian": _PEDESTRIAN,
    "Pole": (
        "structure.pole",
        *_SIGNS,
        *_CONE,
        "object.bollard",
        "object.construction_sign",
        "object.crossing_sign",
    ),
    "Road": ("flat.road", "flat.drivable", "flat.parking", "marking.road_line"),
    "Ground": ("flat.ground", "flat.other", "nature.terrain"),
    "Sidewalk": ("flat.sidewalk",),
    "Vegetation": ("nature.vegetation", "nature.trunk"),
    "Vehicle": tuple(c.name for c in CLASSES if c.group == "vehicle" and c.base is None),
    "Bicycle": (*_BICYCLE, *_MOTORCYCLE),
}
"""DynamicCity's scheme: its remaps of CarlaSC and of Occ3D, and between them what is alike."""

_DET10: dict[str, tuple[str, ...]] = {
    name: {
        **_FOUR_WHEELS,
        "barrier": ("object.barrier",),
        "motorcycle": _MOTORCYCLE,
        "bicycle": _BICYCLE,
        "pedestrian": _PEDESTRIAN,
        "traffic_cone": _CONE,
    }[name]
    for name in DETECTION_NAMES
}
"""The ten classes of the nuScenes detection task."""

_BACKGROUND = ("free", *_ROAD, *(n for n in _OCC3D18["other_flat"]), "flat.sidewalk")
_TABLES: dict[str, tuple[dict[str, tuple[str, ...]], tuple[str, ...]]] = {
    "occ3d18": (_OCC3D18, _NOT_PLACED),
    "dynamiccity12": (_DYNAMICCITY12, ("unknown",)),
    "det10": (
        _DET10,
        (
            *_BACKGROUND,
            *_OTHERS,
            *_LEFT_OUT,
            *_STRUCTURE,
            *_STREET_FURNITURE,
            "nature.terrain",
            "nature.vegetation",
            "nature.trunk",
            *_NOT_PLACED,
        ),
    ),
}

VIEW_NAMES: tuple[str, ...] = tuple(_TABLES)


@cache
def view(name: str) -> ClassView:
    """The view of that name.

    Raises:
        BadInput: there is none; the remedy lists them.
    """
    if name not in _TABLES:
        raise BadInput(
            f"no view of the classes is called {name!r}",
            field="view",
            remedy=f"use one of {', '.join(VIEW_NAMES)}",
        )
    return _build(name, *_TABLES[name])


def _build(name: str, table: dict[str, tuple[str, ...]], ignored: Iterable[str]) -> ClassView:
    lut = np.full(256, IGNORE, np.uint8)
    decided: dict[str, str] = dict.fromkeys(ignored, "ignored")
    for view_id, (view_name, members) in enumerate(table.items()):
        for member in members:
            if member in decided:
                raise ValueError(f"{name}: {member} is both {decided[member]} and {view_name}")
            decided[member] = view_name
            lut[class_id(member)] = view_id
    for info in CLASSES:
        if info.base is not None:
            lut[info.id] = lut[info.base]
        elif info.name not in decided:
            raise ValueError(f"{name}: nothing is said about {info.name}")
    lut.setflags(write=False)
    representatives = np.array([class_id(m[0]) for m in table.values()], np.uint8)
    representatives.setflags(write=False)
    return ClassView(name=name, names=tuple(table), lut=lut, representatives=representatives)


VIEWS = MappingProxyType({name: view(name) for name in VIEW_NAMES})
