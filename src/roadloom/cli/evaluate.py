"""``roadloom evaluate ...``: scores with intervals, floors and a protocol id."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from roadloom.cli.command import Command

if TYPE_CHECKING:
    from roadloom.pipelines.evaluate_saved import Scored


@dataclass(frozen=True, kw_only=True)
class EvaluateReconstruction(Command):
    """Score what an autoencoder gives back of recorded windows: IoU, mIoU, IoU of each class.

    Intervals of 95 % are drawn over clips. Two tables compare only if their protocol ids agree.
    Example: roadloom evaluate reconstruction cache/val --vae runs/vae/model --out vae.json
    """

    data: Annotated[str, tyro.conf.Positional]
    """Prepared folder, or KIND:PLACE[:SCENE], with occupancy on the autoencoder's grid."""
    vae: str
    """Model folder of a HexPlane autoencoder, or name of one that ships."""
    out: Path
    """JSON file for the scores and the whole protocol."""
    count: int | None = None
    """Windows, evenly spread; by default all."""
    stride: int = 16
    """Frames between the first frames of neighbouring windows."""
    partial: bool = False
    """Take a folder that is still being written, with the clips it has."""
    device: str = "auto"
    """cpu or cuda; the GPU if there is one."""

    def run(self) -> int:
        from roadloom.pipelines.evaluate_saved import score_reconstruction

        scored = score_reconstruction(
            self.vae, self.data, count=self.count, stride=self.stride, partial=self.partial,
            device=self.device, progress=True,
        )  # fmt: skip
        return _tell(scored, self.out)


@dataclass(frozen=True, kw_only=True)
class EvaluateGeneration(Command):
    """Score generated clips against recorded ones: distances, precision, recall, blinking.

    In features of windows and of rendered views. Beside each score stand its interval and what
    recorded windows of other clips score. A few hundred windows or more give steady numbers.
    Example: roadloom evaluate generation folder:out/city --real cache/val --out city.json
    """

    made: Annotated[str, tyro.conf.Positional]
    """Generated clips, such as folder:OUT of `roadloom generate hexplane`; 16 frames or more."""
    real: str
    """Prepared folder, or KIND:PLACE, of recordings at the same rate that were not trained on."""
    out: Path
    """JSON file for the scores and the whole protocol."""
    scene: str = "features_scene_v1"
    """Network of window features: a model folder, or the name of one that ships."""
    view: str = "features_view_v1"
    """Network of features of rendered views."""
    count: int | None = None
    """Generated windows, the first ones; by default all."""
    real_count: int = 1000
    """Recorded windows they are held against, or as many as every other clip has."""
    stride: int = 8
    """Frames between the first frames of neighbouring recorded windows."""
    partial: bool = False
    """Take prepared folders that are still being written, with the clips they have."""
    device: str = "auto"
    """cpu or cuda; the GPU if there is one."""

    def run(self) -> int:
        from roadloom.pipelines.evaluate_saved import score_generated

        scored = score_generated(
            self.made, self.real, scene=self.scene, view=self.view, count=self.count,
            real_count=self.real_count, stride=self.stride, partial=self.partial,
            device=self.device, progress=True,
        )  # fmt: skip
        return _tell(scored, self.out)


def _tell(scored: "Scored", out: Path) -> int:
    from roadloom.metrics.protocol import table, write_scores

    write_scores(out, scored.scores, scored.protocol)
    sys.stdout.write(f"{table(scored.scores)}\n\n")
    told = scored.protocol
    sys.stdout.write(
        f"{told.protocol_id}: {told.count} windows of {told.frames} frames at {told.hz:g} Hz, "
        f"in full in {out}\n"
    )
    return 0
