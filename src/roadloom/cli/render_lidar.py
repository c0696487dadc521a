"""``roadloom render lidar``: what a spinning LiDAR would measure in occupancy."""

import sys
from dataclasses import dataclass
from typing import Literal

from roadloom.cli.many import OverGrid, tell_items


@dataclass(frozen=True, kw_only=True)
class RenderLidar(OverGrid):
    """Cast a LiDAR into occupancy: range, class and angle of every ray, for each key frame.

    Rays leave at their own times, from where the vehicle is then, and meet moving objects where
    these are then. Each key frame gives SCENE/LIDAR/TIME.npz; docs/rendering.md describes it. Run
    it again to go on where it was interrupted. Several machines may share a folder, each with its
    own --shard.
    Example: roadloom render lidar town-v1:val:3 --out sweeps --lidar VLS-128
    """

    lidar: str | None = None
    """A LiDAR of the vehicle by name, or a model that takes the place of its main one: HDL-32E,
    Pandar64, VLS-128 or OS1-128. Recordings rarely hold beam tables, so they need a model."""
    keys_only: bool = True
    """Key frames only; --no-keys-only takes all sweeps, where occupancy is known at any time."""
    moving: bool = True
    """--no-moving freezes vehicle and objects while the LiDAR turns."""
    format: Literal["npz", "ply"] = "npz"
    """npz: every ray; ply: the points that returned, coloured by class, for any 3-D viewer."""

    def run(self) -> int:
        from roadloom.render.lidar_run import LidarJob, render_source

        job = LidarJob(
            source=self.source,
            labels=self.labels_text,
            grid=self.grid,
            lidar=self.lidar,
            keys_only=self.keys_only,
            moving=self.moving,
            format=self.format,
        )
        done = render_source(job, self.out, workers=self.workers, shard=self.part)
        tell_items(done, self.out, "sweep", "rendered")
        if self.format == "ply":
            sys.stdout.write(
                f"look at them: open {self.out}/SCENE/LIDAR/TIME.ply in CloudCompare or MeshLab\n"
            )
        else:
            sys.stdout.write(
                "read them: roadloom.render.lidar_run.read_images(FILE); to look at them, render "
                "into another folder with --format ply\n"
            )
        return 0
