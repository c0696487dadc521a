"""``roadloom export video``: one film a scene."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from roadloom.cli.command import Command
from roadloom.cli.export_ply import tell, text_of
from roadloom.cli.many import shard_of


@dataclass(frozen=True, kw_only=True)
class ExportVideo(Command):
    """Write one MP4 per scene: all cameras, the view from above, or both.

    Needs the extra `video`. Run it again to go on where it was interrupted.
    Example: roadloom export video nuscenes:/data/nuscenes --out out/films --rate native
    """

    source: Annotated[str, tyro.conf.Positional]
    """KIND:PLACE[:SCENE]; without a SCENE every scene."""
    out: Path
    """Folder for the films; bound to the flags it was begun with."""
    cameras: bool = True
    """Show the cameras, each where it looks."""
    bev: bool = True
    """Show the view from above."""
    boxes: bool = True
    """Draw boxes."""
    lidar: bool = False
    """Draw LiDAR points."""
    rate: Literal["keys", "native"] = "keys"
    """Key frames, or every image that the busiest camera took; it plays at the drive's speed."""
    width: int = 1920
    """Width [px] of the cameras, or height of the view from above where that is alone."""
    grid: str | None = None
    """Grid by name, whose floor the view from above covers; occ3d unless the source holds one."""
    crf: int = 20
    """Quality: 0 loses nothing, 51 is worst."""
    labels: Path | None = None
    """Folder of labels to attach; their grid is then the one that is shown."""
    rig: Path | None = None
    """YAML of your own vehicle, for a source that is made when asked (town-v1)."""
    workers: int = 1
    """Processes, best one a core."""
    shard: str = "0/1"
    """i/n: only every n-th scene from the i-th, counted from 0."""

    def run(self) -> int:
        from roadloom.export.video import VideoOptions, export_video

        options = VideoOptions(
            cameras=self.cameras, bev=self.bev, boxes=self.boxes, lidar=self.lidar,
            rate=self.rate, width=self.width, grid=self.grid, crf=self.crf,
        )  # fmt: skip
        done = export_video(
            self.source, self.out, options, labels=text_of(self.labels), rig=text_of(self.rig),
            workers=self.workers, shard=shard_of(self.shard),
        )  # fmt: skip
        tell(done, self.out)
        return 0
