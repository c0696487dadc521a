"""LiDAR sweeps of a whole source: by several processes, resumed where it was left.

DIR/lidar.json              source, flags and class list: written first, never changed
DIR/SCENE/LIDAR/TIME.npz    range, class, incidence, fate, time and point of every ray; TIME in ns
DIR/SCENE/LIDAR/TIME.ply    or its points in the colours of their classes, to look at

Files are renamed into place, so one that is there is whole, and is kept.
"""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int64, UInt8

from roadloom.geometry.pose import Pose
from roadloom.io.npz import Field, read_npz, write_npz
from roadloom.io.ply import PointCloud, write_ply
from roadloom.io.read import is_file
from roadloom.render.blocks import Block, Done, render_blocks
from roadloom.render.lidar import CastSweep
from roadloom.render.lidar_frame import mount_of, render_sweep
from roadloom.scene.claimed_folder import ClaimedFolder
from roadloom.scene.clip import Clip
from roadloom.scene.jobs import GridJob, ItemSummary, chosen_grid, clip_of, opened
from roadloom.scene.palette import colors_of

SCHEMA = 1
FOLDER = ClaimedFolder(
    manifest="lidar.json",
    schema="roadloom_lidar_sweeps",
    command="roadloom render lidar",
    whole=("*/*/*.npz", "*/*/*.ply"),
)
Summary = ItemSummary
_RAYS = ("column", "beam")
_FIELDS = {
    "range_m": Field("<f4", _RAYS),
    "label": Field("|u1", _RAYS, exact=True),
    "incidence_rad": Field("<f4", _RAYS),
    "fate": Field("|u1", _RAYS, exact=True),
    "time_ns": Field("<i8", _RAYS, exact=True),
    "points": Field("<f4", (*_RAYS, 3)),
    "stamp_ns": Field("<i8", exact=True),
    "world_from_ego": Field("<f8", (4, 4), exact=True),
    "ego_from_lidar": Field("<f8", (4, 4), exact=True),
}


class LidarImages(NamedTuple):
    """What a ``TIME.npz`` holds: all rays, columns in the order of time, beams as numbered."""

    range_m: Float[np.ndarray, "column beam"]
    """float32 [m]; infinite where nothing returned."""
    label: UInt8[np.ndarray, "column beam"]
    incidence_rad: Float[np.ndarray, "column beam"]
    """float32; NaN where nothing returned."""
    fate: UInt8[np.ndarray, "column beam"]
    """Of ``render.lidar.Fate``: 0 returned, 1 missed, 2 too near, 3 too far."""
    time_ns: Int64[np.ndarray, "column beam"]
    """When each ray was fired."""
    points: Float[np.ndarray, "column beam 3"]
    """float32 [m], in the ego frame of ``stamp_ns``; NaN where nothing returned."""
    stamp_ns: Int64[np.ndarray, ""]
    world_from_ego: Float[np.ndarray, "4 4"]
    """Of ``stamp_ns``; homogeneous, float64."""
    ego_from_lidar: Float[np.ndarray, "4 4"]


@dataclass(frozen=True, kw_only=True)
class LidarJob(GridJob):
    """What is rendered. Fields are checked when it is made."""

    lidar: str | None = None
    """A name that ``mount_of`` knows; None: the main LiDAR."""
    keys_only: bool = True
    """False: every sweep of that LiDAR's own rate, where the source knows occupancy at any time."""
    moving: bool = True
    """False: neither the vehicle nor any object moves while the LiDAR turns."""
    format: Literal["npz", "ply"] = "npz"

    def times_ns(self, clip: Clip) -> tuple[int, ...]:
        """Moments of the sweeps of a clip that are rendered."""
        if self.keys_only:
            return tuple(clip.times_ns.tolist())
        name = mount_of(clip, self.lidar).name
        name = name if name in clip.rig.lidar_names else clip.meta.lidar or clip.rig.lidar_names[0]
        return tuple(clip.sweeps[name].records.time_ns.tolist())

    @property
    def manifest(self) -> dict[str, Any]:
        """What must be equal for two runs to share a folder; their scenes may differ."""
        return asdict(self) | self.facts(FOLDER.schema, SCHEMA)


def render_source(
    job: LidarJob,
    folder: str | Path,
    *,
    workers: int = 1,
    shard: tuple[int, int] = (0, 1),
) -> Summary:
    """Write every sweep that ``folder`` lacks.

    Args:
        folder: created if missing, and bound to the job it was begun with.
        workers: processes; 1 works in this one.
        shard: (i, n): only scenes i, i + n, i + 2n, ...

    Raises:
        BadInput: the folder holds something else, or data is damaged.
        NotRecorded: a scene has no occupancy on this grid, or the beams are not known.
        MissingInput: there is no such LiDAR.
        RoadloomError: a worker was killed.
    """
    folder = Path(folder)
    source, scenes = opened(job.source, job.open, workers=workers, shard=shard)
    mount_of(source[0], job.lidar)
    FOLDER.claim(folder, job.manifest)
    write = partial(_write_block, job, folder)
    return render_blocks(write, source, scenes, job.times_ns, workers=workers, unit="sweep")


def read_images(path: str | Path) -> LidarImages:
    """One ``TIME.npz``.

    Raises:
        MissingInput: no such file.
        BadInput: it is damaged, or no such file at all.
    """
    return LidarImages(**read_npz(path, _FIELDS))


def write_images(path: str | Path, found: CastSweep) -> None:
    """The file that ``read_images`` reads; the same sweep gives the same bytes."""
    write_npz(
        path,
        {
            "range_m": found.range_m.astype(np.float32),
            "label": found.label,
            "incidence_rad": found.incidence_rad.astype(np.float32),
            "fate": found.fate,
            "time_ns": found.ray_time_ns,
            "points": found.points.astype(np.float32),
            "stamp_ns": np.array(found.time_ns, np.int64),
            "world_from_ego": _matrix(found.world_from_ego),
            "ego_from_lidar": _matrix(found.mount.ego_from_lidar),
        },
    )


def _matrix(pose: Pose) -> Float[np.ndarray, "4 4"]:
    whole = np.eye(4)
    whole[:3, :3], whole[:3, 3] = pose.rotation, pose.translation
    return whole


def _write_block(job: LidarJob, folder: Path, block: Block) -> Done:
    with FOLDER.writing(folder, job.manifest):
        return _write_sweeps(job, folder, block)


def _write_sweeps(job: LidarJob, folder: Path, block: Block) -> Done:
    scene, times = block
    clip = clip_of(job, scene)
    mount = mount_of(clip, job.lidar)
    grid, written = chosen_grid(clip, job.grid), 0
    for time_ns in times:
        path = folder / scene / mount.name / f"{time_ns}.{job.format}"
        if is_file(path):
            continue
        found = render_sweep(clip.at(time_ns), grid, mount, moving=job.moving)
        if job.format == "npz":
            write_images(path, found)
        else:
            _write_cloud(path, found, clip)
        written += 1
    return Done(written, len(times) - written, 0)


def _write_cloud(path: Path, found: CastSweep, clip: Clip) -> None:
    sweep = found.sweep()
    assert sweep.label is not None
    comments = (
        f"{clip.meta.source} {clip.scene_id}, {found.mount.name} cast in occupancy",
        f"frame: ego at {found.time_ns} ns",
        f"licence: {clip.licence}",
    )
    write_ply(
        path,
        PointCloud(
            points=sweep.points,
            colors=colors_of(sweep.label),
            label=sweep.label,
            comments=comments,
        ),
    )
