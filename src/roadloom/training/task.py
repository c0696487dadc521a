"""What the loop trains: a module, examples, a loss. Every model's recipe brings one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
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
    total: int = 0
    """Optimiser steps of the whole run; 0: unknown."""


@runtime_checkable
class Task(Protocol):
    """Names of ``log`` values are free; ``loss`` is what is descended."""

    def build(self) -> nn.Module:
        """The module that is trained, freshly initialised from torch's global seed.

        It must also build on the meta device, to be counted. A module may name blocks by
        ``checkpoint_blocks() -> list[nn.Module]``: their activations can be computed again, and
        their weights sharded, one block at a time.
        """
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
        """Scores of the averaged weights on held-out examples; empty if there are none.

        Every process of a run is asked and must give the same; a task may share the work with
        ``training.reduce``.
        """
        ...

    def card(self) -> dict[str, Any]:
        """What the model card must say of data and model: names, hashes, licences."""
        ...


@runtime_checkable
class CountsValidation(Protocol):
    """A task that says how many examples ``validate`` has without a limit, so that a plan can
    time a few of them; of another task a plan times the whole validation."""

    def validation_examples(self) -> int: ...
