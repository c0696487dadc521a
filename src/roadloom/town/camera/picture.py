"""Colours of an image: surfaces, shadows, surroundings, mirrors, then light, tile by tile."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, UInt8

from roadloom.town.camera import occlusion
from roadloom.town.camera.ground_textures import skin_ground
from roadloom.town.camera.light import Light, light_of
from roadloom.town.camera.lighting import (
    average,
    curve,
    develop,
    shade,
    shade_sky,
)
from roadloom.town.camera.mirrors import mirror_colours, mirror_rays
from roadloom.town.camera.object_textures import skin_objects
from roadloom.town.camera.points import POINT, WIDE, locate, points_of
from roadloom.town.camera.rays import Frame, Rays
from roadloom.town.camera.samples import Samples, each_ray, mean_of, merged
from roadloom.town.camera.shadows import soften, sun_rays
from roadloom.town.camera.skin import skins_of
from roadloom.town.camera.tables import Surfaces, surfaces_of
from roadloom.town.camera.wall_textures import skin_walls
from roadloom.town.cast.caster import Caster, Hits, caster_of
from roadloom.town.world import World

OPEN_PIXELS = 24_000
"""Surroundings are looked at from about so many places of a picture."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Painter:
    """Everything that the tiles of one picture share."""

    frame: Frame
    side: int
    directions: Float[np.ndarray, "pixel 3"]
    centre: Hits
    caster: Caster
    surfaces: Surfaces
    light: Light
    signals: np.ndarray
    brakes: Bool[np.ndarray, " actor"]
    step: int
    open_grid: Float32[np.ndarray, "line column"]
    open_points: Float32[np.ndarray, "line column 20"]

    @staticmethod
    def of(
        world: World,
        frame: Frame,
        directions: Float[np.ndarray, "pixel 3"],
        centre: Hits,
        side: int,
    ) -> "Painter":
        """``side`` squared rays a pixel; directions and hits are those of the pixels' centres."""
        surfaces, caster = surfaces_of(world), caster_of(world)
        light = light_of(world.plan.look)
        step = max(1, round((frame.width * frame.height / OPEN_PIXELS) ** 0.5))
        open_grid, open_points = _open_grid(frame, caster, surfaces, directions, centre, step)
        return Painter(
            frame=frame, side=side, directions=directions, centre=centre, caster=caster,
            surfaces=surfaces, light=light,
            signals=world.signal_states(float(frame.time_s[len(frame.time_s) // 2])),
            brakes=braking(world, float(frame.time_s[0])),
            step=step, open_grid=open_grid, open_points=open_points,
        )  # fmt: skip

    def paint(
        self, first: int, last: int, directions: Float[np.ndarray, "ray 3"], hits: Hits | None
    ) -> UInt8[np.ndarray, "line width 3"]:
        """Rows ``first`` to ``last`` from rays in the camera's frame, pixel by pixel."""
        parts = self.side**2
        pixel = np.repeat(np.arange(first * self.frame.width, last * self.frame.width), parts)
        part = np.tile(np.arange(parts), len(pixel) // parts)
        seen = ~np.isnan(directions[:, 0])
        radiance = np.full((len(pixel), 3), np.nan, np.float32)
        if seen.all():
            self._radiance(pixel, part, directions, hits, radiance, whole=True)
        elif seen.any():
            some = Hits(*(c[seen] for c in hits)) if hits is not None else None
            found = np.empty((int(seen.sum()), 3), np.float32)
            self._radiance(pixel[seen], part[seen], directions[seen], some, found, whole=False)
            radiance[seen] = found
        linear = np.zeros(((last - first) * self.frame.width, 3), np.float32)
        average(radiance, self.light.exposure, parts, linear)
        out = np.zeros(linear.shape, np.uint8)
        develop(linear, CURVE, first, self.frame.height, self.frame.width, out)
        return out.reshape(last - first, self.frame.width, 3)

    def _radiance(
        self, pixel: Int64[np.ndarray, " ray"], part: Int64[np.ndarray, " ray"],
        directions: Float[np.ndarray, "ray 3"], hits: Hits | None, out: np.ndarray, *, whole: bool,
    ) -> None:  # fmt: skip
        """``whole``: the rays are all those of whole rows, so that neighbours can be found."""
        rays = self.frame.rays(pixel, directions)
        if hits is None:
            hits = self.caster.cast(rays.origins, rays.directions, rays.time_s)
        samples, of_ray = self._samples(rays, hits, pixel, part)
        s, light, met = self.surfaces, self.light, samples.hits
        points, skin = points_of(len(met.triangle)), skins_of(len(met.triangle))
        locate(
            s.rows, self.frame.turns, light.sun, samples.origins, samples.directions,
            samples.moment, met, samples.rad, points,
        )  # fmt: skip
        seed = light.seed & 0xFFF
        skin_ground(s.rows, s.material, s.ground, light.wet, seed, met.triangle, points, skin)
        skin_walls(s.rows, s.material, light.dusk, light.wet, met.triangle, points, skin)
        skin_objects(
            s.rows, s.material, light.dusk, light.wet, light.lit, self.brakes, self.signals,
            met.triangle, met.actor, points, skin,
        )  # fmt: skip
        sunlit = self._sunlit(points, skin, of_ray, hits, rays, pixel, part, whole)
        line, column = np.divmod(samples.pixel, self.frame.width)
        open_share = np.ones(len(points), np.float32)
        occlusion.open_at(
            self.open_grid, points, self.open_points, met.triangle, column, line, self.step,
            open_share,
        )  # fmt: skip
        mirror = self._mirrored(points, skin, samples, column, line)
        found = np.empty((len(points), 3), np.float32)
        shade_sky(light, met.triangle, samples.directions, found)
        shade(
            light, s.lamp_grid, s.lamps, met.triangle, met.distance, samples.directions, points,
            skin, sunlit, open_share, mirror, found,
        )  # fmt: skip
        np.take(found, of_ray, axis=0, out=out)

    def _samples(
        self, rays: Rays, hits: Hits, pixel: Int64[np.ndarray, " ray"],
        part: Int64[np.ndarray, " ray"],
    ) -> tuple[Samples, Int64[np.ndarray, " ray"]]:  # fmt: skip
        """Where to shade, and which of these each ray takes."""
        if self.side == 1:
            rad = self.frame.pixel_rad
            return each_ray(hits, rays, pixel, part, rad), np.arange(len(pixel))
        first, stop = int(pixel[0]), int(pixel[-1]) + 1
        centre = Hits(*(column[first:stop] for column in self.centre))
        centre_rays = self.frame.rays(np.arange(first, stop), self.directions[first:stop])
        samples, of_ray = merged(
            self.surfaces, self.light.sun, self.light.wet, hits, rays, pixel - first, part, centre,
            centre_rays, self.side**2, self.frame.pixel_rad,
        )  # fmt: skip
        samples.pixel[:] += first
        return samples, of_ray

    def _mirrored(
        self, points: np.ndarray, skin: np.ndarray, samples: Samples, column: np.ndarray,
        line: np.ndarray,
    ) -> Float32[np.ndarray, "sample 3"]:  # fmt: skip
        """What each sample's surface mirrors; NaN where too little to look for."""
        count, s = len(column), self.surfaces
        mirror = np.full((count, 3), np.nan, np.float32)
        rows, source = np.empty(count, np.int64), np.empty(count, np.int64)
        origins, towards = np.empty((count, 3)), np.empty((count, 3))
        found = mirror_rays(
            s.material, points, skin, samples.triangle, samples.distance, samples.directions,
            column, line, samples.part, rows, origins, towards, source,
        )  # fmt: skip
        if found:
            rows, origins, towards = rows[:found], origins[:found], towards[:found]
            moment = samples.moment[rows]
            met = self.caster.cast(origins, towards, self._times(moment))
            mirror_colours(
                self.light, s.rows, s.material, self.frame.turns, self.signals, self.brakes, met,
                moment, towards, source, np.empty((found, 3), np.float32), mirror,
            )  # fmt: skip
        return mirror

    def _sunlit(
        self, points: np.ndarray, skin: np.ndarray, of_ray: Int64[np.ndarray, " ray"], hits: Hits,
        rays: Rays, pixel: np.ndarray, part: np.ndarray, whole: bool,
    ) -> Float32[np.ndarray, " sample"]:  # fmt: skip
        """Share of the sun's disc that is seen, by one shadow ray for each ray. Grain of broad
        penumbras is smoothed in whole rows only."""
        count, mean = len(pixel), np.zeros(len(points), np.float32)
        if not self.light.sun_rgb.any():
            return mean
        line, column = np.divmod(pixel, self.frame.width)
        sunlit = np.zeros(count, np.float32)
        rows, origins, towards = (
            np.empty(count, np.int64),
            np.empty((count, 3)),
            np.empty((count, 3)),
        )
        found = sun_rays(
            self.light, points, skin, of_ray, hits.triangle, hits.distance, rays.origins,
            rays.directions, column, line, part, self.side**2, rows, origins, towards,
        )  # fmt: skip
        rows = rows[:found]
        towards = towards[:found]
        sunlit[rows] = ~self.caster.blocked(
            origins[:found], towards, self._times(rays.moment[rows])
        )
        parts = self.side**2
        if whole and parts > 1:
            asked = np.zeros(count, np.uint8)
            asked[rows] = 1
            soften(sunlit, points, of_ray, hits.triangle, asked, parts, self.frame.width)
        mean_of(sunlit, of_ray, mean)
        return mean

    def _times(self, moment: Int64[np.ndarray, " ray"]) -> Float[np.ndarray, " ray"] | float:
        times = self.frame.time_s
        return times[moment] if len(times) > 1 else float(times[0])


def braking(world: World, time_s: float) -> Bool[np.ndarray, " actor"]:
    """Which movers slow down by more than 0.8 m/s2, or stand and will go on."""
    now, later = (
        np.hypot(*world.velocity(time)[world.standing :, :2].T) for time in (time_s, time_s + 0.25)
    )
    track = world.tracks[..., :2]
    moves = np.abs(track - track[:, :1]).max(axis=(1, 2)) > 1.0
    return (now - later > 0.2) | ((now < 0.15) & (later < 0.3) & moves)


def _open_grid(
    frame: Frame,
    caster: Caster,
    surfaces: Surfaces,
    directions: np.ndarray,
    centre: Hits,
    step: int,
) -> tuple[Float32[np.ndarray, "line column"], Float32[np.ndarray, "line column 20"]]:
    """How open every ``step``-th pixel's place is; NaN where there is none."""
    lines = np.minimum(np.arange(0, frame.height, step) + step // 2, frame.height - 1)
    columns = np.minimum(np.arange(0, frame.width, step) + step // 2, frame.width - 1)
    pixel = (lines[:, None] * frame.width + columns).ravel()
    shape = (len(lines), len(columns))
    line, column = (np.ravel(a) for a in np.indices(shape))
    hits = Hits(*(c[pixel] for c in centre))
    rays = frame.rays(pixel, directions[pixel])
    points = np.zeros((len(pixel), POINT), np.float32)
    locate(
        surfaces.rows, frame.turns, np.zeros(3), rays.origins, rays.directions, rays.moment, hits,
        np.full(len(pixel), frame.pixel_rad, np.float32), points,
    )  # fmt: skip
    rows, origins, towards, far = occlusion.empty_rays(len(pixel))
    count = occlusion.occlusion_rays(
        points, hits.triangle, surfaces.material, column, line, hits.distance, rows, origins,
        towards, far,
    )  # fmt: skip
    n = count * occlusion.RAYS
    times = frame.time_s[np.repeat(rays.moment[rows[:count]], occlusion.RAYS)]
    blocked = caster.blocked(origins[:n], towards[:n], times, far[:n])
    share = np.full(len(pixel), np.nan, np.float32)
    occlusion.gather_open(rows, count, column, line, blocked, share)
    grid, smooth = share.reshape(shape), np.empty(shape, np.float32)
    places = points.reshape(*shape, POINT)
    occlusion.smooth_open(grid, places, places[..., WIDE] * step, smooth)
    return smooth, places


CURVE = curve()
