"""Recipes of the HexPlane transformer, from a laptop to the published one.

    latents of windows, conditions -> noise -> HexPlaneGenerator -> loss of the objective

Times, noise and left-out conditions of a sample come from its own seed; the loss is over the
cells of the map that hold a plane.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from roadloom.datasets.latents import LatentFolder
from roadloom.diffusion.objectives import EpsilonObjective, FlowObjective, published
from roadloom.diffusion.seeds import noise_like
from roadloom.errors import BadInput
from roadloom.models.hexplane.dit_config import DitConfig, dit_base, dit_dc2, dit_tiny
from roadloom.models.hexplane.generator import (
    GeneratorConfig,
    HexPlaneGenerator,
    copy_weights,
    plain_statistics,
)
from roadloom.models.store import load_model, save_model
from roadloom.recipes.latents import (
    BALANCE,
    DROPS,
    MOTION,
    PAST_NOISE,
    Drops,
    MadeLatents,
    generator_config,
    loss_weights,
    open_latents,
    training_conditions,
    validation_losses,
    windows_of,
)
from roadloom.recipes.own_past import own_pasts
from roadloom.recipes.recipe import Recipe
from roadloom.training.config import TrainConfig
from roadloom.training.task import Examples, Step


@dataclass(frozen=True, kw_only=True)
class DitTask:
    """``validate``: losses of held-out windows, see ``validation_losses``."""

    data: Path | None
    """As ``recipes.latents`` says; None: made-up latents."""
    dit: DitConfig = field(default_factory=dit_tiny)
    """The network; its sizes are taken from the latents."""
    flow: FlowObjective | None = field(default_factory=FlowObjective)
    epsilon: EpsilonObjective | None = None
    """In place of ``flow``, which is None then."""
    drops: Drops = DROPS
    past_noise: float = PAST_NOISE
    """See ``disturb_past``."""
    balance: float = BALANCE
    motion: float = MOTION
    """With ``balance``: what weighs how much in the loss, see ``loss_weights``."""
    normalise: bool = True
    """False: latents as they are, which is the published way."""
    carry_past: bool = True
    """See ``ahead``; where the latents tell the ego's motion."""
    own_past: float = 0.0
    """Share of pasts that the network makes anew, see there; for a flow."""
    start: str | Path | None = None
    """Model folder, or name of a model that ships, to go on from; None: from nothing."""
    preload: int = 0
    """Bytes of latents that may be kept in memory; 0: they are read when needed."""
    made: int = 4_600
    """How many windows are made up: as many as 100 drives of 200 frames hold, every fourth."""
    partial: bool = False
    """Take folders that are still being written, with what is there."""

    def __post_init__(self) -> None:
        if self.own_past and self.flow is None:
            raise ValueError("own_past needs the flow")

    def build(self) -> nn.Module:
        module = HexPlaneGenerator(self.config)
        if self.start is not None and not module.dit.position.is_meta:
            copy_weights(flow_generator(self.start, "--start"), module)
        return module

    def examples(self) -> Examples:
        if self.train_folder is None:
            return MadeLatents(config=self.config, count=self.made)
        windows = windows_of(self.train_folder, self.config)
        if self.val_folder is not None:
            windows_of(self.val_folder, self.config)  # refuses now what it would refuse later
        if self.preload:
            windows.preload(self.preload)
        return windows

    def loss(
        self, module: nn.Module, batch: Mapping[str, Tensor], step: Step
    ) -> tuple[Tensor, dict[str, Tensor]]:
        latent, objective = batch["latent"], self.config.objective
        known = own_pasts(module, batch, step.seeds, self.own_past)
        conditions = training_conditions(
            known, self.config, step.seeds, self.drops, self.past_noise
        )
        times = objective.draw(step.seeds, latent.device)
        noise = noise_like(step.seeds, latent.shape[1:], device=latent.device)
        output = module(objective.corrupt(latent, noise, times), times, conditions.tensors())
        mask = self.config.mask.to(latent.device)
        weights = None if self.weights is None else self.weights.to(latent.device)
        return objective.loss(output, latent, noise, times, mask, weights).mean(), {}

    @torch.no_grad()
    def validate(self, module: nn.Module, limit: int | None) -> dict[str, float]:
        if self.val_folder is None:
            return {}
        assert isinstance(module, HexPlaneGenerator)
        windows = windows_of(self.val_folder, self.config)
        return validation_losses(module, windows, limit, self.weights)

    def validation_examples(self) -> int:
        return 0 if self.val_folder is None else len(self.val_folder)

    def card(self) -> dict[str, Any]:
        about: dict[str, Any] = {
            "about": "Transformer that generates 16 frames of 4-D occupancy as latents.",
            "conditions": list(self.config.dit.conditions), "drops": self.drops,
            "past_noise": self.past_noise, "balance": self.balance, "motion": self.motion,
            "carry_past": self.config.carry_past, "own_past": self.own_past,
        }  # fmt: skip
        if self.start is not None:
            before = load_model(self.start)[1]
            about["start"] = {
                name: before.get(name) for name in ("weights_sha256", "recipe", "steps", "seed")
            }
        return about | card_of(self.train_folder)

    @cached_property
    def train_folder(self) -> LatentFolder | None:
        return self._folder("train")

    @cached_property
    def val_folder(self) -> LatentFolder | None:
        return self._folder("val")

    @cached_property
    def config(self) -> GeneratorConfig:
        """Of the network: its start's, or fitted to the data."""
        if self.start is not None:
            return self._config_of(flow_generator(self.start, "--start").config)
        return self._fitted()

    def _fitted(self) -> GeneratorConfig:
        if self.train_folder is None:
            return GeneratorConfig(
                dit=self.dit, flow=self.flow, epsilon=self.epsilon,
                statistics=plain_statistics(self.dit.channels),
                carry_past=self.carry_past and "previous" in self.dit.conditions,
            )  # fmt: skip
        return generator_config(
            self.train_folder, self.dit, self.flow, self.epsilon, normalise=self.normalise,
            carry_past=self.carry_past,
        )  # fmt: skip

    def _config_of(self, known: GeneratorConfig) -> GeneratorConfig:
        """The start's, statistics included, if all else is as this recipe and these latents have
        it. Its gain was that of its weights."""
        mine = self._fitted()
        if self.train_folder is None:
            sizes = ("size", "channels", "frames", "layout_kinds")
            dit = replace(self.dit, **{name: getattr(known.dit, name) for name in sizes})
            mine = replace(known, dit=dit, flow=self.flow, epsilon=self.epsilon)
        odd = [
            field.name
            for field in fields(known)
            if field.name not in ("statistics", "follow_gain")
            and getattr(known, field.name) != getattr(mine, field.name)
        ]
        if odd:
            raise BadInput(
                f"is not what this recipe makes of these latents: {', '.join(odd)} differ",
                file=self.start, field="--start",
                remedy="go on with the recipe that made it, on latents of the same kind",
            )  # fmt: skip
        return replace(known, follow_gain=1.0)

    @cached_property
    def weights(self) -> Tensor | None:
        return loss_weights(self.config, self.balance, self.motion)

    def _folder(self, part: str) -> LatentFolder | None:
        return None if self.data is None else open_latents(self.data, part, partial=self.partial)


def flow_generator(place: str | Path, field: str) -> HexPlaneGenerator:
    """A trained transformer to learn from or go on with, on the CPU.

    Args:
        field: the option that named it, for the error.

    Raises:
        BadInput: it is none, is damaged, predicts noise, or is a student.
    """
    try:
        with torch.device("cpu"):  # also where a plan counts without memory
            module, _ = load_model(place)
    except BadInput as error:
        told = field if error.field is None else f"{field}, {error.field}"
        raise type(error)(
            error.message, file=error.file, field=told, remedy=error.remedy
        ) from error
    if not isinstance(module, HexPlaneGenerator):
        raise BadInput(
            f"is a {type(module).__name__}, no transformer over latents", file=place, field=field,
            remedy="name what a hexplane_dit recipe trained",
        )  # fmt: skip
    if module.config.student is not None:
        raise BadInput(
            "is a student itself", file=place, field=field, remedy="name the student's teacher"
        )
    if module.config.flow is None:
        raise BadInput(
            "predicts noise", file=place, field=field, remedy="take one trained on the flow"
        )
    return module


def card_of(folder: LatentFolder | None) -> dict[str, Any]:
    """What a card must say of the latents."""
    if folder is None:
        return {}
    manifest = folder.manifest
    return {
        "data": "; ".join(manifest["sources"]), "data_hash": manifest["data"],
        "windows": len(folder), "stride": manifest["stride"], "encoder": manifest["encoder"],
        "licence": folder.licence,
    }  # fmt: skip


def save_generator(module: nn.Module, folder: Path, card: dict[str, Any], **stored: Any) -> None:
    """A model folder in half precision; ``stored``: as of ``save_model``."""
    assert isinstance(module, HexPlaneGenerator)
    settings = asdict(module.config)
    objective = {name: settings[name] for name in ("flow", "epsilon") if settings[name]}
    known = {**card, "objective": objective}
    save_model(folder, module, "hexplane_dit", module.config, known, half=True, **stored)


def hexplane_dit_tiny(data: Path | None, *, start: str | Path | None = None) -> Recipe:
    """Our transformer on two CPU cores."""
    return Recipe(
        name="hexplane_dit_tiny",
        about="transformer over latents, 2.4 million parameters, four conditions; 2 CPU cores",
        task=DitTask(data=data, start=start),
        train=TrainConfig(
            steps=8000, batch=16, learning_rate=1e-3, warmup_steps=200, ema_decay=0.999,
            precision="bf16", save_every=200, validate_every=1000, validate_limit=40,
        ),
        save=save_generator,
    )  # fmt: skip


def hexplane_drive_tiny(data: Path | None, *, start: str | Path | None = None) -> Recipe:
    """Our transformer once more, on pasts of its own: for drives of many windows.

    Raises:
        BadInput: data without a start.
    """
    if data is not None and start is None:
        raise BadInput(
            "pasts of its own need a network that can make them", field="--start",
            remedy="name the model folder of a hexplane_dit run, or one that ships",
        )  # fmt: skip
    tiny = hexplane_dit_tiny(data)
    return replace(
        tiny,
        name="hexplane_drive_tiny",
        about="a trained transformer goes on with pasts of its own, for long drives; 2 CPU cores",
        task=DitTask(data=data, own_past=0.5, start=start),
        train=replace(tiny.train, steps=3000, learning_rate=5e-4),
    )  # fmt: skip


def hexplane_dit_small(data: Path | None, *, start: str | Path | None = None) -> Recipe:
    """Ours on a GPU of 8 GB."""
    return Recipe(
        name="hexplane_dit_small",
        about="transformer over latents, 10 million parameters, patches of 2; one GPU of 8 GB",
        task=DitTask(data=data, dit=dit_base(width=256, depth=12, heads=4), start=start),
        train=TrainConfig(
            steps=100_000, batch=32, micro_batch=8, learning_rate=5e-4, warmup_steps=1000,
            ema_decay=0.9995, precision="bf16", save_every=1000, validate_every=5000,
            validate_limit=200, workers=4,
        ),
        save=save_generator,
    )  # fmt: skip


def hexplane_dit_base(data: Path | None, *, start: str | Path | None = None) -> Recipe:
    """Ours at the published size, on a GPU of 24 GB."""
    small = hexplane_dit_small(data)
    return replace(
        small,
        name="hexplane_dit_base",
        about="transformer over latents, 30 million parameters, patches of 2; one GPU of 24 GB",
        task=DitTask(data=data, dit=dit_base(), start=start),
        train=replace(
            small.train, steps=200_000, batch=64, micro_batch=16, learning_rate=3e-4,
            ema_decay=0.9999, workers=8,
        ),
    )  # fmt: skip


def hexplane_dit_paper(data: Path | None) -> Recipe:
    """The published network, objective and settings, without conditions as in its main results;
    1200 epochs of CarlaSC on 8 GPUs.
    """
    return Recipe(
        name="hexplane_dit_paper",
        about="published DiT-DC/2, 43 million parameters, noise objective; 8 GPUs of 80 GB",
        task=DitTask(
            data=data, dit=dit_dc2(), flow=None, epsilon=published(), drops=((1.0, 0.1),),
            past_noise=0.0, balance=0.0, motion=1.0, normalise=False, carry_past=False, made=32_130,
        ),
        train=TrainConfig(
            steps=301_200, batch=128, learning_rate=1e-4, betas=(0.9, 0.999),
            schedule="constant", clip_norm=None, ema_decay=0.9999, precision="16",
            save_every=10_000, validate_every=10_000, validate_limit=500, workers=4,
        ),
        save=save_generator,
    )  # fmt: skip
