"""Street furniture, posts with lamps and signs, what closes works off, fences and walls.

``traffic_light``, ``people_light``, ``sign``, ``stop_sign`` and ``works_sign`` face along +x. A
traffic light wider than 1 m has an arm: its post stands at the +y end, the lamps hang at the -y end
and, lower, on the post. A lamp post's post stands at its -x end, its arm reaches to +x. Benches,
shelters, mailboxes, cabinets and bins are used from -y. A barrier's boards run along y; fences,
walls and guard rails along x. ``shape`` is (signal, ...) for lights, (plate, number) for signs.
"""

from collections.abc import Callable, Sequence

from roadloom.town.dice import Dice
from roadloom.town.kinds import FLOOR_M, KINDS
from roadloom.town.mesh import furniture_lines as lines
from roadloom.town.mesh import furniture_posts as posts
from roadloom.town.mesh import furniture_street as street
from roadloom.town.mesh import furniture_works as works
from roadloom.town.mesh.build import SUNK_M
from roadloom.town.mesh.furniture_parts import Job
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.solids import fitted

Parts = Callable[[Job], Sequence[Mesh]]
_PARTS: dict[str, Parts] = {
    "barrier": works.barrier,
    "cone": works.cone,
    "barrel": works.barrel,
    "works_sign": works.works_sign,
    "debris": works.debris,
    "bollard": works.bollard,
    "bicycle_rack": street.bicycle_rack,
    "wheelie_bin": street.wheelie_bin,
    "bench": street.bench,
    "hydrant": street.hydrant,
    "litter_bin": street.litter_bin,
    "mailbox": street.mailbox,
    "cabinet": street.cabinet,
    "bus_shelter": street.bus_shelter,
    "planter": street.planter,
    "lamp_post": posts.lamp_post,
    "pole": posts.pole,
    "sign": posts.sign,
    "stop_sign": posts.stop_sign,
    "traffic_light": posts.traffic_light,
    "people_light": posts.people_light,
    "fence": lines.fence,
    "wall": lines.wall,
    "guard_rail": lines.guard_rail,
}


def build(
    kind: str, size: tuple[float, float, float], seed: int, detail: int, shape: tuple[int, ...]
) -> Mesh:
    """A thing of the family ``furniture``."""
    floor = FLOOR_M if KINDS[kind].boxed else -SUNK_M
    job = Job(kind, *size, floor, seed, detail, shape, Dice(seed, 61))
    return fitted(join(_PARTS[kind](job)), size, floor)
