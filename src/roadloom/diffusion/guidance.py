"""Classifier-free guidance: away from what the network says without a condition.

    guided = null + scale * (conditional - null)            (Ho & Salimans 2022, arXiv 2207.12598)
    guided = null + sum of scale_i * (conditional_i - null)    (Liu et al. 2022, arXiv 2206.01714)

The guided function is a denoiser like any other. All branches go through the network as one
batch, and a branch whose weight is zero is left out: scale 1 costs one evaluation, not two.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from roadloom.diffusion.denoiser import Denoiser, split_variance
from roadloom.diffusion.schedules import LEVELS, per_sample
from roadloom.errors import BadInput

Condition = TypeVar("Condition")
ConditionalDenoiser = Callable[[Tensor, Tensor, Condition], Tensor]
"""(x, times, what is known of each sample) -> output."""


@dataclass(frozen=True, kw_only=True)
class GuidanceConfig:
    scales: tuple[float, ...] = (1.0,)
    """One per condition; 1 is the plain conditional network, 0 the unconditional one."""
    interval: tuple[float, float] = (0.0, float(LEVELS))
    """Times at which guidance acts, both included (Kynkaanniemi et al. 2024, arXiv 2404.07724).
    At other times the weights are those of scale 1: the condition alone, or the mean of several
    conditions weighted by their scales."""
    guide_variance: bool = True
    """False takes variance channels as the condition gives them, as the published code does."""

    def __post_init__(self) -> None:
        if not self.scales or not all(map(isfinite, self.scales)):
            raise ValueError(f"guidance needs finite scales, one at least, got {self.scales}")
        if not self.interval[0] <= self.interval[1]:
            raise ValueError(f"interval must rise, got {self.interval}")


def join_tensors(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Conditions as named tensors [batch ...], one part after the other.

    Raises:
        BadInput: the parts have different names.
    """
    for part in parts:
        if part.keys() != parts[0].keys():
            raise BadInput(f"conditions differ in names: {sorted(part)}, {sorted(parts[0])}")
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def guide(
    denoise: ConditionalDenoiser[Condition],
    conditions: Sequence[Condition],
    null: Condition,
    config: GuidanceConfig,
    *,
    join: Callable[[list[Condition]], Condition] = join_tensors,  # type: ignore[assignment]
    scales: Float[Tensor, "condition batch"] | None = None,
) -> Denoiser:
    """A denoiser that is guided by conditions.

    Args:
        conditions: each for the whole batch.
        null: what stands for no condition, for the whole batch.
        join: puts conditions of several batches behind each other.
        scales: instead of ``config.scales``, one for every sample.

    Raises:
        BadInput: scales and conditions do not fit.
    """
    count = len(config.scales) if scales is None else len(scales)
    if count != len(conditions):
        raise BadInput(f"{count} scales for {len(conditions)} conditions", field="scales")
    if scales is not None and (scales.ndim != 2 or not bool(scales.isfinite().all())):
        raise BadInput(
            f"{tuple(scales.shape)}, must be finite numbers [condition sample]", field="scales",
            remedy="give one for each condition and sample",
        )  # fmt: skip
    branches = [null, *conditions]

    def guided(x: Tensor, times: Tensor) -> Tensor:
        if scales is not None and scales.shape[1] != len(x):
            raise BadInput(f"of {scales.shape[1]} samples for {len(x)}", field="scales")
        given = torch.tensor(config.scales, dtype=torch.float64)[:, None].expand(-1, len(x))
        given = given if scales is None else scales.detach().double().cpu()
        plain = _plain_weights(given)  # [branch batch]
        weights = torch.where(_inside(times, config.interval), _guided_weights(given), plain)
        used = weights.ne(0).any(1)
        if not config.guide_variance:
            used = used | plain.ne(0).any(1)
        active = used.nonzero()[:, 0].tolist()
        rows = join([branches[i] for i in active]) if len(active) > 1 else branches[active[0]]
        output = denoise(
            x.repeat(len(active), *[1] * (x.ndim - 1)), times.repeat(len(active)), rows
        )
        parts = output.chunk(len(active))
        prediction = _mix(parts, weights[active])
        if config.guide_variance or output.shape[1] == x.shape[1]:
            return prediction
        value, _ = split_variance(prediction, x.shape[1])
        return torch.cat([value, _mix([p[:, x.shape[1] :] for p in parts], plain[active])], 1)

    return guided


def _inside(times: Tensor, interval: tuple[float, float]) -> Tensor:
    if interval[0] <= 0 and interval[1] >= LEVELS:
        return torch.ones((), dtype=torch.bool)  # does not wait for the device
    times = times.detach().cpu()
    return (times >= interval[0]) & (times <= interval[1])


def _guided_weights(scales: Tensor) -> Tensor:
    return torch.cat([1 - scales.sum(0, keepdim=True), scales])


def _plain_weights(scales: Tensor) -> Tensor:
    """The conditions in the proportion of their scales; the null where all scales are zero."""
    total = scales.sum(0, keepdim=True)
    none = total == 0
    share = torch.where(none, 0.0, scales / torch.where(none, 1.0, total))
    return torch.cat([none.double(), share])


def _mix(parts: Sequence[Tensor], weights: Tensor) -> Tensor:
    if len(parts) == 1:
        return parts[0]  # its weight is 1: the weights of every sample add up to 1
    terms = [per_sample(w, part) * part for w, part in zip(weights, parts, strict=True)]
    return torch.stack(terms).sum(0)
