"""Clips as PLY files, one folder a scene.

    DIR/export.json                          the flags that the folder was begun with
    DIR/SCENE/sweeps/TIME.ply                points of a key frame's main sweep
    DIR/SCENE/occupancy/TIME.ply             occupied cells: their centres, or cubes
    DIR/SCENE/boxes/TIME.ply                 boxes: lines, or cuboids
    DIR/SCENE/merged.ply                     the static map of the drive, in the world
    DIR/SCENE/scene.json                     poses, files and their sizes; written last

Key frames that lack something have no file of it; a scene that never has it is an error.
"""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from roadloom.errors import BadInput, NotRecorded
from roadloom.export.ply_merge import merged_cloud
from roadloom.export.ply_shapes import (
    Placing,
    boxes_mesh,
    occupancy_cloud,
    occupancy_mesh,
    sweep_cloud,
)
from roadloom.export.scenes import Export, ExportJob, Summary, export_scenes
from roadloom.geometry.voxel_grid import grid_named
from roadloom.io.atomic import write_json
from roadloom.io.ply import write_ply
from roadloom.io.ply_mesh import write_mesh
from roadloom.io.progress import show_progress
from roadloom.io.read import is_file, read_json
from roadloom.scene.classes import CLASS_HASH
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.jobs import chosen_grid
from roadloom.scene.reader import HOW_TO_LABEL
from roadloom.viewer.names import short_source

SCENE_FILE = "scene.json"
SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class PlyOptions:
    """What is written; at least one thing."""

    sweeps: bool = False
    occupancy: Literal["points", "cubes"] | None = None
    boxes: Literal["lines", "cubes"] | None = None
    merge: bool = False
    frame: Literal["ego", "world"] = "ego"
    """Of key frames' files; the merged cloud is in the world always."""
    grid: str | None = None
    """Of the occupancy, by name; None: the first on which the clip holds any, else Occ3D's."""
    voxel_m: float = 0.1
    """Of the merged cloud."""

    def __post_init__(self) -> None:
        if not (self.sweeps or self.occupancy or self.boxes or self.merge):
            raise BadInput(
                "nothing is asked for", field="--sweeps",
                remedy="give one or more of --sweeps, --occupancy, --boxes, --merge",
            )  # fmt: skip
        if self.grid is not None:
            grid_named(self.grid)
        if not 1e-3 <= self.voxel_m <= 1e3:
            raise BadInput(
                f"{self.voxel_m} m is no voxel", field="--voxel-m", remedy="give 0.001 to 1000"
            )


def export_ply(
    source: str,
    folder: str | Path,
    options: PlyOptions,
    *,
    labels: str | None = None,
    rig: str | None = None,
    workers: int = 1,
    shard: tuple[int, int] = (0, 1),
) -> Summary:
    """Write the scenes of a source; see ``export_scenes`` for workers, shards and errors."""
    job = ExportJob(source=source, flags=asdict(options), labels=labels, rig=rig)
    export = Export(
        kind="ply",
        write=partial(_into, options),
        is_whole=_is_whole,
        whole=("*/scene.json",),
        parts=("*/*.ply", "*/*/*.ply"),
    )
    return export_scenes(export, job, folder, workers=workers, shard=shard)


def _into(options: PlyOptions, clip: Clip, folder: Path) -> int:
    return write_scene(clip, folder / clip.scene_id, options)


_WITHOUT = {"occupancy": f"leave --occupancy out; or {HOW_TO_LABEL}"}
"""What to do where a clip never has it, other than to leave it out."""


def write_scene(clip: Clip, folder: str | Path, options: PlyOptions) -> int:
    """Write one clip; return the number of its key frames.

    Raises:
        NotRecorded: no key frame holds what is asked for.
        BadInput: data of the clip is damaged.
    """
    folder = Path(folder)
    placing = Placing.of(clip, world=options.frame == "world")
    wanted = [k for k in ("sweeps", "occupancy", "boxes") if getattr(options, k)]
    rows, sizes = [], {}
    frames = list(range(len(clip))) if wanted else []
    for key in show_progress(frames, desc=clip.scene_id, unit="frame"):
        frame = clip[key]
        files = {}
        for kind in wanted:
            name = f"{kind}/{frame.time_ns}.ply"
            try:
                _write(kind, folder / name, frame, options, placing)
            except NotRecorded:
                continue  # this key frame lacks it; that all do is refused below
            files[kind] = name
            sizes[name] = (folder / name).stat().st_size
        rows.append(_row(frame, files))
    for kind in wanted:
        if not any(kind in row["files"] for row in rows):
            raise NotRecorded(
                "no key frame of this scene has it", file=clip.meta.source,
                field=f"{clip.scene_id}: {kind}", remedy=_WITHOUT.get(kind, f"leave --{kind} out"),
            )  # fmt: skip
    merged = _merged(clip, folder, options.voxel_m) if options.merge else None
    if merged is not None:
        sizes["merged.ply"] = (folder / "merged.ply").stat().st_size
    about = {
        "roadloom_ply": SCHEMA,
        "source": short_source(clip.meta.source),
        "scene": clip.scene_id,
        "licence": clip.licence,
        "class_hash": CLASS_HASH,
        "frame": options.frame,
        "origin_m": list(placing.origin_m),
        "key_frames": rows,
        "merged": merged,
        "bytes": sizes,
    }
    write_json(folder / SCENE_FILE, about)
    return len(clip)


def _row(frame: Frame, files: dict[str, str]) -> dict[str, Any]:
    pose = frame.world_from_ego
    return {
        "time_ns": frame.time_ns,
        "world_from_ego": {
            "rotation": pose.rotation.tolist(),
            "translation_m": pose.translation.tolist(),
        },
        "files": files,
    }


def _write(kind: str, path: Path, frame: Frame, options: PlyOptions, placing: Placing) -> None:
    if kind == "sweeps":
        write_ply(path, sweep_cloud(frame, placing))
    elif kind == "boxes":
        lines = options.boxes == "lines"
        write_mesh(path, boxes_mesh(frame, frame.boxes, placing, lines=lines))
    else:
        occupancy = frame.occupancy(chosen_grid(frame.clip, options.grid))
        if options.occupancy == "cubes":
            write_mesh(path, occupancy_mesh(frame, occupancy, placing))
        else:
            write_ply(path, occupancy_cloud(frame, occupancy, placing))


def _merged(clip: Clip, folder: Path, voxel_m: float) -> dict[str, Any]:
    cloud, movers_out = merged_cloud(clip, voxel_m)
    write_ply(folder / "merged.ply", cloud)
    origin = Placing.of(clip, world=True).origin_m
    return {
        "file": "merged.ply",
        "points": len(cloud.points),
        "voxel_m": voxel_m,
        "origin_m": list(origin),
        "movers_removed": movers_out,
    }


def _is_whole(folder: Path, scene: str) -> bool:
    """Whether a scene has its record, and every file the size that the record says."""
    path = folder / scene / SCENE_FILE
    if not is_file(path):
        return False
    try:
        sizes: dict[str, int] = read_json(path)["bytes"]
        return all((folder / scene / name).stat().st_size == n for name, n in sizes.items())
    except (BadInput, KeyError, TypeError, AttributeError, OSError):
        return False  # it is written anew
