"""What can be chosen about a town: the rig that drives through it, picture size, rates."""

from dataclasses import dataclass, replace

from roadloom.errors import BadInput
from roadloom.sensors.presets import preset
from roadloom.sensors.rig import MountedCamera, Rig

SPLITS = {"train": 64, "val": 16, "test": 16}
"""Scenes of each split, named "0", "1", ..."""
NS_PER_S = 1_000_000_000
EGO_MARGIN_NS = 200_000_000
"""The path begins before the first key frame and ends after the last record by this much."""
LONGEST_S = 10.0
"""Traffic is kept apart for this long, so no clip may last longer."""


@dataclass(frozen=True, kw_only=True)
class StreetConfig:
    """None of this changes the world: a scene of a split is the same for every config."""

    rig: Rig | None = None
    """Cameras of any model and LiDARs with a beam table, as many as you like or none; None is
    the preset "nuscenes". Key frames come at ``key_hz``, with a LiDAR or without."""
    image_scale: float = 0.25
    """Images have this share of the rig's size along both edges, whichever the rig:
    400 x 225 by default; 1 keeps the rig's own size. ``clip.rig`` is the scaled one."""
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
        if self.rig is not None:
            _check_rig(self.rig)

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


def _check_rig(rig: Rig) -> None:
    """Refuse sensors that cannot be cast, or that fire where there is no path."""
    for lidar in rig.lidars:
        if lidar.lidar is None:
            raise BadInput(
                f"the rig {rig.name!r} does not say how the beams of {lidar.name!r} are arranged",
                field=lidar.name,
                remedy="give it a beam table (lidar=SpinningLidar(...)), or leave this LiDAR out",
            )
    spans = [(m.name, m.trigger_offset_ns, _exposure_ns(m)) for m in rig.cameras]
    spans += [
        (m.name, m.trigger_offset_ns, round(m.lidar.turn_s * NS_PER_S))
        for m in rig.lidars
        if m.lidar is not None
    ]
    for name, offset_ns, lasts_ns in spans:
        first, last = sorted((offset_ns, offset_ns + lasts_ns))
        if first < -EGO_MARGIN_NS or last > EGO_MARGIN_NS:
            raise BadInput(
                f"it fires {offset_ns} ns from the key frame and takes {lasts_ns} ns",
                field=name,
                remedy=f"keep all of it within {EGO_MARGIN_NS // 10**6} ms of the key frame",
            )


def _exposure_ns(mounted: MountedCamera) -> int:
    """From the first row of an image to its last."""
    return mounted.row_time_ns * (mounted.camera.height - 1)
