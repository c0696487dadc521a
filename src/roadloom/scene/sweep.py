"""One turn of a LiDAR (or of several that fire together), with what each ray needs to be re-cast.

A ray starts at its origin, where that origin was at the point's own time, and ends at the point.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Bool, Float, Int16, Int64, UInt8

from roadloom.geometry.pose import Pose
from roadloom.scene.equality import same_array, same_pose


@dataclass(frozen=True, kw_only=True, eq=False)
class LidarOrigin:
    """Where one LiDAR sits on the vehicle."""

    name: str
    ego_from_lidar: Pose


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Sweep:
    """Points in the ego frame of ``time_ns``."""

    points: Float[np.ndarray, "point 3"]
    """Position [m], float32, in the ego frame of ``time_ns``."""
    time_ns: int
    """Reference time [ns]: the moment whose ego frame the points are in."""
    world_from_ego: Pose
    """Of the reference time."""
    motion_compensated: bool
    """True: every point was moved, by the vehicle's own motion, from its own time to
    ``time_ns``. False: each still sits in the ego frame of its own time."""
    point_time_ns: Int64[np.ndarray, " point"]
    """When each point was measured [ns]."""
    ring: Int16[np.ndarray, " point"]
    """Beam number, lowest elevation first where the source says so; -1 unknown."""
    intensity: Float[np.ndarray, " point"]
    """Share of full scale, 0 to 1, float32; NaN unknown."""
    origin_id: UInt8[np.ndarray, " point"]
    """Index into ``origins``."""
    origins: tuple[LidarOrigin, ...]
    returned: Bool[np.ndarray, " point"]
    """False where the record holds a shot that hit nothing: such a point is no surface."""
    label: UInt8[np.ndarray, " point"] | None = None
    """Class id of each point, where the source labels points; 255 unknown."""

    def __post_init__(self) -> None:
        count = len(self.points)
        if self.points.ndim != 2 or self.points.shape[1] != 3:
            raise ValueError(f"points must be [n, 3], got {self.points.shape}")
        if self.points.dtype.kind != "f":
            raise ValueError(f"points must be numbers with a point, got {self.points.dtype}")
        for name in POINT_COLUMNS:
            value = getattr(self, name)
            if value is not None and len(value) != count:
                raise ValueError(f"{name} has {len(value)} rows, not {count}")
            if value is not None and name != "points" and value.ndim != 1:
                raise ValueError(f"{name} must be [{count}], got {value.shape}")
        if count and int(self.origin_id.max()) >= len(self.origins):
            raise ValueError(f"origin_id {int(self.origin_id.max())} of {len(self.origins)}")

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        names = ", ".join(origin.name for origin in self.origins)
        return f"Sweep({len(self)} points of {names} at {self.time_ns} ns)"

    def __getitem__(self, rows: np.ndarray | slice) -> "Sweep":
        """The points in ``rows`` (mask, indices or slice)."""
        columns = {name: getattr(self, name) for name in POINT_COLUMNS}
        return replace(self, **{k: v[rows] for k, v in columns.items() if v is not None})

    def moved(self, new_from_old: Pose, time_ns: int, world_from_ego: Pose) -> "Sweep":
        """The same points in the ego frame of another moment, carried by ``new_from_old``."""
        points = new_from_old.apply(self.points).astype(np.float32)
        return replace(self, points=points, time_ns=time_ns, world_from_ego=world_from_ego)

    def same_as(self, other: "Sweep") -> bool:
        """Equal in every field; NaN equals NaN."""
        return (
            self.time_ns == other.time_ns
            and self.motion_compensated == other.motion_compensated
            and [o.name for o in self.origins] == [o.name for o in other.origins]
            and all(
                same_pose(a.ego_from_lidar, b.ego_from_lidar)
                for a, b in zip(self.origins, other.origins, strict=True)
            )
            and same_pose(self.world_from_ego, other.world_from_ego)
            and all(same_array(getattr(self, n), getattr(other, n)) for n in POINT_COLUMNS)
        )


POINT_COLUMNS = tuple(
    f.name
    for f in fields(Sweep)
    if f.name not in ("time_ns", "world_from_ego", "motion_compensated", "origins")
)
"""The fields with one row per point."""
