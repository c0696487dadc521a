"""What can be chosen about a town: the rig that drives through it, picture size, rates, physics."""

from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import NoReturn

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
        """Raises ``BadInput``: a value is of the wrong type, or out of range."""
        self._check_number("image_scale", 4)
        self._check_number("duration_s", LONGEST_S)
        self._check_number("box_range_m", float("inf"))
        self._check_rates()
        if not _is_whole(self.rays_per_pixel) or self.rays_per_pixel not in (1, 4, 9, 16):
            self._refuse("rays_per_pixel", "must be 1, 4, 9 or 16", "give one of these")
        for name in ("hidden_boxes", "frozen"):
            if not isinstance(getattr(self, name), bool):
                self._refuse(name, "must be True or False", "give one of these")
        if not isinstance(self.lidar_physics, LidarPhysics):
            self._refuse("lidar_physics", "must be a LidarPhysics", "give LidarPhysics(...)")
        if not isinstance(self.rig, Rig | None):
            self._refuse("rig", "must be a Rig or None", 'give preset("nuscenes"), for one')
        if self.rig is not None:
            _check_rig(self.rig)

    def _check_number(self, name: str, most: float) -> None:
        value = getattr(self, name)
        real = isinstance(value, Real) and not isinstance(value, bool)
        if not real or not 0 < value <= most:
            what = "be a positive number" if most == float("inf") else f"lie in (0, {most:g}]"
            self._refuse(name, f"must {what}", "give a number within")

    def _check_rates(self) -> None:
        if not _is_whole(self.key_hz) or self.key_hz < 1 or NS_PER_S % self.key_hz:
            self._refuse(
                "key_hz", "must be an int of at least 1 that divides 1e9",
                "give 1, 2, 5 or 10, and camera_hz and lidar_hz as multiples of it",
            )  # fmt: skip
        for name in ("lidar_hz", "camera_hz"):
            rate = getattr(self, name)
            if rate is None and name == "lidar_hz":
                continue
            if not _is_whole(rate) or not self._fits(rate):
                self._refuse(
                    name, f"must be a multiple of key_hz ({self.key_hz}) and divide 1e9",
                    f"give an int that fits, such as {self.key_hz}, or change key_hz",
                )  # fmt: skip

    def _refuse(self, name: str, must: str, remedy: str) -> NoReturn:
        raise BadInput(f"{must}, got {getattr(self, name)!r}", field=name, remedy=remedy)

    def _fits(self, rate_hz: int) -> bool:
        """Whether a rate goes with the key frames and whole nanoseconds."""
        return rate_hz >= 1 and rate_hz % self.key_hz == 0 and NS_PER_S % rate_hz == 0

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


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


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
