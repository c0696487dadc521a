"""A street of boxes with the real types: for tests of sensors that must not wait for the builders.

A 200 m street along x, 8 m wide, pavements of 3 m, lawn to 60 m; boxes for houses, cars and people
on the standing side; two cars and a walking adult that move; the ego at 8 m/s along y = -2.
"""

from functools import cached_property

import numpy as np

from roadloom.geometry.pose import Pose
from roadloom.scene.classes import class_id
from roadloom.town.kinds import FLOOR_M, GROUND_CLASS, KINDS
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import PHASES, SUNK_M
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.plan.types import (
    KERB_MM,
    MARGIN_TICKS,
    TRACK_TICKS,
    Actor,
    Area,
    Look,
    Paint,
    RoadNet,
    Signal,
    Thing,
    TownPlan,
)
from roadloom.town.relief import FLAT
from roadloom.town.world import World


def box_mesh(size, low_z=FLOOR_M, material=materials.PLAIN, cls="other", tint=(0.4, 0.4, 0.4)):
    """A closed box centred on the origin's footprint, counter-clockwise seen from outside."""
    x, y = size[0] / 2, size[1] / 2
    corner = np.array(
        [
            [sx * x, sy * y, z]
            for z in (low_z, size[2])
            for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))
        ]
    )
    quads = [(3, 2, 1, 0), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    triangles = [corner[[q[i] for i in pick]] for q in quads for pick in ((0, 1, 2), (0, 2, 3))]
    return Mesh.make(np.array(triangles), material=material, class_id=class_id(cls), tint=tint)


def straight(speed_m_s, start_m=0.0):
    """Distances [micrometres] of a constant speed, at ``start_m`` at tick 0."""
    ticks = np.arange(TRACK_TICKS) - MARGIN_TICKS
    return tuple(int(v) for v in np.rint((start_m + ticks * 0.05 * speed_m_s) * 1e6))


def toy_plan():
    ground = [
        ("road", (-100, -4, 100, 4)),
        ("pavement", (-100, -7, 100, -4)),
        ("pavement", (-100, 4, 100, 7)),
        ("terrain", (-100, -60, 100, -7)),
        ("terrain", (-100, 7, 100, 60)),
    ]
    areas = tuple(
        Area(
            kind=kind,
            ring=tuple(
                (int(a * 1000), int(b * 1000)) for a, b in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
            ),
        )
        for kind, (x0, y0, x1, y1) in ground
    )
    dashes = tuple(
        Paint(at=(x, 0), half=(1500, 0), half_width=75, colour="white")
        for x in range(-96_000, 97_000, 9_000)
    )
    things = (
        Thing(
            kind="building",
            at=(20_130, 13_170),
            heading=(1, 0),
            size=(18_000, 9_000, 9_300),
            seed=5,
            raised=KERB_MM,
            shape=(3,),
        ),
        Thing(
            kind="building",
            at=(-12_210, -15_350),
            heading=(1, 0),
            size=(22_000, 10_000, 12_700),
            seed=6,
            raised=KERB_MM,
            shape=(4,),
        ),
        Thing(
            kind="car.sedan",
            at=(11_310, 3_090),
            heading=(1, 0),
            size=(4_500, 1_850, 1_480),
            seed=7,
            attribute="vehicle.parked",
        ),
        Thing(kind="cone", at=(16_220, -3_310), heading=(1, 0), size=(380, 380, 900), seed=8),
        Thing(
            kind="lamp_post",
            at=(31_110, 5_230),
            heading=(0, -1),
            size=(160, 160, 7_900),
            seed=9,
            raised=KERB_MM,
        ),
    )
    road = ((-90_000, 1_830), (90_000, 1_830))
    actors = (
        Actor(
            kind="car.hatchback",
            size=(4_100, 1_780, 1_520),
            seed=11,
            path=tuple(reversed(road)),
            along=straight(7.0, 55.0),
            attributes=((-20, "vehicle.moving"),),
        ),
        Actor(
            kind="car.suv",
            size=(4_700, 1_930, 1_750),
            seed=12,
            path=((-80_000, -1_970), (99_000, -1_970)),
            along=straight(8.0, 95.0),
            attributes=((-20, "vehicle.moving"),),
        ),
        Actor(
            kind="adult",
            size=(900, 600, 1_780),
            seed=13,
            path=((2_000, 5_410), (60_000, 5_410)),
            along=straight(1.3, 10.0),
            attributes=((-20, "pedestrian.moving"),),
            raised=((0, KERB_MM),),
        ),
    )
    ego = Actor(
        kind="ego",
        size=(4_600, 1_900, 1_700),
        seed=1,
        path=((-99_000, -1_970), (160_000, -1_970)),
        along=straight(4.0, 87.0),
        attributes=((-20, "vehicle.moving"),),
    )
    return TownPlan(
        split="val",
        index=0,
        look=Look(
            time_of_day="day",
            weather="clear",
            season="summer",
            sun=(3, -6, 4),
            haze_ppm=1500,
            wet_permille=0,
            cloud_permille=350,
            seed=4,
        ),
        relief=FLAT,
        roads=RoadNet(
            streets=(),
            junctions=(),
            lanes=(),
            signals=(
                Signal(junction=0, offset=0, phases=((200, "green"), (60, "amber"), (200, "red"))),
            ),
            areas=areas,
            crossings=(),
            walks=(),
            paint=dashes,
            stop_lines=(),
        ),
        things=things,
        actors=actors,
        ego=ego,
        commands=((-20, "follow"),),
        offset=(1_234_567, -2_345_678, 34_567),
        bearing=(3, 4),
    )


_TINT = {"road": (0.08, 0.08, 0.085), "pavement": (0.3, 0.29, 0.28), "terrain": (0.08, 0.16, 0.04)}
_MATERIAL = {"road": materials.ROAD, "pavement": materials.PAVEMENT, "terrain": materials.GRASS}


def ground_of(plan):
    """Each area as two triangles, kerbs as upright quads."""
    meshes = []
    for area in plan.roads.areas:
        z = 0.0 if area.kind == "road" else KERB_MM / 1000
        ring = np.array([(*p, 0) for p in area.ring], float) / 1000 + (0, 0, z)
        triangles = np.stack([ring[[0, 1, 2]], ring[[0, 2, 3]]])
        meshes.append(
            Mesh.make(
                triangles,
                material=_MATERIAL[area.kind],
                tint=_TINT[area.kind],
                class_id=class_id(GROUND_CLASS[area.kind]),
                uv=triangles[..., :2],
                style=(0.6,),
            )
        )
    for y, side in ((-4.0, 1), (4.0, -1)):
        a, b = (-100.0 * side, y), (100.0 * side, y)
        low, high = 0.0, KERB_MM / 1000
        quad = np.array([(*b, low), (*a, low), (*a, high), (*b, high)])
        triangles = np.stack([quad[[0, 1, 2]], quad[[0, 2, 3]]])
        meshes.append(
            Mesh.make(
                triangles,
                material=materials.KERB,
                tint=(0.35, 0.35, 0.34),
                class_id=class_id("flat.sidewalk"),
            )
        )
    ground = join(meshes)
    return ground.owned_by(-1)


class ToyWorld(World):
    """Boxes instead of the builders' meshes."""

    @cached_property
    def standing_mesh(self):
        meshes = [ground_of(self.plan)]
        for row, thing in enumerate(self.plan.things):
            mesh = _box_of(thing)
            meshes.append(mesh.moved(self.town_from_standing[row]).owned_by(row))
        return join(meshes)

    @cached_property
    def _library(self):
        meshes, which = [], []
        for row, actor in enumerate(self.plan.actors):
            count = PHASES if KINDS[actor.kind].family == "person" else 1
            rows = []
            for phase in range(count):
                # The box shrinks with the phase, so that a wrong phase is noticed.
                size = [mm / 1000 for mm in actor.size]
                size[2] *= 1 - 0.01 * (phase % 6)
                mesh = box_mesh(size, cls=KINDS[actor.kind].cls, tint=(0.5, 0.1, 0.1))
                rows.append(len(meshes))
                meshes.append(mesh.owned_by(self.standing + row))
            which.append(tuple(rows))
        return meshes, which

    @cached_property
    def ego_mesh(self):
        """A body and a lower cabin than its size says, so that a LiDAR on the roof sees past it."""
        length, width, _ = (mm / 1000 for mm in self.plan.ego.size)
        ahead = Pose(np.eye(3), np.array([self.ego_ahead_m, 0.0, 0.0]))
        body = box_mesh((length, width, 0.95), 0.2, cls="vehicle.ego")
        cabin = box_mesh((0.4 * length, 0.8 * width, 1.5), 0.97, cls="vehicle.ego")
        return join([body, cabin]).moved(ahead)


def _box_of(thing):
    kind = KINDS[thing.kind]
    size = [mm / 1000 for mm in thing.size]
    if thing.kind == "building":
        style = (3.0, 3.0, 11, thing.seed, 0.0, size[2])
        mesh = box_mesh(size, -SUNK_M, materials.FACADE, kind.cls, (0.5, 0.42, 0.32))
        mesh.style[:] = style
        local = mesh.corners
        along = np.where(np.abs(mesh.normals[:, :1, 1]) > 0.5, local[..., 0], local[..., 1])
        mesh.uv[..., 0], mesh.uv[..., 1] = along - along.min(), local[..., 2]
        return mesh
    low = FLOOR_M if kind.boxed else -SUNK_M
    return box_mesh(size, low, materials.PLAIN, kind.cls)


def toy_world():
    return ToyWorld(plan=toy_plan())
