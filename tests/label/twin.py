"""A labeller without kernels, caches and blocks: loops over points, and ``carve`` for each ray."""

from collections import Counter
from typing import NamedTuple

import numpy as np

from roadloom.geometry.pose import Pose
from roadloom.geometry.ray_grid import carve
from roadloom.label.drive import Drive
from roadloom.label.ground import COLUMN_M, LEVEL_M, NEAR_M, SLOPE
from roadloom.label.movers import ObjectPaths
from roadloom.label.objects import FLOOR_M, FLOOR_SHARE, Objects
from roadloom.label.recipe import Recipe
from roadloom.label.sweeps import REACH_M
from roadloom.label.window import sweeps_within
from roadloom.scene.class_weights import class_weights
from roadloom.scene.classes import CLASSES, FREE, UNKNOWN, class_id
from roadloom.scene.clip import Clip
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.sweep import Sweep

OTHER = class_id("other.occupied")


WORLD = Pose.identity()
GROUND = {c.id for c in CLASSES if c.name.split(".")[0] in ("flat", "marking")}
GROUND.add(class_id("nature.terrain"))


class Box(NamedTuple):
    frame_from_box: Pose
    size: np.ndarray
    kind: int

    def local(self, point: np.ndarray) -> np.ndarray:
        return self.frame_from_box.rotation.T @ (point - self.frame_from_box.translation)


class Ray(NamedTuple):
    way: tuple[np.ndarray, np.ndarray]
    own: np.ndarray
    """The end in the sweep's own ego frame."""
    kind: int
    rest: bool
    """Neither a label nor a box says what the end is."""


class Twin:
    def __init__(self, clip: Clip, recipe: Recipe, key: int) -> None:
        self.clip, self.recipe, self.grid = clip, recipe, recipe.grid
        self.drive = Drive(clip.ego)
        world_from_grid = clip[key].world_from_ego
        if recipe.frame == "lidar":
            assert clip.meta.lidar is not None
            world_from_grid = world_from_grid @ clip.rig.lidar(clip.meta.lidar).ego_from_lidar
        self.grid_from_world = world_from_grid.inverse()
        self.asked: dict[tuple[int, int], dict[str, Box]] = {}
        self.paths = ObjectPaths(clip, self.drive) if recipe.boxes else None
        self.now = self.boxes(int(clip.times_ns[key]), world_from_grid)
        self.places = self.now | self.resting(int(clip.times_ns[key]), world_from_grid)
        self.moving = {
            track: box for track, box in self.now.items()
            if self.paths is not None and not self.paths.tracks.standing(np.array([track]))[0]
        }  # fmt: skip
        self.votes: dict[tuple[int, ...], Counter] = {}
        self.around: list[tuple[np.ndarray, np.ndarray]] = []
        self.grazing: list[tuple[np.ndarray, np.ndarray]] = []
        self.inside: list[tuple[np.ndarray, np.ndarray]] = []

    def boxes(self, time_ns: int, frame: Pose) -> dict[str, Box]:
        if self.paths is None:
            return {}
        if (time_ns, id(frame)) not in self.asked:
            self.asked[time_ns, id(frame)] = _by_track(self.paths.at(time_ns, frame))
        return self.asked[time_ns, id(frame)]

    def resting(self, time_ns: int, frame: Pose) -> dict[str, Box]:
        if self.paths is None:
            return {}
        return _by_track(
            self.paths.resting(time_ns, frame, np.array(list(self.now), dtype=np.str_))
        )

    def add_sweep(self, sweep: Sweep) -> None:
        told = [self.add(sweep, i) for i in np.flatnonzero(sweep.returned).tolist()]
        self.sort_rays([one for one in told if one is not None])

    def sort_rays(self, told: list[Ray]) -> None:
        """Those that end on the ground apart."""
        low: Counter = Counter()
        unknown = [ray for ray in told if ray.rest and _level(ray.own)]
        for ray in unknown:
            name = _column(ray.own)
            low[name] = min(low.get(name, np.inf), ray.own[2])
        for ray in told:
            ground = ray.kind in GROUND
            if ray.rest and _level(ray.own):
                x, y = _column(ray.own)
                beside = [low.get((x + i, y + j), np.inf) for i in (-1, 0, 1) for j in (-1, 0, 1)]
                ground = ray.own[2] - min(beside) <= NEAR_M
            (self.grazing if ground else self.around).append(ray.way)

    def add(self, sweep: Sweep, i: int) -> Ray | None:
        time_ns = int(sweep.point_time_ns[i])
        world_from_own = self.drive.at(np.array([time_ns], np.int64))[0]
        mount = sweep.origins[sweep.origin_id[i]].ego_from_lidar
        start = _apply(world_from_own, mount.translation)
        there = sweep.world_from_ego if sweep.motion_compensated else world_from_own
        end = _apply(there, sweep.points[i].astype(np.float64))
        own, ego = _apply(world_from_own.inverse(), end), self.recipe.ego_box
        if all(a <= v <= b for a, v, b in zip(ego.lower_m, own, ego.upper_m, strict=True)):
            return None
        kind = UNKNOWN if sweep.label is None else int(sweep.label[i])
        exact = self.paths is not None and self.paths.exact
        then = self.boxes(time_ns if exact else sweep.time_ns, WORLD)
        holder = _holder(then, end, kind, self.recipe.box_margin_m)
        way = (_apply(self.grid_from_world, start), _apply(self.grid_from_world, end))
        frame = sweep.world_from_ego.inverse()
        ray = Ray(way, _apply(frame, end), kind, kind == UNKNOWN and holder is None)
        if kind == UNKNOWN:
            kind = OTHER if holder is None else then[holder].kind
        for track in then.keys() & self.places.keys():
            half = then[track].size / 2 + max(REACH_M, self.recipe.box_margin_m)
            piece = _piece(then[track].local(start), then[track].local(end), half)
            if piece is not None:
                first, last = (_apply(self.places[track].frame_from_box, p) for p in piece)
                self.inside.append((first, last))
        if holder is None:
            self.vote(_apply(self.grid_from_world, end), kind)
        elif holder in self.places:
            self.vote(_apply(self.places[holder].frame_from_box, then[holder].local(end)), kind)
        return ray

    def crossed(self, rays: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        starts, ends = np.array(rays).reshape(-1, 2, 3).swapaxes(0, 1)
        return carve(starts, ends, self.grid).crossed > 0

    def vote(self, point: np.ndarray, kind: int) -> None:
        cell, inside = self.grid.cell_of(point[None])
        if inside[0]:
            self.votes.setdefault(tuple(cell[0].tolist()), Counter())[kind] += 1

    def labels(self) -> np.ndarray:
        labels = np.full(self.grid.shape, UNKNOWN, np.uint8)
        margin = self.recipe.box_margin_m
        centers = self.grid.centers()
        inside, around = self.crossed(self.inside), self.crossed(self.around)
        if self.recipe.carve_ground:
            around |= self.crossed(self.grazing)
        else:
            for ray in self.grazing:
                crossed = self.crossed([ray])
                layer = int(np.floor((ray[1][2] - self.grid.lower_m[2]) / self.grid.cell_m[2]))
                if 0 <= layer < self.grid.shape[2]:
                    crossed[:, :, layer] = False
                around |= crossed
        for cell in np.ndindex(self.grid.shape):
            taken = _holder(self.moving, centers[cell], UNKNOWN, margin) is not None
            if (inside if taken else around)[cell]:
                labels[cell] = FREE
        for cell, count in self.votes.items():
            if sum(count.values()) >= self.recipe.min_hits:
                plain = self.recipe.target == "geometric"
                labels[cell] = OTHER if plain else _winner(count)
        return labels


def label(clip: Clip, recipe: Recipe, key: int) -> Occupancy:
    twin = Twin(clip, recipe, key)
    for name, number in sweeps_within(clip, key, recipe.window):
        sweep = clip.sweeps[name][number]
        twin.add_sweep(sweep)
    return Occupancy(grid=recipe.grid, labels=twin.labels(), frame=recipe.frame)


def _by_track(found: Objects) -> dict[str, Box]:
    return {
        track: Box(found.pose[i], found.size[i], int(found.class_id[i]))
        for i, track in enumerate(found.track.tolist())
    }


def _level(own: np.ndarray) -> bool:
    return bool(abs(own[2]) <= LEVEL_M + SLOPE * np.hypot(own[0], own[1]))


def _column(own: np.ndarray) -> tuple[int, int]:
    return int(np.floor(own[0] / COLUMN_M)), int(np.floor(own[1] / COLUMN_M))


def _apply(pose: Pose, point: np.ndarray) -> np.ndarray:
    return pose.rotation @ point + pose.translation


def _holder(boxes: dict[str, Box], point: np.ndarray, kind: int, margin: float) -> str | None:
    thing = kind != UNKNOWN and CLASSES[kind].thing
    if kind != UNKNOWN and not thing:
        return None
    held = []
    for track, box in boxes.items():
        x, y, z = box.local(point)
        half = box.size / 2
        floor = -margin if thing else min(FLOOR_M, FLOOR_SHARE * box.size[2])
        beside = abs(x) > half[0] + margin or abs(y) > half[1] + margin
        if not beside and floor - half[2] <= z <= half[2] + margin:
            held.append((float(np.prod(box.size)), track))
    return min(held)[1] if held else None


def _piece(a: np.ndarray, b: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    t0, t1 = 0.0, 1.0
    for k in range(3):
        way = b[k] - a[k]
        if way == 0 and abs(a[k]) > half[k]:
            return None
        if way != 0:
            near, far = sorted(((-half[k] - a[k]) / way, (half[k] - a[k]) / way))
            t0, t1 = max(t0, near), min(t1, far)
    return (a + t0 * (b - a), a + t1 * (b - a)) if t0 <= t1 else None


def _winner(count: Counter) -> int:
    weights = class_weights()
    better = {c: n * weights[c] for c, n in count.items() if c != OTHER}
    return min(better, key=lambda c: (-better[c], c)) if better else OTHER
