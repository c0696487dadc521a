"""``roadloom export occ3d``: occupancy in the files that occupancy networks read."""

from dataclasses import dataclass
from typing import Literal

from roadloom.cli.many import OverLabels, tell_scenes


@dataclass(frozen=True, kw_only=True)
class ExportOcc3d(OverLabels):
    """Write gts/SCENE/TOKEN/labels.npz and annotations.json, as Occ3D on nuScenes has them.

    Run it again to go on where it was interrupted; files that are there are kept. Several
    machines may share a folder, each with its own --shard. `occ3d:DIR` reads the folder back.
    Example: roadloom export occ3d town-v1:val:3 --out out/occ3d --masks
    """

    masks: bool = False
    """Also ask which cells LiDAR and cameras observe; masks that are stored come anyway."""
    split: Literal["train", "val"] = "val"
    """The list of annotations.json that names the scenes."""
    lower: int = 0
    """Put everything so many cells of 0.4 m lower. Occ3D's own files hold the road 2 cells below
    the ground of the ego frame: give 2 to mix with them."""
    regrid: bool = False
    """Bring occupancy of another grid, such as a generated clip's, onto Occ3D's; what lies outside
    its own grid is unknown."""

    def run(self) -> int:
        from roadloom.export.occ3d import Occ3dOptions, export_occ3d

        options = Occ3dOptions(
            masks=self.masks, split=self.split, lower=self.lower, regrid=self.regrid
        )
        done = export_occ3d(
            self.source, self.out, options, labels=self.labels_text,
            workers=self.workers, shard=self.part,
        )  # fmt: skip
        tell_scenes(done, self.out)
        return 0
