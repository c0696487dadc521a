"""The npz files of a ``folder`` clip: sweeps, depth and semantic images; to our types and back."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.npz import Field, read_npz
from roadloom.scene.classes import CLASS_HASH, check_class_hash, check_ids
from roadloom.scene.folder_tables import LARGEST, check_rotation
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.sweep import POINT_COLUMNS, LidarOrigin, Sweep
from roadloom.sensors.camera import AngleLens, Camera

_SWEEP = {
    "points": Field("<f4", ("point", 3)),
    "motion_compensated": Field("|b1"),
    "point_time_ns": Field("<i8", ("point",), optional=True),
    "ring": Field("<i2", ("point",), optional=True),
    "intensity": Field("<f4", ("point",), optional=True),
    "returned": Field("|b1", ("point",), optional=True),
    "origin_id": Field("|u1", ("point",), optional=True),
    "origin_name": Field("U", ("origin",), optional=True),
    "origin_rotation": Field("<f8", ("origin", 3, 3), optional=True, finite=True),
    "origin_translation": Field("<f8", ("origin", 3), optional=True, finite=True),
    "label": Field("|u1", ("point",), optional=True),
    "class_hash": Field("U", optional=True),
}


def read_sweep(path: Path, time_ns: int, world_from_ego: Pose, mount: LidarOrigin) -> Sweep:
    """One sweep; what its file leaves out is unknown, or that of the LiDAR itself.

    Raises:
        BadInput: the file is damaged, or a value is none that a sweep can have.
    """
    found = read_npz(path, _SWEEP)
    count = len(found["points"])
    returned = found.get("returned", np.ones(count, bool))
    if not np.isfinite(found["points"][returned]).all():
        raise BadInput(
            "holds NaN or infinity", file=path, field="points",
            remedy="leave such points out, or mark them in ``returned``",
        )  # fmt: skip
    _check_ranges(found, returned, path)
    origins = _origins(found, path) or (mount,)
    origin_id = found.get("origin_id", np.zeros(count, np.uint8))
    if (origin_id >= len(origins)).any():
        raise BadInput(
            f"names origin {origin_id.max()} of {len(origins)}", file=path, field="origin_id",
            remedy="count the rows of origin_name from 0",
        )  # fmt: skip
    if "label" in found:
        _check_label(found, path)
    return Sweep(
        points=found["points"],
        time_ns=time_ns,
        world_from_ego=world_from_ego,
        motion_compensated=bool(found["motion_compensated"]),
        point_time_ns=found.get("point_time_ns", np.full(count, time_ns, np.int64)),
        ring=found.get("ring", np.full(count, -1, np.int16)),
        intensity=found.get("intensity", np.full(count, np.nan, np.float32)),
        origin_id=origin_id,
        origins=origins,
        returned=returned,
        label=found.get("label"),
    )


def sweep_arrays(sweep: Sweep) -> dict[str, np.ndarray]:
    """What ``read_sweep`` reads; time and pose are the record's."""
    arrays = {name: getattr(sweep, name) for name in POINT_COLUMNS}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    poses = Pose.stack([origin.ego_from_lidar for origin in sweep.origins])
    arrays |= {
        "motion_compensated": np.array(sweep.motion_compensated),
        "origin_name": np.array([origin.name for origin in sweep.origins]),
        "origin_rotation": poses.rotation,
        "origin_translation": poses.translation,
    }
    if sweep.label is not None:
        arrays["class_hash"] = np.array(CLASS_HASH)
    return arrays


def _origins(found: Mapping[str, np.ndarray], path: Path) -> tuple[LidarOrigin, ...]:
    given = [f"origin_{part}" for part in ("name", "rotation", "translation")]
    if not any(name in found for name in given):
        return ()
    for name in given:
        if name not in found:
            raise BadInput(
                "is missing beside its siblings", file=path, field=name,
                remedy="write all of origin_name, origin_rotation and origin_translation, or none",
            )  # fmt: skip
    check_rotation(found["origin_rotation"], path, "origin_rotation")
    return tuple(
        LidarOrigin(name=str(name), ego_from_lidar=Pose(rotation, translation))
        for name, rotation, translation in zip(*(found[n] for n in given), strict=True)
    )


def _check_ranges(found: Mapping[str, np.ndarray], returned: np.ndarray, path: Path) -> None:
    """Refuse values that are none of a sweep, such as intensities of 0 to 255."""
    intensity, ring = found.get("intensity", np.zeros(0)), found.get("ring", np.zeros(0))
    wrong = {
        "points": (np.abs(found["points"][returned]) > LARGEST, f"beyond {LARGEST:g} m", "metres"),
        "intensity": (
            (intensity < 0) | (intensity > 1),
            "outside 0 to 1",
            "the share of full scale",
        ),
        "ring": (ring < -1, "below -1", "the beam's number from 0, or -1"),
    }
    for name, (mask, what, instead) in wrong.items():
        if mask.any():
            raise BadInput(f"holds values {what}", file=path, field=name, remedy=f"write {instead}")


def _check_label(found: Mapping[str, np.ndarray], path: Path) -> None:
    if "class_hash" not in found:
        raise BadInput(
            "is missing beside the ids", file=path, field="class_hash",
            remedy="write roadloom.scene.classes.CLASS_HASH",
        )  # fmt: skip
    check_class_hash(str(found["class_hash"]), file=path)
    check_ids(found["label"], file=path, field="label")


_EXTRA_DTYPES = {"depth": "<f4", "semantic": "|u1", "normal": "<f4", "instance": "<i4"}
"""Of every kind in ``EXTRA_IMAGES``."""
UNIT_TOLERANCE = 1e-3
"""By which the length of a normal may differ from 1."""


def read_extra_image(path: Path, kind: str, camera: Camera) -> np.ndarray:
    """An image of ``EXTRA_IMAGES`` of the camera's size."""
    shape = (camera.height, camera.width) + ((3,) if kind == "normal" else ())
    fields = {kind: Field(_EXTRA_DTYPES[kind], shape)}
    if kind == "semantic":
        fields["class_hash"] = Field("U")
    found = read_npz(path, fields)
    image = found[kind]
    if kind == "semantic":
        check_class_hash(str(found["class_hash"]), file=path)
        check_ids(image, file=path, field=kind)
    elif kind == "depth":
        _check_depth(image, path, behind=sees_behind(camera))
    elif kind == "normal":
        _check_normal(image, path)
    elif kind == "instance" and (image < -1).any():
        raise BadInput(
            "holds numbers below -1", file=path, field=kind, remedy="write -1 for no object"
        )
    return image


def sees_behind(camera: Camera) -> bool:
    """Whether the lens sees past 90 degrees, where depth along its axis is negative."""
    return isinstance(camera, AngleLens) and camera.limit_rad > np.pi / 2


def _check_depth(image: np.ndarray, path: Path, *, behind: bool) -> None:
    if np.isnan(image).any() or not (behind or (image > 0).all()):
        raise BadInput(
            "holds NaN, or a depth of 0 or below", file=path, field="depth",
            remedy="write inf where nothing is hit",
        )  # fmt: skip


def _check_normal(image: np.ndarray, path: Path) -> None:
    nothing = np.isnan(image).all(axis=-1)
    length = np.sqrt(np.square(image, dtype=np.float64).sum(axis=-1))
    if not (nothing | (np.abs(length - 1) <= UNIT_TOLERANCE)).all():  # a NaN here and there fails
        raise BadInput(
            "holds normals of a length other than 1", file=path, field="normal",
            remedy="write unit vectors, and three times NaN where nothing is hit",
        )  # fmt: skip


def extra_image_arrays(kind: str, image: np.ndarray) -> dict[str, np.ndarray]:
    return {kind: image} | ({"class_hash": np.array(CLASS_HASH)} if kind == "semantic" else {})


def read_occupancy(path: Path, grid: VoxelGrid) -> Occupancy:
    """Occupancy of one key frame, which must lie on ``grid``."""
    found = Occupancy.from_npz(path)
    if found.grid != grid:
        raise BadInput(
            f"lies on {found.grid}, not on the {grid} of clip.json", file=path, field="grid",
            remedy="name the file in the column of its own grid",
        )  # fmt: skip
    return found
