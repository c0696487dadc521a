"""What recipes share that learn from folders of latents: data, dropped conditions, validation.

``data`` is a folder of latents, or one that holds two of them as ``train`` and ``val``; without
the latter nothing is validated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from roadloom.datasets.latent_windows import LatentWindows
from roadloom.datasets.latents import LatentFolder, LatentStatistics
from roadloom.diffusion.objectives import EpsilonObjective, FlowObjective
from roadloom.diffusion.schedules import LEVELS
from roadloom.diffusion.seeds import generators, noise_like
from roadloom.errors import BadInput
from roadloom.io.read import is_dir
from roadloom.models.hexplane.conditions import COMMANDS, Conditions, drop
from roadloom.models.hexplane.dit_config import DitConfig
from roadloom.models.hexplane.generator import (
    GeneratorConfig,
    HexPlaneGenerator,
    as_past,
    assemble,
    plain_statistics,
)
from roadloom.models.hexplane.motion import CHANNELS
from roadloom.models.hexplane.planes import NAMES, Planes, PlaneSize
from roadloom.models.hexplane.rollout import roll_out

Drops = tuple[tuple[float, float], ...]
"""(share of the samples, probability that each condition is left out), for several shares."""
DROPS: Drops = ((0.4, 0.1), (0.6, 0.7))
"""Each condition on its own. The published 0.1 for all samples would give one of four conditions
alone to one sample in a thousand, and none to one in ten thousand; yet drives follow the past
alone, guidance needs the network without any, and a layout says most of what streets are. So one
sample in seven has none, and each condition is alone in one of sixteen."""
PAST_NOISE = 0.6
"""Largest share of noise in the window before, see ``disturb_past``."""
BALANCE, MOTION = 0.5, 4.0
"""See ``loss_weights``."""
_TIMES = 10
"""Noise levels of a validation, each for every so-manieth window."""
_BATCH = 8
"""Windows that are validated at once."""


def open_latents(data: Path, part: str, *, partial: bool = False) -> LatentFolder | None:
    """The folder of a part; ``train`` may be ``data`` itself, ``val`` may be absent."""
    inner = data / part
    if not is_dir(inner):
        return LatentFolder(data, partial=partial) if part == "train" else None
    return LatentFolder(inner, partial=partial)


def generator_config(
    folder: LatentFolder,
    dit: DitConfig,
    flow: FlowObjective | None,
    epsilon: EpsilonObjective | None,
    *,
    normalise: bool = True,
    carry_past: bool = True,
) -> GeneratorConfig:
    """The network that fits a folder: its sizes come from the latents, the rest from ``dit``.

    Args:
        carry_past: where the latents tell the ego's motion and ``dit`` knows the past.

    Raises:
        BadInput: the latents are no six planes, or the network cannot have their sizes.
    """
    shapes, manifest = folder.shapes, folder.manifest
    if set(shapes) != set(NAMES):
        raise BadInput(
            f"holds {', '.join(shapes) or 'nothing'}, not the six planes", file=folder.folder,
            field="latents", remedy="encode with a HexPlane autoencoder",
        )  # fmt: skip
    (channels, x, y), (_, t, z) = shapes["xy"], shapes["tz"]
    sizes: dict[str, Any] = {
        "size": PlaneSize(t, x, y, z), "channels": channels, "frames": manifest["frames"],
    }  # fmt: skip
    if "layout" in dit.conditions:
        sizes["layout_kinds"] = len(manifest["layout"]["classes"])
    try:
        fitted = replace(dit, **sizes)
    except ValueError as error:
        raise BadInput(str(error), file=folder.folder, field="latents") from error
    return GeneratorConfig(
        dit=fitted, flow=flow, epsilon=epsilon,
        statistics=folder.statistics() if normalise else plain_statistics(channels),
        vae=manifest["encoder"], class_view=manifest["view"], grid=manifest["grid"],
        hz=rate_of(folder), layout=tuple(manifest["layout"]["classes"]),
        carry_past=carry_past and manifest["motion"] and "previous" in dit.conditions,
    )  # fmt: skip


def rate_of(folder: LatentFolder) -> float:
    """Frames a second, after thinning."""
    steps = np.diff(folder.read(folder.scenes[0], "time_ns").numpy())
    return round(1e9 / float(np.median(steps)), 6)


def windows_of(folder: LatentFolder, config: GeneratorConfig) -> LatentWindows:
    """Examples as the network takes them.

    Raises:
        BadInput: the latents are another autoencoder's.
    """
    statistics: LatentStatistics = config.statistics
    return LatentWindows(
        folder, encoder=config.vae or None, statistics=statistics, assemble=assemble,
        compat=config.dit.compat,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MadeLatents:
    """Made-up examples of the same shapes, for a plan."""

    config: GeneratorConfig
    count: int

    def __len__(self) -> int:
        return self.count

    def read(self, index: int, seed: int) -> dict[str, Tensor]:
        dit = self.config.dit
        source = torch.Generator().manual_seed(seed)
        ground = dit.frames, dit.layout_kinds, dit.size.x, dit.size.y
        return {
            "latent": torch.randn(self.config.shape, generator=source),
            "previous": torch.randn(self.config.shape, generator=source),
            "given.previous": torch.tensor(index % 2 == 0),
            "layout": torch.rand(ground, generator=source) < 0.5,
            "trajectory": torch.randn(dit.frames, 3, generator=source),
            "command": torch.randint(len(COMMANDS), (), generator=source),
        }


def loss_weights(
    config: GeneratorConfig, balance: float = BALANCE, motion: float = MOTION
) -> Float[Tensor, "channel height width"] | None:
    """Weights of the loss, 1 in the mean over live cells; None: all alike.

    Cells of a plane weigh its number of cells to the power ``-balance``: 1 lets all planes count
    alike, 0 all cells. At 0 the ground, XY, is nearly three quarters of the loss, and the ego's
    motion, three channels of TZ, a thousandth of it: trajectories and commands are then learned
    very late.

    Args:
        motion: by how much more those channels weigh.
    """
    if balance == 0 and motion == 1:
        return None
    channels, planes = config.dit.channels, {}
    for name, (rows, columns) in zip(NAMES, config.dit.size.shapes(), strict=True):
        planes[name] = torch.full((1, channels, rows, columns), (rows * columns) ** -balance)
    planes["tz"][:, :CHANNELS] *= motion
    weights = roll_out(Planes(**planes))[0]
    return weights / weights[:, config.mask].mean()


def conditions_of(batch: Mapping[str, Tensor], config: GeneratorConfig) -> Conditions:
    """Those of a batch that the network knows, as it takes them."""
    known = Conditions.from_tensors(batch).only(*config.dit.conditions)
    if known.previous is None:
        return known
    return replace(known, previous=as_past(config, known.previous))


def training_conditions(
    batch: Mapping[str, Tensor],
    config: GeneratorConfig,
    seeds: tuple[int, ...],
    drops: Drops,
    past_noise: float,
) -> Conditions:
    """What the network is told in a training step: some left out, the past disturbed."""
    conditions = disturb_past(conditions_of(batch, config), seeds, past_noise)
    return drop_some(conditions, seeds, drops)


def disturb_past(conditions: Conditions, seeds: tuple[int, ...], most: float) -> Conditions:
    """The window before with noise, of a share from 0 to ``most`` of the deviation that is drawn
    for each sample; the whole keeps its deviation.

    In a drive that window is itself generated. Who has learned from recorded ones alone takes its
    flaws for the truth, and they grow from window to window (noise as the remedy: Ho et al., arXiv
    2106.15282, section 4; for drives of frames Valevski et al., arXiv 2408.14837, section 3.2.1).
    """
    past = conditions.previous
    if past is None or not most:
        return conditions
    drawn = [float(torch.rand((), generator=g)) for g in generators(seeds, "share of noise")]
    share = most * torch.tensor(drawn, device=past.device)[:, None, None, None]
    noise = noise_like(seeds, past.shape[1:], device=past.device, stream="noise of the past")
    return replace(conditions, previous=(1 - share**2).sqrt() * past + share * noise)


def drop_some(conditions: Conditions, seeds: tuple[int, ...], drops: Drops) -> Conditions:
    """Leave out conditions: a share of the samples by each probability."""
    if not conditions.values():
        return conditions
    drawn = [float(torch.rand((), generator=g)) for g in generators(seeds, "drop share")]
    ends = np.cumsum([share for share, _ in drops])
    which = torch.from_numpy(np.minimum(np.searchsorted(ends, drawn, "right"), len(drops) - 1))
    variants = [drop(conditions, seeds, probability).given for _, probability in drops]
    rows = torch.arange(len(seeds))
    given = {}
    for name in conditions.values():
        every = torch.stack([variant[name] for variant in variants])
        given[name] = every[which.to(every.device), rows.to(every.device)]
    return replace(conditions, given=given)


def chosen_windows(count: int, limit: int | None) -> list[int]:
    """Up to ``limit`` of ``count`` windows, evenly spread."""
    some = np.linspace(0, count - 1, min(count, limit or count))
    return [int(place) for place in some.round()]


@torch.no_grad()
def validation_losses(
    module: HexPlaneGenerator,
    windows: LatentWindows,
    limit: int | None,
    weights: Float[Tensor, "channel height width"] | None = None,
) -> dict[str, float]:
    """Loss at fixed times and noises, weighted as in training, and what the conditions are worth.

    ``loss``: all given; ``loss_without``: none; for each condition ``loss_only_NAME``: it alone,
    ``loss_shuffled_NAME``: another window's in its place. A condition that the network follows
    lowers the loss when given and raises it when shuffled.
    """
    chosen = chosen_windows(len(windows), limit)
    totals: dict[str, float] = {}
    for first in range(0, len(chosen), _BATCH):
        places = range(first, min(first + _BATCH, len(chosen)))
        own = read_batch(windows, [chosen[i] for i in places])
        others = read_batch(windows, [chosen[(i + len(chosen) // 2) % len(chosen)] for i in places])
        for name, losses in _losses(module, own, others, tuple(places), weights).items():
            totals[name] = totals.get(name, 0.0) + float(losses.double().sum())
    return {name: total / len(chosen) for name, total in totals.items()}


def read_batch(windows: LatentWindows, indices: Iterable[int]) -> dict[str, Tensor]:
    """Examples, stacked."""
    read = [windows.read(index, 0) for index in indices]
    return {name: torch.stack([one[name] for one in read]) for name in read[0]}


def _losses(
    module: HexPlaneGenerator,
    own: Mapping[str, Tensor],
    others: Mapping[str, Tensor],
    places: tuple[int, ...],
    weights: Tensor | None,
) -> dict[str, Tensor]:
    """Of every sample, by what it is given."""
    config, device = module.config, next(module.parameters()).device
    objective, mask = config.objective, config.mask.to(device)
    latent = own["latent"].to(device)
    weights = None if weights is None else weights.to(device)
    times = torch.tensor([LEVELS * (place % _TIMES + 0.5) / _TIMES for place in places]).to(device)
    noise = noise_like(places, latent.shape[1:], device=device, stream="validation")
    noisy = objective.corrupt(latent, noise, times)
    all_given = conditions_of(own, config).to(device)
    swapped = conditions_of(others, config).to(device)
    variants = {"loss": all_given}
    if all_given.values():
        variants["loss_without"] = all_given.null()
    for name in all_given.values():
        variants[f"loss_only_{name}"] = _only(all_given, name)
        variants[f"loss_shuffled_{name}"] = _swapped(all_given, swapped, name)
    return {
        told: objective.loss(module(noisy, times, conditions), latent, noise, times, mask, weights)
        for told, conditions in variants.items()
    }


def _only(conditions: Conditions, name: str) -> Conditions:
    given = dict(conditions.null().given) | {name: conditions.mask(name)}
    return replace(conditions, given=given)


def _swapped(own: Conditions, others: Conditions, name: str) -> Conditions:
    """One condition is the others'."""
    masks = {n: (others if n == name else own).mask(n) for n in own.values()}
    values: dict[str, Any] = own.values() | {name: others.values()[name]}
    return Conditions(**values, given=masks)
