"""Vehicles by kind: filled to their size, wheels on the ground."""

from roadloom.scene.classes import class_id
from roadloom.town.dice import Dice
from roadloom.town.kinds import FLOOR_M, KINDS
from roadloom.town.mesh.build import FAR
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.solids import box, fitted
from roadloom.town.mesh.vehicles_bus import bus
from roadloom.town.mesh.vehicles_cars import car
from roadloom.town.mesh.vehicles_large import Size, trailer, truck
from roadloom.town.mesh.vehicles_parts import BLACK, paint_tint, plain, tint_of
from roadloom.town.mesh.vehicles_works import excavator, roller


def build(kind: str, size: Size, seed: int, detail: int, shape: tuple[int, ...]) -> Mesh:
    """The mesh of a vehicle in its own frame, bounds exact; ``shape`` is not used."""
    cls = class_id(KINDS[kind].cls)
    if kind.startswith("truck."):
        mesh = truck(kind, size, seed, detail, cls)
    elif kind in _OTHERS:
        mesh = _OTHERS[kind](size, seed, detail, cls)
    else:
        body = "estate" if kind == "ego" else kind.removeprefix("car.")
        mesh = car(body, size, seed, detail, cls, paint_tint(Dice(seed, 70)))
    return fitted(mesh, size, FLOOR_M)


def _police_car(size: Size, seed: int, detail: int, cls: int) -> Mesh:
    body = "estate" if seed % 2 else "sedan"
    mesh = car(body, size, seed, detail, cls, tint_of(196, 196, 194), livery=tint_of(20, 60, 150))
    return join([mesh, *_light_bar(size, -0.02, 0.975, detail, cls)])


def _ambulance(size: Size, seed: int, detail: int, cls: int) -> Mesh:
    paint = (tint_of(202, 200, 192), tint_of(204, 176, 40))[seed % 2]
    mesh = car("van", size, seed, detail, cls, paint, livery=tint_of(172, 24, 28))
    return join([mesh, *_light_bar(size, 0.17, 0.965, detail, cls)])


def _light_bar(size: Size, x: float, z: float, detail: int, cls: int) -> list[Mesh]:
    """Blue lamps across the roof."""
    length, width, height = size
    x, z, half = x * length, z * height, 0.30 * width
    blue = plain(cls, (0.02, 0.09, 0.55), 0.5)
    high = z + 0.085 * height
    if detail == FAR:
        return [box((x - 0.1, -half, z), (x + 0.1, half, high), blue)]
    foot = box(
        (x - 0.07, -half * 0.9, z - 0.02), (x + 0.07, half * 0.9, z + 0.03), plain(cls, BLACK)
    )
    z = z + 0.03
    clear = plain(cls, (0.5, 0.5, 0.5), 0.5)
    return [
        foot,
        box((x - 0.12, -half, z), (x + 0.12, -half * 0.3, high), blue),
        box((x - 0.11, -half * 0.298, z), (x + 0.11, half * 0.298, high - 0.01), clear),
        box((x - 0.12, half * 0.3, z), (x + 0.12, half, high), blue),
    ]


_OTHERS = {
    "bus": bus,
    "trailer": trailer,
    "excavator": excavator,
    "roller": roller,
    "police_car": _police_car,
    "ambulance": _ambulance,
}
