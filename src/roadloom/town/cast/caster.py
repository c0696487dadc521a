"""Rays against everything in a world: the standing mesh as one BVH, movers one by one.

    origins, directions, times -> Hits: distance, triangle, actor

A mover is met in its own frame, where its small BVH stands still, with its pose at each ray's own
time: rolling shutters and spinning LiDARs are exact, and nothing is rebuilt from frame to frame.
"""

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Bool, Float, Float32, Int32

from roadloom.town.cast import kernels
from roadloom.town.world import World

NOTHING = -1
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


class _Body(NamedTuple):
    """One mover's mesh in its own frame."""

    scene: EmbreeScene
    box: Float[np.ndarray, "6"]
    """Lowest and highest corner."""
    radius: float
    """Of a ball around its origin that holds it."""


class _Mover(NamedTuple):
    """What a mover looks like from ``begin_s`` to before ``end_s``."""

    actor: int
    start: int
    """Its first row in the tables."""
    body: _Body
    begin_s: float
    end_s: float

    @property
    def radius(self) -> float:
        return self.body.radius


class _Rays(NamedTuple):
    """float64, in rows; one direction or time may serve all (then its stride is 0)."""

    origins: np.ndarray
    directions: np.ndarray
    turn: int
    time: np.ndarray
    tick: int
    cones: np.ndarray


class Caster:
    """All BVHs of one world; build it once a clip (``caster_of``)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._standing = _scene(world.standing_mesh.corners)
        self._bodies: dict[int, _Body] = {}
        self._alone: dict[int, EmbreeScene] = {}
        self._ego: _Body | None = None
        self._last: tuple[tuple[float, float], list[_Mover]] = ((np.nan, np.nan), [])
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
        rays = _rays(origins, directions, time_s)
        found = _first(self._standing, rays.origins, rays.directions, None)
        best, triangle, u, v = (found[k] for k in ("tfar", "primID", "u", "v"))
        actor, room = np.full(len(best), NOTHING, np.int32), _room(len(best))
        for mover in self._movers(rays):
            rows, *local = _picked(rays, self.world.tracks[mover.actor], mover, best, room)
            if len(rows):
                hit = _first(mover.body.scene, *local)
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
        rays = _rays(origins, direction, time_s)
        count = len(rays.origins)
        limit = np.empty(count, np.float32)
        limit[:] = np.minimum(far_m, 1e30)
        directions = np.broadcast_to(rays.directions.astype(np.float32), (count, 3))
        done = _any(self._standing, rays.origins.astype(np.float32), directions, limit)
        limit[done] = -1
        movers, room = self._movers(rays), _room(count)
        if ego:
            movers = [*movers, _Mover(NOTHING, 0, self._ego_body(), -np.inf, np.inf)]
        for mover in movers:
            who = mover.actor
            track = self.world.tracks[who] if who >= 0 else self.world.ego_track.pose
            rows, *local = _picked(rays, track, mover, limit, room)
            if len(rows):
                limit[rows[_any(mover.body.scene, *local)]] = -1
        return limit < 0

    def meets_ego(
        self, origins: Float[np.ndarray, "ray 3"], directions: Float[np.ndarray, "ray 3"]
    ) -> Bool[np.ndarray, " ray"]:
        """Which rays of the ego's frame end on its own body, met from outside.

        A sensor that sits inside the body is taken to look out through a hole in it.
        """
        hit = _first(self._ego_body().scene, origins, directions, None)
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
        rays, who = _rays(origins, directions, time_s), thing - self.world.standing
        limit = np.full(len(rays.origins), 1e30, np.float32)
        if who < 0:
            start, along = rays.origins.astype(np.float32), rays.directions.astype(np.float32)
            return _any(self._standing_thing(thing), start, along, limit)
        room = _room(len(limit))
        for mover in self._movers(rays, who):
            rows, *local = _picked(rays, self.world.tracks[who], mover, limit, room)
            if len(rows):
                limit[rows[_any(mover.body.scene, *local)]] = -1
        return limit < 0

    def _movers(self, rays: _Rays, only: int | None = None) -> list[_Mover]:
        """All that may be met."""
        if not len(rays.origins):
            return []
        movers = self._instances(float(rays.cones[:, 9].min()), float(rays.cones[:, 10].max()))
        movers = [m for m in movers if only is None or m.actor == only]
        met = np.empty(len(movers), bool)
        actor = np.array([m.actor for m in movers], np.int64)
        radius, begin, end = (
            np.array([getattr(m, name) for m in movers], np.float64)
            for name in ("radius", "begin_s", "end_s")
        )
        kernels.in_reach(rays.cones, self.world.tracks, actor, radius, begin, end, met)
        return [mover for mover, is_met in zip(movers, met, strict=True) if is_met]

    def _instances(self, first_s: float, last_s: float) -> list[_Mover]:
        """Of all movers; those of the last span are kept, as pictures are cast in pieces."""
        span, movers = self._last  # read once: another thread may replace it
        if span != (first_s, last_s):
            movers = [
                _Mover(i.actor, i.start, self._body(i.start, i.stop), i.begin_s, i.end_s)
                for i in self.world.instances(first_s, last_s)
            ]
            self._last = (first_s, last_s), movers
        return movers

    def _standing_thing(self, thing: int) -> EmbreeScene:
        if thing not in self._alone:
            mesh = self.world.standing_mesh
            self._alone[thing] = _scene(mesh.corners[mesh.owner == thing])
        return self._alone[thing]

    def _body(self, start: int, stop: int) -> _Body:
        if start not in self._bodies:
            self._bodies[start] = _body(self.world.tables.corners[start:stop])
        return self._bodies[start]

    def _ego_body(self) -> _Body:
        if self._ego is None:
            self._ego = _body(self.world.ego_mesh.corners)
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


def _scene(corners: Float[np.ndarray, "triangle 3 3"]) -> EmbreeScene:
    """A committed BVH; Embree's robust mode, as rays leak through shared edges without."""
    scene = EmbreeScene(robust=True)
    TriangleMesh(scene, corners.astype(np.float32))
    nothing = np.zeros((0, 3), np.float32)
    scene.run(nothing, nothing)
    return scene


def _body(corners: Float[np.ndarray, "triangle 3 3"]) -> _Body:
    points = corners.reshape(-1, 3)
    box = np.concatenate(
        [points.min(axis=0) - kernels.SLACK_M, points.max(axis=0) + kernels.SLACK_M]
    )
    radius = float(np.sqrt((points**2).sum(axis=1).max())) + kernels.SLACK_M
    return _Body(_scene(corners), box, radius)


def _rays(origins: np.ndarray, directions: np.ndarray, time_s: np.ndarray | float) -> _Rays:
    origins = np.ascontiguousarray(origins, np.float64)
    directions = np.ascontiguousarray(np.atleast_2d(directions), np.float64)
    time = np.atleast_1d(np.ascontiguousarray(time_s, np.float64))
    turn, tick = int(len(directions) == len(origins)), int(len(time) == len(origins))
    if not (turn or len(directions) == 1) or not (tick or len(time) == 1):
        raise ValueError(f"{len(origins)} origins, {len(directions)} directions, {len(time)} times")
    cones = np.empty((-(-len(origins) // kernels.BLOCK), 11))
    kernels.blocks(origins, directions, turn, time, tick, cones)
    return _Rays(origins, directions, turn, time, tick, cones)


def _room(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For the rays that one mover is asked about; taken once for all movers."""
    return (
        np.empty(count, np.int64),
        np.empty((count, 3), np.float32),
        np.empty((count, 3), np.float32),
        np.empty(count, np.float32),
    )


def _picked(
    rays: _Rays,
    track: np.ndarray,
    mover: _Mover,
    limit: np.ndarray,
    room: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows of rays that reach a mover's box, then those rays in its frame: origins, directions,
    limits."""
    body = mover.body
    found = kernels.pick(
        *rays, track, body.box, body.radius, mover.begin_s, mover.end_s, limit, *room
    )
    return room[0][:found], room[1][:found], room[2][:found], room[3][:found]


def _first(
    scene: EmbreeScene, origins: np.ndarray, directions: np.ndarray, limit: np.ndarray | None
) -> dict[str, np.ndarray]:
    origins, directions = (np.asarray(a, np.float32) for a in (origins, directions))
    found: dict[str, np.ndarray] = scene.run(origins, directions, limit, "INTERSECT", True)
    return found


def _any(
    scene: EmbreeScene, origins: np.ndarray, directions: np.ndarray, limit: np.ndarray
) -> Bool[np.ndarray, " ray"]:
    hit: Bool[np.ndarray, " ray"] = (
        scene.run(origins, directions, limit.copy(), "OCCLUDED") != NOTHING
    )
    return hit


def _ends(time_s: np.ndarray | float) -> tuple[float, float]:
    if not np.size(time_s):
        return 0.0, 0.0
    return float(np.min(time_s)), float(np.max(time_s))
