"""Micro batches of a process, read in the loop or ahead by worker processes: the same bytes."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from roadloom.errors import RoadloomError
from roadloom.training.order import Order, Split, visits
from roadloom.training.task import Examples


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What goes through the network at once."""

    tensors: dict[str, Tensor]
    """Stacked along a new first axis."""
    indices: tuple[int, ...]
    seeds: tuple[int, ...]

    def to(self, device: torch.device) -> "Batch":
        moved = {k: v.to(device, non_blocking=True) for k, v in self.tensors.items()}
        return Batch(tensors=moved, indices=self.indices, seeds=self.seeds)


def read_batches(
    examples: Examples,
    order: Order,
    split: Split,
    *,
    rank: int = 0,
    steps: range,
    workers: int = 0,
    pin: bool = False,
) -> Iterator[Batch]:
    """Micro batches of ``steps``, ``split.rounds`` a step.

    Args:
        examples, order, split: what is read, when, by whom.
        rank: number of this process.
        steps: from the one to go on with to the last.
        workers: processes that read ahead; 0 reads here.
        pin: keep batches in memory that a GPU can fetch by itself.
    """
    loader: DataLoader[Any] = DataLoader(
        _Visited(examples, order),
        batch_size=split.size,
        sampler=_Visits(split, rank, steps),
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_deaf if workers else None,
        collate_fn=_stacked,
        pin_memory=pin,
        generator=torch.Generator(),  # else it would draw from torch's global one
    )
    with _children_deaf():
        reading = iter(loader)
    for read in reading:
        if isinstance(read, Exception):
            raise read
        tensors, indices, seeds = read
        yield Batch(tensors=tensors, indices=tuple(indices), seeds=tuple(seeds))


class _Visits(Sampler[tuple[int, int]]):
    def __init__(self, split: Split, rank: int, steps: range) -> None:
        self.split, self.rank, self.steps = split, rank, steps

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return visits(self.split, self.rank, self.steps)

    def __len__(self) -> int:
        return self.split.share * len(self.steps)


class _Visited(Dataset[Any]):
    """Examples by (step, position)."""

    def __init__(self, examples: Examples, order: Order) -> None:
        self.examples, self.order = examples, order

    def __getitem__(self, visit: tuple[int, int]) -> Any:
        index, seed = self.order.index(*visit), self.order.example_seed(*visit)
        try:
            return self.examples.read(index, seed), index, seed
        except (RoadloomError, OSError) as error:
            return error  # a worker would wrap it into its traceback


def _stacked(read: list[tuple[Mapping[str, Tensor], int, int] | Exception]) -> Any:
    for example in read:
        if isinstance(example, Exception):
            return example
    examples, indices, seeds = zip(*read, strict=True)
    tensors = {name: torch.stack([one[name] for one in examples]) for name in examples[0]}
    return tensors, list(indices), list(seeds)


def _deaf(worker: int) -> None:
    """Ctrl-C is for the loop, which needs its workers until the step is done and saved.

    SIGTERM must go on ending a worker: that is how Python ends those that are left at its exit.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _children_deaf() -> Iterator[None]:
    """Processes that start inside ignore Ctrl-C from their first moment."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set this
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
