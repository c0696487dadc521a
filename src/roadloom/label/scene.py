"""Labels of the key frames of one clip, each out of the sweeps of a window around it.

window -> sweeps made ready (held, for the next frame needs nearly the same ones)
       -> ends counted in cells: occupied, and by what
       -> ways marked: free, as far as nothing is there
       -> what is neither is unknown
"""

from collections import OrderedDict
from dataclasses import replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.pose import Pose
from roadloom.label.free import FreeSpace
from roadloom.label.objects import Objects, cells_within, joined
from roadloom.label.recipe import Recipe
from roadloom.label.sweeps import REACH_M, ReadySweep, SweepMaker
from roadloom.label.votes import Votes
from roadloom.label.window import no_sweep, records_within, sweeps_within
from roadloom.scene.classes import FREE, UNKNOWN
from roadloom.scene.clip import Clip
from roadloom.scene.equality import same_pose
from roadloom.scene.occupancy import Occupancy

HELD_BYTES = 1 << 30
"""Sweeps held, or all of the window being labelled where these are more; the ones unused for
longest go first."""


class SceneLabeller:
    """Labels one clip by one recipe; cheapest when key frames are asked for in order."""

    def __init__(self, clip: Clip, recipe: Recipe, *, partial: bool = False) -> None:
        """Prepare nothing yet.

        Args:
            partial: leave sweeps out whose file is absent; without it such a file is an error.
        """
        self.clip, self.recipe, self.partial = clip, recipe, partial
        self._held: OrderedDict[tuple[str, int], ReadySweep] = OrderedDict()
        self._held_bytes = 0

    def label(self, key: int, offset: int = 0) -> Occupancy:
        """Occupancy around key frame ``key``; with an ``offset`` that of so many key frames
        later, movers and window too, in the frame of key frame ``key``.

        Raises:
            BadInput: there is no such key frame; or a sweep holds points that cannot be.
            MissingInput: the file of a sweep is absent, and not ``partial``.
            NotRecorded: the drive ends before ``offset``; or the clip has no LiDAR, no sweep in
                this window, or no main LiDAR, no boxes or no track ids though the recipe wants
                them.
        """
        later = self._later(key, offset)
        window = sweeps_within(self.clip, later, self.recipe.window)
        world_from_grid = self.clip[key].world_from_ego @ self._ego_from_grid
        objects = self._objects(later, world_from_grid)
        sweeps = self._sweeps(window)
        if not sweeps:
            raise no_sweep(self.clip, later)
        near = self._places_near(self._with_resting(objects, later, world_from_grid))
        poses = [_poses(sweep, world_from_grid, near) for sweep in sweeps]
        votes = Votes(self.recipe.grid, semantic=self.recipe.target == "semantic")
        for sweep, (standing, carried) in zip(sweeps, poses, strict=True):
            votes.add(sweep.standing, standing)
            votes.add(sweep.carried, carried)
        occupied = votes.at_least(self.recipe.min_hits)
        crossed = self._crossed(sweeps, poses, occupied, objects)
        empty = np.where(crossed, np.uint8(FREE), np.uint8(UNKNOWN))
        found = Occupancy(
            grid=self.recipe.grid,
            labels=np.where(occupied, votes.classes(), empty),
            mask_lidar=(crossed | votes.at_least(1)) if self.recipe.masks else None,
            frame=self.recipe.frame,
        )
        return self._with_camera_mask(found, key, later)

    def has_sweeps(self, key: int) -> bool:
        """Whether a sweep that can be read lies in the window around key frame ``key``."""
        return bool(self._sweeps(records_within(self.clip, key, self.recipe.window)))

    def _later(self, key: int, offset: int) -> int:
        if not 0 <= key < len(self.clip):
            raise BadInput(
                f"there is no key frame {key}", field="key",
                remedy=f"{self.clip.scene_id} has {len(self.clip)}, counted from 0",
            )  # fmt: skip
        if offset < 0:
            raise BadInput(f"{offset} is not ahead", field="offset", remedy="give 0 or more")
        if key + offset >= len(self.clip):
            raise NotRecorded(
                f"the drive ends {len(self.clip) - 1 - key} key frames after key frame {key}",
                field="offset", remedy="leave the last key frames out, or ask for smaller offsets",
            )  # fmt: skip
        return key + offset

    @cached_property
    def _maker(self) -> SweepMaker:
        return SweepMaker(self.clip, self.recipe)

    @cached_property
    def _ego_from_grid(self) -> Pose:
        if self.recipe.frame == "ego":
            return Pose.identity()
        if self.clip.meta.lidar is None:
            raise NotRecorded(
                f"none of the LiDARs of {self.clip.scene_id} is its main one", field="lidar",
                remedy="label in the ego frame, or name the main LiDAR in the recording",
            )  # fmt: skip
        return self.clip.rig.lidar(self.clip.meta.lidar).ego_from_lidar

    def _objects(self, key: int, world_from_grid: Pose) -> Objects | None:
        if self._maker.paths is None:
            return None
        return self._maker.paths.at(int(self.clip.times_ns[key]), world_from_grid)

    def _with_resting(
        self, objects: Objects | None, key: int, world_from_grid: Pose
    ) -> Objects | None:
        """Also what is not annotated now and stood still whenever it was: it is there, as walls
        are, and only its points are set into one box."""
        if self._maker.paths is None or objects is None:
            return None
        time_ns = int(self.clip.times_ns[key])
        return joined([objects, self._maker.paths.resting(time_ns, world_from_grid, objects.track)])

    def _places_near(self, objects: Objects | None) -> dict[str, np.ndarray]:
        """Poses of the objects from which something may lie in the grid, by track."""
        if objects is None:
            return {}
        grid, center = self.recipe.grid, objects.pose.translation
        reach = np.linalg.norm(objects.size / 2 + self.recipe.box_margin_m + REACH_M, axis=1)
        away = np.clip(center, grid.lower_m, grid.upper_m) - center
        near = np.flatnonzero(np.linalg.norm(away, axis=1) <= reach)
        return dict(zip(objects.track[near].tolist(), _twelve(objects.pose[near]), strict=True))

    def _sweeps(self, names: list[tuple[str, int]]) -> list[ReadySweep]:
        found = []
        for name in names:
            if name not in self._held:
                try:
                    self._held[name] = self._maker.ready(*name)
                except MissingInput:
                    if not self.partial:
                        raise
                    continue
                self._held_bytes += self._held[name].nbytes
            self._held.move_to_end(name)
            found.append(self._held[name])
        while self._held_bytes > HELD_BYTES and len(self._held) > len(names):
            self._held_bytes -= self._held.popitem(last=False)[1].nbytes
        return found

    def _crossed(
        self,
        sweeps: list[ReadySweep],
        poses: list[tuple[np.ndarray, np.ndarray]],
        occupied: Bool[np.ndarray, "x y z"],
        objects: Objects | None,
    ) -> Bool[np.ndarray, "x y z"]:
        """Cells that are not occupied and that rays crossed.

        Where a moving object is now, a ray of another time says nothing, for the object was
        elsewhere; there count the rays that crossed its box, carried with it.
        """
        taken = np.zeros_like(occupied)
        if objects is not None and self._maker.paths is not None:
            moving = ~self._maker.paths.tracks.standing(objects.track)
            taken = cells_within(objects.rows(moving), self.recipe.box_margin_m, self.recipe.grid)
        around = FreeSpace(self.recipe.grid, occupied | taken)
        inside = FreeSpace(self.recipe.grid, occupied | ~taken)
        for sweep, (standing, carried) in zip(sweeps, poses, strict=True):
            around.add(sweep.standing, standing, carve_ground=self.recipe.carve_ground)
            inside.add(sweep.carried, carried)
        return around.crossed | inside.crossed

    def _with_camera_mask(self, found: Occupancy, key: int, later: int) -> Occupancy:
        """Cameras look from where the vehicle is at the moment that is labelled."""
        if not (self.recipe.masks and self.clip.rig.cameras):
            return found
        from roadloom.label.camera_mask import camera_mask

        grid_from_ego = self._ego_from_grid.inverse()
        if later != key:
            then, now = self.clip[later].world_from_ego, self.clip[key].world_from_ego
            grid_from_ego = grid_from_ego @ now.inverse() @ then
        return replace(found, mask_camera=camera_mask(self.clip.rig, found, grid_from_ego))


def _poses(
    sweep: ReadySweep, world_from_grid: Pose, places: dict[str, np.ndarray]
) -> tuple[Float[np.ndarray, "1 12"], Float[np.ndarray, "run 12"]]:
    """Of the sweep's frame and of its tracks' boxes, in the grid's frame; NaN, which leads
    nowhere, for objects without a place."""
    standing = world_from_grid.inverse() @ sweep.world_from_frame
    if same_pose(world_from_grid, sweep.world_from_frame):
        standing = Pose.identity()  # no rounding: recorded points may lie on faces of cells
    carried = np.full((len(sweep.tracks), 12), np.nan)
    for run, track in enumerate(sweep.tracks):
        if track in places:
            carried[run] = places[track]
    return _twelve(Pose(standing.rotation[None], standing.translation[None])), carried


def _twelve(poses: Pose) -> Float[np.ndarray, "run 12"]:
    return np.concatenate([poses.rotation.reshape(-1, 9), poses.translation], axis=1)
