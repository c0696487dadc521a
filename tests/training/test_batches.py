"""Batches: the same bytes from the loop and from workers, whoever works on them."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from tests.training.toys import Points
from torch import Tensor

from roadloom.errors import BadInput
from roadloom.training.batches import Batch, read_batches
from roadloom.training.order import Order, Split


@dataclass(frozen=True)
class BrokenAtLast(Points):
    """Its file number ``broken`` cannot be read."""

    broken: int = 19

    def read(self, index: int, seed: int) -> Mapping[str, Tensor]:
        if index == self.broken:
            raise BadInput("is damaged", file=f"{index}.npz", remedy="fetch it again")
        return super().read(index, seed)


def until_error(workers: int) -> tuple[list[Batch], BadInput]:
    order = Order(examples=20, batch=4, seed=0)
    points = BrokenAtLast(broken=order.index(3, 1))
    batches = []
    with pytest.raises(BadInput) as error:
        for batch in read_batches(
            points, order, Split(batch=4, micro_batch=2), steps=range(1, 9), workers=workers
        ):
            batches.append(batch)
    return batches, error.value


def test_workers_read_the_same_bytes_and_the_same_error() -> None:
    (here, error_here), (there, error_there) = until_error(0), until_error(1)
    assert len(here) == len(there) == 4
    assert str(error_here) == str(error_there) and "is damaged" in str(error_here)
    for one, other in zip(here, there, strict=True):
        assert (one.indices, one.seeds) == (other.indices, other.seeds)
        assert one.tensors.keys() == other.tensors.keys()
        assert all(torch.equal(one.tensors[k], other.tensors[k]) for k in one.tensors)


def test_batches_hold_what_the_order_says() -> None:
    order = Order(examples=20, batch=6, seed=3)
    split = Split(batch=6, processes=2, micro_batch=1)
    for rank in range(2):
        batches = list(read_batches(Points(), order, split, rank=rank, steps=range(2, 4)))
        assert len(batches) == 6
        for number, batch in enumerate(batches):
            step, turn = 2 + number // 3, number % 3
            (position,) = split.positions(rank, turn)
            index, seed = order.index(step, position), order.example_seed(step, position)
            assert (batch.indices, batch.seeds) == ((index,), (seed,))
            torch.testing.assert_close(batch.tensors["x"][0], Points().read(index, seed)["x"])


def test_reading_draws_nothing_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    order = Order(examples=20, batch=2, seed=0)
    list(read_batches(Points(), order, Split(batch=2), steps=range(3)))
    assert torch.equal(before, torch.get_rng_state())


def test_a_batch_moves_to_a_device() -> None:
    batch = Batch(tensors={"x": torch.ones(2)}, indices=(1, 2), seeds=(3, 4))
    moved = batch.to(torch.device("meta"))
    assert moved.tensors["x"].is_meta and moved.indices == (1, 2) and moved.seeds == (3, 4)
