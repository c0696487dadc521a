"""``roadloom prepare``: a source turned into shards for training."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from roadloom.cli.command import Command
from roadloom.cli.many import pair, shard_of


@dataclass(frozen=True, kw_only=True)
class Prepare(Command):
    """Write what a training run reads of each clip: one zip per clip and kind.

    Run it again to go on where it was interrupted. Several machines may share a folder, each with
    its own --shard. `roadloom.prepare.Prepared(DIR)` reads the folder.
    Example: roadloom prepare town-v1:train --out cache --occupancy occ3d --layouts occ3d --hz 10
    """

    source: Annotated[str, tyro.conf.Positional]
    """KIND:PLACE[:SCENE]; without a SCENE every scene."""
    out: Path
    """Folder for the shards; created if missing, and bound to the flags it was begun with."""
    occupancy: tuple[str, ...] = ()
    """Grids by name: occ3d, pretrain_bevformer, pretrain_lss, carla_sc, bev_vae."""
    layouts: tuple[str, ...] = ()
    """Grids by name, as above."""
    boxes: bool = False
    """Annotated boxes."""
    images: str | None = None
    """Size, such as 256x256: made worlds are drawn at it, photographs resized to it."""
    cameras: tuple[str, ...] = ()
    """Names of the cameras whose images are wanted; all if none is named."""
    sweeps: bool = False
    """LiDAR sweeps in each frame's ego frame."""
    hz: int | None = None
    """Frames a second, at most 100; key frames if left out, and recordings have no more."""
    workers: int = 1
    """Processes, best one a core."""
    shard: str = "0/1"
    """i/n: only every n-th scene from the i-th, counted from 0."""

    def run(self) -> int:
        from roadloom.prepare.request import Request
        from roadloom.prepare.run import prepare

        request = Request(
            source=self.source,
            occupancy=self.occupancy,
            layouts=self.layouts,
            boxes=self.boxes,
            images=None if self.images is None else pair(self.images, "x", "--images", "256x256"),
            cameras=self.cameras,
            sweeps=self.sweeps,
            hz=self.hz,
        )
        shard = shard_of(self.shard)
        done = prepare(request, self.out, workers=self.workers, shard=shard)
        kept = f"; {done.kept} clips kept" if done.kept else ""
        sys.stdout.write(
            f"{done.written} clips, {done.frames} frames written to {self.out}{kept}\n"
        )
        return 0
