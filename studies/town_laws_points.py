"""Laws of single LiDAR points: on the depth of every camera, in their boxes, in occupied cells."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.sensors.rig import MountedCamera
from roadloom.town.camera.view import View, lens
from roadloom.town.cast.caster import caster_of
from roadloom.town.lidar.physics import EXACT, Fate
from roadloom.town.lidar.see import Shots, hits_of
from roadloom.town.occupancy.labels import MIN_AREA_FACES, areas, occupancy
from roadloom.town.source import TownReader
from roadloom.town.tracks import poses_at
from roadloom.town.world import World

TOLERANCE_M = 1e-3
FACE_M = 1e-5
"""So near to a face of its cell a point counts for either side."""
GRAZING = 5e-3
"""Cosine under which a surface is seen edge-on."""
EDGE_M = 1e-4
"""A sight line that misses a surface passes its edge by less than this."""
MOMENTS = 4
"""Of a turn, for which the whole town is measured anew."""


@dataclass
class Tally:
    """How often a law was asked and broken, over all clips."""

    counts: dict[str, int] = field(default_factory=dict)
    worst: dict[str, float] = field(default_factory=dict)

    def add(self, **counts: int) -> None:
        for name, count in counts.items():
            self.counts[name] = self.counts.get(name, 0) + int(count)

    def most(self, name: str, values: np.ndarray) -> None:
        if np.size(values):
            self.worst[name] = max(self.worst.get(name, -np.inf), float(np.max(values)))

    def join(self, other: "Tally") -> None:
        self.add(**other.counts)
        for name, value in other.worst.items():
            self.most(name, np.array([value]))

    @property
    def broken(self) -> int:
        return self.counts.get("broken", 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """The points of one sweep without noise, exact, in the town's frame."""

    world: World
    stamp_ns: int
    frozen: bool
    points: np.ndarray
    """[point 3]"""
    time_ns: np.ndarray
    triangle: np.ndarray
    actor: np.ndarray
    thing: np.ndarray

    @property
    def time_s(self) -> np.ndarray:
        return self.world.seconds(self.time_ns)

    def moments(self) -> Iterator[int]:
        """The stamp if frozen, else some times of the turn."""
        if self.frozen:
            yield self.stamp_ns
            return
        times = np.unique(self.time_ns)
        yield from times[np.linspace(0, len(times) - 1, MOMENTS).astype(int)].tolist()

    def carried(self, time_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the points' places on their things are at one time, [point 3], and which exist:
        limbs that have taken another shape since do not."""
        world, points = self.world, self.points.copy()
        time_s = float(world.seconds(np.array([time_ns]))[0])
        exists = self.actor < 0
        for part in world.instances(time_s, time_s):
            exists |= (self.triangle >= part.start) & (self.triangle < part.stop)
        for actor in np.unique(self.actor[self.actor >= 0]).tolist():
            rows = np.flatnonzero(self.actor == actor)
            then = poses_at(world.tracks[actor], self.time_s[rows])
            now = poses_at(world.tracks[actor], np.array([time_s]))[0]
            local = then.inverse().apply(points[rows][:, None])[:, 0]
            points[rows] = now.apply(local)
        return points, exists


def seen_of(reader: TownReader, stamp_ns: int, *, frozen: bool) -> tuple[Seen, Shots]:
    world, mount = reader.world, reader.rig.lidars[0]
    shots = hits_of(world, mount, stamp_ns, frozen=frozen, physics=EXACT)
    kept = np.flatnonzero(shots.fate == Fate.RETURNED)
    origins, directions = shots.rays.origins[kept], shots.rays.directions[kept]
    return Seen(
        world=world, stamp_ns=stamp_ns, frozen=frozen,
        points=origins + directions * shots.hits.distance[kept, None],
        time_ns=shots.time_ns[kept], triangle=shots.hits.triangle[kept],
        actor=shots.hits.actor[kept], thing=shots.thing[kept],
    ), shots  # fmt: skip


# -- (a) depth -----------------------------------------------------------------------------------


def depth_of_points(seen: Seen, mount: MountedCamera, tally: Tally) -> np.ndarray:
    """Sight lines from the camera to points that nothing hides end on them.

    Returns: which points are in the picture and visible.
    """
    caster, world = caster_of(seen.world), seen.world
    poses = world.town_from_ego(seen.time_ns) @ mount.ego_from_camera
    gap = seen.points - poses.translation
    _, inside = mount.camera.project(np.einsum("pji,pj->pi", poses.rotation, gap))
    rows = np.flatnonzero(inside)
    away = np.sqrt((gap[rows] ** 2).sum(axis=1))
    line = gap[rows] / away[:, None]
    origins, time_s = np.ascontiguousarray(poses.translation[rows]), seen.time_s[rows]
    clear = ~caster.blocked(origins, line, time_s, away - TOLERANCE_M, ego=False)
    rows, away, line = rows[clear], away[clear], line[clear]
    origins, time_s = origins[clear], time_s[clear]
    hits, cosine = caster.cast_with_cosines(origins, line, time_s)
    off = np.abs(hits.distance - away)
    far = off > TOLERANCE_M
    # Along a surface seen edge-on a sight line slides far for a rounding error across it.
    grazing = far & (off * cosine < FACE_M) & (cosine < GRAZING)
    wrong = np.flatnonzero(far & ~grazing)
    # Exactly on the outline of a thing a sight line may slip past it.
    edge = np.zeros(len(wrong), bool)
    for step in _around(line[wrong]):
        aim = seen.points[rows[wrong]] + EDGE_M * step - origins[wrong]
        length = np.sqrt((aim**2).sum(axis=1))
        near = caster.cast(origins[wrong], aim / length[:, None], time_s[wrong]).distance
        edge |= np.abs(near - length) < 20 * EDGE_M
    tally.add(
        in_picture=inside.sum(), visible=len(rows), edge_on=grazing.sum(),
        past_an_edge=edge.sum(), broken=(~edge).sum(),
    )  # fmt: skip
    tally.most("worst_m", off[off <= TOLERANCE_M])
    visible = np.zeros(len(seen.points), bool)
    visible[rows] = True
    return visible


def depth_images(seen: Seen, view: View, visible: np.ndarray, tally: Tally) -> None:
    """Visible points lie on what the nearest pixel of the depth image shows there.

    Asked where that pixel's ray ends on the point's own triangle: on its plane, that is.
    """
    mount, world = view.mount, seen.world
    town_from_camera = world.town_from_ego(np.array([view.time_ns]))[0] @ mount.ego_from_camera
    local = town_from_camera.inverse().apply(seen.points[visible])
    pixel = np.rint(mount.camera.project(local)[0]).astype(np.int64)
    column = np.clip(pixel[:, 0], 0, mount.camera.width - 1)
    row = np.clip(pixel[:, 1], 0, mount.camera.height - 1)
    flat = row * mount.camera.width + column
    triangle, actor = seen.triangle[visible], seen.actor[visible]
    same = (view.hits.triangle[flat] == triangle) & (view.hits.actor[flat] == actor)
    directions = lens(mount.camera)[0][row, column]
    shown = directions / directions[:, 2:] * view.depth[row, column][:, None]
    normal = _normals(world, triangle, actor, view.time_ns)
    turned = normal @ town_from_camera.rotation  # into the camera's frame
    off = np.abs(((local - shown)[same] * turned[same]).sum(axis=1))
    tally.add(visible=len(same), same_surface=same.sum(), broken=(off > TOLERANCE_M).sum())
    tally.most("worst_m", off)


def _around(line: np.ndarray) -> Iterator[np.ndarray]:
    """Unit steps square to lines, in eight directions."""
    up = np.where(np.abs(line[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    right = np.cross(line, up)
    right /= np.sqrt((right**2).sum(axis=1, keepdims=True))
    above = np.cross(right, line)
    for angle in np.arange(8) * np.pi / 4:
        yield np.cos(angle) * right + np.sin(angle) * above


def _normals(world: World, triangle: np.ndarray, actor: np.ndarray, time_ns: int) -> np.ndarray:
    corners = world.tables.corners[triangle].astype(np.float64)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.sqrt((normal**2).sum(axis=1, keepdims=True))
    moving = actor >= 0
    turns = poses_at(world.tracks, world.seconds(np.array([time_ns]))).rotation[:, 0]
    normal[moving] = np.einsum("pij,pj->pi", turns[actor[moving]], normal[moving])
    return normal


# -- (b) boxes -----------------------------------------------------------------------------------


def excess(world: World, thing: np.ndarray, points: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """How far points lie outside boxes of things at their own times [m]; negative: inside."""
    middle, size = world.box
    rotation, translation = np.empty((len(thing), 3, 3)), np.empty((len(thing), 3))
    still = thing < world.standing
    poses = world.town_from_standing[thing[still]]
    rotation[still], translation[still] = poses.rotation, poses.translation
    for row in np.unique(thing[~still]).tolist():
        rows = np.flatnonzero(thing == row)
        pose = poses_at(world.tracks[row - world.standing], time_s[rows])
        rotation[rows], translation[rows] = pose.rotation, pose.translation
    local = np.einsum("pji,pj->pi", rotation, points - translation)
    return (np.abs(local - middle[thing]) - size[thing] / 2).max(axis=1)


def points_in_boxes(seen: Seen, tally: Tally) -> None:
    """A point on a thing that carries a box lies in that box; ground in boxes is counted."""
    world = seen.world
    on_boxed = (seen.thing >= 0) & world.boxed[seen.thing]
    out = excess(world, seen.thing[on_boxed], seen.points[on_boxed], seen.time_s[on_boxed])
    tally.add(on_boxed_things=on_boxed.sum(), broken=(out > 0).sum())
    tally.most("nearest_to_its_border_m", out)
    ground = seen.points[seen.thing < 0]
    for time_ns in seen.moments():
        inside = _ground_in_boxes(world, ground, time_ns)
        tally.add(ground=len(ground), ground_in_a_box=inside)


def _ground_in_boxes(world: World, points: np.ndarray, time_ns: int) -> int:
    time_s, count = float(world.seconds(np.array(time_ns)[None])[0]), 0
    poses = world.town_from_thing(time_s) @ Pose(
        np.broadcast_to(np.eye(3), (len(world.things), 3, 3)), world.box[0]
    )
    for row in np.flatnonzero(world.boxed).tolist():
        size, pose = world.box[1][row], poses[row]
        gap = points - pose.translation
        close = gap[(gap**2).sum(axis=1) < (size**2).sum()]
        count += int((np.abs(close @ pose.rotation) < size / 2).all(axis=1).sum())
    return count


# -- (c) occupancy -------------------------------------------------------------------------------


def points_in_cells(seen: Seen, grid: VoxelGrid, tally: Tally) -> None:
    """Points lie in occupied cells, but for cells that surfaces only graze.

    What moves carries its points from their own times to that of the grid.
    """
    for time_ns in seen.moments():
        pose = seen.world.town_from_ego(np.array([time_ns]))[0]
        points, exists = seen.carried(time_ns)
        points = pose.inverse().apply(points[exists])
        occupied = occupancy(seen.world, time_ns, grid).occupied
        lower, cell, shape = (np.array(v) for v in (grid.lower_m, grid.cell_m, grid.shape))
        held = ((points >= lower) & (points < np.array(grid.upper_m))).all(axis=1)
        points = points[held]
        found, strict = np.zeros(len(points), bool), np.zeros(len(points), bool)
        for shift in FACE_M * np.stack(np.meshgrid(*[(-1, 0, 1)] * 3), axis=-1).reshape(-1, 3):
            index = np.floor((points + shift - lower) / cell).astype(np.int64)
            index = np.clip(index, 0, shape - 1)
            hit = occupied[tuple(index.T)]
            found |= hit
            strict |= hit & (shift == 0).all()
        index = np.floor((points[~found] - lower) / cell).astype(np.int64)
        area = total_area(seen.world, time_ns, grid, index)
        x, y, z = grid.cell_m
        grazed = (area > 0) & (area <= MIN_AREA_FACES * min(x * y, y * z, z * x))
        tally.add(
            points=len(points), at_a_face=(found & ~strict).sum(), in_grazed_cells=grazed.sum(),
            broken=(~grazed).sum(),
        )  # fmt: skip


def total_area(world: World, time_ns: int, grid: VoxelGrid, index: np.ndarray) -> np.ndarray:
    """Of all surfaces in single cells [m2]."""
    sums = areas(world, time_ns, grid)
    total = np.zeros(len(index))
    for n, cell in enumerate(np.ravel_multi_index(tuple(index.T), grid.shape).tolist()):
        row = int(sums.head[cell])
        while row >= 0:
            total[n] += sums.area_m2[row]
            row = int(sums.following[row])
    return total


# -- (d) the slow twin ---------------------------------------------------------------------------


def twin(seen: Seen, shots: Shots, rays: int, tally: Tally) -> None:
    """Every triangle of the town, tried one by one, says the same of shots drawn at random."""
    from tests.town.slow_cast import cast_reference

    rng = np.random.default_rng(seen.stamp_ns)
    drawn = rng.choice(len(shots.time_ns), rays if seen.frozen else -(-rays // 4), replace=False)
    for time_ns in np.unique(shots.time_ns[drawn]).tolist():
        rows = drawn[shots.time_ns[drawn] == time_ns]
        time_s = float(seen.world.seconds(np.array([time_ns]))[0])
        distance, triangle, _ = cast_reference(
            seen.world, shots.rays.origins[rows], shots.rays.directions[rows], time_s
        )
        quick = shots.hits.distance[rows]
        both = np.isfinite(quick) & np.isfinite(distance)
        off = np.abs(np.where(both, quick, 0) - np.where(both, distance, 0))
        differs = (np.isfinite(quick) != np.isfinite(distance)) | (off > TOLERANCE_M)
        tally.add(rays=len(rows), broken=differs.sum())
        tally.add(same_triangle=(shots.hits.triangle[rows] == triangle).sum())
        tally.most("worst_m", off[~differs])
