"""``roadloom export ply``: point clouds and meshes that every 3-D program opens."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from roadloom.cli.many import OverDrives, tell_scenes, text_of


@dataclass(frozen=True, kw_only=True)
class ExportPly(OverDrives):
    """Write sweeps, occupancy, boxes and the whole drive as PLY files.

    Run it again to go on where it was interrupted. docs/export.md describes the files.
    Example: roadloom export ply town-v1:val:3 --out out/ply --sweeps --occupancy cubes
    """

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
    voxel_m: float = 0.1
    """The merged cloud keeps one point in each voxel of this size."""

    def run(self) -> int:
        from roadloom.export.ply import PlyOptions, export_ply

        options = PlyOptions(
            sweeps=self.sweeps, occupancy=self.occupancy, boxes=self.boxes, merge=self.merge,
            frame=self.frame, grid=self.grid, voxel_m=self.voxel_m,
        )  # fmt: skip
        done = export_ply(
            self.source, self.out, options, labels=self.labels_text, rig=text_of(self.rig),
            workers=self.workers, shard=self.part,
        )  # fmt: skip
        tell_scenes(done, self.out)
        return 0
