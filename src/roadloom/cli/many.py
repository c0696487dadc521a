"""What commands that work through a whole source share: its flags, read in one way."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from roadloom.cli.command import Command
from roadloom.errors import BadInput

if TYPE_CHECKING:
    from roadloom.scene.jobs import ItemSummary, SceneSummary


@dataclass(frozen=True, kw_only=True)
class OverSource(Command):
    """A command over all scenes of a source, by processes and machines, into one folder."""

    source: Annotated[str, tyro.conf.Positional]
    """KIND:PLACE[:SCENE]; without a SCENE every scene."""
    out: Path
    """Folder for the results; created if missing, and bound to the flags it was begun with."""
    workers: int = 1
    """Processes, best one a core."""
    shard: str = "0/1"
    """i/n: only every n-th scene from the i-th, counted from 0."""

    @property
    def part(self) -> tuple[int, int]:
        """The flag --shard as two numbers."""
        return pair(self.shard, "/", "--shard", "0/4")


@dataclass(frozen=True, kw_only=True)
class OverLabels(OverSource):
    """One that takes labels kept beside the source, where there are any."""

    labels: Path | None = None
    """Folder that `roadloom label` wrote, to take occupancy from: recordings have none."""

    @property
    def labels_text(self) -> str | None:
        return text_of(self.labels)


@dataclass(frozen=True, kw_only=True)
class OverGrid(OverLabels):
    """One that looks at occupancy on one grid."""

    grid: str | None = None
    """occ3d, pretrain_bevformer, pretrain_lss, carla_sc, bev_vae, semantickitti or lidar_50m; if
    left out, the grid that the labels or the source hold, or occ3d where the source makes any."""


@dataclass(frozen=True, kw_only=True)
class OverDrives(OverGrid):
    """One that shows whole clips, made ones also through another vehicle."""

    rig: Path | None = None
    """YAML of your own vehicle, for a source that is made when asked (town-v1)."""


def pair(text: str, between: str, field: str, such_as: str) -> tuple[int, int]:
    """Two whole numbers of a flag, such as ``0/4`` or ``256x256``."""
    match = re.fullmatch(rf"(\d{{1,9}}){between}(\d{{1,9}})", text, re.ASCII)
    if match is None:
        raise BadInput(
            f"{text!r} is no pair of numbers", field=field, remedy=f"write it as {such_as}"
        )
    return int(match[1]), int(match[2])


def text_of(path: Path | None) -> str | None:
    return None if path is None else str(path)


def tell_scenes(done: "SceneSummary", out: Path, what: str = "scene") -> None:
    """Say what a run did that works scene by scene."""
    more = f"; {counted(done.kept, what)} kept" if done.kept else ""
    told = f"{counted(done.written, what)}, {counted(done.frames, 'frame')}"
    sys.stdout.write(f"{told} written to {out}{more}\n")


def tell_items(done: "ItemSummary", out: Path, what: str, made: str) -> None:
    """Say what a run did that works frame by frame."""
    kept = f"; {done.kept} {_was(done.kept)} there already" if done.kept else ""
    bare = f"; {done.bare} left out, as no camera has an image of them" if done.bare else ""
    told = f"{counted(done.written, what)} of {counted(done.scenes, 'scene')}"
    sys.stdout.write(f"{told} {made} to {out}{kept}{bare}\n")


def counted(number: int, what: str) -> str:
    """``1 box``, ``2 boxes``."""
    return f"{number} {what}{'' if number == 1 else 'es' if what.endswith('x') else 's'}"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
