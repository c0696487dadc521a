"""How well labels come back: IoU of filled against free, and mIoU over classes.

Counts of (truth, guess) pairs are gathered over a whole set in int64 before any ratio is
taken; counts of several processes are added. A voxel is judged if its mask is set and its truth
is not ignored (255). The mean is over classes 1.. that the truth holds (DynamicCity, section 4).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64, Int64, UInt8
from torch import Tensor

from roadloom.scene.class_views import IGNORE


@dataclass(frozen=True, kw_only=True)
class ReconstructionScores:
    """All in [0, 1]; NaN where no voxel was judged."""

    iou: float
    """Of filled (classes 1..) against free."""
    miou: float
    per_class: tuple[float, ...]
    """IoU of classes 0, 1, ...; NaN for those that the truth does not hold."""
    per_frame_iou: tuple[float, ...]
    per_frame_miou: tuple[float, ...]


class Confusion:
    """Counts [frame, truth, guess]."""

    def __init__(self, classes: int, frames: int) -> None:
        if not 2 <= classes <= IGNORE or frames < 1:
            raise ValueError(f"cannot count {classes} classes in {frames} frames")
        self.classes, self.frames = classes, frames
        self.counts: Int64[Tensor, "frame truth guess"] = torch.zeros(
            frames, classes, classes, dtype=torch.int64
        )

    def update(
        self,
        guess: UInt8[Tensor, "batch time x y z"],
        truth: UInt8[Tensor, "batch time x y z"],
        mask: Bool[Tensor, "batch time x y z"] | None = None,
    ) -> None:
        """Add windows.

        Raises:
            ValueError: an id that is no class, among judged voxels.
        """
        if guess.shape != truth.shape or guess.shape[1] != self.frames:
            raise ValueError(
                f"guess {tuple(guess.shape)} and truth {tuple(truth.shape)} are not alike, "
                f"of {self.frames} frames"
            )
        judged = truth != IGNORE if mask is None else (truth != IGNORE) & mask
        frame = torch.arange(self.frames, device=truth.device)[:, None, None, None]
        frame = frame.expand(truth.shape)[judged]
        given, asked = guess[judged].long(), truth[judged].long()
        for name, ids in (("guess", given), ("truth", asked)):
            if ids.numel() and int(ids.max()) >= self.classes:
                raise ValueError(f"{name} holds {int(ids.max())}, there are {self.classes} classes")
        key = (frame * self.classes + asked) * self.classes + given
        added = torch.bincount(key, minlength=self.counts.numel())
        self.counts += added.reshape(self.counts.shape).to(self.counts.device)

    def merge(self, other: "Confusion") -> "Confusion":
        """The counts of both; to join processes, sum ``counts`` over them instead."""
        if other.counts.shape != self.counts.shape:
            raise ValueError(f"cannot add {other.counts.shape} to {self.counts.shape}")
        joint = Confusion(self.classes, self.frames)
        joint.counts = self.counts + other.counts
        return joint

    def scores(self) -> ReconstructionScores:
        whole, frames = self.counts.sum(dim=0), self.counts
        return ReconstructionScores(
            iou=float(binary_iou(whole)),
            miou=float(mean_iou(whole)),
            per_class=tuple(class_iou(whole).tolist()),
            per_frame_iou=tuple(binary_iou(frames).tolist()),
            per_frame_miou=tuple(mean_iou(frames).tolist()),
        )


def binary_iou(counts: Int64[Tensor, "*batch truth guess"]) -> Float64[Tensor, "*batch"]:
    """Filled in both over filled in either."""
    both = counts[..., 1:, 1:].sum(dim=(-2, -1))
    either = counts.sum(dim=(-2, -1)) - counts[..., 0, 0]
    return both.double() / either.double()


def class_iou(counts: Int64[Tensor, "*batch truth guess"]) -> Float64[Tensor, "*batch truth"]:
    """NaN for classes without truth."""
    hits = counts.diagonal(dim1=-2, dim2=-1)
    asked, given = counts.sum(dim=-1), counts.sum(dim=-2)
    ratio = hits.double() / (asked + given - hits).double()
    return torch.where(asked > 0, ratio, torch.nan)


def mean_iou(counts: Int64[Tensor, "*batch truth guess"]) -> Float64[Tensor, "*batch"]:
    """Over classes 1.. that the truth holds."""
    return class_iou(counts)[..., 1:].nanmean(dim=-1)
