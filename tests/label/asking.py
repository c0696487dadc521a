"""Short ways for tests of labels to ask for them, and a car that passes."""

import numpy as np
from tests.label.toy import GRID, Shot, boxes, clip, pose, shell

from roadloom.geometry.pose import Pose
from roadloom.label.recipe import WINDOWS, Recipe
from roadloom.label.scene import SceneLabeller
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import class_id

OTHER, ROAD = class_id("other.occupied"), class_id("flat.drivable")
SIZE = (2.0, 1.2, 1.5)


def recipe(**parts: object) -> Recipe:
    defaults = {"grid": GRID, "boxes": False, "window": WINDOWS["scene"]}
    return Recipe(**(defaults | parts))  # type: ignore[arg-type]


def labels(made: object, key: int = 0, offset: int = 0, **parts: object) -> np.ndarray:
    return SceneLabeller(made, recipe(**parts)).label(key, offset).labels  # type: ignore[arg-type]


def cells_of(points: np.ndarray) -> np.ndarray:
    """The cells of points in the grid's frame, as a mask."""
    cell, inside = GRID.cell_of(points)
    mask = np.zeros(GRID.shape, bool)
    mask[tuple(cell[inside].T)] = True
    return mask


def driving(t: float) -> Pose:
    return pose(x=5.0 * t, y=0.3 * t, yaw=0.1 * t)


def car_at(t: float, speed: float = 4.0) -> Pose:
    return pose(x=-1.0 + speed * t, y=4.0, yaw=0.0, z=SIZE[2] / 2)


def moving(
    window_s: float = 0.5, speed: float = 4.0, exact: bool = False, **parts: object
) -> object:
    """A car that passes, seen by sweeps every 0.1 s; key frames every 0.5 s."""
    times = np.arange(-round(window_s * 10), round(window_s * 10) + 1) / 10
    shots = [Shot(t, shell(car_at(t, speed), SIZE)) for t in times.tolist()]
    keys = (-0.5, 0.0, 0.5)

    def at(t: float) -> Boxes:
        return boxes(t, pose(), [("car", car_at(t, speed), SIZE)])

    if exact:
        return clip(*shots, key_s=keys, exact_boxes=at, **parts)
    return clip(*shots, key_s=keys, key_boxes=[at(t) for t in keys], **parts)
