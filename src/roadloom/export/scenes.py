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
from typing import Any

from roadloom.io.workers import each_shown
from roadloom.scene.claimed_folder import ClaimedFolder
from roadloom.scene.clip import Clip
from roadloom.scene.jobs import Job, SceneSummary, opened
from roadloom.scene.registry import open_source
from roadloom.scene.source import Source
from roadloom.sensors.rig_yaml import read_rig

SCHEMA = 1
Summary = SceneSummary


@dataclass(frozen=True, kw_only=True)
class Export:
    """One of the formats."""

    kind: str
    """``ply``, ``video``, ``rerun`` or ``occ3d``."""
    write: Callable[[Clip, Path], int]
    """Writes one clip into the folder of the run; returns how many frames it wrote. Picklable;
    what it writes last makes the scene whole."""
    is_whole: Callable[[Path, str], bool]
    """Tells of a scene whether that is there."""
    whole: tuple[str, ...]
    """Patterns of what is written last."""
    parts: tuple[str, ...] = ()
    """Patterns of what is written before."""

    @property
    def folder(self) -> ClaimedFolder:
        return ClaimedFolder(
            manifest="export.json",
            schema="roadloom_export",
            command=f"roadloom export {self.kind}",
            whole=self.whole,
            parts=self.parts,
        )


@dataclass(frozen=True, kw_only=True)
class ExportJob(Job):
    """What is exported."""

    rig: str | None = None
    """YAML of a vehicle to drive through a made world."""
    flags: Mapping[str, Any]
    """All else that changes what is written, as JSON values."""

    def open(self) -> Source:
        rig = None if self.rig is None else read_rig(self.rig)
        return open_source(self.source, labels=self.labels, rig=rig)

    def manifest(self, kind: str) -> dict[str, Any]:
        """What must be equal for two runs to share a folder."""
        facts = self.facts("roadloom_export", SCHEMA)
        return facts | {"kind": kind, "rig": self.rig, "flags": dict(self.flags)}


def export_scenes(
    export: Export,
    job: ExportJob,
    folder: str | Path,
    *,
    workers: int = 1,
    shard: tuple[int, int] = (0, 1),
) -> Summary:
    """Write the scenes of a shard that ``folder`` lacks.

    Args:
        export: how.
        job: what.
        folder: created if missing.
        workers: processes; 1 works in this one.
        shard: (i, n): only scenes i, i + n, i + 2n, ...

    Raises:
        BadInput: the folder holds something else, or data is damaged.
        NotRecorded: a scene does not hold what is asked for.
        RoadloomError: a worker was killed.
    """
    folder = Path(folder)
    _, mine = opened(job.source, job.open, workers=workers, shard=shard)
    export.folder.claim(folder, job.manifest(export.kind))
    todo = [scene for scene in mine if not export.is_whole(folder, scene)]
    task, what = partial(_write, export, job, folder), f"export {export.kind}"
    frames = sum(each_shown(task, todo, workers, what=what, unit="scene"))
    return Summary(len(todo), len(mine) - len(todo), frames)


def _write(export: Export, job: ExportJob, folder: Path, scene: str) -> int:
    with export.folder.writing(folder, job.manifest(export.kind)):
        return export.write(job.open().clip(scene), folder)
