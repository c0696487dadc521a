"""How each kind of object is put together from upright boxes, in whole millimetres.

A shape is a list of parts in the object's frame: x along its length, z up from its ground,
origin in the middle of its footprint. Parts of one object may touch; they all turn together.
The file is long because it is a catalogue: each function stands alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

from roadloom.street0.plan import Colour, Thing

CLEAR_MM = 10
"""Annotated objects stand this far above the ground, so that no point of the ground is theirs."""

# What a surface is made of; ``shading.py`` paints by these numbers.
MATTE, FACADE, GLASS, BODY, LEAVES, STRIPES, COACH, HUB = range(8)

STEM_MM = 3750
"""Crowns begin above what drives and parks below them."""

DARK, GREY, SKIN, WOOD = (26, 27, 30), (118, 122, 126), (196, 150, 122), (92, 70, 54)
RED, WHITE, ORANGE, YELLOW = (186, 38, 34), (214, 214, 210), (222, 96, 30), (226, 170, 36)


@dataclass(frozen=True, kw_only=True)
class Part:
    low: tuple[int, int, int]
    high: tuple[int, int, int]
    material: int
    colour: Colour
    cls: str
    """Name of its class."""
    style: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Facades: bay and storey [mm], height of the ground floor [mm], 1 for a row of shops."""


Shape = Callable[[Thing, str], list[Part]]


@dataclass(frozen=True, kw_only=True)
class Kind:
    cls: str
    shape: Shape
    annotated: bool


def parts_of(thing: Thing) -> list[Part]:
    kind = KINDS[thing.kind]
    return kind.shape(thing, kind.cls)


def bounds(parts: list[Part]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    low = tuple(min(p.low[i] for p in parts) for i in range(3))
    return low, tuple(max(p.high[i] for p in parts) for i in range(3))


def box(
    cls: str,
    colour: Colour,
    x: tuple[int, int],
    y: tuple[int, int],
    z: tuple[int, int],
    material: int = MATTE,
) -> Part:
    return Part(
        low=(x[0], y[0], z[0]), high=(x[1], y[1], z[1]), material=material, colour=colour, cls=cls
    )


def wheels(cls: str, axles: list[int], half_width: int, radius: int, thick: int) -> list[Part]:
    """Pairs of wheels; each is a cross of two boxes, which looks rounder than one."""
    parts = []
    cut = radius * 2 // 5
    for x in axles:
        for inner in (-half_width, half_width - thick):
            y = (inner, inner + thick)
            middle = (CLEAR_MM + cut, CLEAR_MM + 2 * radius - cut)
            reach = radius - cut
            parts += [
                box(cls, DARK, (x - radius, x + radius), y, middle, HUB),
                box(cls, DARK, (x - reach, x + reach), y, (CLEAR_MM, middle[0])),
                box(cls, DARK, (x - reach, x + reach), y, (middle[1], middle[1] + cut)),
            ]
    return parts


def car(thing: Thing, cls: str) -> list[Part]:
    length, width, height = thing.size
    half, side = length // 2, width // 2
    belt = height * 58 // 100
    # variant 0: saloon, 1: hatchback, 2: estate or van
    rear, front = ((-66, 40), (-88, 44), (-94, 56))[thing.variant % 3]
    cabin = (half * rear // 100, half * front // 100)
    roof = (cabin[0] + 140, cabin[1] - 260)
    top = belt + (height - belt) * 70 // 100
    inset = side - 90
    return [
        box(cls, thing.colour, (-half, half), (-side, side), (220, belt), BODY),
        box(cls, thing.colour, cabin, (-inset, inset), (belt, top), GLASS),
        box(cls, thing.colour, roof, (-inset + 70, inset - 70), (top, height), GLASS),
        *wheels(cls, [-half * 62 // 100, half * 62 // 100], side + 10, 310, 200),
    ]


def truck(thing: Thing, cls: str) -> list[Part]:
    length, width, height = thing.size
    half, side = length // 2, width // 2
    cab = half - 1900
    return [
        box(
            cls,
            thing.colour,
            (cab, half),
            (-side + 60, side - 60),
            (450, height * 78 // 100),
            COACH,
        ),
        box(cls, WHITE, (-half, cab - 120), (-side, side), (950, height)),
        box(cls, GREY, (-half + 100, cab), (-side + 300, side - 300), (600, 950)),
        *wheels(cls, [-half * 60 // 100, half - 950], side, 470, 300),
    ]


def bus(thing: Thing, cls: str) -> list[Part]:
    length, width, height = thing.size
    half, side = length // 2, width // 2
    return [
        box(cls, thing.colour, (-half, half), (-side, side), (300, height - 200), COACH),
        box(
            cls,
            WHITE,
            (-half + 900, half - 1500),
            (-side + 300, side - 300),
            (height - 200, height),
        ),
        *wheels(cls, [-half * 52 // 100, half * 56 // 100], side + 10, 480, 300),
    ]


def trailer(thing: Thing, cls: str) -> list[Part]:
    length, width, height = thing.size
    half, side = length // 2, width // 2
    return [
        box(cls, thing.colour, (-half, half), (-side, side), (900, height)),
        box(cls, GREY, (-half + 200, half - 200), (-side + 400, side - 400), (640, 900)),
        box(cls, GREY, (half - 900, half - 700), (-700, 700), (CLEAR_MM, 640)),
        *wheels(cls, [-half * 70 // 100, -half * 40 // 100], side, 450, 300),
    ]


def excavator(thing: Thing, cls: str) -> list[Part]:
    length, width, height = thing.size
    half, side = length // 2, width // 2
    return [
        box(cls, DARK, (-half, half * 3 // 10), (-side, -side + 500), (CLEAR_MM, 800)),
        box(cls, DARK, (-half, half * 3 // 10), (side - 500, side), (CLEAR_MM, 800)),
        box(cls, thing.colour, (-half, half * 3 // 10), (-side + 100, side - 100), (800, 1700)),
        box(
            cls,
            thing.colour,
            (-half * 4 // 10, half * 3 // 10),
            (50, side - 100),
            (1700, height),
            GLASS,
        ),
        box(cls, thing.colour, (half * 1 // 10, half * 4 // 10), (-400, -50), (1700, height)),
        box(cls, thing.colour, (half * 4 // 10, half), (-400, -50), (height - 420, height)),
        box(cls, GREY, (half - 350, half), (-650, 200), (500, 1200)),
        box(cls, thing.colour, (half - 260, half - 40), (-360, -90), (1200, height - 420)),
    ]


def _rider(cls: str, colour: Colour, seat: int, top: int) -> list[Part]:
    return [
        box(cls, colour, (-230, 90), (-210, 210), (seat, top - 280)),
        box(cls, SKIN, (-150, 60), (-110, 110), (top - 280, top)),
        box(cls, DARK, (-120, 180), (-200, -90), (seat - 480, seat)),
        box(cls, DARK, (-120, 180), (90, 200), (seat - 480, seat)),
        box(cls, colour, (90, 420), (-230, -140), (top - 520, top - 420)),
        box(cls, colour, (90, 420), (140, 230), (top - 520, top - 420)),
    ]


def bicycle(thing: Thing, cls: str) -> list[Part]:
    length, width, height = thing.size
    half, side = length // 2, width // 2
    handle = 1030
    parts = [
        *_thin_wheels(cls, half - 330, 330, 40),
        box(cls, thing.colour, (-half + 300, half - 300), (-25, 25), (520, 600)),
        box(cls, thing.colour, (-200, -140), (-25, 25), (300, 900)),
        box(cls, thing.colour, (half - 420, half - 360), (-25, 25), (600, handle)),
        box(cls, DARK, (half - 440, half - 360), (-side, side), (handle, handle + 50)),
        box(cls, DARK, (-300, -60), (-70, 70), (900, 960)),
    ]
    return parts if thing.attribute != "cycle.with_rider" else [
        *parts, *_rider(cls, thing.colour, 960, height)
    ]  # fmt: skip


def motorcycle(thing: Thing, cls: str) -> list[Part]:
    length, width, height = thing.size
    half, side = length // 2, width // 2
    parts = [
        *_thin_wheels(cls, half - 310, 310, 120),
        box(cls, thing.colour, (-half + 250, half - 500), (-170, 170), (420, 820)),
        box(cls, DARK, (-half + 350, 120), (-150, 150), (820, 900)),
        box(cls, GREY, (half - 620, half - 500), (-80, 80), (600, 1080)),
        box(cls, DARK, (half - 640, half - 540), (-side, side), (1080, 1140)),
    ]
    return parts if thing.attribute != "cycle.with_rider" else [
        *parts, *_rider(cls, thing.colour, 900, height)
    ]  # fmt: skip


def _thin_wheels(cls: str, axle: int, radius: int, thick: int) -> list[Part]:
    cut = radius * 2 // 5
    parts = []
    for x in (-axle, axle):
        y = (-thick // 2, thick // 2)
        reach, low, high = radius - cut, CLEAR_MM + cut, CLEAR_MM + 2 * radius - cut
        parts += [
            box(cls, DARK, (x - radius, x + radius), y, (low, high), HUB),
            box(cls, DARK, (x - reach, x + reach), y, (CLEAR_MM, low)),
            box(cls, DARK, (x - reach, x + reach), y, (high, high + cut)),
        ]
    return parts


def person(thing: Thing, cls: str) -> list[Part]:
    """Walkers have one foot ahead of the other; ``variant`` picks the colour of these."""
    length, width, height = thing.size
    stride = length // 2 - 130 if thing.speed else 0
    knee, hip, neck = height * 26 // 100, height * 47 // 100, height * 84 // 100
    side, belly = width // 2, min(150, length // 2)
    legs = ((44, 52, 74), (58, 54, 50), (36, 38, 42), (98, 92, 78))[thing.variant % 4]
    shirt = thing.colour
    return [
        box(cls, legs, (stride - 90, stride + 110), (30, 170), (CLEAR_MM, knee)),
        box(cls, legs, (stride // 2 - 90, stride // 2 + 90), (30, 170), (knee, hip)),
        box(cls, legs, (-stride - 90, -stride + 110), (-170, -30), (CLEAR_MM, knee)),
        box(cls, legs, (-stride // 2 - 90, -stride // 2 + 90), (-170, -30), (knee, hip)),
        box(cls, shirt, (-belly, belly), (-side + 110, side - 110), (hip, neck)),
        box(cls, shirt, (-70, 70), (side - 110, side), (hip + 40, neck - 30)),
        box(cls, shirt, (-70, 70), (-side, -side + 110), (hip + 40, neck - 30)),
        box(cls, SKIN, (-100, 110), (-90, 90), (neck + 30, height - 60)),
        box(cls, (52, 38, 28), (-110, 90), (-95, 95), (height - 60, height)),
    ]  # fmt: skip


def cone(thing: Thing, cls: str) -> list[Part]:
    length, width, height = thing.size
    half, side = length // 2, width // 2
    steps = 4
    rise = (height - 60) // steps
    parts = [box(cls, DARK, (-half, half), (-side, side), (CLEAR_MM, 60))]
    for i in range(steps):
        reach = half * (72 - 17 * i) // 100
        colour = WHITE if i % 2 else ORANGE
        top = height if i == steps - 1 else 60 + rise * (i + 1)
        parts.append(box(cls, colour, (-reach, reach), (-reach, reach), (60 + rise * i, top)))
    return parts


def barrier(thing: Thing, cls: str) -> list[Part]:
    """Its long side is its width, as nuScenes has it."""
    length, width, height = thing.size
    half, side = length // 2, width // 2
    return [
        box(cls, GREY, (-half, half), (-side, -side + 120), (CLEAR_MM, 120)),
        box(cls, GREY, (-half, half), (side - 120, side), (CLEAR_MM, 120)),
        box(cls, WHITE, (-60, 60), (-side, -side + 120), (120, height)),
        box(cls, WHITE, (-60, 60), (side - 120, side), (120, height)),
        box(cls, RED, (-40, 40), (-side + 120, side - 120), (height - 420, height - 60), STRIPES),
        box(cls, RED, (-40, 40), (-side + 120, side - 120), (260, 500), STRIPES),
    ]


def building(thing: Thing, cls: str) -> list[Part]:
    """A block with a cornice; ``variant`` says bay, shops and what stands on the roof."""
    length, width, height = thing.size
    half, side = length // 2, width // 2
    bay, storey = 2400 + thing.variant % 5 * 250, 3000
    shops = thing.variant // 5 % 2
    style = (bay, storey, 3900 if shops else storey, shops)
    trim: Colour = tuple(min(232, c + 26) for c in thing.colour)  # type: ignore[assignment]
    top = (height - 500, height)
    parts = [
        Part(
            low=(-half, -side, 0), high=(half, side, height - 500), material=FACADE,
            colour=thing.colour, cls=cls, style=style,
        ),
        box(cls, trim, (-half - 160, half + 160), (-side - 160, side + 160), top),
    ]  # fmt: skip
    if thing.variant // 10 % 3 == 0:
        x, y = half // 3, side // 3
        parts.append(box(cls, GREY, (-x, half // 2), (-y, y), (height, height + 2300)))
    elif thing.variant // 10 % 3 == 1:
        for x in (-half * 6 // 10, half * 5 // 10):
            parts.append(
                box(cls, (120, 62, 48), (x, x + 700), (-500, 300), (height, height + 1300))
            )
    return parts


def tree(thing: Thing, cls: str) -> list[Part]:
    length, _, height = thing.size
    reach, stem = length // 2, STEM_MM
    rise = height - stem
    lean = thing.variant % 5 * 60 - 120
    lush = tuple(c * (88 + thing.variant % 7 * 3) // 100 for c in thing.colour)
    crown = [
        ((-60, -70), (60, 66), (0, 45)),
        ((-100, -92), (88, 100), (14, 62)),
        ((-84, -70), (70, 84), (62, 84)),
        ((-48, -56), (56, 44), (84, 100)),
    ]
    parts = [box("nature.trunk", WOOD, (-140, 140), (-140, 140), (0, stem + rise // 5))]
    for i, ((x0, y0), (x1, y1), (z0, z1)) in enumerate(crown):
        push = lean * i // 3
        parts.append(
            Part(
                low=(reach * x0 // 100 + push, reach * y0 // 100 - push, stem + rise * z0 // 100),
                high=(reach * x1 // 100 + push, reach * y1 // 100 - push, stem + rise * z1 // 100),
                material=LEAVES,
                colour=lush,  # type: ignore[arg-type]
                cls=cls,
            )
        )
    return parts


def hedge(thing: Thing, cls: str) -> list[Part]:
    length, width, height = thing.size
    half, side = length // 2, width // 2
    return [box(cls, thing.colour, (-half, half), (-side, side), (0, height), LEAVES)]


def fence(thing: Thing, cls: str) -> list[Part]:
    length, width, height = thing.size
    half, side = length // 2, width // 2
    posts = [
        box(cls, thing.colour, (x, x + 90), (-side, side), (0, height))
        for x in range(-half, half - 89, 1800)
    ]
    rails = [
        box(cls, thing.colour, (-half, half), (-20, 20), (z, z + 110))
        for z in (height - 240, height // 2, height // 5)
    ]
    return posts + rails


def lamp(thing: Thing, cls: str) -> list[Part]:
    """The arm reaches along the object's x axis."""
    length, _, height = thing.size
    return [
        box(cls, GREY, (-110, 110), (-110, 110), (0, 900)),
        box(cls, GREY, (-65, 65), (-65, 65), (900, height)),
        box(cls, GREY, (65, length), (-40, 40), (height - 110, height - 20)),
        box(cls, WHITE, (length - 620, length), (-140, 140), (height - 180, height - 110)),
    ]


def sign(thing: Thing, cls: str) -> list[Part]:
    _, width, height = thing.size
    side = width // 2
    return [
        box("structure.pole", GREY, (-35, 35), (-35, 35), (0, height)),
        box(cls, thing.colour, (35, 65), (-side, side), (height - width - 60, height - 60)),
        box(cls, WHITE, (65, 70), (-side * 6 // 10, side * 6 // 10),
            (height - 60 - width * 60 // 100, height - 60 - width * 40 // 100)),
    ]  # fmt: skip


def bench(thing: Thing, cls: str) -> list[Part]:
    return [
        box(cls, GREY, (-800, -700), (-220, 220), (0, 420)),
        box(cls, GREY, (700, 800), (-220, 220), (0, 420)),
        box(cls, WOOD, (-900, 900), (-240, 240), (420, 470)),
        box(cls, WOOD, (-900, 900), (190, 240), (470, 880)),
    ]


def bin_(thing: Thing, cls: str) -> list[Part]:
    length, width, height = thing.size
    half, side = length // 2, width // 2
    return [
        box(cls, thing.colour, (-half, half), (-side, side), (0, height - 90)),
        box(cls, DARK, (-half - 20, half + 20), (-side - 20, side + 20), (height - 90, height)),
    ]


KINDS: dict[str, Kind] = {
    "car": Kind(cls="vehicle.car", shape=car, annotated=True),
    "truck": Kind(cls="vehicle.truck", shape=truck, annotated=True),
    "bus": Kind(cls="vehicle.bus.rigid", shape=bus, annotated=True),
    "trailer": Kind(cls="vehicle.trailer", shape=trailer, annotated=True),
    "excavator": Kind(cls="vehicle.construction", shape=excavator, annotated=True),
    "bicycle": Kind(cls="two_wheeler.bicycle", shape=bicycle, annotated=True),
    "motorcycle": Kind(cls="two_wheeler.motorcycle", shape=motorcycle, annotated=True),
    "adult": Kind(cls="human.adult", shape=person, annotated=True),
    "child": Kind(cls="human.child", shape=person, annotated=True),
    "worker": Kind(cls="human.construction_worker", shape=person, annotated=True),
    "cone": Kind(cls="object.traffic_cone", shape=cone, annotated=True),
    "barrier": Kind(cls="object.barrier", shape=barrier, annotated=True),
    "building": Kind(cls="structure.building", shape=building, annotated=False),
    "tree": Kind(cls="nature.vegetation", shape=tree, annotated=False),
    "hedge": Kind(cls="nature.vegetation", shape=hedge, annotated=False),
    "fence": Kind(cls="structure.fence", shape=fence, annotated=False),
    "lamp": Kind(cls="structure.pole", shape=lamp, annotated=False),
    "sign": Kind(cls="structure.traffic_sign", shape=sign, annotated=False),
    "bench": Kind(cls="object.fixed", shape=bench, annotated=False),
    "bin": Kind(cls="object.fixed", shape=bin_, annotated=False),
}
