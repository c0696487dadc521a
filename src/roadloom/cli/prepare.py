"""``roadloom prepare``: a source turned into shards for training."""

from dataclasses import dataclass

from roadloom.cli.many import OverSource, pair, tell_scenes


@dataclass(frozen=True, kw_only=True)
class Prepare(OverSource):
    """Write what a training run reads of each clip: one zip per clip and kind.

    Run it again to go on where it was interrupted. Several machines may share a folder, each with
    its own --shard. `roadloom.prepare.Prepared(DIR)` reads the folder.
    Example: roadloom prepare town-v1:train --out cache --occupancy occ3d --layouts occ3d --hz 10
    """

    occupancy: tuple[str, ...] = ()
    """Grids by name: occ3d, pretrain_bevformer, pretrain_lss, carla_sc, bev_vae, semantickitti,
    lidar_50m."""
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
        done = prepare(request, self.out, workers=self.workers, shard=self.part)
        tell_scenes(done, self.out, "clip")
        return 0
