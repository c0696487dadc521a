"""What the caster asks of Embree: BVHs, rays in batches, and the rays that one mover may meet."""

import os
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore import EmbreeDevice
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Bool, Float

from roadloom.town.cast import kernels

NOTHING = -1


class Body(NamedTuple):
    """One mover's mesh in its own frame."""

    scene: EmbreeScene
    box: Float[np.ndarray, "6"]
    """Lowest and highest corner."""
    radius: float
    """Of a ball around its origin that holds it."""


class Mover(NamedTuple):
    """What a mover looks like from ``begin_s`` to before ``end_s``."""

    actor: int
    start: int
    """Its first row in the tables."""
    body: Body
    begin_s: float
    end_s: float
    blocks: tuple[int, int] = (0, 0)
    """First and one past the last block of rays that may meet it."""

    @property
    def radius(self) -> float:
        return self.body.radius


class RayBatch(NamedTuple):
    """float64, in rows; one direction or time may serve all (then its stride is 0)."""

    origins: np.ndarray
    directions: np.ndarray
    turn: int
    time: np.ndarray
    tick: int
    cones: np.ndarray


def scene_of(corners: Float[np.ndarray, "triangle 3 3"]) -> EmbreeScene:
    """A committed BVH; Embree's robust mode, as rays leak through shared edges without."""
    scene = EmbreeScene(device=_device(os.getpid()), robust=True)
    TriangleMesh(scene, corners.astype(np.float32))
    nothing = np.zeros((0, 3), np.float32)
    scene.run(nothing, nothing)
    return scene


@lru_cache(maxsize=1)
def _device(process: int) -> EmbreeDevice:
    """One for all scenes of a process: a thousand live devices, one a scene, crash Embree."""
    return EmbreeDevice()


def body_of(corners: Float[np.ndarray, "triangle 3 3"]) -> Body:
    points = corners.reshape(-1, 3)
    box = np.concatenate(
        [points.min(axis=0) - kernels.SLACK_M, points.max(axis=0) + kernels.SLACK_M]
    )
    radius = float(np.sqrt((points**2).sum(axis=1).max())) + kernels.SLACK_M
    return Body(scene_of(corners), box, radius)


def batch_of(
    origins: np.ndarray,
    directions: np.ndarray,
    time_s: np.ndarray | float,
    far_m: np.ndarray | float = np.inf,
) -> RayBatch:
    origins = np.ascontiguousarray(origins, np.float64)
    directions = np.ascontiguousarray(np.atleast_2d(directions), np.float64)
    time = np.atleast_1d(np.ascontiguousarray(time_s, np.float64))
    turn, tick = int(len(directions) == len(origins)), int(len(time) == len(origins))
    if not (turn or len(directions) == 1) or not (tick or len(time) == 1):
        raise ValueError(f"{len(origins)} origins, {len(directions)} directions, {len(time)} times")
    cones = np.empty((-(-len(origins) // kernels.BLOCK), 12))
    far = np.atleast_1d(np.ascontiguousarray(far_m, np.float64))
    kernels.blocks(origins, directions, turn, time, tick, far, cones)
    return RayBatch(origins, directions, turn, time, tick, cones)


def room_for(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For the rays that one mover is asked about; taken once for all movers."""
    return (
        np.empty(count, np.int64),
        np.empty((count, 3), np.float32),
        np.empty((count, 3), np.float32),
        np.empty(count, np.float32),
    )


def picked(
    rays: RayBatch,
    track: np.ndarray,
    mover: Mover,
    limit: np.ndarray,
    room: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows of rays that reach a mover's box, then those rays in its frame: origins, directions,
    limits."""
    body = mover.body
    found = kernels.pick(
        *rays, track, body.box, body.radius, mover.begin_s, mover.end_s, mover.blocks, limit, *room
    )
    return room[0][:found], room[1][:found], room[2][:found], room[3][:found]


def first_hits(
    scene: EmbreeScene, origins: np.ndarray, directions: np.ndarray, limit: np.ndarray | None
) -> dict[str, np.ndarray]:
    origins, directions = (np.asarray(a, np.float32) for a in (origins, directions))
    found: dict[str, np.ndarray] = scene.run(origins, directions, limit, "INTERSECT", True)
    return found


def any_hits(
    scene: EmbreeScene, origins: np.ndarray, directions: np.ndarray, limit: np.ndarray
) -> Bool[np.ndarray, " ray"]:
    hit: Bool[np.ndarray, " ray"] = (
        scene.run(origins, directions, limit.copy(), "OCCLUDED") != NOTHING
    )
    return hit
