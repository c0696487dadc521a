"""A source written scene by scene: what the exports share whose files stand alone.

    Job -> scenes of this shard -> write(clip, folder) in each worker -> Summary

``DIR/export.json`` is written first and binds a folder to the flags that it was begun with. A
scene that is whole is kept, so a run that was cut off is run again; several machines share a
folder, each with its own shard.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from roadloom import __version__
from roadloom.errors import BadInput
from roadloom.io.atomic import write_json
from roadloom.io.progress import show_progress
from roadloom.io.read import exists, is_dir, read_json, read_text
from roadloom.io.workers import check_workers, each, part_of
from roadloom.scene.classes import CLASS_HASH
from roadloom.scene.clip import Clip
from roadloom.scene.registry import open_source
from roadloom.scene.source import Source, SourceName

SCHEMA = 1
MANIFEST = "export.json"
WriteScene = Callable[[Clip, Path], int]
"""Writes one clip into the folder of the run; returns how many frames it wrote. Picklable."""


class Summary(NamedTuple):
    """What a run did."""

    written: int
    kept: int
    """Scenes that were whole already."""
    frames: int
    """Of the written scenes."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is exported."""

    kind: str
    """``ply``, ``video`` or ``rerun``."""
    source: str
    """KIND:PLACE[:SCENE]."""
    flags: Mapping[str, Any]
    """All that changes what is written, as JSON values."""
    labels: str | None = None
    """Folder of labels to attach."""
    rig: str | None = None
    """YAML of a vehicle to drive through a made world."""

    def open(self) -> Source:
        rig = None
        if self.rig is not None:
            from roadloom.sensors.rig_yaml import rig_from_yaml

            rig = rig_from_yaml(read_text(self.rig), file=self.rig)
        return open_source(self.source, labels=self.labels, rig=rig)

    @property
    def manifest(self) -> dict[str, Any]:
        """What must be equal for two runs to share a folder; their scenes may differ."""
        name = SourceName.parse(self.source)
        return {
            "roadloom_export": SCHEMA,
            "kind": self.kind,
            "version": __version__,
            "class_hash": CLASS_HASH,
            "source": str(SourceName(name.kind, name.place, None)),
            "labels": self.labels,
            "rig": self.rig,
            "flags": dict(self.flags),
        }


def export_scenes(
    job: Job,
    write: WriteScene,
    whole: Callable[[Path, str], bool],
    folder: str | Path,
    *,
    workers: int = 1,
    shard: tuple[int, int] = (0, 1),
) -> Summary:
    """Write the scenes of a shard that ``folder`` lacks.

    Args:
        job: what is exported.
        write: writes one clip; what it writes last makes the scene whole.
        whole: tells of a scene whether that is there.
        folder: created if missing.
        workers: processes; 1 works in this one.
        shard: (i, n): only scenes i, i + n, i + 2n, ...

    Raises:
        BadInput: the folder holds something else, or data is damaged.
        NotRecorded: a scene does not hold what is asked for.
        RoadloomError: a worker was killed.
    """
    check_workers(workers)
    part_of((), shard)
    folder = Path(folder)
    source = job.open()
    if not len(source):
        raise BadInput("the source has no scenes", file=job.source, field="SOURCE")
    mine = part_of(source.scenes, shard)
    claim(folder, job.manifest)
    todo = [scene for scene in mine if not whole(folder, scene)]
    frames = 0
    with show_progress(total=len(todo), desc=f"export {job.kind}", unit="scene") as bar:
        for count in each(partial(_write, job, write, folder), todo, workers):
            frames += count
            bar.update()
    return Summary(len(todo), len(mine) - len(todo), frames)


def _write(job: Job, write: WriteScene, folder: Path, scene: str) -> int:
    return write(job.open().clip(scene), folder)


def claim(folder: Path, manifest: dict[str, Any]) -> None:
    """Make a folder one of this manifest, or find that it is.

    Raises:
        BadInput: it was begun with other flags, or holds other things.
    """
    path = folder / MANIFEST
    if not exists(path):
        if exists(folder) and not is_dir(folder):
            raise BadInput("is no folder", file=folder, field="--out", remedy="name another")
        if is_dir(folder) and any(not p.name.startswith(".") for p in folder.iterdir()):
            raise BadInput(
                f"is not empty and holds no {MANIFEST}", file=folder, field="--out",
                remedy="name a new folder, or one that the same command has begun",
            )  # fmt: skip
        write_json(path, manifest)
        return
    found = read_json(path)
    there = _flat(found if isinstance(found, dict) else {})
    wanted = _flat(manifest)
    for field in sorted(there.keys() | wanted.keys()):
        if there.get(field) != wanted.get(field):
            raise BadInput(
                f"the folder was begun with {there.get(field)!r}, now {wanted.get(field)!r} is "
                "asked for",
                file=path, field=field, remedy="use the same flags and version, or a new folder",
            )  # fmt: skip


def _flat(manifest: dict[str, Any]) -> dict[str, Any]:
    flags = manifest.get("flags")
    inner = flags if isinstance(flags, dict) else {}
    return {k: v for k, v in manifest.items() if k != "flags"} | {
        f"--{name.replace('_', '-')}": value for name, value in inner.items()
    }
