"""``roadloom export ply``: point clouds and meshes that every 3-D program opens."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from roadloom.cli.command import Command
from roadloom.cli.many import shard_of


@dataclass(frozen=True, kw_only=True)
class ExportPly(Command):
    """Write sweeps, occupancy, boxes and the whole drive as PLY files.

    Run it again to go on where it was interrupted. docs/export.md describes the files.
    Example: roadloom export ply town-v1:val:3 --out out/ply --sweeps --occupancy cubes
    """

    source: Annotated[str, tyro.conf.Positional]
    """KIND:PLACE[:SCENE]; without a SCENE every scene."""
    out: Path
    """Folder for the results, one folder per scene in it; bound to the flags it was begun with."""
    sweeps: bool = False
    """Points of each key frame's main sweep, coloured by class where known, else by height."""
    occupancy: Literal["points", "cubes"] | None = None
    """Occupied cells in class colours: their centres, or the faces that can be seen."""
    boxes: Literal["lines", "cubes"] | None = None
    """Boxes in class colours: edges with a line to the front, or closed cuboids."""
    merge: bool = False
    """One cloud of the whole drive in the world: all sweeps, without movers, thinned."""
    frame: Literal["ego", "world"] = "ego"
    """Where key frames' files lie; scene.json holds the poses either way."""
    grid: str | None = None
    """Grid of the occupancy by name; the one that the source holds if left out, else occ3d."""
    voxel_m: float = 0.1
    """The merged cloud keeps one point in each voxel of this size."""
    labels: Path | None = None
    """Folder of labels to take the occupancy from."""
    rig: Path | None = None
    """YAML of your own vehicle, for a source that is made when asked (town-v1)."""
    workers: int = 1
    """Processes, best one a core."""
    shard: str = "0/1"
    """i/n: only every n-th scene from the i-th, counted from 0."""

    def run(self) -> int:
        from roadloom.export.ply import PlyOptions, export_ply

        options = PlyOptions(
            sweeps=self.sweeps, occupancy=self.occupancy, boxes=self.boxes, merge=self.merge,
            frame=self.frame, grid=self.grid, voxel_m=self.voxel_m,
        )  # fmt: skip
        done = export_ply(
            self.source, self.out, options, labels=text_of(self.labels), rig=text_of(self.rig),
            workers=self.workers, shard=shard_of(self.shard),
        )  # fmt: skip
        tell(done, self.out)
        return 0


def text_of(path: Path | None) -> str | None:
    return None if path is None else str(path)


def tell(done: tuple[int, int, int], out: Path) -> None:
    """Say what a run did: scenes written and kept, frames."""
    written, kept, frames = done
    more = f"; {kept} scenes kept" if kept else ""
    sys.stdout.write(f"{written} scenes, {frames} frames written to {out}{more}\n")
