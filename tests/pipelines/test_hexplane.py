"""Conditions, guidance, known planes and drives: nothing leaks, no sample depends on its batch."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.pipelines.micro import (
    VAE,
    driving,
    generator_config,
    micro_world,
    save_micro,
    statistics,
    street,
)
from torch import Tensor

from roadloom.diffusion.courses import SamplerConfig
from roadloom.diffusion.distill import StudentGrid
from roadloom.diffusion.objectives import EpsilonObjective
from roadloom.errors import BadInput, MissingInput
from roadloom.models.hexplane.conditions import Conditions
from roadloom.models.hexplane.planes import Planes, random_planes
from roadloom.models.hexplane.rollout import unroll
from roadloom.pipelines.hexplane import HexPlaneWorld, Known, load_world
from roadloom.pipelines.uses import How, chunk_seed, drive, forecast, generate

TWO = SamplerConfig(steps=2)
USUAL = SamplerConfig(name="dpm++", objective="flow", steps=3, shift=3.0)


@pytest.fixture(scope="module")
def world() -> HexPlaneWorld:
    return micro_world()


def conditions(count: int = 1) -> Conditions:
    source = torch.Generator().manual_seed(7)
    return Conditions(
        layout=torch.rand(count, VAE.frames, 3, 8, 8, generator=source),
        command=torch.arange(count) % 4,
        trajectory=torch.randn(count, VAE.frames, 3, generator=source),
    )


def close(a: Planes, b: Planes) -> bool:
    return all(torch.allclose(x, y, atol=1e-4) for x, y in zip(a, b, strict=True))


def test_a_seed_gives_the_same_in_any_batch(world: HexPlaneWorld) -> None:
    given = conditions(3)
    together = world.sample([5, 6, 7], given, sampler=TWO)
    alone = world.sample([6], given.select(torch.tensor([1])), sampler=TWO)
    assert close(together.map(lambda plane: plane[1:2]), alone)
    other = world.sample([8], given.select(torch.tensor([1])), sampler=TWO)
    assert not close(other, alone)


def test_maps_and_planes_are_two_forms_of_one_latent(world: HexPlaneWorld) -> None:
    planes = random_planes(2, VAE.channels, VAE.size, torch.Generator().manual_seed(0))
    assert close(world.generator.planes(world.generator.map_of(planes)), planes)


@pytest.mark.parametrize("way", [TWO, USUAL], ids=lambda way: way.name)
def test_known_cells_come_back_bit_for_bit(world: HexPlaneWorld, way: SamplerConfig) -> None:
    source = torch.Generator().manual_seed(1)
    planes = random_planes(1, VAE.channels, VAE.size, source)
    keep = planes.map(lambda plane: torch.rand(plane.shape[1:], generator=source) > 0.5)
    made = world.sample([1, 2], sampler=way, known=Known(planes, keep))
    for mine, theirs, mask in zip(made, planes, keep, strict=True):
        for row in mine:
            assert torch.equal(row[mask], theirs[0][mask])
            assert not torch.equal(row[~mask], theirs[0][~mask])


class Spy:
    """Stands in for the generator's forward: notes what it is told, says nothing."""

    def __init__(self) -> None:
        self.seen: list[Conditions | None] = []

    def __call__(self, x: Tensor, times: Tensor, given: Any = None) -> Tensor:
        self.seen.append(given)
        return torch.zeros_like(x)


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[HexPlaneWorld, Spy]]:
    def make() -> tuple[HexPlaneWorld, Spy]:
        world, spy = micro_world(), Spy()
        monkeypatch.setattr(world.generator, "forward", spy)
        return world, spy

    return make


def test_the_network_sees_the_conditions_and_nothing_else(
    spied: Callable[[], tuple[HexPlaneWorld, Spy]],
) -> None:
    world, spy = spied()
    given = conditions()
    world.sample([0], sampler=TWO)
    assert spy.seen == [None, None]
    spy.seen.clear()
    world.sample([0], given, sampler=TWO)
    assert [set(seen.values()) for seen in spy.seen if seen] == [set(given.values())] * 2
    assert all(
        torch.equal(value, given.values()[name])
        for seen in spy.seen if seen for name, value in seen.values().items()
    )  # fmt: skip


def test_guidance_asks_with_and_without(
    spied: Callable[[], tuple[HexPlaneWorld, Spy]],
) -> None:
    world, spy = spied()
    given = conditions()
    world.sample([0], given, sampler=SamplerConfig(steps=1), guidance=3.0)
    (seen,) = spy.seen
    assert seen is not None
    assert {name: seen.mask(name).tolist() for name in seen.values()} == dict.fromkeys(
        given.values(), [False, True]
    )
    spy.seen.clear()
    scales = {"layout": 2.0, "command": 1.5, "trajectory": 1.0}
    world.sample([0], given, sampler=SamplerConfig(steps=1), guidance=scales)
    (seen,) = spy.seen
    assert seen is not None
    rows = {name: seen.mask(name).tolist() for name in seen.values()}
    order = list(scales)  # each branch knows its own condition alone
    assert rows == {n: [False, *(n == other for other in order)] for n in order}


def test_a_drive_is_told_the_window_before(
    spied: Callable[[], tuple[HexPlaneWorld, Spy]],
) -> None:
    world, spy = spied()
    own = Conditions(command=torch.tensor([2]))
    windows = list(drive(world, 3, 4, [None, own], How(sampler=SamplerConfig(steps=1))))
    assert spy.seen[0] is None
    second, third = spy.seen[1], spy.seen[2]
    assert second is not None and third is not None
    assert set(second.values()) == {"previous", "command"} and set(third.values()) == {"previous"}
    for seen, before in zip((second, third), windows, strict=False):
        assert seen.previous is not None
        assert torch.equal(seen.previous, world.generator.past_of(before.planes))


def test_a_drive_goes_on_alike_and_lazily(world: HexPlaneWorld) -> None:
    how = How(sampler=TWO)
    long, short = drive(world, 10**9, 3, how=how), list(drive(world, 2, 3, how=how))
    for window in short:
        assert torch.equal(next(long).labels, window.labels)
    (first,) = generate(world, [3], how=how)
    assert torch.equal(first.labels, short[0].labels)
    assert len({chunk_seed(3, number) for number in range(100)}) == 100


def test_windows_that_follow_are_made_with_the_gain() -> None:
    """By hand the same; the first window, and any with guidance of its own, without."""
    world = micro_world(follow_gain=1.3)
    windows = list(drive(world, 2, 5, how=How(sampler=TWO)))
    past = Conditions(previous=world.generator.past_of(windows[0].planes))
    seeds = [chunk_seed(5, 1)]
    by_gain = {g: world.sample(seeds, past, sampler=TWO, gain=g) for g in (1.0, 1.3, 0.8)}
    assert close(windows[0].planes, world.sample([chunk_seed(5, 0)], sampler=TWO))
    assert close(windows[1].planes, by_gain[1.3]) and not close(by_gain[1.3], by_gain[1.0])
    given = list(drive(world, 2, 5, how=How(sampler=TWO, follow_gain=0.8)))
    assert close(given[1].planes, by_gain[0.8])
    guided = list(drive(world, 2, 5, how=How(sampler=TWO, guidance=2.0)))
    assert close(guided[1].planes, world.sample(seeds, past, sampler=TWO, guidance=2.0))
    forecasts = list(forecast(world, street(), 2, 5, how=How(sampler=TWO)))
    seen = Conditions(previous=world.generator.past_of(world.encode(street()[None])))
    assert close(forecasts[0].planes, world.sample([chunk_seed(5, 0)], seen, sampler=TWO))


def test_a_gain_scales_the_planes_of_space_in_the_clean_sample(world: HexPlaneWorld) -> None:
    """One Euler step is the clean sample alone."""
    one, size = SamplerConfig(steps=1), world.config.dit.size
    plain, large = (
        unroll(world.generator.map_of(world.sample([3], sampler=one, gain=gain)), size)
        for gain in (1.0, 1.5)
    )
    expected = plain._replace(**{name: 1.5 * getattr(plain, name) for name in ("xy", "xz", "yz")})
    for made, wanted in zip(large, expected, strict=True):
        torch.testing.assert_close(made, wanted, atol=1e-4, rtol=1e-4)


def test_gains_without_sense_are_told(world: HexPlaneWorld) -> None:
    for gain in (0.0, float("nan"), 1e308):
        if gain != 1e308:
            with pytest.raises(BadInput, match="gain"):
                world.sample([0], sampler=TWO, gain=gain)
            with pytest.raises(BadInput, match="follow_gain"):
                How(follow_gain=gain)
        with pytest.raises(ValueError, match="follow_gain must lie in"):
            generator_config(follow_gain=gain)
    noisy = {"flow": None, "epsilon": EpsilonObjective(learned_variance=False), "follow_gain": 1.1}
    with pytest.raises(ValueError, match="follow_gain is of a flow"):
        generator_config(**noisy)
    plain = micro_world(flow=None, epsilon=EpsilonObjective(learned_variance=False))
    with pytest.raises(BadInput, match="predicts noise takes none"):
        plain.sample([0], gain=1.1)


def test_a_drive_holds_one_window(world: HexPlaneWorld) -> None:
    """What a drive keeps alive between windows does not grow with their number."""
    import gc
    import weakref

    kept = []
    for window in drive(world, 4, 0, how=How(sampler=SamplerConfig(steps=1))):
        kept.append(weakref.ref(window.planes.xy))
        del window
        gc.collect()
        assert sum(ref() is not None for ref in kept) <= 1


def test_a_forecast_begins_after_its_frames(world: HexPlaneWorld) -> None:
    voxels, how = street(), How(sampler=TWO)
    past = world.encode(voxels[None], driving()[None])
    expected = list(drive(world, 2, 9, how=how, past=past))
    found = list(forecast(world, voxels, 2, 9, how=how, motion=driving()))
    assert all(torch.equal(a.labels, b.labels) for a, b in zip(found, expected, strict=True))
    plain = next(drive(world, 1, 9, how=how))
    assert not torch.equal(found[0].labels, plain.labels)


def test_windows_generated_in_batches_are_those_generated_alone(world: HexPlaneWorld) -> None:
    how, given = How(sampler=TWO), conditions(3)
    alone = list(generate(world, [1, 2, 3], given, how))
    pairs = list(generate(world, [1, 2, 3], given, how, batch=2))
    for one, other in zip(alone, pairs, strict=True):
        assert one.seed == other.seed and close(one.planes, other.planes)
        assert one.conditions is not None and other.conditions is not None
        assert torch.equal(one.conditions.command, other.conditions.command)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Conditions(trajectory=torch.zeros(1, 7, 3)), "trajectory of shape"),
        (Conditions(layout=torch.zeros(1, 4, 1, 8, 8)), "layout of shape"),
        (Conditions(previous=torch.zeros(1, 4, 3, 3)), "previous of shape"),
        (Conditions(command=torch.tensor([4])), "commands are"),
        (Conditions(trajectory=torch.full((1, 4, 3), torch.nan)), "NaN"),
        (Conditions(command=torch.tensor([0, 1])), "of 2 windows, 1 seeds"),
    ],
)
def test_conditions_that_do_not_fit_are_refused(
    world: HexPlaneWorld, given: Conditions, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        world.sample([0], given, sampler=TWO)


def test_a_condition_that_was_never_learned_is_refused() -> None:
    config = generator_config()
    world = micro_world(dit=replace(config.dit, conditions=("command",)), carry_past=False)
    with pytest.raises(BadInput, match="cannot follow layout, trajectory"):
        world.sample([0], conditions(), sampler=TWO)
    with pytest.raises(BadInput, match="window before"):
        next(drive(world, 2, 0))
    assert len(list(drive(world, 1, 0, how=How(sampler=TWO)))) == 1


def test_other_ways_than_the_generators_are_refused(world: HexPlaneWorld) -> None:
    with pytest.raises(BadInput, match="trained for flow"):
        world.sample([0], sampler=SamplerConfig(name="ddim", objective="epsilon", steps=2))
    with pytest.raises(BadInput, match="no seed"):
        world.sample([], sampler=TWO)
    for endless in (float("nan"), {"layout": 2.0, "command": 1.0, "trajectory": float("inf")}):
        with pytest.raises(BadInput, match="must be finite"):
            world.sample([0], conditions(), sampler=TWO, guidance=endless)
    with pytest.raises(ValueError, match="students only"):
        generator_config(guidance=2.0)
    with pytest.raises(ValueError, match="layout needs 3 classes"):
        generator_config(layout=("Road",))
    with pytest.raises(BadInput, match="names layout"):
        world.sample([0], conditions(), sampler=TWO, guidance={"layout": 2.0})
    with pytest.raises(BadInput, match="steps"):
        world.sampler(0)
    assert world.sampler(3) == USUAL and world.sampler().steps == 50
    student = micro_world(student=StudentGrid(steps=2), guidance=1.5)
    assert student.sampler() == StudentGrid(steps=2).sampler()
    for wrong in ({"sampler": SamplerConfig(steps=3)}, {"guidance": 2.0}):
        with pytest.raises(BadInput, match="student"):
            student.sample([0], conditions(), **wrong)
    with pytest.raises(BadInput, match="cannot take 5"):
        student.sampler(5)


def test_a_student_without_guidance_takes_some() -> None:
    student = micro_world(student=StudentGrid(steps=2))
    plain, guided, again = (
        student.sample([0, 1], conditions(2), guidance=scale) for scale in (1.0, 2.0, 2.0)
    )
    assert close(guided, again) and not close(plain, guided)


def test_windows_of_another_size_are_refused(world: HexPlaneWorld) -> None:
    with pytest.raises(BadInput, match="the model takes uint8"):
        world.encode(street()[None, :2])
    with pytest.raises(BadInput, match="the model takes uint8"):
        world.encode(street()[None, :, :64])


def test_models_that_do_not_fit_each_other_are_refused(world: HexPlaneWorld) -> None:
    def made(**changes: object) -> HexPlaneWorld:
        other = micro_world(**changes)
        return HexPlaneWorld(vae=world.vae, generator=other.generator, vae_hash="aa")

    assert made(vae="aa").frames == VAE.frames
    with pytest.raises(BadInput, match="knows latents of bb"):
        made(vae="bb")
    with pytest.raises(BadInput, match=r"occ3d has .* cells"):
        made(grid="occ3d")
    with pytest.raises(BadInput, match="classes, the autoencoder"):
        made(class_view="occ3d18")
    with pytest.raises(BadInput, match="tells no motion of the ego"):
        HexPlaneWorld(vae=micro_world(motion=False).vae, generator=world.generator)
    with pytest.raises(BadInput, match="makes planes"):
        small = generator_config(replace(VAE, channels=6))
        made(dit=small.dit, statistics=statistics(6))


def test_a_pair_of_folders_is_a_world(tmp_path: Path, world: HexPlaneWorld) -> None:
    model, vae = save_micro(tmp_path)
    found = load_world(model, vae)
    assert found.names["model"] == "dit" and len(found.names["vae_sha256"]) == 64
    assert found.licence == "CC0-1.0"
    assert close(found.sample([3], sampler=TWO), world.sample([3], sampler=TWO))
    with pytest.raises(MissingInput, match="no autoencoder that ships"):
        load_world(model)
    with pytest.raises(BadInput, match="no hexplane_dit"):
        load_world(vae, vae)
    with pytest.raises(BadInput, match="no hexplane_vae"):
        load_world(model, model)
