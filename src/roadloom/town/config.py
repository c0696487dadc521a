"""What can be chosen about a town: the rig that drives through it, picture size, rates, physics."""

from dataclasses import dataclass, field, replace

from roadloom.errors import BadInput
from roadloom.sensors.presets import preset
from roadloom.sensors.rig import MountedCamera, MountedLidar, Rig
from roadloom.town.lidar.physics import LidarPhysics
from roadloom.town.plan.types import CLIP_TICKS, MARGIN_TICKS, TICK_NS

NS_PER_S = 1_000_000_000
LONGEST_S = CLIP_TICKS * TICK_NS / NS_PER_S
MARGIN_NS = MARGIN_TICKS * TICK_NS
"""Paths begin before the first key frame and end after the last record by this much."""


@dataclass(frozen=True, kw_only=True)
class TownConfig:
    """None of this changes the world: a clip of a split is the same for every config."""

    rig: Rig | None = None
    """Cameras of any model and LiDARs with a beam table, as many as you like or none; None is
    the preset "nuscenes". Key frames come at ``key_hz``, with a LiDAR or without."""
    image_scale: float = 0.5
    """Images have this share of the rig's size along both edges, whichever the rig:
    800 x 450 by default; 1 keeps the rig's own size. ``clip.rig`` is the scaled one."""
    duration_s: float = LONGEST_S
    key_hz: int = 2
    lidar_hz: int | None = None
    """None: as often as each device turns."""
    camera_hz: int = 10
    rays_per_pixel: int = 4
    """Colour is the mean of so many rays a pixel (1, 4, 9, ...); labels come from one."""
    box_range_m: float = 80.0
    """Objects farther away than this are not annotated."""
    hidden_boxes: bool = False
    """Annotate also what never comes into sight of the ego, in streets behind houses."""
    lidar_physics: LidarPhysics = field(default_factory=LidarPhysics)
    """Noise and losses."""
    frozen: bool = False
    """Every sensor of a record sees the moment of its stamp, without noise and losses: laws are
    exact then."""

    def __post_init__(self) -> None:
        if not 0 < self.image_scale <= 4:
            raise ValueError(f"image_scale must lie in (0, 4], got {self.image_scale}")
        if not 0 < self.duration_s <= LONGEST_S:
            raise ValueError(f"duration_s must lie in (0, {LONGEST_S:g}], got {self.duration_s}")
        for name in ("lidar_hz", "camera_hz"):
            rate = getattr(self, name)
            if rate is not None and not self._fits(rate):
                raise ValueError(
                    f"{name} must be a multiple of key_hz and divide 1e9, got {rate} and "
                    f"{self.key_hz}"
                )
        if self.rays_per_pixel not in (1, 4, 9, 16):
            raise ValueError(f"rays_per_pixel must be 1, 4, 9 or 16, got {self.rays_per_pixel}")
        if not self.box_range_m > 0:
            raise ValueError(f"box_range_m must be positive, got {self.box_range_m}")
        if self.rig is not None:
            _check_rig(self.rig)

    def _fits(self, rate_hz: int) -> bool:
        whole = self.key_hz >= 1 and rate_hz >= 1
        return whole and rate_hz % self.key_hz == 0 and NS_PER_S % rate_hz == 0

    def lidar_rate_hz(self, mounted: MountedLidar) -> int:
        """Sweeps a second of one LiDAR.

        Raises:
            BadInput: its turns do not fit the key frames.
        """
        if self.lidar_hz is not None or mounted.lidar is None:
            return self.lidar_hz or self.key_hz
        rate = round(1 / mounted.lidar.turn_s)
        if abs(rate * mounted.lidar.turn_s - 1) > 1e-3 or not self._fits(rate):
            raise BadInput(
                f"a turn of {mounted.lidar.turn_s} s does not fit {self.key_hz} key frames a s",
                field=f"{mounted.name}.turn_s", remedy="choose lidar_hz in the config",
            )  # fmt: skip
        return rate

    def scaled_rig(self) -> Rig:
        """The rig whose cameras give images of the chosen size, all at once if frozen."""
        rig = preset("nuscenes") if self.rig is None else self.rig
        if self.image_scale == 1 and not self.frozen:
            return rig
        return replace(rig, cameras=tuple(self._scaled(mounted) for mounted in rig.cameras))

    def _scaled(self, mounted: MountedCamera) -> MountedCamera:
        camera = mounted.camera
        # The picture still takes as long from its first row to its last.
        row_time_ns = 0 if self.frozen else round(mounted.row_time_ns / self.image_scale)
        return replace(
            mounted,
            camera=camera.resize(
                max(1, round(camera.width * self.image_scale)),
                max(1, round(camera.height * self.image_scale)),
            ),
            row_time_ns=row_time_ns,
            trigger_offset_ns=0 if self.frozen else mounted.trigger_offset_ns,
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
        if first < -MARGIN_NS or last > MARGIN_NS:
            raise BadInput(
                f"it fires {offset_ns} ns from the key frame and takes {lasts_ns} ns",
                field=name,
                remedy=f"keep all of it within {MARGIN_NS // 10**6} ms of the key frame",
            )


def _exposure_ns(mounted: MountedCamera) -> int:
    """From the first row of an image to its last."""
    return mounted.row_time_ns * (mounted.camera.height - 1)
