"""What a frame holds as points and meshes: sweeps, occupied cells, boxes.

    sweep     -> cloud, coloured by class where points have one, else by height
    occupancy -> centres of cells, or the faces between occupied cells and the rest
    boxes     -> edges and a line to the front, or closed triangles

A ``Placing`` carries them from the frame's ego frame to where the file wants them. World
coordinates are too large for single precision, so files are relative to ``origin_m``.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8

from roadloom.geometry.box import EDGES, corners
from roadloom.geometry.pose import Pose
from roadloom.io.ply import PointCloud
from roadloom.io.ply_mesh import PlyMesh
from roadloom.render.place import ego_from_grid
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.occupancy import Occupancy
from roadloom.viewer.colors import class_colors
from roadloom.viewer.names import short_source
from roadloom.viewer.write import colored_cloud

ORIGIN_STEP_M = 1000.0
"""A world's origin in files is moved by whole steps: scenes of one place still fit together."""

_QUAD = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
_SIDES = tuple((axis, side) for axis in range(3) for side in (-1, 1))
_BOX_TRIANGLES = np.array(
    [
        [0, 3, 2], [0, 2, 1], [4, 5, 6], [4, 6, 7], [0, 4, 7], [0, 7, 3],
        [1, 2, 6], [1, 6, 5], [0, 1, 5], [0, 5, 4], [3, 7, 6], [3, 6, 2],
    ],
    np.int32,
)  # fmt: skip
"""Of corners in the order of ``geometry.box.CORNER_SIGNS``; counter-clockwise from outside."""


@dataclass(frozen=True, kw_only=True)
class Placing:
    """Where files want their coordinates."""

    world: bool
    """Else the frame's own ego frame."""
    origin_m: tuple[float, float, float]
    """Of the file, in the world; zeros for the ego frame."""

    @staticmethod
    def of(clip: Clip, *, world: bool) -> "Placing":
        """The origin is the whole kilometre nearest to the drive's first pose."""
        if not world:
            return Placing(world=False, origin_m=(0.0, 0.0, 0.0))
        first = clip.ego.world_from_ego.translation[0]
        steps = np.round(first / ORIGIN_STEP_M) * ORIGIN_STEP_M + 0.0  # no negative zero
        return Placing(world=True, origin_m=tuple(steps.tolist()))

    def put(
        self, points: Float[np.ndarray, "point 3"], world_from_here: Pose
    ) -> Float32[np.ndarray, "point 3"]:
        """Points [m] of the ego frame whose pose is ``world_from_here``."""
        if not self.world:
            return points.astype(np.float32)
        moved = Pose(
            world_from_here.rotation, world_from_here.translation - np.array(self.origin_m)
        )
        return moved.apply(points.astype(np.float64)).astype(np.float32)

    def comments(self, clip: Clip, moment: str) -> tuple[str, ...]:
        """What a file says of itself."""
        where = "ego frame: x forward, y left, z up; origin on the ground under the rear axle"
        if self.world:
            at = " ".join(f"{value:g}" for value in self.origin_m)
            where = f"world frame, z up; add {at} to get the world's own coordinates"
        return (
            f"{short_source(clip.meta.source)} scene {clip.scene_id} {moment}",
            f"{where}; metres",
            f"licence {clip.licence}",
        )


def sweep_cloud(frame: Frame, placing: Placing) -> PointCloud:
    """The frame's main sweep, without shots that hit nothing.

    Raises:
        NotRecorded: the frame has no sweep.
    """
    cloud = colored_cloud(frame)
    return PointCloud(
        points=placing.put(cloud.points, frame.world_from_ego),
        colors=cloud.colors,
        intensity=cloud.intensity,
        label=cloud.label,
        comments=placing.comments(frame.clip, f"at {frame.time_ns} ns"),
    )


def occupancy_cloud(frame: Frame, occupancy: Occupancy, placing: Placing) -> PointCloud:
    """Centres of the occupied cells."""
    centers, classes = occupancy.points()
    return PointCloud(
        points=placing.put(ego_from_grid(frame, occupancy).apply(centers), frame.world_from_ego),
        colors=class_colors(classes),
        label=classes,
        comments=placing.comments(frame.clip, f"at {frame.time_ns} ns"),
    )


def occupancy_mesh(frame: Frame, occupancy: Occupancy, placing: Placing) -> PlyMesh:
    """Faces of occupied cells that no other occupied cell covers; nothing else can be seen."""
    vertices, classes = cube_faces(occupancy)
    in_ego = ego_from_grid(frame, occupancy).apply(vertices.reshape(-1, 3))
    faces = np.arange(len(vertices), dtype=np.int32)[:, None, None] * 4 + _QUAD
    return PlyMesh(
        vertices=placing.put(in_ego, frame.world_from_ego),
        colors=class_colors(classes).repeat(4, axis=0),
        label=classes.repeat(4),
        faces=faces.reshape(-1, 3),
        edges=np.zeros((0, 2), np.int32),
        comments=placing.comments(frame.clip, f"at {frame.time_ns} ns"),
    )


def cube_faces(
    occupancy: Occupancy,
) -> tuple[Float[np.ndarray, "face 4 3"], UInt8[np.ndarray, " face"]]:
    """Corners [m], counter-clockwise from outside, and class of each visible face."""
    grid, occupied = occupancy.grid, occupancy.occupied
    planes = [grid.faces(axis) for axis in range(3)]
    padded = np.pad(occupied, 1)
    corners_of, classes = [], []
    for axis, side in _SIDES:
        window = [slice(1, -1)] * 3
        window[axis] = slice(2, None) if side > 0 else slice(0, -2)
        cells = np.argwhere(occupied & ~padded[tuple(window)])
        steps = np.zeros((4, 3), np.int64)
        steps[:, axis] = side > 0
        # The two other axes follow in a cycle, so that u x v points along +axis.
        steps[:, (axis + 1) % 3], steps[:, (axis + 2) % 3] = [0, 1, 1, 0], [0, 0, 1, 1]
        index = cells[:, None] + (steps if side > 0 else steps[::-1])
        corners_of.append(np.stack([planes[a][index[..., a]] for a in range(3)], axis=-1))
        classes.append(occupancy.labels[tuple(cells.T)])
    return np.concatenate(corners_of), np.concatenate(classes)


def boxes_mesh(frame: Frame, boxes: Boxes, placing: Placing, *, lines: bool) -> PlyMesh:
    """Boxes as lines (edges, and one from the middle of the floor to its front) or triangles.

    The label of a corner is the box's class.
    """
    shape = corners(boxes.pose, boxes.size)
    joined = _BOX_TRIANGLES
    if lines:
        middle, front = shape[:, :4].mean(axis=1), shape[:, [0, 3]].mean(axis=1)
        shape = np.concatenate([shape, middle[:, None], front[:, None]], axis=1)
        joined = np.concatenate([EDGES, [[8, 9]]]).astype(np.int32)
    each, count = shape.shape[1], len(boxes)
    rows = (np.arange(count, dtype=np.int32)[:, None, None] * each + joined).reshape(
        -1, joined.shape[1]
    )
    return PlyMesh(
        vertices=placing.put(shape.reshape(-1, 3), frame.world_from_ego),
        colors=class_colors(boxes.class_id).repeat(each, axis=0),
        label=boxes.class_id.repeat(each),
        faces=np.zeros((0, 3), np.int32) if lines else rows,
        edges=rows if lines else np.zeros((0, 2), np.int32),
        comments=placing.comments(frame.clip, f"at {frame.time_ns} ns"),
    )
