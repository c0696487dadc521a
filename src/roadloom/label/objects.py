"""The objects of one moment, as labels need them: where each is, and which cells it fills."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from roadloom.geometry.box import corners
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.boxes import Boxes, Strings

FLOOR_M, FLOOR_SHARE = 0.15, 0.2
"""Of an object's lowest 15 cm, or fifth of its height where that is less, points without a label
stay where they are: annotators draw boxes down to the road, and the road does not drive off."""


class Objects(NamedTuple):
    """Objects of one moment; every one has a track."""

    track: Strings
    class_id: UInt8[np.ndarray, " box"]
    pose: Pose
    """frame_from_box, batch axis " box"."""
    size: Float[np.ndarray, "box 3"]
    """Length, width, height [m]."""

    def rows(self, index: np.ndarray) -> "Objects":
        return Objects(self.track[index], self.class_id[index], self.pose[index], self.size[index])

    @property
    def floor_m(self) -> Float[np.ndarray, " box"]:
        """Height above a box's bottom from which what lies in it is the object's."""
        floor: np.ndarray = np.minimum(FLOOR_M, FLOOR_SHARE * self.size[:, 2])
        return floor

    def moved(self, new_from_old: Pose) -> "Objects":
        return self._replace(pose=new_from_old @ self.pose)


def objects_of(boxes: Boxes) -> Objects:
    """Those with a track."""
    known = boxes[boxes.track_id != ""]
    return Objects(known.track_id, known.class_id, known.pose, known.size)


def joined(parts: Sequence[Objects]) -> Objects:
    """Several sets of objects as one."""
    if not parts:
        return objects_of(Boxes.empty(0))
    return Objects(
        np.concatenate([p.track for p in parts]),
        np.concatenate([p.class_id for p in parts]),
        Pose(
            np.concatenate([p.pose.rotation for p in parts]),
            np.concatenate([p.pose.translation for p in parts]),
        ),
        np.concatenate([p.size for p in parts]),
    )


def matched(first: Objects, second: Objects) -> tuple[Objects, Objects]:
    """The objects that both moments hold, in the order of the first."""
    mine, theirs = rows_of_both(first, second)
    return first.rows(mine), second.rows(theirs)


def rows_of_both(
    first: Objects, second: Objects
) -> tuple[Int64[np.ndarray, " both"], Int64[np.ndarray, " both"]]:
    """Rows of the objects that both moments hold, in the order of the first."""
    row = {track: i for i, track in enumerate(second.track.tolist())}
    mine = np.array([i for i, t in enumerate(first.track.tolist()) if t in row], np.int64)
    return mine, np.array([row[t] for t in first.track[mine].tolist()], np.int64)


def cells_within(objects: Objects, margin_m: float, grid: VoxelGrid) -> Bool[np.ndarray, "x y z"]:
    """Cells whose centre an object's box holds, by the rule for points without a label."""
    mask = np.zeros(grid.shape, bool)
    if not len(objects.track):
        return mask
    outline = corners(objects.pose, objects.size + 2 * margin_m)
    half, floor = objects.size / 2, objects.floor_m
    for row in range(len(half)):
        low = grid.cell_of(np.maximum(outline[row].min(axis=0), grid.lower_m))[0]
        high = grid.cell_of(np.maximum(outline[row].max(axis=0), grid.lower_m))[0] + 1
        high = np.minimum(high, grid.shape)
        if (low >= high).any():
            continue
        window = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        cells = np.moveaxis(np.indices(tuple(high - low)), 0, -1) + low
        away = grid.center_of(cells) - objects.pose.translation[row]
        local = away @ objects.pose.rotation[row]
        held = (np.abs(local) <= half[row] + margin_m).all(axis=-1)
        mask[window] |= held & (local[..., 2] >= floor[row] - half[row, 2])
    return mask
