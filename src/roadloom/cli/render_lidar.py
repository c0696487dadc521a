"""``roadloom render lidar``: what a spinning LiDAR would measure in occupancy."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from roadloom.cli.command import Command
from roadloom.cli.many import shard_of


@dataclass(frozen=True, kw_only=True)
class RenderLidar(Command):
    """Cast a LiDAR into occupancy: range, class and angle of every ray, for each key frame.

    Rays leave at their own times, from where the vehicle is then, and meet moving objects where
    these are then. Each key frame gives SCENE/LIDAR/TIME.npz; docs/rendering.md describes it. Run
    it again to go on where it was interrupted. Several machines may share a folder, each with its
    own --shard.
    Example: roadloom render lidar town-v1:val:3 --out sweeps --lidar VLS-128
    """

    source: Annotated[str, tyro.conf.Positional]
    """KIND:PLACE[:SCENE]; without a SCENE every scene."""
    out: Path
    """Folder for the sweeps; created if missing, and bound to the flags it was begun with."""
    labels: str | None = None
    """Folder that `roadloom label` wrote: its occupancy is cast. Recordings need one."""
    grid: str | None = None
    """occ3d, pretrain_bevformer, pretrain_lss, carla_sc or bev_vae; if left out, the grid that the
    labels or the source hold, or occ3d where the source makes any."""
    lidar: str | None = None
    """A LiDAR of the vehicle by name, or a model that takes the place of its main one: HDL-32E,
    Pandar64, VLS-128 or OS1-128. Recordings rarely hold beam tables, so they need a model."""
    keys_only: bool = True
    """Key frames only; --no-keys-only takes all sweeps, where occupancy is known at any time."""
    moving: bool = True
    """--no-moving freezes vehicle and objects while the LiDAR turns."""
    format: Literal["npz", "ply"] = "npz"
    """npz: every ray; ply: the points that returned, coloured by class, for any 3-D viewer."""
    workers: int = 1
    """Processes, best one a core."""
    shard: str = "0/1"
    """i/n: only every n-th scene from the i-th, counted from 0."""

    def run(self) -> int:
        from roadloom.render.lidar_run import LidarJob, render_source

        job = LidarJob(
            source=self.source,
            labels=self.labels,
            grid=self.grid,
            lidar=self.lidar,
            keys_only=self.keys_only,
            moving=self.moving,
            format=self.format,
        )
        done = render_source(job, self.out, workers=self.workers, shard=shard_of(self.shard))
        kept = f"; {done.kept} were there already" if done.kept else ""
        plural = "" if done.scenes == 1 else "s"
        sys.stdout.write(
            f"{done.written} sweeps of {done.scenes} scene{plural} rendered to {self.out}{kept}\n"
        )
        return 0
