"""How many pixels would show a thing, were it alone in the world."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int32

from roadloom.geometry.box import CORNER_SIGNS, EDGES
from roadloom.sensors.camera import Camera
from roadloom.sensors.pinhole import PinholeCamera
from roadloom.sensors.rig import MountedCamera
from roadloom.town.cast.caster import caster_of
from roadloom.town.rays import camera_rays
from roadloom.town.world import World

FASTEST_M_S = 25.0
"""No two things in a town, the ego among them, near each other faster."""
LATTICE = 4096
"""Sight lines for one thing in one picture; shares are right to about one in a hundred."""
PIECES = 16
"""An edge of a box is looked up at so many steps."""
NEAR_M = 0.3
"""What reaches nearer to a pinhole's plane is looked for in the whole image."""


@runtime_checkable
class InstanceImage(Protocol):
    """What annotations need of a camera's view."""

    @property
    def mount(self) -> MountedCamera: ...

    @property
    def time_ns(self) -> int:
        """Exposure of the first row."""
        ...

    @property
    def instance(self) -> Int32[np.ndarray, "height width"]:
        """Row of ``World.things``, -1 for none."""
        ...


def shown_pixels(
    world: World,
    view: InstanceImage,
    thing: int,
    town_outline: Float[np.ndarray, "8 3"],
    lens: tuple[Float[np.ndarray, "height width 3"], Bool[np.ndarray, "height width"]],
) -> tuple[int, int]:
    """Pixels that show ``thing``, and those that would, were there nothing else.

    Pixels are tried on a lattice of at most about ``LATTICE``, each counted for all it stands for;
    what is small in the picture is counted pixel by pixel.

    Args:
        town_outline: corners of a box around it at some time of the exposure, in the town.
        lens: directions through all pixel centres, and which exist (``Camera.rays``).
    """
    camera = view.mount.camera
    pose = world.town_from_ego(np.array([view.time_ns], np.int64))[0] @ view.mount.ego_from_camera
    corners = pose.inverse().apply(town_outline)
    if view.mount.row_time_ns:
        corners = _grown(corners, abs(view.mount.row_time_ns) * 1e-9 * camera.height)
    left, top, right, bottom = window(camera, corners)
    area = (right - left) * (bottom - top)
    if area <= 0:
        return 0, 0
    step = max(1, int(np.ceil(np.sqrt(area / LATTICE))))
    lattice = np.s_[top:bottom:step, left:right:step]
    directions, valid = lens[0][lattice], lens[1][lattice]
    rows = top + np.flatnonzero(valid) // valid.shape[1] * step
    rays = camera_rays(world, view.mount, view.time_ns, directions[valid], rows)
    alone = int(caster_of(world).meets(thing, *rays).sum())
    seen = int((view.instance[lattice] == thing).sum())
    return seen * step * step, alone * step * step


def things_in(image: Int32[np.ndarray, "height width"], count: int) -> Bool[np.ndarray, " thing"]:
    """Which of ``count`` things some pixel shows."""
    found = np.zeros(count + 1, bool)
    found[image.ravel()] = True  # -1 is the last
    return found[:-1]


def window(camera: Camera, corners: Float[np.ndarray, "8 3"]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the pixels that may show what the corners hold, in the camera's
    frame; the last two are not in it. The whole image where nothing less is sure."""
    whole = (0, 0, camera.width, camera.height)
    if isinstance(camera, PinholeCamera):
        if (corners[:, 2] <= 0).all():
            return 0, 0, 0, 0
        if (corners[:, 2] <= NEAR_M).any():
            return whole
    else:
        middle = corners.mean(axis=0)
        distance = float(np.sqrt((middle**2).sum()))
        radius = float(np.sqrt(((corners - middle) ** 2).sum(axis=1).max()))
        if distance <= radius:
            return whole
        angle, half = np.arccos(middle[2] / distance), np.arcsin(radius / distance)
        if angle - half > camera.limit_rad:
            return 0, 0, 0, 0
        if angle + half > camera.limit_rad or angle + half >= np.pi:
            return whole  # part of its outline has no pixel
    return _rectangle(camera, corners, whole)


def _rectangle(
    camera: Camera, corners: Float[np.ndarray, "8 3"], otherwise: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """Around a box's edges, which a lens may bend."""
    ends = corners[EDGES]
    share = np.linspace(0, 1, PIECES + 1)[:, None]
    pixels, _ = camera.project(ends[:, :1] + share * (ends[:, 1:] - ends[:, :1]))
    if not np.isfinite(pixels).all():
        return otherwise
    # Between two samples an edge leaves their line by less than it bends over both.
    bend = float(abs(np.diff(pixels, n=2, axis=1)).max())
    pixels = pixels.reshape(-1, 2)
    most = np.array([camera.width, camera.height])
    low: np.ndarray = np.clip(np.floor(pixels.min(axis=0) - bend) - 1, 0, most)
    high: np.ndarray = np.clip(np.ceil(pixels.max(axis=0) + bend) + 2, 0, most)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _grown(corners: Float[np.ndarray, "8 3"], lasts_s: float) -> Float[np.ndarray, "8 3"]:
    """A box along the camera's axes that holds them while rows are exposed."""
    half = (corners.max(axis=0) - corners.min(axis=0)) / 2 + FASTEST_M_S * lasts_s
    grown: np.ndarray = (corners.max(axis=0) + corners.min(axis=0)) / 2 + CORNER_SIGNS * half
    return grown
