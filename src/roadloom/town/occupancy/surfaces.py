"""Every triangle of a world in tiles, so that a frame moves only those near its grid.

    World -> Surfaces (once a clip) -> near(pose, grid): row ranges and their poses (each frame)

Paint has no triangles of its own in the mesh. Here it adds the area of marking and takes as much
from the ground that it covers, so areas still add up to the surface.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int32, Int64

from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.classes import class_id
from roadloom.town.occupancy.footprints import cut_ground
from roadloom.town.occupancy.paint import MARKING, painted
from roadloom.town.tracks import poses_at
from roadloom.town.world import World

TILE_M = (6.0, 6.0, 3.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Surfaces:
    """Standing triangles sorted by tile (by their middles), then movers' in their own frames."""

    corners: Float[np.ndarray, "triangle 3 3"]
    class_id: Int32[np.ndarray, " triangle"]
    weight: Float[np.ndarray, " triangle"]
    """By which a triangle's area counts: 1, or -1 for ground under paint."""
    begin: Int64[np.ndarray, " tile"]
    end: Int64[np.ndarray, " tile"]
    middle: Float[np.ndarray, "tile 3"]
    """Of the box around each tile's triangles, in the town's frame."""
    half: Float[np.ndarray, "tile 3"]
    shift: int
    """What is added to rows of ``World.tables`` to get rows of a mover here."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Near:
    """Ranges of rows that may reach into a grid, and where they go."""

    begin: Int64[np.ndarray, " range"]
    end: Int64[np.ndarray, " range"]
    body: Int32[np.ndarray, " range"]
    """0 for what stands, 1 + row of ``World.tracks`` for movers."""
    ego_from_range: Pose


@lru_cache(maxsize=2)
def surfaces_of(world: World) -> Surfaces:
    """The tables of one world; those of the last two are kept."""
    mesh, everything = world.standing_mesh, world.tables
    corners, class_id, weight = visible(world)
    tile = np.floor(corners.mean(axis=1) / TILE_M).astype(np.int64)
    order = np.lexsort(tile.T)
    corners, tile = corners[order], tile[order]
    begin = np.flatnonzero(np.concatenate([[True], (np.diff(tile, axis=0) != 0).any(axis=1)]))
    begin = begin[: len(corners)]
    low, high = (
        reduce.reduceat(ends, begin, axis=0) if len(begin) else np.zeros((0, 3))
        for reduce, ends in ((np.minimum, corners.min(axis=1)), (np.maximum, corners.max(axis=1)))
    )
    movers = slice(len(mesh), None)
    moving = everything.corners[movers]
    return Surfaces(
        corners=np.concatenate([corners, moving]),
        class_id=np.concatenate([class_id[order], everything.class_id[movers].astype(np.int32)]),
        weight=np.concatenate([weight[order], np.ones(len(moving))]),
        begin=begin,
        end=np.append(begin[1:], len(corners)),
        middle=(low + high) / 2,
        half=(high - low) / 2,
        shift=len(corners) - len(mesh),
    )


def visible(world: World) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners, classes and weights of what stands: no ground under buildings, paint on top."""
    mesh, cut, paint = world.standing_mesh, cut_ground(world), painted(world.plan)
    keep = np.ones(len(mesh), bool)
    keep[cut.gone] = False
    marking = np.full(len(paint.corners), class_id(MARKING), np.int32)
    corners = np.concatenate([mesh.corners[keep], cut.corners, paint.corners, paint.corners])
    classes = [mesh.class_id[keep], mesh.class_id[cut.of], marking, paint.below]
    weight = np.ones(len(corners))
    weight[len(corners) - len(marking) :] = -1.0
    return corners, np.concatenate(classes).astype(np.int32), weight


def near(world: World, time_ns: int, grid: VoxelGrid) -> Near:
    """What may lie in ``grid`` of the ego frame at one time, everything at its pose."""
    surfaces = surfaces_of(world)
    town_from_ego = world.town_from_ego(np.array([time_ns], np.int64))[0]
    ego_from_town = town_from_ego.inverse()
    low, high = np.array(grid.lower_m), np.array(grid.upper_m)
    tiles = _touching(surfaces, ego_from_town, town_from_ego, (low + high) / 2, (high - low) / 2)
    time_s = float(world.seconds(np.array([time_ns], np.int64))[0])
    everywhere = ego_from_town @ poses_at(world.tracks, np.array([time_s]))[:, 0]
    at = np.abs(everywhere.translation - (low + high) / 2)
    size = world.box[1][world.standing :]
    reach = np.sqrt((size**2).sum(axis=1, keepdims=True)) + (high - low) / 2
    moving = [part for part in world.instances(time_s, time_s) if (at <= reach)[part.actor].all()]
    rows = np.array([part.actor for part in moving], np.int64)
    poses = everywhere[rows]
    still = np.zeros(len(tiles), np.int64)
    return Near(
        begin=np.concatenate(
            [surfaces.begin[tiles], [part.start + surfaces.shift for part in moving]]
        ).astype(np.int64),
        end=np.concatenate(
            [surfaces.end[tiles], [part.stop + surfaces.shift for part in moving]]
        ).astype(np.int64),
        body=np.concatenate([still, rows + 1]).astype(np.int32),
        ego_from_range=Pose(
            np.concatenate([ego_from_town.rotation[None][still], poses.rotation]),
            np.concatenate([ego_from_town.translation[None][still], poses.translation]),
        ),
    )


def _touching(
    surfaces: Surfaces,
    ego_from_town: Pose,
    town_from_ego: Pose,
    middle: np.ndarray,
    half: np.ndarray,
) -> Int64[np.ndarray, " tile"]:
    """Tiles whose box meets the grid's along the axes of both; a few too many is fine."""
    in_ego = np.abs(ego_from_town.apply(surfaces.middle) - middle)
    reach = surfaces.half @ np.abs(ego_from_town.rotation).T + half
    in_town = np.abs(surfaces.middle - town_from_ego.apply(middle[None])[0])
    cover = surfaces.half + np.abs(town_from_ego.rotation) @ half
    return np.flatnonzero(((in_ego <= reach) & (in_town <= cover)).all(axis=1))
