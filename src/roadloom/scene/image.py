"""One camera image with its own time, own ego pose and calibration; pixels are read when asked."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from roadloom.geometry.pose import Pose

if TYPE_CHECKING:
    from roadloom.sensors.rig import MountedCamera


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CameraImage:
    """What one camera saw, and from where."""

    mount: "MountedCamera"
    """Name, calibration, ego_from_camera and row time."""
    time_ns: int
    """When the first row was exposed [ns]; row r comes ``r * mount.row_time_ns`` later."""
    world_from_ego: Pose
    """The vehicle's pose at ``time_ns``, not at the frame's time."""
    read: Callable[[], UInt8[np.ndarray, "height width 3"]]
    """Decodes the image; ``pixels`` calls it once."""

    def __repr__(self) -> str:
        camera = self.mount.camera
        return f"CameraImage({self.mount.name}, {camera.width}x{camera.height}, {self.time_ns} ns)"

    @cached_property
    def pixels(self) -> UInt8[np.ndarray, "height width 3"]:
        """sRGB, as the file shows it upright."""
        return self.read()

    @property
    def world_from_camera(self) -> Pose:
        return self.world_from_ego @ self.mount.ego_from_camera
