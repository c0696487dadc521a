"""``roadloom export video``: one film a scene."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from roadloom.cli.many import OverDrives, tell_scenes, text_of


@dataclass(frozen=True, kw_only=True)
class ExportVideo(OverDrives):
    """Write one MP4 per scene: all cameras, the view from above, or both.

    Needs the extra `video`. Run it again to go on where it was interrupted.
    Example: roadloom export video nuscenes:/data/nuscenes --out out/films --rate native
    """

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
    """Grid whose floor the view from above covers: occ3d, pretrain_bevformer, pretrain_lss,
    carla_sc, bev_vae, semantickitti or lidar_50m; if left out, the one that the labels or the
    source hold, else occ3d."""
    crf: int = 20
    """Quality: 0 loses nothing, 51 is worst."""

    def run(self) -> int:
        from roadloom.export.video import VideoOptions, export_video

        options = VideoOptions(
            cameras=self.cameras, bev=self.bev, boxes=self.boxes, lidar=self.lidar,
            rate=self.rate, width=self.width, grid=self.grid, crf=self.crf,
        )  # fmt: skip
        done = export_video(
            self.source, self.out, options, labels=self.labels_text, rig=text_of(self.rig),
            workers=self.workers, shard=self.part,
        )  # fmt: skip
        tell_scenes(done, self.out)
        return 0
