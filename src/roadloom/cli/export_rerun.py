"""``roadloom export rerun``: one recording a scene for the Rerun viewer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from roadloom.cli.many import OverDrives, tell_scenes, text_of


@dataclass(frozen=True, kw_only=True)
class ExportRerun(OverDrives):
    """Write one Rerun recording per scene: path, cameras, LiDAR, boxes, occupancy and map.

    Needs the extra `rerun`. Run it again to go on where it was interrupted. Look at a scene with
    `rerun DIR/SCENE.rrd DIR/SCENE.rbl`.
    Example: roadloom export rerun nuscenes:/data/nuscenes:scene-0061 --out out/rerun
    """

    out: Path
    """Folder for the recordings; bound to the flags it was begun with."""
    rate: Literal["keys", "native"] = "keys"
    """Images and sweeps of key frames, or every one that was taken."""
    cameras: bool = True
    """Images and lenses."""
    lidar: bool = True
    """Points, in class colours where known, else coloured by height."""
    boxes: bool = True
    """Boxes with classes and tracks."""
    occupancy: Literal["none", "points", "cubes"] = "cubes"
    """Occupied cells in class colours."""
    map: bool = True
    """Lines of the map near the path."""
    map_range_m: float = 100.0
    """How near."""
    image_width: int | None = None
    """Make larger images this wide [px]; recorded files go in as they are if left out."""

    def run(self) -> int:
        from roadloom.export.rerun import RerunOptions, export_rerun

        options = RerunOptions(
            rate=self.rate, cameras=self.cameras, lidar=self.lidar, boxes=self.boxes,
            occupancy=None if self.occupancy == "none" else self.occupancy, map=self.map,
            map_range_m=self.map_range_m, image_width=self.image_width, grid=self.grid,
        )  # fmt: skip
        done = export_rerun(
            self.source, self.out, options, labels=self.labels_text, rig=text_of(self.rig),
            workers=self.workers, shard=self.part,
        )  # fmt: skip
        tell_scenes(done, self.out)
        return 0
