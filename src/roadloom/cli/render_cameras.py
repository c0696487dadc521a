"""``roadloom render cameras``: depth and classes of occupancy, as cameras would see it."""

import sys
from dataclasses import dataclass

from roadloom.cli.many import OverGrid, pair, tell_items


@dataclass(frozen=True, kw_only=True)
class RenderCameras(OverGrid):
    """Draw occupancy into every camera: a depth map and a map of classes for each key frame.

    Each occupied cell becomes a soft blob (a 3-D Gaussian), and blobs blend front to back. Such
    maps are what a video generator takes as its condition. Each camera and key frame gives
    SCENE/CAMERA/TIME.npz and a .png to look at; docs/rendering.md describes them. Run it again to
    go on where it was interrupted. Several machines may share a folder, each with its own --shard.
    Example: roadloom render cameras town-v1:val:3 --out maps --size 512x256
    """

    size: str | None = None
    """Width and height of the maps, such as 512x256; if left out, each camera's own."""
    cameras: tuple[str, ...] = ()
    """Names of cameras; all if none is named."""
    rig: str | None = None
    """YAML file of another vehicle (docs/rig_format.md): look through its cameras instead."""
    view: str | None = None
    """Coarser classes: occ3d18, dynamiccity12 or det10; Roadloom's own if left out."""
    spread: float = 0.5
    """Size of a blob: its standard deviation as a share of the cell's edge."""
    half: bool = False
    """Write numbers of 16 bits: files of half the size."""
    pictures: bool = True
    """Also write the .png files; --no-pictures is quicker."""

    def run(self) -> int:
        from roadloom.render.cameras import CameraOptions
        from roadloom.render.run_cameras import CameraJob, render_source

        size = None if self.size is None else pair(self.size, "x", "--size", "512x256")
        job = CameraJob(
            source=self.source,
            labels=self.labels_text,
            grid=self.grid,
            rig=self.rig,
            options=CameraOptions(
                size=size, cameras=self.cameras, view=self.view, spread=self.spread
            ),
            half=self.half,
            pictures=self.pictures,
        )
        done = render_source(job, self.out, workers=self.workers, shard=self.part)
        tell_items(done, self.out, "key frame", "rendered")
        if self.pictures and done.written + done.kept:
            sys.stdout.write(f"look at them: {self.out}/SCENE/CAMERA/TIME.png\n")
        elif done.written + done.kept:
            sys.stdout.write("read them: roadloom.render.run_cameras.read_maps(FILE)\n")
        return 0
