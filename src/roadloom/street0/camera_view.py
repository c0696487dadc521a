"""What a camera sees: rays through pixels, then colour, depth and classes.

View.of(...)  one ray through the centre of every pixel and what it hits
    -> depth, semantic ids, and which object each pixel shows: never averaged
    -> pixels: pixels whose surface or shadow differs from a neighbour's are cast again with
       several rays, averaged in linear light
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, UInt8

from roadloom.geometry.box import CORNER_SIGNS, EDGES
from roadloom.sensors.camera import PinholeCamera
from roadloom.sensors.rig import MountedCamera
from roadloom.street0.caster import SKY, Hits, Tree, build_tree, cast, count_alone
from roadloom.street0.ground import class_of_hits
from roadloom.street0.shading import Look, look_of, shade, srgb
from roadloom.street0.world import World

BRIGHTEST = 3.5
"""Samples are clamped to this before they are averaged, so that no glint keeps its stairs."""
FASTEST_M_S = 25.0
"""No two things in a town, the ego among them, near each other faster."""
PIECES = 16
"""An edge of a box is looked up at so many steps."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """One image's rays in the street's frame; pixels outside the lens's reach have no ray."""

    world: World
    mount: MountedCamera
    time_ns: int
    tree: Tree
    valid: Bool[np.ndarray, "height width"]
    origins: Float[np.ndarray, "ray 3"]
    directions: Float[np.ndarray, "ray 3"]
    time_s: Float[np.ndarray, " ray"]
    hits: Hits

    @staticmethod
    def of(world: World, mount: MountedCamera, time_ns: int) -> "View":
        directions, valid = mount.camera.rays()
        rows = np.flatnonzero(valid) // mount.camera.width
        last_ns = time_ns + mount.row_time_ns * (mount.camera.height - 1)
        first_s, last_s = sorted((world.second(time_ns), world.second(last_ns)))
        tree = build_tree(world.tables, first_s, last_s)
        rays = _street_rays(world, mount, time_ns, directions[valid], rows)
        return View(
            world=world, mount=mount, time_ns=time_ns, tree=tree, valid=valid,
            origins=rays[0], directions=rays[1], time_s=rays[2],
            hits=cast(world.tables, tree, *rays),
        )  # fmt: skip

    def pixels(self, edge_samples: int) -> UInt8[np.ndarray, "height width 3"]:
        """sRGB; black where the lens sees nothing."""
        look = look_of(self.world)
        camera = self.mount.camera
        pixel_rad = 2 / (camera.fx + camera.fy)
        tables = self.world.tables
        linear = np.zeros((*self.valid.shape, 3))
        shadow = np.zeros(self.valid.shape, np.uint8)
        linear[self.valid], shadow[self.valid] = shade(
            tables, self.tree, look, self.origins, self.directions, self.time_s, self.hits,
            pixel_rad,
        )  # fmt: skip
        if edge_samples > 1:
            where = np.flatnonzero(self._edges(shadow))
            linear.reshape(-1, 3)[where] = self._fine(look, where, edge_samples, pixel_rad)
        return srgb(linear)

    @cached_property
    def depth(self) -> Float32[np.ndarray, "height width"]:
        """Metres along the camera's axis; infinite where nothing is hit.

        A lens that sees past 90 degrees shows things behind its own plane: their depth is
        negative, and 0 in that plane.
        """
        axis = self.mount.camera.rays()[0][self.valid][:, 2]
        depth = np.full(self.valid.shape, np.inf, np.float32)
        hit = self.hits.part != SKY
        along = np.full(len(axis), np.inf)
        along[hit] = self.hits.distance[hit] * axis[hit]
        depth[self.valid] = along.astype(np.float32)
        return depth

    @cached_property
    def semantic(self) -> UInt8[np.ndarray, "height width"]:
        """Class ids; ``unknown`` where the lens sees nothing."""
        ids = np.full(self.valid.shape, 255, np.uint8)
        ids[self.valid] = class_of_hits(self.world, self.hits, self.points)
        return ids

    @cached_property
    def points(self) -> Float[np.ndarray, "ray 3"]:
        """Where each ray ends, in the street's frame; its origin where it hits nothing."""
        distance = np.where(self.hits.part == SKY, 0.0, self.hits.distance)
        return self.origins + self.directions * distance[:, None]

    def object_pixels(self) -> Int64[np.ndarray, " object"]:
        """How many pixels show each object."""
        part = self.hits.part[self.hits.part >= 0]
        return np.bincount(self.world.owner[part], minlength=len(self.world.plan.things))

    def alone_pixels(self, row: int, corners: Float[np.ndarray, "8 3"]) -> int:
        """How many would show object ``row``, were it alone; ``corners`` hold it, in the street."""
        camera_from_street = (
            self.world.street_from_ego(np.array([self.time_ns], np.int64))[0]
            @ self.mount.ego_from_camera
        ).inverse()
        near = camera_from_street.apply(corners)
        rays = self._rays_around(near)
        if not len(rays):
            return 0
        return count_alone(
            self.world.tables, row, self.origins[rays], self.directions[rays], self.time_s[rays]
        )

    def _rays_around(self, corners: Float[np.ndarray, "8 3"]) -> Int64[np.ndarray, " ray"]:
        """Rays that may meet what the corners hold, in the camera frame of the first row: those
        in a rectangle around its outline; else all of them."""
        camera = self.mount.camera
        if self.mount.row_time_ns:
            far = (corners.max(axis=0) - corners.min(axis=0)) / 2
            far += FASTEST_M_S * abs(self.mount.row_time_ns) * 1e-9 * camera.height
            middle = (corners.max(axis=0) + corners.min(axis=0)) / 2
            corners = middle + CORNER_SIGNS * far
        nothing, everything = np.zeros(0, np.int64), np.arange(len(self.origins))
        if isinstance(camera, PinholeCamera):
            if (corners[:, 2] <= 0).all():
                return nothing
            if (corners[:, 2] <= 0.5).any():
                return everything
        else:
            middle = corners.mean(axis=0)
            distance = float(np.sqrt((middle**2).sum()))
            radius = float(np.sqrt(((corners - middle) ** 2).sum(axis=1).max()))
            if distance <= radius:
                return everything
            angle, half = np.arccos(middle[2] / distance), np.arcsin(radius / distance)
            if angle - half > camera.limit_rad:
                return nothing
            if angle + half > camera.limit_rad or angle + half >= np.pi:
                return everything  # part of its outline has no pixel
        return self._rays_in_rectangle(corners, everything)

    def _rays_in_rectangle(
        self, corners: Float[np.ndarray, "8 3"], otherwise: Int64[np.ndarray, " ray"]
    ) -> Int64[np.ndarray, " near"]:
        """Rays in the rectangle around a box's edges, which a lens may bend."""
        ends = corners[EDGES]
        share = np.linspace(0, 1, PIECES + 1)[:, None]
        edges = ends[:, :1] + share * (ends[:, 1:] - ends[:, :1])
        pixels, _ = self.mount.camera.project(edges)
        if not np.isfinite(pixels).all():
            return otherwise
        # Between two samples an edge leaves their line by less than it bends over both.
        bend = float(abs(np.diff(pixels, n=2, axis=1)).max())
        pixels = pixels.reshape(-1, 2)
        height, width = self.valid.shape
        low = np.clip(np.floor(pixels.min(axis=0) - bend) - 1, 0, [width, height]).astype(np.int64)
        high = np.clip(np.ceil(pixels.max(axis=0) + bend) + 2, 0, [width, height]).astype(np.int64)
        numbers = np.cumsum(self.valid.ravel()).reshape(self.valid.shape) - 1
        window = np.s_[low[1] : high[1], low[0] : high[0]]
        return numbers[window][self.valid[window]]

    def _edges(self, shadow: UInt8[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
        """Pixels that differ from a neighbour in surface, face or shadow."""
        surface = np.full(self.valid.shape, -100, np.int64)
        surface[self.valid] = self.hits.part.astype(np.int64) * 8 + self.hits.face
        surface = surface * 2 + shadow
        edge = np.zeros(self.valid.shape, bool)
        for axis in (0, 1):
            differs = np.diff(surface, axis=axis) != 0
            first, second = ([slice(None)] * 2 for _ in range(2))
            first[axis], second[axis] = slice(None, -1), slice(1, None)
            edge[tuple(first)] |= differs
            edge[tuple(second)] |= differs
        return edge & self.valid

    def _fine(
        self, look: Look, where: Int64[np.ndarray, " pixel"], samples: int, pixel_rad: float
    ) -> Float[np.ndarray, "pixel 3"]:
        """Mean colour of ``samples`` squared rays a pixel; rays off the lens do not count."""
        camera = self.mount.camera
        rows, columns = np.divmod(where, camera.width)
        total, count = np.zeros((len(where), 3)), np.zeros(len(where))
        steps = (np.arange(samples) + 0.5) / samples - 0.5
        for down in steps:
            for right in steps:
                directions, _ = camera.unproject(np.stack([columns + right, rows + down], axis=-1))
                seen = np.isfinite(directions).all(axis=1)
                rays = _street_rays(
                    self.world, self.mount, self.time_ns, directions[seen], rows[seen]
                )
                hits = cast(self.world.tables, self.tree, *rays)
                colour, _ = shade(
                    self.world.tables, self.tree, look, *rays, hits, pixel_rad / samples
                )
                total[seen] += np.minimum(colour, BRIGHTEST)
                count[seen] += 1
        return total / np.maximum(count, 1)[:, None]


def _street_rays(
    world: World,
    mount: MountedCamera,
    time_ns: int,
    directions: Float[np.ndarray, "ray 3"],
    rows: Int64[np.ndarray, " ray"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Origins, directions and times of rays through the given image rows."""
    if mount.row_time_ns == 0:
        pose = world.street_from_ego(np.array([time_ns], np.int64))[0] @ mount.ego_from_camera
        origins = np.tile(pose.translation, (len(rows), 1))
        return origins, pose.rotate(directions), np.full(len(rows), world.second(time_ns))
    times = time_ns + np.arange(mount.camera.height, dtype=np.int64) * mount.row_time_ns
    poses = world.street_from_ego(times) @ mount.ego_from_camera
    turned = np.einsum("rij,rj->ri", poses.rotation[rows], directions)
    return poses.translation[rows], turned, world.seconds(times)[rows]
