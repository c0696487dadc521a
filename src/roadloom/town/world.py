"""One clip's town in metres and seconds: the meshes of everything and where it is at any time.

    TownPlan -> World: standing mesh, movers' meshes (by phase of the walk), tracks, boxes

Everything is cast in the town's own frame, where coordinates stay below a few hundred metres; only
poses that leave the town carry its place in the world.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64, UInt8

from roadloom.geometry.pose import Pose
from roadloom.scene.classes import class_id
from roadloom.town.kinds import BOX_MARGIN_M, KINDS
from roadloom.town.mesh.build import (
    FAR,
    MIDDLE,
    NEAR,
    PEDAL_M,
    PHASES,
    STRIDE_M,
    build_kind,
    build_thing,
)
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.plan.draw import start_ns
from roadloom.town.plan.types import Actor, Thing, TownPlan
from roadloom.town.tracks import (
    FIRST_S,
    STEP_S,
    STEPS,
    STEPS_PER_TICK,
    TICK_S,
    Track,
    ground_pose,
    poses_at,
    track_of,
)

REACH_M = {
    "building": (40.0, 120.0),
    "plant": (22.0, 55.0),
    "furniture": (18.0, 45.0),
    "vehicle": (20.0, 45.0),
    "two_wheeler": (12.0, 30.0),
    "person": (14.0, 40.0),
}
"""Up to which distance from the ego [m] each family is shown in full, and up to which at middling
detail. One choice for the whole clip, so that every sensor sees the same triangles."""
PHASE_STEP = {NEAR: 1, MIDDLE: 2, FAR: PHASES}
"""Who is far away is shown in fewer phases of the walk."""
BOX_FLOOR_M = 0.003


class Instance(NamedTuple):
    """A mover's mesh during a span of time: rows ``start`` to ``stop`` of ``World.tables``."""

    actor: int
    """Row of ``World.tracks``."""
    start: int
    stop: int
    begin_s: float
    """From this time on it looks like this ..."""
    end_s: float
    """... until, but not at, this time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """``things`` counts the plan's things, then its actors; the ego is none of them."""

    plan: TownPlan

    # -- what there is ---------------------------------------------------------------------------

    @property
    def things(self) -> tuple[Thing | Actor, ...]:
        return (*self.plan.things, *self.plan.actors)

    @property
    def standing(self) -> int:
        """How many of ``things`` stand still: row of the first actor."""
        return len(self.plan.things)

    @cached_property
    def class_ids(self) -> UInt8[np.ndarray, " thing"]:
        return np.array([class_id(KINDS[t.kind].cls) for t in self.things], np.uint8)

    @cached_property
    def boxed(self) -> Bool[np.ndarray, " thing"]:
        """Which carry an annotated box."""
        return np.array([KINDS[t.kind].boxed for t in self.things], bool)

    @cached_property
    def box(self) -> tuple[Float[np.ndarray, "thing 3"], Float[np.ndarray, "thing 3"]]:
        """Middle in the thing's frame and size of a box around each [m]."""
        size = np.array([t.size for t in self.things], np.float64).reshape(-1, 3) / 1000
        low, high = -size / 2 - BOX_MARGIN_M, size / 2 + BOX_MARGIN_M
        low[:, 2], high[:, 2] = BOX_FLOOR_M, size[:, 2] + BOX_MARGIN_M
        return (low + high) / 2, high - low

    # -- when and where --------------------------------------------------------------------------

    @property
    def start_ns(self) -> int:
        """Time of tick 0."""
        return start_ns(self.plan.split, self.plan.index)

    def seconds(self, time_ns: Int64[np.ndarray, "*time"]) -> Float[np.ndarray, "*time"]:
        """Since tick 0."""
        return (np.asarray(time_ns, np.int64) - self.start_ns) * 1e-9

    @cached_property
    def world_from_town(self) -> Pose:
        x, y = (float(v) for v in self.plan.bearing)
        norm = (x * x + y * y) ** 0.5
        cos, sin = x / norm, y / norm
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        return Pose(turn, np.array(self.plan.offset, np.float64) / 1000)

    @cached_property
    def ego_track(self) -> Track:
        return track_of(self.plan.ego, self.plan.relief)

    @cached_property
    def tracks(self) -> Float[np.ndarray, "actor step 7"]:
        """Of the actors, in the town's frame."""
        if not self.plan.actors:
            return np.zeros((0, STEPS, 7))
        return np.stack([track.pose for track in self._tracks])

    @cached_property
    def _tracks(self) -> list[Track]:
        return [track_of(actor, self.plan.relief) for actor in self.plan.actors]

    def town_from_ego(self, time_ns: Int64[np.ndarray, " time"]) -> Pose:
        """The ego's exact pose at any times within the clip and its margins."""
        return poses_at(self.ego_track.pose, self.seconds(time_ns))

    def world_from_ego(self, time_ns: Int64[np.ndarray, " time"]) -> Pose:
        return self.world_from_town @ self.town_from_ego(time_ns)

    @cached_property
    def town_from_standing(self) -> Pose:
        """Poses of the plan's things, [thing]. Boxed ones tilt with the ground, others do not."""
        things = self.plan.things
        at = np.array([t.at for t in things], np.float64).reshape(-1, 2) / 1000
        heading = np.array([t.heading for t in things], np.float64).reshape(-1, 2)
        raised = np.array([t.raised for t in things], np.float64) / 1000
        columns = (at[:, 0], at[:, 1], heading[:, 0], heading[:, 1], raised)
        tilted = ground_pose(self.plan.relief, *columns)
        upright = ground_pose(self.plan.relief, *columns, upright=True)
        boxed = self.boxed[: self.standing]
        return Pose(
            np.where(boxed[:, None, None], tilted.rotation, upright.rotation), tilted.translation
        )

    def town_from_thing(self, time_s: float) -> Pose:
        """Poses of all ``things`` at one time, [thing]."""
        moving = poses_at(self.tracks, np.array([time_s]))
        still = self.town_from_standing
        return Pose(
            np.concatenate([still.rotation, moving.rotation[:, 0]]),
            np.concatenate([still.translation, moving.translation[:, 0]]),
        )

    def velocity(self, time_s: float) -> Float[np.ndarray, "thing 3"]:
        """Of each thing's origin [m/s], in the town's axes; 0 for what stands."""
        span = np.array([time_s - STEP_S, time_s + STEP_S])
        ends = poses_at(self.tracks, span).translation
        moving = (ends[:, 1] - ends[:, 0]) / (2 * STEP_S)
        return np.concatenate([np.zeros((self.standing, 3)), moving])

    # -- what it is made of ----------------------------------------------------------------------

    @cached_property
    def ego_path_m(self) -> Float[np.ndarray, "place 2"]:
        """Places on the ego's way, twice a second."""
        return self.ego_track.pose[::50, :2]

    @cached_property
    def _details(self) -> list[int]:
        """Of each thing: by the least distance to the ego's way; of movers, at the same time."""
        at = np.array([t.at for t in self.plan.things], np.float64).reshape(-1, 1, 2) / 1000
        still = np.sqrt(((at - self.ego_path_m) ** 2).sum(axis=-1)).min(axis=1)
        gap = self.tracks[:, ::10, :2] - self.ego_track.pose[::10, :2]
        moving = np.sqrt((gap**2).sum(axis=-1)).min(axis=1)
        details = []
        for thing, apart in zip(self.things, (*still, *moving), strict=True):
            near, middle = REACH_M[KINDS[thing.kind].family]
            details.append(NEAR if apart < near else MIDDLE if apart < middle else FAR)
        return details

    @cached_property
    def standing_mesh(self) -> Mesh:
        """Ground and things, in the town's frame; ``owner`` is the thing's row or -1."""
        from roadloom.town.mesh.footing import depth_under, footed
        from roadloom.town.mesh.ground import ground_mesh

        meshes = [ground_mesh(self.plan)]
        for row, thing in enumerate(self.plan.things):
            mesh, pose = build_thing(thing, self._details[row]), self.town_from_standing[row]
            if KINDS[thing.kind].family == "building":
                half = np.array(thing.size[:2]) / 2000
                ring = pose.apply(
                    np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * [*half, 0]
                )
                mesh = footed(mesh, depth_under(self.plan.relief, ring[:, :2], pose.translation[2]))
            meshes.append(mesh.moved(pose).owned_by(row))
        return join(meshes)

    @cached_property
    def ego_mesh(self) -> Mesh:
        """The ego's own body, in the ego's frame; in no table, its sensors look past it."""
        ego = self.plan.ego
        size = (ego.size[0] / 1000, ego.size[1] / 1000, ego.size[2] / 1000)
        mesh = build_kind("ego", size, ego.seed, NEAR)
        return mesh.moved(Pose(np.eye(3), np.array([self.ego_ahead_m, 0.0, 0.0])))

    @property
    def ego_ahead_m(self) -> float:
        """From the ego's rear axle, its origin, to the middle of its body."""
        return self.plan.ego.size[0] / 1000 * KINDS["ego"].rear_permille / 1000

    @cached_property
    def _library(self) -> tuple[list[Mesh], list[tuple[int, ...]]]:
        """Movers' meshes, and for each actor the mesh of each phase (one where it has none)."""
        meshes: list[Mesh] = []
        which: list[tuple[int, ...]] = []
        for row, actor in enumerate(self.plan.actors):
            size = tuple(mm / 1000 for mm in actor.size)
            detail = self._details[self.standing + row]
            rows = []
            for phase in range(0, PHASES, PHASE_STEP[detail]) if _cycle_m(actor) else (-1,):
                shape = () if phase < 0 else (phase,)
                mesh = build_kind(actor.kind, size, actor.seed, detail, shape)
                rows.append(len(meshes))
                meshes.append(mesh.owned_by(self.standing + row))
            which.append(tuple(rows))
        return meshes, which

    @cached_property
    def tables(self) -> Mesh:
        """Every triangle there is: the standing mesh, then movers' meshes in their own frames."""
        return join([self.standing_mesh, *self._library[0]])

    @cached_property
    def _spans(self) -> Int64[np.ndarray, " edge"]:
        sizes = [len(self.standing_mesh), *(len(mesh) for mesh in self._library[0])]
        return np.cumsum(sizes)

    def instances(self, first_s: float, last_s: float) -> list[Instance]:
        """What each mover looks like between two times; together they cover [first, last]."""
        spans, found = self._spans, []
        first_tick, last_tick = (int(np.floor(t / TICK_S + 1e-9)) for t in (first_s, last_s))
        for row, actor in enumerate(self.plan.actors):
            meshes, cycle = self._library[1][row], _cycle_m(actor)
            begin, tick = -np.inf, first_tick
            while True:
                mesh = meshes[self._phase(row, tick, cycle)]
                while tick < last_tick and meshes[self._phase(row, tick + 1, cycle)] == mesh:
                    tick += 1
                end = np.inf if tick >= last_tick else (tick + 1) * TICK_S
                found.append(Instance(row, int(spans[mesh]), int(spans[mesh + 1]), begin, end))
                if tick >= last_tick:
                    break
                begin, tick = end, tick + 1
        return found

    def _phase(self, actor: int, tick: int, cycle_m: float) -> int:
        """Which of its meshes: by the phase of the walk, which changes at ticks only."""
        count = len(self._library[1][actor])
        if count == 1:
            return 0
        step = int(min(max((tick * TICK_S - FIRST_S) / STEP_S + 0.5, 0), STEPS - 1))
        share = self._tracks[actor].along_m[step - step % STEPS_PER_TICK] / cycle_m
        return int(share * count) % count

    def signal_states(self, time_s: float) -> Int32[np.ndarray, " signal"]:
        """0 red, 1 amber, 2 green, of each group of lights."""
        tick = int(np.floor(time_s / TICK_S + 1e-9))
        order = ("red", "amber", "green")
        states = [order.index(signal.state(tick)) for signal in self.plan.roads.signals]
        return np.array(states, np.int32)


def _cycle_m(actor: Actor) -> float:
    """Way after which its limbs are where they were; 0 for what has none."""
    if actor.kind in ("cyclist",):
        return PEDAL_M
    return STRIDE_M if KINDS[actor.kind].family == "person" else 0.0


@lru_cache(maxsize=2, typed=True)
def build_world(split: str, index: int) -> World:
    """The world of one clip; the last two are kept."""
    from roadloom.town.plan.draw import draw_plan

    return World(plan=draw_plan(split, index))
