"""Which nuScenes category each class of ours becomes in a box, and which attribute may stay.

nuScenes has 23 categories of boxes. Where one means the same as a class of ours it is taken
(``to_dataset``); ``NEAREST`` says what the others become. What is in neither is left out and
counted: nuScenes does not annotate it. The choices agree with the view ``det10``.
"""

from roadloom.scene.class_maps import DATASET_CLASSES, DATASET_NAMES
from roadloom.scene.classes import class_id, class_info

NEAREST = {
    "human.pedestrian": "human.pedestrian.adult",
    "human.signaler": "human.pedestrian.adult",
    "two_wheeler.wheeled_device": "human.pedestrian.personal_mobility",
    "animal.dog": "animal",
    "vehicle": "vehicle.car",
    "vehicle.regular": "vehicle.car",
    "vehicle.large": "vehicle.truck",
    "vehicle.bus": "vehicle.bus.rigid",
    "vehicle.bus.school": "vehicle.bus.rigid",
    "vehicle.truck.box": "vehicle.truck",
    "vehicle.truck.cab": "vehicle.truck",
    "vehicle.trailer.message_board": "vehicle.trailer",
    "vehicle.trailer.traffic_light": "vehicle.trailer",
    "object.construction_barrel": "movable_object.trafficcone",
}
"""Ours -> category. Riders are not in it: nuScenes has them in the box of what they ride."""

ATTRIBUTES = {
    "vehicle.moving": "the vehicle moves",
    "vehicle.stopped": "somebody drives it, but it stands",
    "vehicle.parked": "nobody is about to drive it",
    "cycle.with_rider": "somebody rides it",
    "cycle.without_rider": "nobody rides it",
    "pedestrian.sitting_lying_down": "the person sits or lies",
    "pedestrian.standing": "the person stands",
    "pedestrian.moving": "the person walks or runs",
}
"""The eight attributes of nuScenes, and what each says."""

VISIBILITY = ("v0-40", "v40-60", "v60-80", "v80-100")
"""Levels of the tokens "1" to "4"."""

CATEGORIES = dict(DATASET_NAMES["lidarseg"])
"""Value in lidarseg files -> category, in the order of the official table with 32 rows."""

_SAME = {ours: name for name, ours in DATASET_CLASSES["nuscenes"].items()}
_NEAREST = {class_id(ours): name for ours, name in NEAREST.items()}


def category_of(class_id: int) -> str | None:
    """Category of a box of this class; None where nuScenes annotates no such thing.

    A moving variant follows its base.

    Raises:
        UnknownClass: no class has this id.
    """
    info = class_info(class_id)
    ours = info.id if info.base is None else info.base
    return _SAME.get(ours, _NEAREST.get(ours))


def attributes_of(text: str) -> tuple[list[str], list[str]]:
    """Attributes of a box that nuScenes knows, and those that it does not."""
    names = [name for name in text.split(",") if name]
    known = [name for name in names if name in ATTRIBUTES]
    return known, [name for name in names if name not in ATTRIBUTES]
