"""How each data set names its classes, and which of ours each name is.

    the data set's names or numbers -> ids_from -> our ids -> to_dataset -> its names or numbers

Within one data set no two names share an id of ours, so nothing is lost on the way in. Two data
sets share an id only where both mean the same. The facts come from the data sets' published
class lists, named beside each map.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from roadloom.errors import BadInput, UnknownClass
from roadloom.scene.classes import class_id, class_name

# nuScenes: the 23 categories of its table ``category`` (Caesar et al. 2020, section 3).
_NUSCENES = {
    "human.pedestrian.adult": "human.adult",
    "human.pedestrian.child": "human.child",
    "human.pedestrian.wheelchair": "human.wheelchair",
    "human.pedestrian.stroller": "human.stroller",
    "human.pedestrian.personal_mobility": "human.personal_mobility",
    "human.pedestrian.police_officer": "human.police_officer",
    "human.pedestrian.construction_worker": "human.construction_worker",
    "animal": "animal",
    "vehicle.car": "vehicle.car",
    "vehicle.motorcycle": "two_wheeler.motorcycle",
    "vehicle.bicycle": "two_wheeler.bicycle",
    "vehicle.bus.bendy": "vehicle.bus.articulated",
    "vehicle.bus.rigid": "vehicle.bus.rigid",
    "vehicle.truck": "vehicle.truck",
    "vehicle.construction": "vehicle.construction",
    "vehicle.emergency.ambulance": "vehicle.ambulance",
    "vehicle.emergency.police": "vehicle.police",
    "vehicle.trailer": "vehicle.trailer",
    "movable_object.barrier": "object.barrier",
    "movable_object.trafficcone": "object.traffic_cone",
    "movable_object.pushable_pullable": "object.pushable",
    "movable_object.debris": "object.debris",
    "static_object.bicycle_rack": "object.bicycle_rack",
}

# nuScenes lidarseg: the same 23 and nine more, numbered in the order of the devkit's table.
_LIDARSEG_MORE = {
    "noise": "other.noise",
    "flat.driveable_surface": "flat.drivable",
    "flat.other": "flat.other",
    "flat.sidewalk": "flat.sidewalk",
    "flat.terrain": "nature.terrain",
    "static.manmade": "structure.manmade",
    "static.other": "other.static",
    "static.vegetation": "nature.vegetation",
    "vehicle.ego": "vehicle.ego",
}
_LIDARSEG_ORDER = (
    "noise",
    "animal",
    "human.pedestrian.adult",
    "human.pedestrian.child",
    "human.pedestrian.construction_worker",
    "human.pedestrian.personal_mobility",
    "human.pedestrian.police_officer",
    "human.pedestrian.stroller",
    "human.pedestrian.wheelchair",
    "movable_object.barrier",
    "movable_object.debris",
    "movable_object.pushable_pullable",
    "movable_object.trafficcone",
    "static_object.bicycle_rack",
    "vehicle.bicycle",
    "vehicle.bus.bendy",
    "vehicle.bus.rigid",
    "vehicle.car",
    "vehicle.construction",
    "vehicle.emergency.ambulance",
    "vehicle.emergency.police",
    "vehicle.motorcycle",
    "vehicle.trailer",
    "vehicle.truck",
    "flat.driveable_surface",
    "flat.other",
    "flat.sidewalk",
    "flat.terrain",
    "static.manmade",
    "static.other",
    "static.vegetation",
    "vehicle.ego",
)

# Occ3D on nuScenes (Tian et al. 2023): numbers of ``semantics`` in labels.npz.
_OCC3D = (
    ("others", "other"),
    ("barrier", "object.barrier"),
    ("bicycle", "two_wheeler.bicycle"),
    ("bus", "vehicle.bus"),
    ("car", "vehicle.car"),
    ("construction_vehicle", "vehicle.construction"),
    ("motorcycle", "two_wheeler.motorcycle"),
    ("pedestrian", "human.pedestrian"),
    ("traffic_cone", "object.traffic_cone"),
    ("trailer", "vehicle.trailer"),
    ("truck", "vehicle.truck"),
    ("driveable_surface", "flat.drivable"),
    ("other_flat", "flat.other"),
    ("sidewalk", "flat.sidewalk"),
    ("terrain", "nature.terrain"),
    ("manmade", "structure.manmade"),
    ("vegetation", "nature.vegetation"),
    ("free", "free"),
)

# Occ3D on Waymo (Tian et al. 2023): numbers of ``voxel_label``. Its files store free as 23.
_OCC3D_WAYMO = (
    ("general object", "other"),
    ("vehicle", "vehicle"),
    ("pedestrian", "human.pedestrian"),
    ("sign", "structure.traffic_sign"),
    ("cyclist", "human.rider.bicycle"),
    ("traffic light", "structure.traffic_light"),
    ("pole", "structure.pole"),
    ("construction cone", "object.traffic_cone"),
    ("bicycle", "two_wheeler.bicycle"),
    ("motorcycle", "two_wheeler.motorcycle"),
    ("building", "structure.building"),
    ("vegetation", "nature.vegetation"),
    ("tree trunk", "nature.trunk"),
    ("road", "flat.drivable"),  # nothing says that its lane markers went elsewhere
    ("walkable", "flat.sidewalk"),
    ("free", "free"),
)

# CarlaSC (Wilson et al. 2022): the semantic tags of CARLA 0.9.13, 0 meaning free.
_CARLA_SC = (
    ("free", "free"),
    ("building", "structure.building"),
    ("fence", "structure.fence"),
    ("other", "other"),
    ("pedestrian", "human.pedestrian"),
    ("pole", "structure.pole"),
    ("road line", "marking.road_line"),
    ("road", "flat.road"),
    ("sidewalk", "flat.sidewalk"),
    ("vegetation", "nature.vegetation"),
    ("vehicle", "vehicle"),
    ("wall", "structure.wall"),
    ("traffic sign", "structure.traffic_sign"),
    ("sky", "sky"),
    ("ground", "flat.ground"),
    ("bridge", "structure.bridge"),
    ("rail track", "flat.rail_track"),
    ("guard rail", "structure.guard_rail"),
    ("traffic light", "structure.traffic_light"),
    ("static", "object.fixed"),
    ("dynamic", "object.movable"),
    ("water", "nature.water"),
    ("terrain", "nature.terrain"),
)

# Argoverse 2 sensor data set (Wilson et al. 2021): column ``category`` of its annotations.
_AV2 = {
    "ANIMAL": "animal",
    "ARTICULATED_BUS": "vehicle.bus.articulated",
    "BICYCLE": "two_wheeler.bicycle",
    "BICYCLIST": "human.rider.bicycle",
    "BOLLARD": "object.bollard",
    "BOX_TRUCK": "vehicle.truck.box",
    "BUS": "vehicle.bus",
    "CONSTRUCTION_BARREL": "object.construction_barrel",
    "CONSTRUCTION_CONE": "object.traffic_cone",
    "DOG": "animal.dog",
    "LARGE_VEHICLE": "vehicle.large",
    "MESSAGE_BOARD_TRAILER": "vehicle.trailer.message_board",
    "MOBILE_PEDESTRIAN_CROSSING_SIGN": "object.crossing_sign",
    "MOTORCYCLE": "two_wheeler.motorcycle",
    "MOTORCYCLIST": "human.rider.motorcycle",
    "OFFICIAL_SIGNALER": "human.signaler",
    "PEDESTRIAN": "human.pedestrian",
    "RAILED_VEHICLE": "vehicle.railed",
    "REGULAR_VEHICLE": "vehicle.regular",
    "SCHOOL_BUS": "vehicle.bus.school",
    "SIGN": "structure.traffic_sign",
    "STOP_SIGN": "structure.stop_sign",
    "STROLLER": "human.stroller",
    "TRAFFIC_LIGHT_TRAILER": "vehicle.trailer.traffic_light",
    "TRUCK": "vehicle.truck",
    "TRUCK_CAB": "vehicle.truck.cab",
    "VEHICULAR_TRAILER": "vehicle.trailer",
    "WHEELCHAIR": "human.wheelchair",
    "WHEELED_DEVICE": "two_wheeler.wheeled_device",
    "WHEELED_RIDER": "human.rider.wheeled_device",
}

# nuPlan (Caesar et al. 2021): the kinds of tracked objects.
_NUPLAN = {
    "vehicle": "vehicle",
    "bicycle": "two_wheeler.bicycle",
    "pedestrian": "human.pedestrian",
    "traffic_cone": "object.traffic_cone",
    "barrier": "object.barrier",
    "czone_sign": "object.construction_sign",
    "generic_object": "object.generic",
}

# SemanticKITTI (Behley et al. 2019): lower 16 bits of its labels, as in semantic-kitti.yaml.
_SEMANTICKITTI = {
    0: ("unlabeled", "unknown"),
    1: ("outlier", "other.noise"),
    10: ("car", "vehicle.car"),
    11: ("bicycle", "two_wheeler.bicycle"),
    13: ("bus", "vehicle.bus"),
    15: ("motorcycle", "two_wheeler.motorcycle"),
    16: ("on-rails", "vehicle.railed"),
    18: ("truck", "vehicle.truck"),
    20: ("other-vehicle", "vehicle.other"),
    30: ("person", "human.pedestrian"),
    31: ("bicyclist", "human.rider.bicycle"),
    32: ("motorcyclist", "human.rider.motorcycle"),
    40: ("road", "flat.road"),
    44: ("parking", "flat.parking"),
    48: ("sidewalk", "flat.sidewalk"),
    49: ("other-ground", "flat.other"),
    50: ("building", "structure.building"),
    51: ("fence", "structure.fence"),
    52: ("other-structure", "structure.other"),
    60: ("lane-marking", "marking.road_line"),
    70: ("vegetation", "nature.vegetation"),
    71: ("trunk", "nature.trunk"),
    72: ("terrain", "nature.terrain"),
    80: ("pole", "structure.pole"),
    81: ("traffic-sign", "structure.traffic_sign"),
    99: ("other-object", "object.other"),
    252: ("moving-car", "vehicle.car.moving"),
    253: ("moving-bicyclist", "human.rider.bicycle.moving"),
    254: ("moving-person", "human.pedestrian.moving"),
    255: ("moving-motorcyclist", "human.rider.motorcycle.moving"),
    256: ("moving-on-rails", "vehicle.railed.moving"),
    257: ("moving-bus", "vehicle.bus.moving"),
    258: ("moving-truck", "vehicle.truck.moving"),
    259: ("moving-other-vehicle", "vehicle.other.moving"),
}

_NUMBERED: dict[str, dict[int, tuple[str, str]]] = {
    "lidarseg": {
        number: (name, (_NUSCENES | _LIDARSEG_MORE)[name])
        for number, name in enumerate(_LIDARSEG_ORDER)
    },
    "occ3d": dict(enumerate(_OCC3D)),
    "occ3d_waymo": dict(enumerate(_OCC3D_WAYMO)),
    "carla_sc": dict(enumerate(_CARLA_SC)),
    "semantickitti": _SEMANTICKITTI,
}
_NAMED: dict[str, dict[str, str]] = {"nuscenes": _NUSCENES, "av2": _AV2, "nuplan": _NUPLAN}

DATASET_NAMES: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        dataset: MappingProxyType({number: name for number, (name, _) in rows.items()})
        for dataset, rows in _NUMBERED.items()
    }
)
"""For data sets that store numbers: number -> the data set's own name."""

DATASET_CLASSES: Mapping[str, Mapping[Any, int]] = MappingProxyType(
    {
        name: MappingProxyType({key: class_id(ours) for key, ours in rows.items()})
        for name, rows in _NAMED.items()
    }
    | {
        name: MappingProxyType({number: class_id(ours) for number, (_, ours) in rows.items()})
        for name, rows in _NUMBERED.items()
    }
)
"""Data set -> what it stores (a name or a number) -> our id."""

_HOLDS = {
    dataset: np.isin(np.arange(max(rows) + 1), list(rows)) for dataset, rows in _NUMBERED.items()
}
_LOOKUP = {
    dataset: np.array(
        [DATASET_CLASSES[dataset].get(number, 0) for number in range(max(rows) + 1)], np.uint8
    )
    for dataset, rows in _NUMBERED.items()
}


def ids_from(dataset: str, values: Any) -> UInt8[np.ndarray, "..."]:
    """Our ids of what a data set stores.

    Args:
        dataset: a key of ``DATASET_CLASSES``.
        values: array (or list) of any shape: numbers for data sets that store numbers, else
            names; the names of numbered data sets are understood too.

    Raises:
        UnknownClass: a value that the data set's class list does not hold; names the value.
    """
    classes = _classes_of(dataset)
    array = np.asarray(values)
    if array.size == 0:
        return np.zeros(array.shape, np.uint8)
    if array.dtype.kind in "iu":
        return _ids_of_numbers(dataset, array)
    if array.dtype.kind not in "UO":
        raise BadInput(
            f"classes of {dataset} must be integers or text, got {array.dtype}", field=dataset
        )
    by_name = classes
    if dataset in DATASET_NAMES:
        by_name = {name: classes[number] for number, name in DATASET_NAMES[dataset].items()}
    names, inverse = np.unique(array.astype(str), return_inverse=True)
    for name in names:
        if str(name) not in by_name:
            raise _unknown(dataset, repr(str(name)))
    table = np.array([by_name[str(name)] for name in names], np.uint8)
    return table[inverse].reshape(array.shape)


def to_dataset(dataset: str, ids: UInt8[np.ndarray, "..."]) -> np.ndarray:
    """What a data set stores for our ids: uint16 numbers, or names (dtype ``<U``).

    Raises:
        UnknownClass: an id for which the data set has no class of its own; for such ids go
            through a view (``class_views``) first.
    """
    classes = _classes_of(dataset)
    array = np.asarray(ids)
    back = {ours: theirs for theirs, ours in classes.items()}
    for value in np.unique(array):
        if int(value) not in back:
            name = class_name(value)
            raise UnknownClass(
                f"{dataset} has no class for {name!r} (our id {int(value)})",
                field=dataset,
                remedy="map the ids through a view of roadloom.scene.class_views first",
            )
    dtype = np.uint16 if dataset in _NUMBERED else f"<U{max(map(len, classes))}"
    table = np.zeros(256, dtype)
    for ours, theirs in back.items():
        table[ours] = theirs
    return table[array]


def _classes_of(dataset: str) -> Mapping[Any, int]:
    if dataset not in DATASET_CLASSES:
        raise BadInput(
            f"no class map for the data set {dataset!r}",
            field="dataset",
            remedy=f"use one of {', '.join(DATASET_CLASSES)}",
        )
    return DATASET_CLASSES[dataset]


def _ids_of_numbers(dataset: str, values: np.ndarray) -> UInt8[np.ndarray, "..."]:
    if dataset not in _NUMBERED:
        raise BadInput(f"classes of {dataset} are names, got {values.dtype}", field=dataset)
    known, lookup = _HOLDS[dataset], _LOOKUP[dataset]
    if values.min() < 0 or values.max() >= len(known) or not known[values].all():
        outside = (values < 0) | (values >= len(known))
        bad = outside | ~known[np.where(outside, 0, values)]
        raise _unknown(dataset, str(values[bad].flat[0]))
    return lookup[values]


def _unknown(dataset: str, value: str) -> UnknownClass:
    return UnknownClass(
        f"{dataset} has no class {value}",
        field=dataset,
        remedy="correct the label, or append the class to roadloom.scene.classes and class_maps",
    )
