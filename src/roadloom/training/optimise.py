"""Learning rate, optimiser and averaged weights of a run."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from roadloom.training.config import TrainConfig


def cycle_of(step: int, steps: int, cycles: int) -> tuple[int, int, int]:
    """Which of equal parts of a run a step lies in, the part's first step, and its end."""
    part = min(step * cycles // steps, cycles - 1)
    return part, -(-part * steps // cycles), -(-(part + 1) * steps // cycles)


def learning_rate(step: int, config: TrainConfig) -> float:
    """Of the optimiser step after ``step`` done ones: a linear rise, then the schedule; in every
    cycle anew."""
    _, first, end = cycle_of(step, config.steps, config.cycles)
    step, steps = step - first, end - first
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return config.learning_rate
    done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    if config.schedule == "linear":
        return config.learning_rate * (1 - done)
    return config.learning_rate * (1 + math.cos(math.pi * done)) / 2


def trained(module: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that are not frozen, by name."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def build_optimizer(module: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    return kinds[config.optimizer](
        trained(module).values(),
        lr=config.learning_rate,
        betas=config.betas,
        weight_decay=config.weight_decay,
    )


class Ema:
    """Averaged weights, in 32 bits.

    After optimiser step n (from 1), with d = min(decay, n / (n + 9)):
    ``average = d * average + (1 - d) * weights``. The rising d forgets the initial weights
    early, so that short runs have a sound average too.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self._weights = trained(module)
        self.average: dict[str, Tensor] = {
            name: weights.detach().clone().float() for name, weights in self._weights.items()
        }

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Take in the weights after optimiser step number ``steps``, counted from 1."""
        decay = decay_after(steps, self.decay)
        for name, weights in self._weights.items():
            local(self.average[name]).mul_(decay).add_(local(weights), alpha=1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The module has the averaged weights inside, its own again after."""
        kept = {name: local(weights).detach().clone() for name, weights in self._weights.items()}
        try:
            self._put(self.average)
            yield
        finally:
            self._put(kept)

    @torch.no_grad()
    def _put(self, values: Mapping[str, Tensor]) -> None:
        for name, weights in self._weights.items():
            local(weights).copy_(local(values[name]))


def decay_after(steps: int, decay: float) -> float:
    return min(decay, steps / (steps + 9))


def local(tensor: Tensor) -> Tensor:
    """This process's part of a tensor that may be spread over processes (FSDP2)."""
    part: Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return part
