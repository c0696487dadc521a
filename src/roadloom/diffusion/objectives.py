"""What a network is trained to say of a noisy sample, and how far off it is.

Two objectives with one interface: the noise of the linear schedule (Ho et al. 2020, arXiv
2006.11239), with learned variance where asked (Nichol & Dhariwal 2021, arXiv 2102.09672), and the
velocity of rectified flow (Liu et al. 2022, arXiv 2209.03003), which is our default.

The mask says which cells of a sample exist: those of the padding count neither in the error nor
in the number of cells. All draws are per sample, from its own seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from roadloom.diffusion.denoiser import split_variance
from roadloom.diffusion.schedules import (
    LEVELS,
    FlowSchedule,
    LinearSchedule,
    LinearTables,
    per_sample,
)
from roadloom.diffusion.seeds import generators
from roadloom.diffusion.variational import Decoder, variational_bits
from roadloom.errors import BadInput


@runtime_checkable
class Objective(Protocol):
    """One training step: draw times and noise, corrupt, call the network, take the loss."""

    def channels_out(self, channels: int) -> int:
        """Channels that the network must give for a sample of ``channels``."""
        ...

    def draw(self, seeds: Sequence[int], device: torch.device | str | None = None) -> Tensor:
        """A time on the network's scale for every seed [batch]."""
        ...

    def corrupt(self, x: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """What the network sees of ``x`` at these times."""
        ...

    def loss(
        self,
        output: Tensor,
        x: Tensor,
        noise: Tensor,
        times: Tensor,
        mask: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Loss per sample [batch].

        Args:
            mask: of the cells, without channels: [*cells] for all samples or [batch *cells].
            weights: of the squared errors [channel *cells]; None: all alike.
        """
        ...


def masked_mean(
    error: Float[Tensor, "batch channel *cells"],
    mask: Bool[Tensor, "..."] | None = None,
    weights: Float[Tensor, "..."] | None = None,
) -> Float[Tensor, " batch"]:
    """Mean over channels and live cells of each sample; NaN for a sample without live cells.

    Args:
        mask: True where a cell lives: [*cells] for all samples or [batch *cells].
        weights: that the errors are multiplied by [channel *cells]; they should be 1 in the mean.
    """
    if weights is not None:
        if weights.shape != error.shape[1:]:
            raise BadInput(
                f"weights of shape {tuple(weights.shape)} do not fit samples of "
                f"{tuple(error.shape)}"
            )
        error = error * weights
    if mask is None:
        return error.flatten(1).mean(1)
    if mask.shape not in (error.shape[2:], (len(error), *error.shape[2:])):
        raise BadInput(
            f"a mask of shape {tuple(mask.shape)} does not fit samples of {tuple(error.shape)}"
        )
    mask = mask.expand(len(error), *error.shape[2:])
    live = mask.flatten(1).sum(1)
    total = torch.where(mask[:, None], error, 0.0).flatten(1).sum(1)
    return total / (error.shape[1] * live)


@dataclass(frozen=True, kw_only=True)
class FlowObjective:
    """Squared error of the velocity ``noise - x``."""

    schedule: FlowSchedule = field(default_factory=FlowSchedule)

    def channels_out(self, channels: int) -> int:
        return channels

    def draw(
        self, seeds: Sequence[int], device: torch.device | str | None = None
    ) -> Float[Tensor, " batch"]:
        return self.schedule.draw_times(seeds, device)

    def corrupt(
        self,
        x: Float[Tensor, "batch *sample"],
        noise: Float[Tensor, "batch *sample"],
        times: Shaped[Tensor, " batch"],
    ) -> Float[Tensor, "batch *sample"]:
        t = per_sample(times / LEVELS, x)
        return (1 - t) * x + t * noise

    def loss(
        self,
        output: Float[Tensor, "batch channel *cells"],
        x: Float[Tensor, "batch channel *cells"],
        noise: Float[Tensor, "batch channel *cells"],
        times: Shaped[Tensor, " batch"],
        mask: Bool[Tensor, "..."] | None = None,
        weights: Float[Tensor, "..."] | None = None,
    ) -> Float[Tensor, " batch"]:
        return masked_mean((_wide(output) - (noise - x)) ** 2, mask, weights)


@dataclass(frozen=True, kw_only=True)
class EpsilonObjective:
    """Squared error of the noise and, with learned variance, the bound's term [bits]."""

    schedule: LinearSchedule = field(default_factory=LinearSchedule)
    learned_variance: bool = True
    """The network gives twice the channels: noise, then variance."""
    variational_weight: float = 1.0
    """Of the bound's term. It trains the variance alone: in it the predicted noise is fixed."""
    mask_variational: bool = True
    """False also counts the padding in the bound's term, as the published code does."""
    decoder: Decoder = "gaussian"
    """Of the bound's term at time 0; ``discretized`` is the one that was made for pictures."""

    def channels_out(self, channels: int) -> int:
        return 2 * channels if self.learned_variance else channels

    def draw(
        self, seeds: Sequence[int], device: torch.device | str | None = None
    ) -> Float[Tensor, " batch"]:
        drawn = [torch.randint(LEVELS, (), generator=g) for g in generators(seeds, "time")]
        return torch.stack(drawn).float().to(device)

    def corrupt(
        self,
        x: Float[Tensor, "batch *sample"],
        noise: Float[Tensor, "batch *sample"],
        times: Shaped[Tensor, " batch"],
    ) -> Float[Tensor, "batch *sample"]:
        kept = self._tables(x).kept[times.long()]
        return per_sample(kept.sqrt(), x) * x + per_sample((1 - kept).sqrt(), x) * noise

    def loss(
        self,
        output: Float[Tensor, "batch channel_out *cells"],
        x: Float[Tensor, "batch channel *cells"],
        noise: Float[Tensor, "batch channel *cells"],
        times: Shaped[Tensor, " batch"],
        mask: Bool[Tensor, "..."] | None = None,
        weights: Float[Tensor, "..."] | None = None,
    ) -> Float[Tensor, " batch"]:
        epsilon, v = split_variance(_wide(output), x.shape[1])
        if (v is not None) != self.learned_variance:
            raise BadInput(
                f"learned_variance is {self.learned_variance}, but the network gave "
                f"{output.shape[1]} channels for {x.shape[1]}"
            )
        loss = masked_mean((epsilon - noise) ** 2, mask, weights)
        if v is None:
            return loss
        x = _wide(x)
        bits = variational_bits(
            self._tables(x), epsilon.detach(), v, x, self.corrupt(x, _wide(noise), times),
            times.long(), self.decoder,
        )  # fmt: skip
        bound = masked_mean(bits, mask if self.mask_variational else None)
        return loss + self.variational_weight * bound

    def _tables(self, like: Tensor) -> LinearTables:
        return self.schedule.tables(like.device)


def published() -> EpsilonObjective:
    """The objective of the DynamicCity code: learned variance, the bound's term over all cells."""
    return EpsilonObjective(mask_variational=False, decoder="discretized")


def _wide(values: Tensor) -> Tensor:
    """At least 32 bits: a squared error in 16 bits loses small differences."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
