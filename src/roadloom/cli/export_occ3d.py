"""``roadloom export occ3d``: occupancy in the files that occupancy networks read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from roadloom.cli.command import Command
from roadloom.cli.export_ply import tell, text_of
from roadloom.cli.many import shard_of


@dataclass(frozen=True, kw_only=True)
class ExportOcc3d(Command):
    """Write gts/SCENE/TOKEN/labels.npz and annotations.json, as Occ3D on nuScenes has them.

    Run it again to go on where it was interrupted; files that are there are kept. Several
    machines may share a folder, each with its own --shard. `occ3d:DIR` reads the folder back.
    Example: roadloom export occ3d town-v1:val:3 --out out/occ3d --masks
    """

    source: Annotated[str, tyro.conf.Positional]
    """KIND:PLACE[:SCENE]; without a SCENE every scene."""
    out: Path
    """Folder for the results; bound to the flags it was begun with."""
    labels: Path | None = None
    """Folder of labels to take the occupancy from; without it the source's own."""
    masks: bool = False
    """Also ask which cells LiDAR and cameras observe; masks that are stored come anyway."""
    split: Literal["train", "val"] = "val"
    """The list of annotations.json that names the scenes."""
    lower: int = 0
    """Put everything so many cells of 0.4 m lower. Occ3D's own files hold the road 2 cells below
    the ground of the ego frame: give 2 to mix with them."""
    workers: int = 1
    """Processes, best one a core."""
    shard: str = "0/1"
    """i/n: only every n-th scene from the i-th, counted from 0."""

    def run(self) -> int:
        from roadloom.export.occ3d import Occ3dOptions, export_occ3d

        options = Occ3dOptions(masks=self.masks, split=self.split, lower=self.lower)
        done = export_occ3d(
            self.source, self.out, options, labels=text_of(self.labels),
            workers=self.workers, shard=shard_of(self.shard),
        )  # fmt: skip
        tell(done, self.out)
        return 0
