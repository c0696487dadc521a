"""What the loop trains: a module, examples, a loss. Every model's recipe brings one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn


class Examples(Protocol):
    """Numbered training examples. Picklable, so that worker processes can read them."""

    def __len__(self) -> int: ...

    def read(self, index: int, seed: int) -> Mapping[str, Tensor]:
        """One example, each tensor without a batch axis.

        Args:
            index: 0 to ``len(self) - 1``.
            seed: of this example in this step, for crops, flips and noise: the same number on
                any count of processes.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a loss may know beside the batch."""

    number: int
    """Optimiser steps done before this one."""
    seeds: tuple[int, ...]
    """One per example of the batch: the seed that ``Examples.read`` had. Draw all noise of an
    example from its own generator, so that the split over processes does not matter."""
    micro_batches: int
    """Losses that are averaged into this optimiser step, over accumulation and all processes."""


class Task(Protocol):
    """Names of ``log`` values are free; ``loss`` is what is descended."""

    def build(self) -> nn.Module:
        """The module that is trained, freshly initialised from torch's global seed."""
        ...

    def examples(self) -> Examples: ...

    def loss(
        self, module: nn.Module, batch: Mapping[str, Tensor], step: Step
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch [scalar] and scalars to log.

        ``module`` may be wrapped (DDP, FSDP2, compile): call it only through ``module(...)``.
        """
        ...

    def validate(self, module: nn.Module, limit: int | None) -> dict[str, float]:
        """Scores of the averaged weights on held-out examples; empty if there are none."""
        ...

    def card(self) -> dict[str, Any]:
        """What the model card must say of data and model: names, hashes, licences."""
        ...
