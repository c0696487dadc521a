"""What can be chosen about a town: the rig that drives through it, picture size, rates."""

from dataclasses import dataclass, replace

from roadloom.sensors.presets import preset
from roadloom.sensors.rig import Rig

SPLITS = {"train": 64, "val": 16, "test": 16}
"""Scenes of each split, named "0", "1", ..."""
NS_PER_S = 1_000_000_000
LONGEST_S = 10.0
"""Traffic is kept apart for this long, so no clip may last longer."""


@dataclass(frozen=True, kw_only=True)
class StreetConfig:
    """None of this changes the world: a scene of a split is the same for every config."""

    rig: Rig | None = None
    """None is the preset "nuscenes"."""
    image_scale: float = 0.25
    """Images have this share of the rig's size along both edges: 400 x 225 by default."""
    duration_s: float = LONGEST_S
    key_hz: int = 2
    lidar_hz: int = 20
    camera_hz: int = 10
    edge_samples: int = 3
    """Pixels at edges take the mean of this many rays squared; 1 is one ray a pixel."""
    box_range_m: float = 80.0
    """Objects farther away than this are not annotated."""

    def __post_init__(self) -> None:
        if not 0 < self.image_scale <= 4:
            raise ValueError(f"image_scale must lie in (0, 4], got {self.image_scale}")
        if not 0 < self.duration_s <= LONGEST_S:
            raise ValueError(f"duration_s must lie in (0, {LONGEST_S:g}], got {self.duration_s}")
        for name in ("lidar_hz", "camera_hz"):
            rate = getattr(self, name)
            if self.key_hz < 1 or rate < 1 or rate % self.key_hz or NS_PER_S % rate:
                raise ValueError(f"{name} must be a multiple of key_hz and divide 1e9, got {rate}")
        if self.edge_samples < 1:
            raise ValueError(f"edge_samples must be positive, got {self.edge_samples}")
        if not self.box_range_m > 0:
            raise ValueError(f"box_range_m must be positive, got {self.box_range_m}")

    def scaled_rig(self) -> Rig:
        """The rig whose cameras give images of the chosen size."""
        rig = preset("nuscenes") if self.rig is None else self.rig
        if self.image_scale == 1:
            return rig
        return replace(
            rig,
            cameras=tuple(
                replace(
                    mounted,
                    camera=mounted.camera.resize(
                        max(1, round(mounted.camera.width * self.image_scale)),
                        max(1, round(mounted.camera.height * self.image_scale)),
                    ),
                    # The picture still takes as long from its first row to its last.
                    row_time_ns=round(mounted.row_time_ns / self.image_scale),
                )
                for mounted in rig.cameras
            ),
        )
