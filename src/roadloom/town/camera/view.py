"""What a camera sees: one ray through every pixel's centre for labels, several for colour.

    View.of(world, mounted camera, time) -> depth, semantic, instance, normal | pixels

Labels come from the centre ray and are never averaged. Each pixel's colour is the mean of its
rays in linear light. Nothing is computed before it is asked for.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, Int64, UInt8

from roadloom.scene.classes import class_id
from roadloom.sensors.camera import Camera
from roadloom.sensors.rig import MountedCamera
from roadloom.town.camera.paint import on_paint
from roadloom.town.camera.picture import Painter
from roadloom.town.camera.points import locate, points_of
from roadloom.town.camera.rays import Frame
from roadloom.town.camera.tables import surfaces_of
from roadloom.town.cast.caster import Hits, caster_of
from roadloom.town.mesh.materials import ROAD
from roadloom.town.world import World

TILE = 65_536
"""Rays at a time: what they need stays near the processor."""
UNKNOWN = 255
KEPT_RAYS = 300_000


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """One image of one moment; the ego's own body is never in it."""

    world: World
    mount: MountedCamera
    time_ns: int

    @staticmethod
    def of(world: World, mount: MountedCamera, time_ns: int) -> "View":
        """``time_ns`` is the exposure of the first row."""
        return View(world=world, mount=mount, time_ns=int(time_ns))

    # -- labels ----------------------------------------------------------------------------------

    @cached_property
    def depth(self) -> Float32[np.ndarray, "height width"]:
        """Metres along the camera's axis; infinite where nothing is hit.

        A lens that sees past 90 degrees shows things behind its own plane: their depth is
        negative.
        """
        axis = lens(self.mount.camera)[0][..., 2]
        hit = self.hits.triangle.reshape(axis.shape) >= 0
        along = self.hits.distance.reshape(axis.shape) * np.where(hit, axis, 1.0)
        return np.where(hit, along, np.inf).astype(np.float32)

    @cached_property
    def semantic(self) -> UInt8[np.ndarray, "height width"]:
        """Class ids; paint where the centre ray meets it; 255 where the lens sees nothing."""
        surfaces, triangle = surfaces_of(self.world), self.hits.triangle
        ids = np.where(triangle >= 0, surfaces.class_id[triangle], class_id("sky")).astype(np.uint8)
        road = np.flatnonzero((triangle >= 0) & (surfaces.material[triangle] == ROAD))
        rays = self.frame.rays(road, lens(self.mount.camera)[0].reshape(-1, 3)[road])
        places = rays.origins + rays.directions * self.hits.distance[road, None]
        painted = on_paint(surfaces.ground, places[:, 0].copy(), places[:, 1].copy())
        ids[road[painted]] = class_id("marking.road_line")
        ids[~self.valid.ravel()] = UNKNOWN
        return ids.reshape(self.valid.shape)

    @cached_property
    def instance(self) -> Int32[np.ndarray, "height width"]:
        """Row of ``World.things``, -1 for the ground, the sky and what the lens does not see."""
        triangle = self.hits.triangle
        owner = np.where(triangle >= 0, surfaces_of(self.world).owner[triangle], -1)
        return owner.astype(np.int32).reshape(self.valid.shape)

    @cached_property
    def normal(self) -> Float32[np.ndarray, "height width 3"]:
        """Unit normals in the camera's frame, towards the camera; NaN where nothing is hit."""
        shape, frame = self.valid.shape, self.frame
        out = np.full((len(self.hits.triangle), 3), np.nan, np.float32)
        directions = lens(self.mount.camera)[0].reshape(-1, 3)
        for span in frame.tiles(TILE):
            hits = Hits(*(column[span] for column in self.hits))
            rays = frame.rays(np.arange(span.start, span.stop), directions[span])
            points = points_of(len(hits.triangle))
            locate(
                surfaces_of(self.world).rows, frame.turns, np.zeros(3), rays.origins,
                rays.directions, rays.moment, hits, np.full(len(points), 1e-3, np.float32), points,
            )  # fmt: skip
            turned = np.einsum(
                "rji,rj->ri", frame.town_from_camera.rotation[rays.moment], points[:, 3:6]
            )
            hit = hits.triangle >= 0
            out[span][hit] = turned[hit]
        return out.reshape(*shape, 3)

    @cached_property
    def hits(self) -> Hits:
        """Of every pixel's centre ray, row by row; nothing where the lens sees nothing."""
        count, caster = self.valid.size, caster_of(self.world)
        hits = Hits(
            np.full(count, np.inf), np.full(count, -1, np.int32), np.full(count, -1, np.int32),
            np.zeros(count, np.float32), np.zeros(count, np.float32),
        )  # fmt: skip
        directions, valid = lens(self.mount.camera)[0].reshape(-1, 3), self.valid.ravel()
        for span in self.frame.tiles(TILE):
            rows = span.start + np.flatnonzero(valid[span])
            rays = self.frame.rays(rows, directions[rows])
            found = caster.cast(rays.origins, rays.directions, rays.time_s)
            for column, part in zip(hits, found, strict=True):
                column[rows] = part
        return hits

    @property
    def valid(self) -> Bool[np.ndarray, "height width"]:
        """Which pixels the lens has a direction for."""
        return lens(self.mount.camera)[1]

    @cached_property
    def frame(self) -> Frame:
        return Frame.of(self.world, self.mount, self.time_ns)

    def object_pixels(self) -> Int64[np.ndarray, " thing"]:
        """How many pixels show each of ``World.things``."""
        seen = self.instance[self.instance >= 0]
        return np.bincount(seen, minlength=len(self.world.things)).astype(np.int64)

    # -- colour ----------------------------------------------------------------------------------

    def pixels(self, rays_per_pixel: int = 4) -> UInt8[np.ndarray, "height width 3"]:
        """sRGB; black where the lens sees nothing.

        Args:
            rays_per_pixel: a square number; 1 takes the labels' own ray.
        """
        side = int(rays_per_pixel**0.5 + 0.5)
        if side < 1 or side * side != rays_per_pixel:
            raise ValueError(f"rays_per_pixel must be 1, 4, 9, ..., got {rays_per_pixel}")
        painter = Painter.of(
            self.world, self.frame, lens(self.mount.camera)[0].reshape(-1, 3), self.hits, side
        )
        camera, width = self.mount.camera, self.mount.camera.width
        picture = np.zeros((*self.valid.shape, 3), np.uint8)
        lines = max(1, TILE // (width * rays_per_pixel))
        for first in range(0, camera.height, lines):
            last = min(first + lines, camera.height)
            if side == 1:
                directions = lens(camera)[0][first:last].reshape(-1, 3)
                hits = Hits(*(c[first * width : last * width] for c in self.hits))
            else:
                directions, hits = sub_directions(camera, side, first, last), None
            picture[first:last] = painter.paint(first, last, directions, hits)
        picture[~self.valid] = 0
        return picture


@lru_cache(maxsize=6)
def lens(
    camera: Camera,
) -> tuple[Float[np.ndarray, "height width 3"], Bool[np.ndarray, "height width"]]:
    """Directions through all pixel centres in the camera's frame, and which exist."""
    return camera.rays()


def sub_directions(camera: Camera, side: int, first: int, last: int) -> Float[np.ndarray, "ray 3"]:
    """Through ``side`` x ``side`` places of every pixel of some rows, pixel by pixel; NaN where
    the lens sees nothing."""
    if camera.width * camera.height * side**2 <= KEPT_RAYS:
        whole = _kept_directions(camera, side)
        return whole[first * camera.width * side**2 : last * camera.width * side**2]
    return _directions(camera, side, first, last)


@lru_cache(maxsize=12)
def _kept_directions(camera: Camera, side: int) -> Float[np.ndarray, "ray 3"]:
    return _directions(camera, side, 0, camera.height)


def _directions(camera: Camera, side: int, first: int, last: int) -> np.ndarray:
    step = (np.arange(side) + 0.5) / side - 0.5
    right, down = np.meshgrid(step, step, indexing="xy")
    u = np.arange(camera.width, dtype=np.float64)[None, :, None] + right.ravel()
    v = np.arange(first, last, dtype=np.float64)[:, None, None] + down.ravel()
    u, v = np.broadcast_arrays(u, v)
    directions: np.ndarray = camera.unproject(np.stack([u.ravel(), v.ravel()], axis=-1))[0]
    return directions
