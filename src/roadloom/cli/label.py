"""``roadloom label``: occupancy labels out of the LiDAR sweeps of a source."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from roadloom.cli.many import OverSource, tell_items
from roadloom.errors import NotRecorded


@dataclass(frozen=True, kw_only=True)
class Label(OverSource):
    """Make occupancy labels: which cells around the car are free, occupied (and by what), unknown.

    Sweeps around each key frame are laid over each other; annotated objects move with their
    boxes; free space is where a laser beam passed. No GPU, no training. Run it again to go on
    where it was interrupted. Several machines may share a folder, each with its own --shard.
    Example: roadloom label nuscenes:/data/nuscenes:scene-0061 --out labels --window 1s
    """

    grid: str = "occ3d"
    """Cells to label, by name: occ3d (200x200x16 of 0.4 m), pretrain_bevformer, pretrain_lss,
    carla_sc, bev_vae; lidar_50m and semantickitti are laid out around a LiDAR on the roof: use
    them with --frame lidar, as with --frame ego they reach metres below the road."""
    frame: Literal["ego", "lidar"] = "ego"
    """Where the grid is fixed: to the ground under the rear axle, or to the main LiDAR."""
    window: str = "scene"
    """Sweeps to lay over each other: frame (one sweep), 0.5s, 1s or any such 2.5s (on each side),
    frames3 or frames5 (key frames), scene (all of the drive: densest, slowest)."""
    target: Literal["semantic", "geometric"] = "semantic"
    """Classes, or only free, occupied and unknown."""
    boxes: bool = True
    """Move objects with their boxes; with --no-boxes moving ones leave trails."""
    masks: bool = True
    """Also say which cells LiDARs and cameras observe; --no-masks is quicker."""
    future: tuple[int, ...] = (0,)
    """Key frames ahead to label for each key frame, in its own frame: 0 is the present."""
    partial: bool = False
    """Label a cut-down recording with the sweeps that are there; key frames that have none in
    their window are left out."""
    ego_box: tuple[float, float, float, float, float, float] = (-1.5, -1.1, 0.0, 4.0, 1.1, 2.2)
    """Your vehicle, whose own points are left out: its rear, right, floor, front, left, top [m] in
    the ego frame (x forward, y left, z up from the ground under the rear axle)."""
    min_hits: int = 1
    """Points that make a cell occupied; more removes noise, and thin things."""
    carve_ground: bool = False
    """Let rays that end on the ground make free the ground cells that they graze before."""

    def run(self) -> int:
        from roadloom.geometry.voxel_grid import grid_named
        from roadloom.label.recipe import EgoBox, Recipe, window_of
        from roadloom.label.run import label_source
        from roadloom.scene.registry import is_made

        recipe = Recipe(
            grid=grid_named(self.grid),
            frame=self.frame,
            window=window_of(self.window),
            target=self.target,
            boxes=self.boxes,
            masks=self.masks,
            ego_box=EgoBox(lower_m=self.ego_box[:3], upper_m=self.ego_box[3:]),
            min_hits=self.min_hits,
            carve_ground=self.carve_ground,
            future_offsets=self.future,
        )
        done = label_source(
            self.source, recipe, self.out,
            workers=self.workers, shard=self.part, partial=self.partial,
        )  # fmt: skip
        tell_items(done, self.out, "label", "written")
        if done.scenes and not done.written + done.kept:
            raise NotRecorded(
                "no key frame could be labelled: no drive is so long as --future asks, or no sweep "
                "is there", field=str(self.out), remedy="take smaller offsets or a longer window",
            )  # fmt: skip
        if done.scenes and self.target == "semantic" and not _knows_classes(self.out):
            sys.stdout.write(
                "no class is known here: every occupied cell of the first label is "
                "other.occupied, for there are no boxes, point labels or map to tell more\n"
            )
        if self.frame == "ego":
            command = ["roadloom", "view", self.source, "--labels", str(self.out), "--out", "view"]
            if is_made(self.source):  # every photograph would be drawn
                command += ["--no-film", "--max-frames", "5"]
            sys.stdout.write(f"look at them: {shlex.join(command)}\n")
        else:
            sys.stdout.write(
                "read them: roadloom.scene.labels.LabelFolder (pages show the ego frame only)\n"
            )
        return 0


def _knows_classes(folder: Path) -> bool:
    """Whether the first label of a folder holds a class that says what a thing is."""
    from roadloom.scene.classes import class_id
    from roadloom.scene.labels import LabelFolder

    labels = LabelFolder.open(folder)
    scene = next(scene for scene in labels.scenes if labels.keys(scene))
    time_ns, offset = labels.keys(scene)[0]
    first = labels.occupancy(scene, time_ns, labels.grids(scene)[0], offset)
    found = first.labels[first.occupied]
    return not found.size or bool((found != class_id("other.occupied")).any())
