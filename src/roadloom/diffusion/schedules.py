"""How data turn into noise, and in which steps the way back is taken.

Both ways mix a sample ``x`` with standard normal ``noise``: ``signal * x + amount * noise``.

- The published one is the linear schedule of Ho et al. 2020 (arXiv 2006.11239, section 4): 1000
  noise levels, variances from 1e-4 to 0.02.
- Ours is rectified flow (Liu et al. 2022, arXiv 2209.03003; Lipman et al. 2022, arXiv 2210.02747):
  ``(1 - t) x + t noise`` with t from 0 to 1, whose velocity is ``noise - x``.

Networks see one scale of times, 0 to 1000: the index 0..999 of the linear schedule, and 1000 t of
the flow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from roadloom.diffusion.seeds import generators

LEVELS = 1000
"""Noise levels of the linear schedule, and the largest time that a network sees."""


@dataclass(frozen=True)
class Level:
    """One point on the way: its ``x`` is ``signal * data + noise * noise``."""

    time: float
    """As the network sees it; 0 for data."""
    signal: float
    noise: float


DATA = Level(time=0.0, signal=1.0, noise=0.0)


@dataclass(frozen=True, kw_only=True)
class LinearSchedule:
    """Variances of the 1000 small steps, equally spaced."""

    beta_first: float = 1e-4
    beta_last: float = 0.02

    def __post_init__(self) -> None:
        if not 0 < self.beta_first <= self.beta_last < 1:
            raise ValueError(f"need 0 < beta_first <= beta_last < 1, got {self}")

    def tables(self, device: torch.device | str = "cpu") -> "LinearTables":
        return _tables(self, torch.device(device))

    def level(self, index: int) -> Level:
        """Of a time index 0..999; -1 is the data."""
        if index < 0:
            return DATA
        kept = self.tables().kept[index]
        return Level(time=float(index), signal=float(kept.sqrt()), noise=float((1 - kept).sqrt()))


@dataclass(frozen=True)
class LinearTables:
    """What follows from the variances (DDPM eqs. 4, 7), in 64 bits; index 0 has least noise."""

    beta: Float[Tensor, " level"]
    kept: Float[Tensor, " level"]
    """Share of the data's variance that is left: alpha-bar."""
    kept_before: Float[Tensor, " level"]
    """The same one step earlier; 1 before the first."""
    posterior_log_variance: Float[Tensor, " level"]
    """Of the step back when the data are known. At index 0 the variance is zero: there stands the
    value of index 1 (Nichol & Dhariwal 2021, arXiv 2102.09672, keep the logarithm finite so)."""
    mean_of_data: Float[Tensor, " level"]
    """Coefficient of the data in the mean of that step."""
    mean_of_noisy: Float[Tensor, " level"]


@lru_cache(maxsize=8)
def _tables(schedule: LinearSchedule, device: torch.device) -> LinearTables:
    beta = torch.linspace(
        schedule.beta_first, schedule.beta_last, LEVELS, dtype=torch.float64, device=device
    )
    kept = torch.cumprod(1 - beta, 0)
    before = torch.cat([kept.new_ones(1), kept[:-1]])
    variance = beta * (1 - before) / (1 - kept)
    return LinearTables(
        beta=beta,
        kept=kept,
        kept_before=before,
        posterior_log_variance=torch.cat([variance[1:2], variance[1:]]).log(),
        mean_of_data=beta * before.sqrt() / (1 - kept),
        mean_of_noisy=(1 - beta).sqrt() * (1 - before) / (1 - kept),
    )


def at(
    table: Float[Tensor, " level"], index: Int64[Tensor, " batch"], like: Tensor
) -> Float[Tensor, "batch *ones"]:
    """Entries of a table, one per sample, shaped and typed to multiply ``like`` [batch ...]."""
    return per_sample(table[index], like)


def per_sample(values: Float[Tensor, " batch"], like: Tensor) -> Float[Tensor, "batch *ones"]:
    """One number per sample, shaped and typed to multiply ``like`` [batch ...]."""
    return values.to(like).reshape(-1, *[1] * (like.ndim - 1))


@dataclass(frozen=True, kw_only=True)
class FlowSchedule:
    """Which times of the flow are trained."""

    draw: Literal["uniform", "logit_normal"] = "uniform"
    """``logit_normal``: the middle more often (Esser et al. 2024, arXiv 2403.03206, eq. 19)."""
    location: float = 0.0
    """Mean of the logit; above 0 favours noise."""
    spread: float = 1.0
    """Standard deviation of the logit."""
    shift: float = 1.0
    """Above 1 moves times towards noise, for large latents (the same paper, eq. 23)."""

    def __post_init__(self) -> None:
        if self.spread <= 0 or self.shift <= 0:
            raise ValueError(f"spread and shift must be positive, got {self}")

    def draw_times(
        self, seeds: Sequence[int], device: torch.device | str | None = None
    ) -> Float[Tensor, " batch"]:
        """One time in (0, 1000] per seed."""
        sources = generators(seeds, "time")
        if self.draw == "uniform":
            drawn = [1 - torch.rand((), generator=source) for source in sources]  # never 0
        else:
            drawn = [
                torch.sigmoid(self.location + self.spread * torch.randn((), generator=source))
                for source in sources
            ]
        return (LEVELS * shifted(torch.stack(drawn), self.shift)).to(device)


def shifted(fraction: Tensor, shift: float) -> Tensor:
    """Timestep shift of fractions 0..1, ends fixed (Esser et al. 2024, eq. 23)."""
    return shift * fraction / (1 + (shift - 1) * fraction)


def flow_grid(steps: int, shift: float = 1.0) -> Float[Tensor, " level"]:
    """The ``steps + 1`` values of t that a flow sampler visits, from 1 to exactly 0.

    Equal steps, then the shift. The grid of 2N steps holds the grid of N bit for bit, at every
    second place, which is what distillation needs.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    fraction = torch.arange(steps, -1, -1, dtype=torch.float64) / steps
    return shifted(fraction, shift).float()


def trailing_grid(steps: int) -> list[int]:
    """Falling time indices from 999, equally spaced; one more step would end at -1, the data.

    The ``trailing`` spacing of Lin et al. 2023 (arXiv 2305.08891, table 2).
    """
    _check_count(steps, 1)
    return [round(LEVELS * (steps - i) / steps) - 1 for i in range(steps)]


def spanning_grid(steps: int) -> list[int]:
    """Falling time indices from 999 to 0, both included (respacing of arXiv 2102.09672)."""
    _check_count(steps, 2)
    return [round((LEVELS - 1) * (steps - 1 - i) / (steps - 1)) for i in range(steps)]


def _check_count(steps: int, least: int) -> None:
    if not least <= steps <= LEVELS:
        raise ValueError(f"steps must lie in {least}..{LEVELS}, got {steps}")
