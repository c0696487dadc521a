"""Kinds of things: class, whether they carry a box, and where they turn."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Kind:
    cls: str
    """Name in our class list; of the box, where there is one. Single triangles may differ: the
    trunk of a tree, a rider."""
    boxed: bool = False
    """Annotated with a box, as data sets do."""
    rear_permille: int = 0
    """How far behind its middle it turns (its rear axle), in thousandths of its length."""
    family: str = ""
    """Which builder makes its mesh (``mesh/build.py``)."""


def _vehicle(cls: str, rear: int = 300) -> Kind:
    return Kind(cls=cls, boxed=True, rear_permille=rear, family="vehicle")


def _boxed(cls: str, family: str) -> Kind:
    return Kind(cls=cls, boxed=True, family=family)


def _plain(cls: str, family: str) -> Kind:
    return Kind(cls=cls, family=family)


KINDS: dict[str, Kind] = {
    "ego": _vehicle("vehicle.ego"),
    "car.sedan": _vehicle("vehicle.car"),
    "car.hatchback": _vehicle("vehicle.car"),
    "car.estate": _vehicle("vehicle.car"),
    "car.suv": _vehicle("vehicle.car"),
    "car.van": _vehicle("vehicle.car"),
    "car.pickup": _vehicle("vehicle.car"),
    "police_car": _vehicle("vehicle.police"),
    "ambulance": _vehicle("vehicle.ambulance"),
    "truck.box": _vehicle("vehicle.truck"),
    "truck.flatbed": _vehicle("vehicle.truck"),
    "truck.cab": _vehicle("vehicle.truck.cab"),
    "bus": _vehicle("vehicle.bus.rigid"),
    "trailer": _vehicle("vehicle.trailer", rear=200),
    "excavator": _vehicle("vehicle.construction", rear=0),
    "roller": _vehicle("vehicle.construction"),
    "bicycle": Kind(cls="two_wheeler.bicycle", boxed=True, rear_permille=300, family="two_wheeler"),
    "cyclist": Kind(cls="two_wheeler.bicycle", boxed=True, rear_permille=300, family="two_wheeler"),
    "motorcycle": Kind(
        cls="two_wheeler.motorcycle", boxed=True, rear_permille=300, family="two_wheeler"
    ),
    "motorcyclist": Kind(
        cls="two_wheeler.motorcycle", boxed=True, rear_permille=300, family="two_wheeler"
    ),
    "adult": _boxed("human.adult", "person"),
    "child": _boxed("human.child", "person"),
    "worker": _boxed("human.construction_worker", "person"),
    "police_officer": _boxed("human.police_officer", "person"),
    "stroller": _boxed("human.stroller", "person"),  # with the adult who pushes it
    "wheelchair": _boxed("human.wheelchair", "person"),  # with the one who sits in it
    "scooter": _boxed("human.personal_mobility", "person"),  # standing, with its rider
    "dog": _boxed("animal.dog", "person"),
    "barrier": _boxed("object.barrier", "furniture"),  # the long side is its y, as in nuScenes
    "cone": _boxed("object.traffic_cone", "furniture"),
    "barrel": _boxed("object.construction_barrel", "furniture"),
    "works_sign": _boxed("object.construction_sign", "furniture"),
    "bollard": _boxed("object.bollard", "furniture"),
    "bicycle_rack": _boxed("object.bicycle_rack", "furniture"),
    "wheelie_bin": _boxed("object.pushable", "furniture"),
    "debris": _boxed("object.debris", "furniture"),
    "bench": _plain("object.fixed", "furniture"),
    "hydrant": _plain("object.fixed", "furniture"),
    "litter_bin": _plain("object.fixed", "furniture"),
    "mailbox": _plain("object.fixed", "furniture"),
    "cabinet": _plain("object.fixed", "furniture"),
    "bus_shelter": _plain("object.fixed", "furniture"),
    "planter": _plain("object.fixed", "furniture"),
    "lamp_post": _plain("structure.pole", "furniture"),
    "pole": _plain("structure.pole", "furniture"),
    "sign": _plain("structure.traffic_sign", "furniture"),
    "stop_sign": _plain("structure.stop_sign", "furniture"),
    "traffic_light": _plain("structure.traffic_light", "furniture"),
    "people_light": _plain("structure.traffic_light", "furniture"),
    "fence": _plain("structure.fence", "furniture"),  # its length is x
    "wall": _plain("structure.wall", "furniture"),
    "guard_rail": _plain("structure.guard_rail", "furniture"),
    "hedge": _plain("nature.vegetation", "plant"),
    "bush": _plain("nature.vegetation", "plant"),
    "tree": _plain("nature.vegetation", "plant"),
    "building": _plain("structure.building", "building"),
    "shop": _plain("structure.building", "building"),
    "office": _plain("structure.building", "building"),
    "house": _plain("structure.building", "building"),
    "hall": _plain("structure.building", "building"),
    "skyline": _plain("structure.building", "building"),  # far away, closes the view
    "hill": _plain("nature.vegetation", "plant"),  # far woods
}

GROUND_CLASS = {
    "road": "flat.road",
    "junction": "flat.road",
    "parking": "flat.parking",
    "pavement": "flat.sidewalk",
    "forecourt": "flat.sidewalk",
    "median": "flat.other",
    "terrain": "nature.terrain",
}
"""Class of each kind of area; the kerb's face is ``flat.sidewalk``, paint ``marking.road_line``."""

FLOOR_M = 0.005
"""Nothing with a box begins lower than this above its ground, so that boxes hold no ground."""
BOX_MARGIN_M = 0.01
"""Boxes are this much larger than what they hold on each side and above; their floor lies at
3 mm."""
