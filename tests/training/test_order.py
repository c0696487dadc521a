"""The order of examples: laws of permutations, independence of processes, exact hashes."""

from collections import Counter
from itertools import chain, permutations

import numpy as np
import pytest

from roadloom.errors import BadInput
from roadloom.training import order
from roadloom.training.order import Order, Split, epoch_order, hash64, visits


@pytest.mark.parametrize("examples", [1, 2, 7, 100])
def test_an_epoch_has_every_example_once(examples: int) -> None:
    run = Order(examples=examples, batch=3, seed=5)
    seen = [run.index(*divmod(n, 3)) for n in range(4 * examples)]
    for epoch in range(4):
        assert sorted(seen[epoch * examples : (epoch + 1) * examples]) == list(range(examples))


def test_epochs_and_seeds_differ() -> None:
    first, second = epoch_order(50, 0, 0), epoch_order(50, 0, 1)
    assert (first != second).any() and (first != epoch_order(50, 1, 0)).any()


def test_all_permutations_are_as_likely() -> None:
    found = Counter(tuple(epoch_order(4, 0, epoch).tolist()) for epoch in range(4800))
    squares = sum((found[p] - 200) ** 2 / 200 for p in permutations(range(4)))
    assert squares < 60  # chi-square of 23 degrees of freedom: exceeded once in 30,000 times


def test_the_order_is_that_of_a_slow_twin() -> None:
    key = hash64(order.ORDER, 3, 2)
    words = [order._mixed((i ^ key) + order._STEP & order._MASK) for i in range(200)]
    np.testing.assert_array_equal(epoch_order(200, 3, 2), np.argsort(words))


def test_the_hash_of_one_number_is_splitmix64() -> None:
    # first words of the reference generator from seeds 0 and 1234567 (rosettacode.org)
    assert hash64(0) == 0xE220A8397B1DCDAF
    assert hash64(1234567) == 6457827717110365317
    assert hash64(1, 2) != hash64(2, 1) != hash64(2, 1, 0)


@pytest.mark.parametrize(("processes", "micro_batch"), [(1, 2), (2, 3), (3, 1), (4, None)])
def test_the_split_changes_nothing(processes: int, micro_batch: int | None) -> None:
    split = Split(batch=12, processes=processes, micro_batch=micro_batch)
    for step in range(3):
        seen = chain(*(visits(split, rank, range(step, step + 1)) for rank in range(processes)))
        assert list(seen) == [(step, position) for position in range(12)]


def test_a_resumed_run_is_the_rest_of_the_whole() -> None:
    split = Split(batch=4, processes=2, micro_batch=1)
    for rank in range(2):
        whole = list(visits(split, rank, range(10)))
        assert list(visits(split, rank, range(6, 10))) == whole[6 * split.share :]


def test_seeds_of_examples_differ_and_fit_63_bits() -> None:
    run = Order(examples=5, batch=8, seed=1)
    seeds = {run.example_seed(step, position) for step in range(100) for position in range(8)}
    assert len(seeds) == 800 and max(seeds) < 2**63
    assert seeds.isdisjoint({Order(examples=5, batch=8, seed=2).example_seed(0, p) for p in [0, 1]})


@pytest.mark.parametrize(
    ("settings", "field"),
    [({"batch": 9, "processes": 2}, "batch"), ({"batch": 8, "micro_batch": 3}, "micro_batch")],
)
def test_a_split_that_does_not_come_out_even_is_refused(
    settings: dict[str, int], field: str
) -> None:
    with pytest.raises(BadInput) as error:
        Split(**settings)
    assert error.value.field == field and error.value.remedy


def test_no_examples_are_refused() -> None:
    with pytest.raises(BadInput, match="no examples"):
        Order(examples=0, batch=1, seed=0)
