"""Which example comes when: a pure function of seed, epoch and position.

Example n of a run, counted from 0 over all its steps, stands at position ``n % examples`` of
epoch ``n // examples``; an epoch is all examples sorted by a hash of (seed, epoch, index). So an
example comes once an epoch, a run can go on from any step, and neither the number of processes
nor that of reading workers changes what is seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from roadloom.errors import BadInput

_MASK = 2**64 - 1
_STEP = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
"""Constants of SplitMix64: Steele, Lea and Flood, Fast Splittable Pseudorandom Number
Generators, OOPSLA 2014."""
ORDER, EXAMPLE, NETWORK = 1, 2, 3
"""What a number is drawn for: first key of a hash, so that the streams differ."""


def hash64(*keys: int) -> int:
    """64 well-mixed bits of whole numbers, the same on every machine and in every version."""
    state = 0
    for key in keys:
        state = _mixed((state ^ (key & _MASK)) + _STEP & _MASK)
    return state


def _mixed(word: int) -> int:
    word = ((word ^ (word >> 30)) * _FIRST) & _MASK
    word = ((word ^ (word >> 27)) * _SECOND) & _MASK
    return word ^ (word >> 31)


@lru_cache(maxsize=2)
def epoch_order(examples: int, seed: int, epoch: int) -> np.ndarray:
    """Indices of all examples in the order of one epoch."""
    word = np.arange(examples, dtype=np.uint64) ^ np.uint64(hash64(ORDER, seed, epoch))
    word += np.uint64(_STEP)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(_FIRST)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(_SECOND)
    return np.argsort(word ^ (word >> np.uint64(31)), kind="stable")


@dataclass(frozen=True, kw_only=True)
class Order:
    """The examples of a run's steps."""

    examples: int
    batch: int
    """Examples of an optimiser step."""
    seed: int

    def __post_init__(self) -> None:
        if self.examples < 1:
            raise BadInput(
                "there are no examples to train on", remedy="name a folder that holds some"
            )

    def index(self, step: int, position: int) -> int:
        """Number of the example at a position of a step's batch."""
        epoch, place = divmod(step * self.batch + position, self.examples)
        return int(epoch_order(self.examples, self.seed, epoch)[place])

    def example_seed(self, step: int, position: int) -> int:
        """63 bits for everything random about that example."""
        return hash64(EXAMPLE, self.seed, step, position) >> 1


@dataclass(frozen=True, kw_only=True)
class Split:
    """How the batch of a step is cut: first over processes, then into micro batches."""

    batch: int
    processes: int = 1
    micro_batch: int | None = None
    """Examples that go through the network at once; all of a process's share if None."""

    def __post_init__(self) -> None:
        if self.batch % self.processes:
            raise BadInput(
                f"{self.batch} examples cannot be shared equally by {self.processes} processes",
                field="batch", remedy="choose a batch that the number of processes divides",
            )  # fmt: skip
        if self.share % self.size:
            raise BadInput(
                f"{self.share} examples of a process are no whole number of micro batches of "
                f"{self.size}", field="micro_batch", remedy="choose a divisor",
            )  # fmt: skip

    @property
    def share(self) -> int:
        """Examples of one process in a step."""
        return self.batch // self.processes

    @property
    def size(self) -> int:
        """Examples of a micro batch."""
        return self.share if self.micro_batch is None else min(self.micro_batch, self.share)

    @property
    def rounds(self) -> int:
        """Micro batches of one process in a step."""
        return self.share // self.size

    def positions(self, rank: int, turn: int) -> range:
        """Positions in the batch that a process works on in its micro batch number ``turn``."""
        first = rank * self.share + turn * self.size
        return range(first, first + self.size)


def visits(split: Split, rank: int, steps: range) -> Iterator[tuple[int, int]]:
    """(step, position) of every example that a process reads, in order."""
    for step in steps:
        for turn in range(split.rounds):
            for position in split.positions(rank, turn):
                yield step, position
