"""Rays against everything in a world: the standing mesh as one BVH, movers one by one.

    origins, directions, times -> Hits: distance, triangle, actor

A mover is met in its own frame, where its small BVH stands still, with its pose at each ray's own
time: rolling shutters and spinning LiDARs are exact, and nothing is rebuilt from frame to frame.
"""

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Bool, Float, Float32, Int32

from roadloom.town.cast import kernels
from roadloom.town.cast.embree import (
    NOTHING,
    Body,
    Mover,
    RayBatch,
    any_hits,
    batch_of,
    body_of,
    first_hits,
    picked,
    room_for,
    scene_of,
)
from roadloom.town.world import World

WORLDS = 2
"""Casters kept by ``caster_of``."""


class Hits(NamedTuple):
    """One row per ray."""

    distance: Float[np.ndarray, " ray"]
    """[m], infinite where nothing is hit."""
    triangle: Int32[np.ndarray, " ray"]
    """Row of ``World.tables``, -1 where nothing is hit."""
    actor: Int32[np.ndarray, " ray"]
    """Row of ``World.tracks`` if a mover is hit, else -1."""
    u: Float32[np.ndarray, " ray"]
    """Weight of the triangle's second corner; garbage where nothing is hit."""
    v: Float32[np.ndarray, " ray"]
    """Weight of its third."""


class Caster:
    """All BVHs of one world; build it once a clip (``caster_of``)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._standing = scene_of(world.standing_mesh.corners)
        self._bodies: dict[int, Body] = {}
        self._alone: dict[int, EmbreeScene] = {}
        self._ego: Body | None = None
        self._last: tuple[tuple[float, float], list[Mover], tuple[np.ndarray, ...]]
        self._last = (np.nan, np.nan), [], ()
        self.kept: dict[object, Any] = {}
        """What sensors compute once for a world, by names of their own."""

    def cast(
        self,
        origins: Float[np.ndarray, "ray 3"],
        directions: Float[np.ndarray, "ray 3"],
        time_s: Float[np.ndarray, " ray"] | float,
        *,
        threads: int = 1,
    ) -> Hits:
        """The first thing on each ray; directions are unit vectors in the town's frame.

        The ego's own body is not there. Both sides of a triangle are seen.
        """
        if threads > 1:
            return self._cast_on(threads, origins, directions, time_s)
        return self.cast_with_cosines(origins, directions, time_s)[0]

    def cast_with_cosines(
        self,
        origins: Float[np.ndarray, "ray 3"],
        directions: Float[np.ndarray, "ray 3"],
        time_s: Float[np.ndarray, " ray"] | float,
    ) -> tuple[Hits, Float[np.ndarray, " ray"]]:
        """What ``cast`` gives, and how squarely each ray meets its triangle: 1 head on, 0 along."""
        rays = batch_of(origins, directions, time_s)
        found = first_hits(self._standing, rays.origins, rays.directions, None)
        best, triangle, u, v = (found[k] for k in ("tfar", "primID", "u", "v"))
        actor, room = np.full(len(best), NOTHING, np.int32), room_for(len(best))
        for mover in self._movers(rays):
            rows, *local = picked(rays, self.world.tracks[mover.actor], mover, best, room)
            if len(rows):
                hit = first_hits(mover.body.scene, *local)
                kernels.take(
                    rows, hit["tfar"], hit["primID"], hit["u"], hit["v"], mover.start, mover.actor,
                    best, triangle, actor, u, v,
                )  # fmt: skip
        distance, cosine = np.empty(len(best)), np.empty(len(best))
        kernels.refine(
            rays.origins, rays.directions, rays.time, rays.tick, self.world.tables.corners,
            self.world.tracks, best, triangle, actor, distance, cosine,
        )  # fmt: skip
        return Hits(distance, triangle, actor, u, v), cosine

    def blocked(
        self,
        origins: Float[np.ndarray, "ray 3"],
        direction: Float[np.ndarray, "3"] | Float[np.ndarray, "ray 3"],
        time_s: Float[np.ndarray, " ray"] | float,
        far_m: Float[np.ndarray, " ray"] | float = np.inf,
        *,
        ego: bool = True,
    ) -> Bool[np.ndarray, " ray"]:
        """Whether anything lies on a ray nearer than ``far_m``; the ego's body too, if ``ego``."""
        rays = batch_of(origins, direction, time_s, far_m)
        count = len(rays.origins)
        limit = np.empty(count, np.float32)
        limit[:] = np.minimum(far_m, 1e30)
        directions = np.broadcast_to(rays.directions.astype(np.float32), (count, 3))
        done = any_hits(self._standing, rays.origins.astype(np.float32), directions, limit)
        limit[done] = -1
        movers, room = self._movers(rays), room_for(count)
        if ego:
            movers = [*movers, self._ego_mover(len(rays.cones))]
        for mover in movers:
            who = mover.actor
            track = self.world.tracks[who] if who >= 0 else self.world.ego_track.pose
            rows, *local = picked(rays, track, mover, limit, room)
            if len(rows):
                limit[rows[any_hits(mover.body.scene, *local)]] = -1
        return limit < 0

    def meets_ego(
        self, origins: Float[np.ndarray, "ray 3"], directions: Float[np.ndarray, "ray 3"]
    ) -> Bool[np.ndarray, " ray"]:
        """Which rays of the ego's frame end on its own body, met from outside.

        A sensor that sits inside the body is taken to look out through a hole in it.
        """
        hit = first_hits(self._ego_body().scene, origins, directions, None)
        facing = (hit["Ng"] * directions).sum(axis=1) < 0
        met: Bool[np.ndarray, " ray"] = (hit["primID"] != NOTHING) & facing
        return met

    def meets(
        self,
        thing: int,
        origins: Float[np.ndarray, "ray 3"],
        directions: Float[np.ndarray, "ray 3"],
        time_s: Float[np.ndarray, " ray"] | float,
    ) -> Bool[np.ndarray, " ray"]:
        """Which rays would meet one of ``World.things``, were it alone."""
        rays, who = batch_of(origins, directions, time_s), thing - self.world.standing
        limit = np.full(len(rays.origins), 1e30, np.float32)
        if who < 0:
            start, along = rays.origins.astype(np.float32), rays.directions.astype(np.float32)
            return any_hits(self._standing_thing(thing), start, along, limit)
        room = room_for(len(limit))
        for mover in self._movers(rays, who):
            rows, *local = picked(rays, self.world.tracks[who], mover, limit, room)
            if len(rows):
                limit[rows[any_hits(mover.body.scene, *local)]] = -1
        return limit < 0

    def _movers(self, rays: RayBatch, only: int | None = None) -> list[Mover]:
        """All that may be met."""
        if not len(rays.origins):
            return []
        movers, columns = self._instances(
            float(rays.cones[:, 9].min()), float(rays.cones[:, 10].max())
        )
        met = np.empty((len(movers), 2), np.int64)
        kernels.in_reach(rays.cones, self.world.tracks, *columns, met)
        if only is not None:
            met[columns[0] != only] = 0
        rows = np.flatnonzero(met[:, 1] > met[:, 0])
        pairs = zip(rows.tolist(), met[rows].tolist(), strict=True)
        return [movers[row]._replace(blocks=(first, stop)) for row, (first, stop) in pairs]

    def _instances(
        self, first_s: float, last_s: float
    ) -> tuple[list[Mover], tuple[np.ndarray, ...]]:
        """Of all movers, and their actor, radius, begin and end as columns; those of the last span
        are kept, as pictures are cast in pieces."""
        span, movers, columns = self._last  # read once: another thread may replace it
        if span != (first_s, last_s):
            movers = [
                Mover(i.actor, i.start, self._body(i.start, i.stop), i.begin_s, i.end_s)
                for i in self.world.instances(first_s, last_s)
            ]
            columns = (
                np.array([m.actor for m in movers], np.int64),
                np.array([m.radius for m in movers], np.float64),
                np.array([m.begin_s for m in movers], np.float64),
                np.array([m.end_s for m in movers], np.float64),
            )
            self._last = (first_s, last_s), movers, columns
        return movers, columns

    def _standing_thing(self, thing: int) -> EmbreeScene:
        if thing not in self._alone:
            mesh = self.world.standing_mesh
            self._alone[thing] = scene_of(mesh.corners[mesh.owner == thing])
        return self._alone[thing]

    def _body(self, start: int, stop: int) -> Body:
        if start not in self._bodies:
            self._bodies[start] = body_of(self.world.tables.corners[start:stop])
        return self._bodies[start]

    def _ego_mover(self, blocks: int) -> Mover:
        return Mover(NOTHING, 0, self._ego_body(), -np.inf, np.inf, (0, blocks))

    def _ego_body(self) -> Body:
        if self._ego is None:
            self._ego = body_of(self.world.ego_mesh.corners)
        return self._ego

    def _cast_on(
        self, threads: int, origins: np.ndarray, directions: np.ndarray, time_s: np.ndarray | float
    ) -> Hits:
        """In pieces of whole blocks, so that the answer is the same on any number of threads."""
        piece = -(-len(origins) // (threads * 4 * kernels.BLOCK)) * kernels.BLOCK
        spans = [slice(i, i + piece) for i in range(0, len(origins), max(piece, 1))]
        self._instances(*_ends(time_s))
        times = [time_s if np.ndim(time_s) == 0 else np.asarray(time_s)[s] for s in spans]
        with ThreadPoolExecutor(threads) as pool:
            parts = pool.map(
                self.cast, [origins[s] for s in spans], [directions[s] for s in spans], times
            )
            return Hits(*(np.concatenate(column) for column in zip(*parts, strict=True)))


_KEPT: OrderedDict[World, Caster] = OrderedDict()


def caster_of(world: World) -> Caster:
    """The caster of a world; the last ``WORLDS`` are kept."""
    caster = _KEPT.pop(world, None) or Caster(world)
    _KEPT[world] = caster
    while len(_KEPT) > WORLDS:
        _KEPT.popitem(last=False)
    return caster


def _ends(time_s: np.ndarray | float) -> tuple[float, float]:
    if not np.size(time_s):
        return 0.0, 0.0
    return float(np.min(time_s)), float(np.max(time_s))
