"""Denoisers that know the answer: data whose cells are independent normal numbers.

For data ``N(mean, std^2)`` a level with signal a and noise amount b has ``x ~ N(a mean, V)``,
``V = a^2 std^2 + b^2``, and both expectations given x are linear in it.
"""

import torch
from torch import Tensor

from roadloom.diffusion.schedules import LinearSchedule, per_sample

KEPT = LinearSchedule().tables().kept


def level_of(times: Tensor, objective: str, like: Tensor) -> tuple[Tensor, Tensor]:
    """Signal and noise amount at these times, each to be multiplied with ``like``."""
    if objective == "flow":
        return per_sample(1 - times / 1000, like), per_sample(times / 1000, like)
    kept = KEPT.to(times.device)[times.long()]
    return per_sample(kept.sqrt(), like), per_sample((1 - kept).sqrt(), like)


def ideal(objective: str, mean=0.0, std=1.0):
    """The best possible prediction of noise or velocity. ``mean`` broadcasts against x."""

    def denoise(x: Tensor, times: Tensor) -> Tensor:
        a, b = level_of(times, objective, x)
        standard = (x - a * mean) / (a**2 * std**2 + b**2)
        noise = b * standard
        return noise if objective == "epsilon" else noise - mean - a * std**2 * standard

    return denoise


def ideal_with_variance(grid: list[int], mean: float, std: float):
    """Noise, and the channel that makes the variance of each step of ``grid`` the true one."""
    before = dict(zip(grid, [*grid[1:], -1], strict=True))

    def denoise(x: Tensor, times: Tensor) -> Tensor:
        noise = ideal("epsilon", mean, std)(x, times)
        index = int(times[0])
        kept = float(KEPT[index])
        kept_after = float(KEPT[before[index]]) if before[index] >= 0 else 1.0
        beta = 1 - kept / kept_after
        low = max(beta * (1 - kept_after) / (1 - kept), 1e-20)
        # The data are not known: what x leaves open of them widens the step.
        open_data = std**2 * (1 - kept) / (kept * std**2 + 1 - kept)
        true = low + (kept_after * beta**2 / (1 - kept) ** 2) * open_data
        logs = torch.tensor([low, true, beta], dtype=torch.float64).log()
        share = (logs[1] - logs[0]) / (logs[2] - logs[0])
        return torch.cat([noise, torch.full_like(noise, float(2 * share - 1))], 1)

    return denoise


def exact_end(noise: Tensor, objective: str, mean=0.0, std=1.0) -> Tensor:
    """Where the exact flow of probability carries this noise."""
    if objective == "flow":
        return mean + std * noise
    kept = float(KEPT[-1])
    return mean + std * (noise - kept**0.5 * mean) / (kept * std**2 + 1 - kept) ** 0.5
