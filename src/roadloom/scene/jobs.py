"""What runs over a whole source share: how it is opened, its scenes of a shard, what was done.

Job -> opened -> scenes of this shard -> io.workers.each_shown -> SceneSummary, ItemSummary
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from roadloom import __version__
from roadloom.geometry.voxel_grid import OCC3D, VoxelGrid, grid_named
from roadloom.io.workers import check_workers, part_of
from roadloom.scene.classes import CLASS_HASH
from roadloom.scene.clip import Clip
from roadloom.scene.registry import open_source
from roadloom.scene.source import Source, SourceName, no_scenes


class SceneSummary(NamedTuple):
    """What a run did that works scene by scene."""

    written: int
    kept: int
    """Scenes that were whole already."""
    frames: int
    """Of the written scenes."""


class ItemSummary(NamedTuple):
    """What a run did that works frame by frame."""

    written: int
    kept: int
    """Whole already."""
    scenes: int
    bare: int = 0
    """Moments that no camera has an image of, so that there is nothing to make."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A source as this process and each worker open it; picklable."""

    source: str
    """KIND:PLACE[:SCENE]."""
    labels: str | None = None
    """Folder of labels to attach."""

    def open(self) -> Source:
        return open_source(self.source, labels=self.labels)

    def facts(self, schema: str, version: int) -> dict[str, Any]:
        """What every manifest says; the scenes of two runs that share a folder may differ."""
        name = SourceName.parse(self.source)
        return {
            schema: version,
            "version": __version__,
            "class_hash": CLASS_HASH,
            "source": str(SourceName(name.kind, name.place, None)),
            "labels": self.labels,
        }


@dataclass(frozen=True, kw_only=True)
class GridJob(Job):
    """A source whose occupancy on one grid is looked at. The grid's name is checked."""

    grid: str | None = None
    """Name of one of ``GRIDS``; None: as ``chosen_grid`` says."""

    def __post_init__(self) -> None:
        if self.grid is not None:
            grid_named(self.grid)


def chosen_grid(clip: Clip, name: str | None) -> VoxelGrid:
    """The grid of a name, else the first on which the clip holds occupancy, else Occ3D's."""
    if name is not None:
        return grid_named(name)
    return next(iter(clip.occupancy_grids), OCC3D)


@lru_cache(maxsize=1)
def clip_of(job: Job, scene: str) -> Clip:
    """The scene that a worker is at; its next item mostly belongs to the same."""
    return job.open().clip(scene)


def opened(
    source: str, open_it: Callable[[], Source], *, workers: int, shard: tuple[int, int]
) -> tuple[Source, Sequence[str]]:
    """Open a source for a run: with it, the scenes of the shard.

    Args:
        source: its name, for errors.
        open_it: opens it; called after the numbers are found to be sound.
        workers: processes.
        shard: (i, n): only scenes i, i + n, i + 2n, ...

    Raises:
        BadInput: no such number of processes, no such shard, or the source has no scenes.
    """
    check_workers(workers)
    part_of((), shard)
    found = open_it()
    if not len(found):
        raise no_scenes(source)
    return found, part_of(found.scenes, shard)
