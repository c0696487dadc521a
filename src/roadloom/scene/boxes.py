"""Annotated boxes of one moment, as columns: one array per field, one row per box."""

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Float, Int32, UInt8

from roadloom.errors import UnknownClass
from roadloom.geometry.pose import Pose
from roadloom.scene.classes import FREE, UNKNOWN, check_ids
from roadloom.scene.equality import same_array, same_pose

Strings = np.ndarray
"""NumPy array of text (dtype ``<U``), one per box; the empty string means none."""

VISIBILITY = {0: "unknown", 1: "0-40 %", 2: "40-60 %", 3: "60-80 %", 4: "80-100 %"}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Boxes:
    """Boxes in the ego frame of ``time_ns``. Unknown is NaN, -1, 0 or "" as each field says."""

    time_ns: int
    """The moment [ns] to which poses and velocities belong."""
    class_id: UInt8[np.ndarray, " box"]
    """Ids of our class list (``scene/classes.py``), but free and unknown, which no object is."""
    pose: Pose
    """ego_from_box, batch axis " box"; x along the length, origin at the box's middle."""
    size: Float[np.ndarray, "box 3"]
    """Length, width, height [m], float64."""
    track_id: Strings
    """The same text wherever the same object is seen in one clip."""
    velocity: Float[np.ndarray, "box 3"]
    """Over ground, along ego axes [m/s]; NaN means unknown."""
    attribute: Strings
    """Such as ``vehicle.parked``."""
    visibility: UInt8[np.ndarray, " box"]
    """Key into ``VISIBILITY``; 0 means unknown."""
    num_lidar_points: Int32[np.ndarray, " box"]
    """As annotated; -1 means unknown."""
    num_radar_points: Int32[np.ndarray, " box"]
    """As annotated; -1 means unknown."""
    token: Strings
    """The record in the source that this box came from."""

    def __post_init__(self) -> None:
        count = len(self.class_id)
        if self.pose.rotation.shape != (count, 3, 3) or self.pose.translation.shape != (count, 3):
            raise ValueError(
                f"pose must have one batch axis of {count}, got {self.pose.translation.shape}"
            )
        for name in _COLUMNS:
            if len(getattr(self, name)) != count:
                raise ValueError(f"{name} has {len(getattr(self, name))} rows, not {count}")
        if self.class_id.dtype != np.uint8 or self.class_id.ndim != 1:
            raise ValueError(
                f"class_id must be uint8 [n], got {self.class_id.dtype} {self.class_id.shape}"
            )
        check_ids(self.class_id, field="class_id")
        if np.isin(self.class_id, (FREE, UNKNOWN)).any():
            raise ValueError("class_id: free and unknown are no objects; use a class such as other")
        for name in ("size", "velocity"):
            if getattr(self, name).shape != (count, 3):
                raise ValueError(f"{name} must be [{count}, 3], got {getattr(self, name).shape}")
        if not (np.isfinite(self.size).all() and (self.size > 0).all()):
            raise ValueError("size must be finite and positive")
        if not all(np.isfinite(a).all() for a in (self.pose.rotation, self.pose.translation)):
            raise ValueError("pose must be finite")

    @staticmethod
    def make(
        time_ns: int,
        class_id: np.ndarray,
        pose: Pose,
        size: np.ndarray,
        **columns: np.ndarray | None,
    ) -> "Boxes":
        """Boxes with every column that is not given set to unknown."""
        ids = np.asarray(class_id)
        if ids.dtype.kind not in "iu" and ids.size:
            raise ValueError(f"class_id must be whole numbers, got {ids.dtype}")
        if ((ids < 0) | (ids > UNKNOWN)).any():
            raise UnknownClass(
                f"no class has the id {int(ids[(ids < 0) | (ids > UNKNOWN)].flat[0])}",
                field="class_id", remedy="use ids of roadloom.scene.classes",
            )  # fmt: skip
        count = len(ids)
        unknown: dict[str, np.ndarray] = {
            "track_id": np.full(count, "", dtype="<U1"),
            "velocity": np.full((count, 3), np.nan),
            "attribute": np.full(count, "", dtype="<U1"),
            "visibility": np.zeros(count, np.uint8),
            "num_lidar_points": np.full(count, -1, np.int32),
            "num_radar_points": np.full(count, -1, np.int32),
            "token": np.full(count, "", dtype="<U1"),
        }
        if unexpected := columns.keys() - unknown.keys():
            raise ValueError(f"unknown columns {sorted(unexpected)}")
        unknown.update({k: v for k, v in columns.items() if v is not None})
        return Boxes(
            time_ns=time_ns,
            class_id=ids.astype(np.uint8, copy=False),
            pose=pose,
            size=np.asarray(size, np.float64),
            **unknown,
        )

    @staticmethod
    def empty(time_ns: int) -> "Boxes":
        nothing = Pose(np.zeros((0, 3, 3)), np.zeros((0, 3)))
        return Boxes.make(time_ns, np.zeros(0, np.uint8), nothing, np.zeros((0, 3)))

    def __len__(self) -> int:
        return len(self.class_id)

    def __repr__(self) -> str:
        return f"Boxes({len(self)} boxes at {self.time_ns} ns)"

    def __getitem__(self, rows: np.ndarray | slice | list[int]) -> "Boxes":
        """The boxes in ``rows`` (mask, indices or slice)."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _COLUMNS})

    def moved(self, new_from_old: Pose, time_ns: int) -> "Boxes":
        """The same boxes in another frame: poses composed, velocities turned."""
        velocity = new_from_old.rotate(self.velocity) if len(self) else self.velocity
        return replace(self, time_ns=time_ns, pose=new_from_old @ self.pose, velocity=velocity)

    def same_as(self, other: "Boxes") -> bool:
        """Equal in every field; NaN equals NaN."""
        return (
            self.time_ns == other.time_ns
            and same_pose(self.pose, other.pose)
            and all(same_array(getattr(self, n), getattr(other, n)) for n in _ARRAYS)
        )


_COLUMNS = tuple(f.name for f in fields(Boxes) if f.name != "time_ns")
_ARRAYS = tuple(name for name in _COLUMNS if name != "pose")
