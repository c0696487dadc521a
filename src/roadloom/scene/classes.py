"""The one list of semantic classes; every id in every array and file of ours is a row of it.

It is append-only: a row, once released, keeps its id and its name for ever, and new rows go to
the end. It holds general rows beside specific ones (``vehicle``, ``vehicle.car``), so that a
data set with coarse names and one with fine names both map in without merging; ``class_maps``
holds those maps, ``class_views`` the coarser lists that models use.

The list has a hash, and so has each of its beginnings: a file that carries the hash of an
earlier, shorter list is still read, one from a longer list than ours is refused.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, UInt8

from roadloom.errors import BadInput, UnknownClass

FREE = 0
"""Nothing is there."""
UNKNOWN = 255
"""Not observed, not labelled, or not to be judged."""


@dataclass(frozen=True, kw_only=True)
class ClassInfo:
    id: int
    """What arrays hold, as uint8."""
    name: str
    group: str
    """One of ``GROUPS``: the coarsest view."""
    thing: bool
    """Countable: may have a box and a track."""
    base: int | None = None
    """For a moving variant: the id of the same class with its motion left open."""


_ROWS: tuple[tuple[str, str, bool], ...] = (
    ("free", "free", False),  # id 0; ids count up from here
    # People. ``human.pedestrian`` is a person on foot of any kind.
    ("human.pedestrian", "human", True),
    ("human.adult", "human", True),
    ("human.child", "human", True),
    ("human.construction_worker", "human", True),
    ("human.police_officer", "human", True),
    ("human.signaler", "human", True),
    ("human.wheelchair", "human", True),
    ("human.stroller", "human", True),
    ("human.personal_mobility", "human", True),
    ("human.rider.bicycle", "human", True),
    ("human.rider.motorcycle", "human", True),
    ("human.rider.wheeled_device", "human", True),
    ("animal", "animal", True),
    ("animal.dog", "animal", True),
    ("two_wheeler.bicycle", "two_wheeler", True),
    ("two_wheeler.motorcycle", "two_wheeler", True),
    ("two_wheeler.wheeled_device", "two_wheeler", True),
    # Vehicles. ``vehicle`` is any; ``vehicle.other`` is known to be none of the kinds below.
    ("vehicle", "vehicle", True),
    ("vehicle.car", "vehicle", True),
    ("vehicle.regular", "vehicle", True),  # AV2: cars, vans, pick-ups
    ("vehicle.large", "vehicle", True),  # AV2: large and of no kind of its own
    ("vehicle.bus", "vehicle", True),
    ("vehicle.bus.rigid", "vehicle", True),
    ("vehicle.bus.articulated", "vehicle", True),
    ("vehicle.bus.school", "vehicle", True),
    ("vehicle.truck", "vehicle", True),
    ("vehicle.truck.box", "vehicle", True),
    ("vehicle.truck.cab", "vehicle", True),
    ("vehicle.trailer", "vehicle", True),
    ("vehicle.trailer.message_board", "vehicle", True),
    ("vehicle.trailer.traffic_light", "vehicle", True),
    ("vehicle.construction", "vehicle", True),
    ("vehicle.ambulance", "vehicle", True),
    ("vehicle.police", "vehicle", True),
    ("vehicle.railed", "vehicle", True),
    ("vehicle.other", "vehicle", True),
    ("vehicle.ego", "vehicle", True),
    # Objects of man's size and below.
    ("object.barrier", "object", True),
    ("object.traffic_cone", "object", True),
    ("object.construction_barrel", "object", True),
    ("object.construction_sign", "object", True),
    ("object.crossing_sign", "object", True),  # AV2: movable sign at a crossing
    ("object.bollard", "object", True),
    ("object.bicycle_rack", "object", True),
    ("object.pushable", "object", True),
    ("object.debris", "object", True),
    ("object.generic", "object", True),  # nuPlan: anything on the road without a kind
    ("object.fixed", "object", True),  # CARLA "static": hydrants, benches, bus stops
    ("object.movable", "object", True),  # CARLA "dynamic": bins, bags, trolleys
    ("object.other", "object", True),
    # Ground. ``flat.drivable`` may hold markings and car parks, ``flat.road`` does not.
    ("flat.drivable", "flat", False),
    ("flat.road", "flat", False),
    ("flat.parking", "flat", False),
    ("flat.sidewalk", "flat", False),
    ("flat.ground", "flat", False),
    ("flat.rail_track", "flat", False),
    ("flat.other", "flat", False),
    ("marking.road_line", "marking", False),
    # Things built. ``structure.manmade`` is any of them.
    ("structure.manmade", "structure", False),
    ("structure.building", "structure", False),
    ("structure.wall", "structure", False),
    ("structure.fence", "structure", False),
    ("structure.guard_rail", "structure", False),
    ("structure.bridge", "structure", False),
    ("structure.pole", "structure", False),
    ("structure.traffic_sign", "structure", True),
    ("structure.stop_sign", "structure", True),
    ("structure.traffic_light", "structure", True),
    ("structure.other", "structure", False),
    ("nature.vegetation", "nature", False),
    ("nature.trunk", "nature", False),
    ("nature.terrain", "nature", False),
    ("nature.water", "nature", False),
    ("sky", "sky", False),
    # Leftovers. ``other`` was looked at and is none of the list of its data set.
    ("other", "other", False),
    ("other.occupied", "other", False),  # something is there; its class was never determined
    ("other.static", "other", False),  # lidarseg: background that cannot be told apart
    ("other.noise", "other", False),
    # SemanticKITTI marks what moves; see _BASE_OF below.
    ("vehicle.car.moving", "vehicle", True),
    ("vehicle.bus.moving", "vehicle", True),
    ("vehicle.truck.moving", "vehicle", True),
    ("vehicle.railed.moving", "vehicle", True),
    ("vehicle.other.moving", "vehicle", True),
    ("human.pedestrian.moving", "human", True),
    ("human.rider.bicycle.moving", "human", True),
    ("human.rider.motorcycle.moving", "human", True),
)

_ID_OF = {name: index for index, (name, _, _) in enumerate(_ROWS)}

CLASSES: tuple[ClassInfo, ...] = tuple(
    ClassInfo(
        id=index,
        name=name,
        group=group,
        thing=thing,
        base=_ID_OF[name.removesuffix(".moving")] if name.endswith(".moving") else None,
    )
    for index, (name, group, thing) in enumerate(_ROWS)
)
"""All classes but ``unknown``; ``CLASSES[i].id == i``."""

UNKNOWN_CLASS = ClassInfo(id=UNKNOWN, name="unknown", group="unknown", thing=False)

GROUPS: tuple[str, ...] = tuple(dict.fromkeys(c.group for c in (*CLASSES, UNKNOWN_CLASS)))

DETECTION_NAMES: tuple[str, ...] = (
    "car",
    "truck",
    "construction_vehicle",
    "bus",
    "trailer",
    "barrier",
    "motorcycle",
    "bicycle",
    "pedestrian",
    "traffic_cone",
)
"""The ten classes of the nuScenes detection task, in the order its detectors use."""

_BY_NAME = {c.name: c for c in (*CLASSES, UNKNOWN_CLASS)}
_BY_ID = {c.id: c for c in (*CLASSES, UNKNOWN_CLASS)}

KNOWN_IDS: Bool[np.ndarray, "256"] = np.isin(np.arange(256), list(_BY_ID))
"""Whether each uint8 value is a class."""
KNOWN_IDS.setflags(write=False)


def class_info(class_id: int | np.integer) -> ClassInfo:
    """Everything about one id; raises UnknownClass."""
    if int(class_id) not in _BY_ID:
        raise UnknownClass(f"no class has the id {class_id}", remedy=_RANGE_REMEDY)
    return _BY_ID[int(class_id)]


def class_name(class_id: int | np.integer) -> str:
    """Name of one id; raises UnknownClass."""
    return class_info(class_id).name


def class_id(name: str) -> int:
    """Id of one name; raises UnknownClass, which proposes the nearest name."""
    if name not in _BY_NAME:
        near = get_close_matches(name, _BY_NAME, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see roadloom.scene.classes.CLASSES"
        raise UnknownClass(f"no class is called {name!r}", remedy=hint)
    return _BY_NAME[name].id


def check_ids(
    ids: UInt8[np.ndarray, "..."], *, file: str | Path | None = None, field: str | None = None
) -> None:
    """Raise UnknownClass, naming the first, if a value is no class of the list."""
    known = KNOWN_IDS[ids]
    if not known.all():
        bad = int(ids[~known].flat[0])
        raise UnknownClass(
            f"no class has the id {bad}", file=file, field=field, remedy=_RANGE_REMEDY
        )


def _beginning_hashes() -> dict[str, int]:
    """Hash of each beginning of the list, and how many classes that beginning holds."""
    digest = sha256(b"roadloom classes\n255 unknown\n")
    hashes = {}
    for info in CLASSES:
        digest.update(f"{info.id} {info.name}\n".encode())
        hashes[digest.hexdigest()[:16]] = info.id + 1
    return hashes


KNOWN_HASHES = MappingProxyType(_beginning_hashes())
"""Hash of every list that this one continues -> its number of classes."""
CLASS_HASH: str = next(reversed(KNOWN_HASHES))
"""Hash of the list (ids and names): written into every file that holds ids."""

_RANGE_REMEDY = (
    f"use an id of 0 to {len(CLASSES) - 1}, or {UNKNOWN} for unknown; a data set's own ids come in "
    "through roadloom.scene.class_maps.ids_from"
)


def check_class_hash(value: str, *, file: str | Path | None = None) -> None:
    """Raise BadInput unless ``value`` is the hash of this list or of one that it continues."""
    if value not in KNOWN_HASHES:
        raise BadInput(
            f"the ids follow another list of classes (hash {value!r}, ours is {CLASS_HASH})",
            file=file,
            field="class_hash",
            remedy="update roadloom to the version that wrote the file, or write the file again",
        )
