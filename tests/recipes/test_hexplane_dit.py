"""The transformer's recipes on latents that follow the command by a known law, and the student."""

import dataclasses
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.recipes.in_parts import train_in_parts
from tests.recipes.toy_latents import (
    CHANNELS,
    HASH,
    MEANS,
    MICRO,
    SIZE,
    SPREAD,
    made_drives,
    toy_latents,
)
from torch import Tensor, nn

from roadloom.datasets.drive_conditions import COMMANDS
from roadloom.datasets.latents import LatentFolder
from roadloom.diffusion.courses import SamplerConfig
from roadloom.diffusion.objectives import FlowObjective, published
from roadloom.diffusion.sample import sample
from roadloom.diffusion.schedules import LEVELS, FlowSchedule
from roadloom.diffusion.seeds import noise_like
from roadloom.errors import BadInput
from roadloom.models.hexplane.conditions import NAMES as CONDITIONS
from roadloom.models.hexplane.conditions import Conditions
from roadloom.models.hexplane.dit_config import dit_dc2
from roadloom.models.hexplane.generator import (
    GeneratorConfig,
    HexPlaneGenerator,
    plain_statistics,
)
from roadloom.models.hexplane.planes import PlaneSize, random_planes
from roadloom.models.store import load_model
from roadloom.recipes.hexplane_dit import DitTask, save_generator
from roadloom.recipes.hexplane_student import (
    Distillation,
    StudentTask,
    hexplane_student_tiny,
    save_student,
)
from roadloom.recipes.registry import find_recipe
from roadloom.training.flops import count_parameters
from roadloom.training.optimise import trained as trained_of
from roadloom.training.order import hash64
from roadloom.training.task import Step


def fit(task: Any, steps: int, rate: float, batch: int = 32) -> nn.Module:
    """A plain loop over examples that are read once; half of the steps fall to a rate of zero."""
    torch.manual_seed(0)
    module = task.build()
    examples = task.examples()
    read = [examples.read(index, 0) for index in range(len(examples))]
    every = {name: torch.stack([one[name] for one in read]) for name in read[0]}
    weights = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=rate)
    for number in range(steps):
        done = number / steps % 0.5 if isinstance(task, StudentTask) else number / steps / 2
        optimizer.param_groups[0]["lr"] = rate * min(1.0, 4 * (0.5 - done))
        seeds = tuple(hash64(number, place) >> 1 for place in range(batch))
        chosen = torch.tensor([seed % len(examples) for seed in seeds])
        now = {name: values[chosen] for name, values in every.items()}
        step = Step(number=number, seeds=seeds, micro_batches=1, total=steps)
        loss, _ = task.loss(module, now, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return module.eval()


@pytest.fixture(scope="module")
def task(data: Path) -> DitTask:
    return DitTask(data=data, dit=MICRO)


@pytest.fixture(scope="module")
def trained(task: DitTask) -> HexPlaneGenerator:
    module = fit(task, steps=400, rate=5e-3)
    assert isinstance(module, HexPlaneGenerator)
    return module


@pytest.fixture(scope="module")
def teacher(trained: HexPlaneGenerator, task: DitTask, tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("teacher") / "model"
    folder.mkdir()
    save_generator(trained, folder, task.card())
    return Path(folder)


def normal_mean(config: GeneratorConfig, command: str) -> Tensor:
    """Of cells under this command, as the network sees them, plane by plane in a map."""
    canvas = config.mask.float().expand(1, CHANNELS, -1, -1)
    module = HexPlaneGenerator(config)
    planes = module.planes(canvas).map(lambda plane: torch.full_like(plane, MEANS[command]))
    return module.map_of(planes)


def test_the_loss_comes_near_the_least_there_is(task: DitTask, trained: HexPlaneGenerator) -> None:
    """With the command known, cells are normal of variance s^2, and the velocity's variance given
    the noisy cell is s^2 / ((1 - t)^2 s^2 + t^2): no network does better."""
    scores = task.validate(trained, limit=None)
    spread = SPREAD / task.config.statistics.std["xy"][0]  # much the same for all planes
    times = (torch.arange(10) + 0.5) / 10
    least = float((spread**2 / ((1 - times) ** 2 * spread**2 + times**2)).mean())
    assert 0.9 * least < scores["loss"] < 1.15 * least
    assert scores["loss_only_command"] == scores["loss"]
    assert 1.1 * scores["loss"] < scores["loss_without"] < 1.6 * scores["loss"]
    assert scores["loss_shuffled_command"] > 3 * scores["loss"]
    assert task.validate(trained, limit=None) == scores
    assert scores.keys() == {
        "loss", "loss_without", "loss_only_command", "loss_shuffled_command",
    }  # fmt: skip


def test_samples_follow_the_command(trained: HexPlaneGenerator) -> None:
    for command in MEANS:
        number = torch.full((16,), COMMANDS.index(command))
        noise = noise_like(range(16), trained.config.shape)
        denoise = trained.guided(Conditions(command=number))
        made = sample(denoise, noise, SamplerConfig(name="flow_euler", steps=20))
        away = (made - normal_mean(trained.config, command))[..., trained.config.mask]
        assert abs(float(away.mean())) < 0.12, command
        planes = trained.planes(made)
        assert abs(float(planes.xy.mean()) - MEANS[command]) < 0.25
        assert 0.85 * SPREAD < float(planes.xy.std()) < 1.15 * SPREAD


def test_a_model_folder_holds_all_that_it_takes(
    trained: HexPlaneGenerator, teacher: Path, task: DitTask
) -> None:
    module, card = load_model(teacher)
    assert isinstance(module, HexPlaneGenerator) and module.config == trained.config
    assert module.config.vae == HASH and module.config.hz == 10.0
    assert module.config.statistics == LatentFolder(task.data / "train").statistics()
    assert card["licence"] == "CC0" and card["windows"] == 69
    noise = noise_like(range(2), module.config.shape)
    times, known = torch.tensor([100.0, 900.0]), Conditions(command=torch.tensor([1, 2]))
    torch.testing.assert_close(
        module(noise, times, known), trained(noise, times, known), atol=2e-2, rtol=1e-2
    )
    planes = random_planes(2, CHANNELS, SIZE, torch.Generator().manual_seed(3))
    for there, back in zip(planes, module.planes(module.map_of(planes)), strict=True):
        torch.testing.assert_close(there, back)


def test_guidance_moves_away_from_the_unconditional(trained: HexPlaneGenerator) -> None:
    noise, times = noise_like(range(3), trained.config.shape), torch.full((3,), 700.0)
    known = Conditions(command=torch.tensor([1, 2, 0]))
    plain, null = trained(noise, times, known), trained(noise, times, known.null())
    torch.testing.assert_close(trained.guided(known)(noise, times), plain)
    torch.testing.assert_close(
        trained.guided(known, 3.0)(noise, times), null + 3 * (plain - null), atol=1e-4, rtol=1e-4
    )
    torch.testing.assert_close(trained.guided(Conditions(), 3.0)(noise, times), null)


def test_the_loss_does_not_depend_on_the_split(task: DitTask, trained: HexPlaneGenerator) -> None:
    """Of a batch it is the mean of its samples' own, with the seeds that they had."""
    examples = task.examples()
    read = [examples.read(index, 0) for index in (3, 30, 60)]
    batch = {name: torch.stack([one[name] for one in read]) for name in read[0]}
    whole, _ = task.loss(trained, batch, Step(number=0, seeds=(7, 8, 9), micro_batches=1))
    parts = [
        task.loss(
            trained, {name: values[i : i + 1] for name, values in batch.items()},
            Step(number=0, seeds=(7 + i,), micro_batches=3),
        )[0]
        for i in range(3)
    ]  # fmt: skip
    torch.testing.assert_close(whole, torch.stack(parts).mean())
    padded = batch["latent"].masked_fill(~task.config.mask, 5.0)
    again, _ = task.loss(trained, batch | {"latent": padded}, Step(number=0, seeds=(7, 8, 9),
                                                                   micro_batches=1))  # fmt: skip
    assert torch.equal(again, whole)  # the padding counts nowhere


def test_the_loss_is_weighted(task: DitTask, trained: HexPlaneGenerator) -> None:
    """Half the weights twice as heavy: half of that loss is the loss with the plain ones and the
    half's own."""
    plain = dataclasses.replace(task, balance=0.0, motion=1.0)
    examples = plain.examples()
    batch = {name: value[None] for name, value in examples.read(5, 0).items()}
    step = Step(number=0, seeds=(7,), micro_batches=1)
    whole, _ = plain.loss(trained, batch, step)
    assert plain.weights is None and task.weights is not None
    ones = torch.ones(task.config.shape)
    first = (torch.arange(ones.shape[0]) % 2).float()[:, None, None].expand_as(ones)
    parts = []
    for weights in (2 * first, 2 * (1 - first), 3 * ones):
        object.__setattr__(plain, "weights", weights)
        parts.append(plain.loss(trained, batch, step)[0])
    torch.testing.assert_close((parts[0] + parts[1]) / 2, whole)
    torch.testing.assert_close(parts[2], 3 * whole)


@pytest.mark.parametrize("rank", [0, 2])
def test_a_student_that_was_stopped_ends_with_the_same_bits(
    data: Path, teacher: Path, tmp_path: Path, rank: int
) -> None:
    """Stopped before, at and after the change of teachers."""
    task = StudentTask(data=data, teacher=teacher, steps=1, rounds=2, rank=rank, guidance=1.5)
    train_in_parts(task, (2, 3, 4), partial(save_student, teacher=teacher), tmp_path)
    module, card = load_model(tmp_path / "whole" / "model")
    assert isinstance(module, HexPlaneGenerator)
    assert module.config.student == task.grids[-1] and module.config.guidance == 1.5
    assert card["teacher"] == load_model(teacher)[1]["weights_sha256"]
    assert card["scores"]["student_steps"] == 1
    with pytest.raises(BadInput, match="distilled into this student"):
        module.guided(Conditions(command=torch.tensor([0])), 2.0)
    with pytest.raises(BadInput, match="is a student itself"):
        StudentTask(data=data, teacher=tmp_path / "whole" / "model").build()


def test_a_transformer_that_was_stopped_ends_with_the_same_bits(data: Path, tmp_path: Path) -> None:
    """With all four conditions."""
    task = DitTask(data=data, dit=dataclasses.replace(MICRO, conditions=CONDITIONS))
    train_in_parts(task, (3,), save_generator, tmp_path)
    card = load_model(tmp_path / "whole" / "model")[1]
    assert card["conditions"] == list(CONDITIONS)
    assert "\n# toy\n" in (tmp_path / "whole" / "model" / "README.md").read_text()
    assert card["objective"]["flow"]["schedule"]["draw"] == "uniform"
    told = {f"loss_{how}_{name}" for how in ("only", "shuffled") for name in CONDITIONS}
    assert card["scores"].keys() == told | {"loss", "loss_without"}


def test_training_goes_on_from_a_model(data: Path, teacher: Path, tmp_path: Path) -> None:
    task = DitTask(data=data, dit=MICRO, start=teacher)
    module, before = task.build(), load_model(teacher)[0]
    assert isinstance(module, HexPlaneGenerator) and isinstance(before, HexPlaneGenerator)
    assert all(map(torch.equal, module.parameters(), before.parameters()))
    assert module.config == before.config
    scores = task.validate(module.eval(), limit=20)
    fresh = DitTask(data=data, dit=MICRO)
    assert scores["loss"] < 0.7 * fresh.validate(fresh.build().eval(), limit=20)["loss"]
    train_in_parts(task, (3,), save_generator, tmp_path)
    told = load_model(tmp_path / "whole" / "model")[1]["start"]
    assert told["weights_sha256"] == load_model(teacher)[1]["weights_sha256"]


def test_what_cannot_be_gone_on_with_is_told(data: Path, teacher: Path, tmp_path: Path) -> None:
    wide = dataclasses.replace(MICRO, width=64)
    for dit, place, match in (
        (wide, teacher, "dit differ"),
        (MICRO, "hexplane_vae_v1", "no transformer over latents"),
        (MICRO, "hexplane_student_v1", "is a student itself"),
        (MICRO, tmp_path / "nothing", "is no folder"),
        (MICRO, tmp_path, "no such file"),
    ):
        with pytest.raises(BadInput, match=match) as told:
            DitTask(data=data, dit=dit, start=place).build()
        assert "--start" in str(told.value)
    other = toy_latents(made_drives(tmp_path / "p"), tmp_path / "other", 0, encoder="f" * 64)
    with pytest.raises(BadInput, match="vae differ"):
        DitTask(data=other, dit=MICRO, start=teacher).build()
    with pytest.raises(BadInput, match="flow differ"):
        shifted = FlowObjective(schedule=FlowSchedule(shift=7.0))
        DitTask(data=data, dit=MICRO, flow=shifted, start=teacher).build()
    named = find_recipe("hexplane_dit_tiny", None, start="hexplane_dit_v1").task
    assert isinstance(named, DitTask) and named.config.follow_gain == 1
    with pytest.raises(BadInput, match="--start"):
        find_recipe("hexplane_vae_tiny", data, start=teacher)


def test_the_first_teacher_stays_until_its_round_is_over(data: Path, teacher: Path) -> None:
    module = StudentTask(data=data, teacher=teacher, steps=1, rounds=2).build()
    assert isinstance(module, Distillation)
    with torch.no_grad():
        next(module.student.parameters()).add_(1.0)
    first = [p.clone() for p in module.teacher.parameters()]
    module.enter(0)
    assert all(map(torch.equal, first, module.teacher.parameters()))
    module.enter(1)
    assert all(map(torch.equal, module.student.parameters(), module.teacher.parameters()))
    assert not any(p.requires_grad for p in module.teacher.parameters())
    with pytest.raises(BadInput, match="round 2 had begun"):
        module.enter(0)
    next(module.student.parameters()).device_mesh = None  # type: ignore[attr-defined]
    with pytest.raises(BadInput, match="all weights in each process"):
        module.enter(1)


def test_a_difference_becomes_the_teacher_and_is_stored_alone(
    data: Path, teacher: Path, tmp_path: Path
) -> None:
    """Its student computes the same before, as a plain network, and out of its folder."""
    task = StudentTask(data=data, teacher=teacher, steps=1, rounds=2, rank=2)
    module = task.build()
    assert isinstance(module, Distillation) and module.difference is not None
    assert trained_of(module).keys() == {
        f"difference.{name}" for name, _ in module.difference.named_parameters()
    }
    with torch.no_grad():
        for parameter in module.difference.parameters():
            parameter.copy_(torch.randn_like(parameter).half() / 8)
    x = torch.randn(3, *task.config.shape)
    place = torch.zeros(3, dtype=torch.int64)
    said, _ = module(x, x, place, {}, 0)
    plain = module.merged()
    time = module.grids[0].times(place)
    noisy = FlowObjective().corrupt(x, x, time)
    assert torch.equal(said, plain(noisy, time))
    module.enter(1)
    assert torch.equal(module.teacher(noisy, time), said)
    save_student(module, tmp_path / "model", {}, teacher=teacher)
    stored, _ = load_model(tmp_path / "model")
    assert torch.equal(stored(noisy, time), said)
    assert weights_size(tmp_path / "model") < weights_size(teacher)


def weights_size(folder: Path) -> int:
    return (folder / "model.safetensors").stat().st_size


def test_distilling_brings_few_steps_near_to_many(data: Path, teacher: Path) -> None:
    task = StudentTask(data=data, teacher=teacher, steps=2, rounds=2, guidance=1.5)
    assert [grid.steps for grid in task.grids] == [4, 2]
    before = task.validate(task.build().eval(), limit=24)
    assert before["student_steps"] == 4  # of the first round; unguided as yet
    module = fit(task, steps=100, rate=3e-3)
    after = task.validate(module, limit=24)
    assert after["student_steps"] == 2
    assert after["distance"] < 0.1 * after["distance_undistilled"], after


def test_recipes_stand_without_data() -> None:
    sizes = {
        name: count_parameters(find_recipe(name, None).task)
        for name in (
            "hexplane_dit_tiny", "hexplane_dit_small", "hexplane_dit_base", "hexplane_dit_paper",
            "hexplane_student_tiny",
        )
    }  # fmt: skip
    tiny = sizes["hexplane_dit_tiny"][0]
    assert tiny <= 4_000_000
    total, trained = sizes["hexplane_student_tiny"]
    assert total == 2 * tiny + trained  # teacher and the student's first weights are frozen
    assert trained <= 341_000  # 0.68 MB in half precision
    whole = count_parameters(find_recipe("hexplane_student_tiny", None, student_rank=0).task)
    assert whole == (2 * tiny, tiny)
    assert sizes["hexplane_dit_paper"] == (43_175_936, 43_175_936)  # see dit_dc2
    assert tiny < sizes["hexplane_dit_small"][0] < sizes["hexplane_dit_base"][0]


def test_made_examples_have_the_shapes_of_real_ones(data: Path, task: DitTask) -> None:
    made = DitTask(data=None, dit=MICRO)
    one, real = made.examples().read(0, 0), task.examples().read(0, 0)
    assert one.keys() == real.keys()
    for name, tensor in one.items():
        if name != "layout":  # at any resolution
            assert (tensor.shape, tensor.dtype) == (real[name].shape, real[name].dtype), name
    assert made.validate(made.build(), None) == {} and made.validation_examples() == 0
    assert task.validation_examples() == 69


def test_tasks_can_be_sent_to_another_process(task: DitTask, teacher: Path) -> None:
    student = StudentTask(data=task.data, teacher=teacher)
    for one in (task, student):
        one.build()
        again = pickle.loads(pickle.dumps(one))
        assert again == one and len(again.examples()) == 69


def test_published_latents_are_taken_as_they_are(data: Path) -> None:
    micro = dit_dc2(width=32, depth=1, heads=2)
    task = DitTask(data=data, dit=micro, flow=None, epsilon=published(), normalise=False)
    assert task.config.statistics == plain_statistics(CHANNELS)
    examples = task.examples()
    batch = {name: value[None] for name, value in examples.read(2, 0).items()}
    folder = LatentFolder(data / "train")
    xy = folder.latents("a", 2)["xy"]
    assert torch.equal(batch["latent"][0, :, :4, :4], xy)
    loss, _ = task.loss(task.build(), batch, Step(number=0, seeds=(1,), micro_batches=1))
    assert 0.5 < float(loss.detach()) < 20  # about 1, the noise's variance, and the bound's term


def test_what_does_not_fit_is_told(data: Path, teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a student needs a teacher"):
        find_recipe("hexplane_student_tiny", data)
    with pytest.raises(BadInput, match="1 step or more"):
        hexplane_student_tiny(None, student_steps=0)
    with pytest.raises(BadInput, match="--guidance"):
        hexplane_student_tiny(None, guidance=float("nan"))
    with pytest.raises(BadInput, match="no such choice.*--teacher|--teacher.*no such choice"):
        find_recipe("hexplane_dit_tiny", data, teacher=teacher)
    named = find_recipe("hexplane_student_tiny", data, teacher=teacher, student_steps=2)
    assert isinstance(named.task, StudentTask) and named.task.grids[-1].steps == 2
    other = toy_latents(made_drives(tmp_path / "p"), tmp_path / "other", 0, encoder="f" * 64)
    with pytest.raises(BadInput, match="another encoder"):
        StudentTask(data=other, teacher=teacher).examples()
    coarse = dataclasses.replace(MICRO, size=PlaneSize(4, 4, 4, 4), patch=4)
    with pytest.raises(BadInput, match="patches of 4 cells"):
        _ = DitTask(data=data, dit=coarse).config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epsilon": published()}, "set flow or epsilon"),
        ({"flow": None}, "set flow or epsilon"),
        ({"flow": None, "epsilon": published()}, "learned_variance"),
        ({"hz": 0.0}, "hz must be positive"),
        ({"carry_past": True}, "needs the condition previous"),
        ({"statistics": plain_statistics(3)}, "statistics need 2 channels"),
    ],
)
def test_configurations_that_cannot_be(
    changes: dict[str, Any], words: str, trained: HexPlaneGenerator
) -> None:
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(trained.config, **changes)


def test_times_of_validation_lie_on_the_scale(task: DitTask) -> None:
    drawn = task.config.objective.draw(range(100))
    assert float(drawn.min()) > 0 and float(drawn.max()) <= LEVELS
