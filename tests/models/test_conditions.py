"""Conditions of a batch: selecting, joining, leaving out."""

import pytest
import torch

from roadloom.errors import BadInput
from roadloom.models.hexplane.conditions import COMMANDS, NAMES, Conditions, check, drop, join

BATCH = 5


def every(batch: int = BATCH, seed: int = 0) -> Conditions:
    source = torch.Generator().manual_seed(seed)
    return Conditions(
        previous=torch.randn(batch, 2, 6, 6, generator=source),
        layout=torch.rand(batch, 4, 3, 3, 3, generator=source) > 0.5,
        command=torch.randint(4, (batch,), generator=source),
        trajectory=torch.randn(batch, 4, 3, generator=source),
    )


def same(a: Conditions, b: Conditions) -> bool:
    first, second = a.tensors(), b.tensors()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_select_follows_values_and_masks() -> None:
    mask = torch.tensor([True, False, True, True, False])
    conditions = Conditions(command=torch.arange(5) % 4, given={"command": mask})
    chosen = conditions.select(torch.tensor([4, 0, 0]))
    assert chosen.command is not None and chosen.command.tolist() == [0, 0, 0]
    assert chosen.mask("command").tolist() == [False, True, True]


def test_shuffling_back_is_the_identity() -> None:
    conditions, order = every(), torch.tensor([3, 0, 4, 1, 2])
    shuffled = conditions.shuffled(order)
    assert shuffled.command is not None and conditions.command is not None
    assert shuffled.command.tolist() == [conditions.command[i] for i in order]
    assert same(shuffled.shuffled(order.argsort()), conditions)
    with pytest.raises(ValueError, match="permutation"):
        conditions.shuffled(torch.tensor([0, 0, 1, 2, 3]))


def test_null_keeps_the_tensors_and_gives_nothing() -> None:
    conditions = every()
    null = conditions.null()
    assert same(null.only(), Conditions()) and len(null) == BATCH
    assert all(torch.equal(null.values()[n], conditions.values()[n]) for n in NAMES)
    assert not any(null.mask(name).any() for name in NAMES)
    assert same(Conditions().null(), Conditions())


def test_only_keeps_the_named() -> None:
    kept = drop(every(), range(BATCH), 0.5).only("command", "layout")
    assert set(kept.values()) == set(kept.given) == {"command", "layout"}


def test_tensors_and_back() -> None:
    for conditions in (every(), every().null(), Conditions(), every().only("layout")):
        batch = {"latent": torch.zeros(1), **conditions.tensors()}
        assert same(Conditions.from_tensors(batch), conditions)


def test_join_is_undone_by_select() -> None:
    first, second = every(2, seed=1), every(3, seed=2)
    joined = join(first, second)
    assert len(joined) == 5
    for part, rows in ((first, [0, 1]), (second, [2, 3, 4])):
        chosen = joined.select(torch.tensor(rows))
        assert all(torch.equal(chosen.values()[n], part.values()[n]) for n in NAMES)
        assert all(chosen.mask(name).all() for name in NAMES)


def test_join_marks_what_one_side_lacks() -> None:
    joined = join(every(2).only("command"), every(3).only("layout", "command"))
    assert joined.mask("layout").tolist() == [False] * 2 + [True] * 3
    assert joined.mask("command").all() and set(joined.values()) == {"command", "layout"}


def test_drop_is_fixed_by_seed_and_name() -> None:
    """A sample's fate does not depend on its batch, nor on the other conditions."""
    seeds = [11, 7, 2**62, 0, 5]
    whole = drop(every(), seeds, 0.5)
    for i, seed in enumerate(seeds):
        alone = drop(every().select(torch.tensor([i])).only("layout"), [seed], 0.5)
        assert alone.mask("layout").tolist() == whole.mask("layout")[i : i + 1].tolist()


def test_drop_has_its_rates_and_is_independent() -> None:
    count = 4000
    chances = {"previous": 0.1, "layout": 0.5, "command": 1.0}
    dropped = drop(every(count), range(count), chances)
    kept = {name: dropped.mask(name) for name in NAMES}
    rates = [float(1 - kept[name].double().mean()) for name in NAMES]
    assert rates == pytest.approx([0.1, 0.5, 1.0, 0.0], abs=0.03)  # 4 standard deviations
    both = float((~kept["previous"] & ~kept["layout"]).double().mean())
    assert both == pytest.approx(0.05, abs=0.015)


def test_drop_never_gives_back() -> None:
    mask = torch.tensor([True, False, True, False, True])
    conditions = Conditions(command=torch.zeros(5, dtype=torch.int64), given={"command": mask})
    assert torch.equal(drop(conditions, range(5), 0.0).mask("command"), mask)
    assert not drop(conditions, range(5), 1.0).mask("command").any()
    assert same(drop(Conditions(), [1, 2], 0.5), Conditions())


def test_moving_keeps_everything() -> None:
    conditions = drop(every(), range(BATCH), 0.5)
    assert same(conditions.to("cpu"), conditions)
    moved = conditions.to("meta").tensors()
    assert {value.device.type for value in moved.values()} == {"meta"}


def test_wrong_arguments() -> None:
    command = torch.zeros(2, dtype=torch.int64)
    with pytest.raises((ValueError, TypeError)):  # the checker of shapes may come first
        Conditions(command=command, trajectory=torch.zeros(3, 4, 3))
    with pytest.raises(ValueError, match="batch sizes"):
        object.__setattr__(conditions := every(), "command", command)
        conditions.__post_init__()
    with pytest.raises(ValueError, match="layout"):
        Conditions(command=command, given={"layout": torch.ones(2, dtype=torch.bool)})
    with pytest.raises(ValueError, match="seeds"):
        drop(Conditions(command=command), [1], 0.1)
    with pytest.raises(ValueError, match="weather"):
        drop(Conditions(command=command), [1, 2], {"weather": 0.1})
    with pytest.raises(ValueError, match="probabilities"):
        drop(Conditions(command=command), [1, 2], 1.5)


def test_check_reads_given_values_only() -> None:
    check(every())
    given = {"command": torch.tensor([True, False])}
    check(Conditions(command=torch.tensor([3, len(COMMANDS)]), given=given))
    with pytest.raises(BadInput, match="command"):
        check(Conditions(command=torch.tensor([3, len(COMMANDS)])))
    with pytest.raises(BadInput, match="trajectory"):
        check(Conditions(trajectory=torch.full((1, 2, 3), torch.nan)))
