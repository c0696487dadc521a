"""Recipes of the HexPlane autoencoder, from a laptop to the published one.

    prepared occupancy -> windows of 16 frames -> HexPlaneVae -> entropy + Lovasz + divergence

``data`` is a folder of prepared occupancy, or one that holds two of them as ``train`` and ``val``;
without the latter nothing is validated.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from roadloom.datasets.class_counts import ClassCounts, class_counts
from roadloom.datasets.windows import OccupancyWindows
from roadloom.io.read import is_dir
from roadloom.metrics.reconstruction import Confusion
from roadloom.models.hexplane.config import HexPlaneConfig, published
from roadloom.models.hexplane.losses import (
    LossConfig,
    divergence,
    segmentation_loss,
    weight_sum,
)
from roadloom.models.hexplane.motion import motion_of
from roadloom.models.hexplane.vae import HexPlaneVae, Reconstruction
from roadloom.models.store import save_model
from roadloom.prepare.read import Prepared
from roadloom.recipes.recipe import Recipe
from roadloom.scene.class_views import IGNORE, view
from roadloom.training.config import TrainConfig
from roadloom.training.reduce import all_sum, world_size
from roadloom.training.task import Examples, Step


@dataclass(frozen=True, kw_only=True)
class Made:
    """Made-up windows, for a plan: random blocks of each class in free space."""

    count: int
    frames: int
    shape: tuple[int, int, int]
    classes: int

    def __len__(self) -> int:
        return self.count

    def read(self, index: int, seed: int) -> dict[str, Tensor]:
        random = np.random.default_rng(seed)
        voxels = np.zeros((self.frames, *self.shape), np.uint8)
        for number in random.permutation(8 * self.classes) % self.classes:
            low = [int(random.integers(0, 7 * n // 8 + 1)) for n in self.shape]
            x, y, z = (slice(a, a + max(1, n // 8)) for a, n in zip(low, self.shape, strict=True))
            voxels[:, x, y, z] = number
        whole = torch.from_numpy(voxels)
        still = torch.zeros(self.frames, 3)
        return {"voxels": whole, "valid": torch.ones_like(whole, dtype=torch.bool), "motion": still}


class MovingWindows:
    """Windows with the ego's ``motion`` [T 3], as the autoencoder takes it; from poses."""

    def __init__(self, windows: OccupancyWindows) -> None:
        if windows.flips:
            raise ValueError("poses are not flipped: take windows without flips")
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows)

    def read(self, index: int, seed: int) -> dict[str, Tensor]:
        scene, _ = self.windows.locate(index)
        x, y, _ = self.windows.scenes[scene].drive.grid.cell_m
        motion = motion_of(self.windows.poses(index), (x, y))
        return {**self.windows.read(index, seed), "motion": torch.from_numpy(motion)}


@dataclass(frozen=True, kw_only=True)
class VaeTask:
    """``validate``: mIoU and IoU [%] of windows that do not overlap."""

    data: Path | None
    """As the module says; None: made-up windows."""
    model: HexPlaneConfig = field(default_factory=HexPlaneConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    decode: int | None = None
    """Frames of each window that are decoded in training; None: all."""
    grid: str = "carla_sc"
    class_view: str = "dynamiccity12"
    made: int = 18_500
    """How many windows are made up without data: as many as 100 drives of 200 frames hold."""
    preload: int = 0
    """Bytes of packed frames that may be kept in memory; 0: frames are read when needed."""
    count_every: int = 20
    """Classes are counted in every so-manieth frame."""
    val_clips: int | None = None
    """Validate on the first so many clips; None: on all."""
    partial: bool = False
    """Take folders that are still being written, with what is there."""

    def build(self) -> nn.Module:
        return HexPlaneVae(self.model)

    def examples(self) -> Examples:
        if self.data is None:
            size = self.model
            return Made(count=self.made, frames=size.frames, shape=size.shape, classes=size.classes)
        windows = self._windows(self._train)
        if self.preload:
            windows.preload(self.preload)
        return MovingWindows(windows)

    def loss(
        self, module: nn.Module, batch: Mapping[str, Tensor], step: Step
    ) -> tuple[Tensor, dict[str, Tensor]]:
        voxels = batch["voxels"]
        if not self.losses.count_ignored:
            voxels = voxels.masked_fill(~batch["valid"], IGNORE)
        found: Reconstruction = module(voxels, step.seeds, self.decode, batch["motion"])
        examples = torch.arange(len(voxels), device=voxels.device)[:, None]
        targets, weights = voxels[examples, found.frames], self._weights.to(voxels.device)
        # Divided by the weights of all processes; the loop then averages over them.
        total = all_sum(weight_sum(targets, weights)) / world_size()
        loss, entropy, hull = segmentation_loss(found.logits, targets, weights, self.losses, total)
        spread = divergence(*found.posterior)
        logged = {"cross_entropy": entropy, "lovasz": hull, "kl": spread.detach()}
        return loss + self.losses.kl * spread, logged

    @torch.no_grad()
    def validate(self, module: nn.Module, limit: int | None) -> dict[str, float]:
        if self._val is None:
            return {}
        scenes = Prepared(self._val, partial=self.partial).scenes[: self.val_clips]
        windows = MovingWindows(self._windows(self._val, stride=self.model.frames, scenes=scenes))
        device = next(module.parameters()).device
        counts = Confusion(self.model.classes, self.model.frames)
        count = min(len(windows), limit or len(windows))
        for index in np.linspace(0, len(windows) - 1, count).astype(int):
            example = windows.read(int(index), seed=0).items()
            batch = {name: tensor[None].to(device) for name, tensor in example}
            known = batch["voxels"].masked_fill(~batch["valid"], IGNORE)
            guess = module.labels(module.encode(known, batch["motion"]).mean)
            counts.update(guess, batch["voxels"], batch["valid"])
        scores, names = counts.scores(), view(self.class_view).names
        each = dict(zip(names, scores.per_class, strict=True))
        told = {"miou": scores.miou, "iou": scores.iou}
        told |= {
            f"iou_{name.lower()}": each[name] for name in names[1:] if each[name] == each[name]
        }
        return {name: 100 * score for name, score in told.items()}

    def card(self) -> dict[str, Any]:
        about: dict[str, Any] = {
            "about": "Autoencoder of 4-D occupancy: 16 frames to six planes and back.",
            "class_view": self.class_view, "grid": self.grid, "losses": asdict(self.losses),
            "decoded_frames": self.decode,
        }  # fmt: skip
        if self.data is None:
            return about
        prepared = Prepared(self._train, partial=self.partial)
        return about | {
            "data": prepared.manifest["request"]["source"], "clips": len(prepared),
            "licence": prepared.licence, "data_identity": self._windows(self._train).identity(),
        }  # fmt: skip

    @property
    def _train(self) -> Path:
        assert self.data is not None
        inner = self.data / "train"
        return inner if is_dir(inner) else self.data

    @property
    def _val(self) -> Path | None:
        inner = None if self.data is None else self.data / "val"
        return inner if inner is not None and is_dir(inner) else None

    @cached_property
    def _weights(self) -> Float[Tensor, " class"]:
        if self.data is None:
            ones = (1,) * self.model.classes
            return ClassCounts(names=view(self.class_view).names, cells=ones).weights()
        return class_counts(self._windows(self._train, skip=self.count_every - 1)).weights()

    def _windows(self, folder: Path, **options: Any) -> OccupancyWindows:
        frames = 1 if "skip" in options else self.model.frames
        return OccupancyWindows(
            folder, grid=self.grid, view=self.class_view, frames=frames, partial=self.partial,
            **options,
        )  # fmt: skip


def save_vae(module: nn.Module, folder: Path, card: dict[str, Any]) -> None:
    """A model folder in half precision."""
    assert isinstance(module, HexPlaneVae)
    save_model(folder, module, "hexplane_vae", module.config, card, half=True)


def hexplane_vae_tiny(data: Path | None, *, partial: bool = False) -> Recipe:
    """Our autoencoder on two CPU cores."""
    return Recipe(
        name="hexplane_vae_tiny",
        about="autoencoder of 16x128x128x8 windows, 1.8 million parameters; 2 cores, 1-2 hours",
        task=VaeTask(
            data=data, model=HexPlaneConfig(query_channels=32),
            losses=LossConfig(lovasz_floor=1e-3), decode=4, partial=partial,
        ),
        train=TrainConfig(
            steps=6500, batch=1, learning_rate=2e-3, warmup_steps=50, ema_decay=0.99,
            precision="bf16", save_every=50, validate_every=150, validate_limit=10,
        ),
        save=save_vae,
    )  # fmt: skip


def hexplane_vae_small(data: Path | None, *, partial: bool = False) -> Recipe:
    """Ours on a GPU of 8 GB."""
    tiny = hexplane_vae_tiny(data, partial=partial)
    return replace(
        tiny,
        name="hexplane_vae_small",
        about="autoencoder of 16x128x128x8 windows; one GPU of 8 GB",
        task=VaeTask(
            data=data, model=HexPlaneConfig(query_channels=32, extractor_blocks=2), decode=8,
            losses=LossConfig(lovasz_floor=1e-3), partial=partial,
        ),
        train=replace(
            tiny.train, steps=40_000, batch=4, micro_batch=2, ema_decay=0.999, workers=4,
            warmup_steps=500, save_every=1000, validate_every=4000, validate_limit=100,
        ),
    )  # fmt: skip


def hexplane_vae_base(data: Path | None, *, partial: bool = False) -> Recipe:
    """Ours, wider, on a GPU of 24 GB."""
    small = hexplane_vae_small(data, partial=partial)
    wide = HexPlaneConfig(width=128, ground_width=192, plane_width=96, head_blocks=4)
    return replace(
        small,
        name="hexplane_vae_base",
        about="wide autoencoder of 16x128x128x8 windows; one GPU of 24 GB",
        task=VaeTask(data=data, model=wide, losses=LossConfig(lovasz_floor=1e-3), partial=partial),
        train=replace(small.train, steps=100_000, batch=8, workers=8),
    )


def hexplane_vae_paper(data: Path | None) -> Recipe:
    """The published network, losses and learning rate; 8 GPUs of 80 GB for 100 epochs of CarlaSC.

    The published steps of the rate (x 0.7 at epochs 50, 60, 70, 80, 90) are a cosine here.
    """
    return Recipe(
        name="hexplane_vae_paper",
        about="published autoencoder and losses, 1.7 million parameters; 8 GPUs",
        task=VaeTask(
            data=data, model=published(),
            losses=LossConfig(lovasz_together=True, count_ignored=True), made=32_130,
        ),
        train=TrainConfig(
            steps=401_600, batch=8, optimizer="adam", betas=(0.9, 0.999), clip_norm=None,
            ema_decay=0.0, precision="16", save_every=4016, validate_every=4016, workers=4,
        ),
        save=save_vae,
    )  # fmt: skip
