"""Plans: exact counts, what a probe measures, and what is said where nothing can be tried."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.toys import Points, Toy, save_weights, settings

from roadloom.cli.main import main
from roadloom.errors import BadInput
from roadloom.recipes import registry
from roadloom.recipes.recipe import Recipe
from roadloom.training import plan as plans
from roadloom.training.flops import count_parameters, step_flops, throughput
from roadloom.training.machine import folder_bytes, free_memory, peak_memory
from roadloom.training.plan import Plan, plan, told_size, told_time
from roadloom.training.probe import Measured, TooCostly, measure

TOY = Toy(points=Points(width=4), hidden=8)
PARAMETERS = (4 * 8 + 8) + (8 * 8 + 8) + (8 + 1)


@dataclass(frozen=True)
class Frozen(Toy):
    def build(self) -> torch.nn.Module:
        module = super().build()
        module.last.requires_grad_(False)  # type: ignore[union-attr]
        return module


@dataclass(frozen=True)
class LooksAtValues(Toy):
    def loss(self, module: Any, batch: Any, step: Any) -> Any:
        loss, values = super().loss(module, batch, step)
        return loss * float(loss), values


@dataclass(frozen=True)
class LooksFirst(Toy):
    def loss(self, module: Any, batch: Any, step: Any) -> Any:
        loss, values = super().loss(module, {"x": batch["x"] * float(batch["y"][0])}, step)
        return loss, values


def test_parameters_are_counted_without_memory() -> None:
    assert count_parameters(TOY) == (PARAMETERS, PARAMETERS)
    assert count_parameters(Frozen()) == (PARAMETERS, PARAMETERS - 9)


@pytest.mark.parametrize("micro_batch", [None, 2])
def test_operations_of_a_step_are_exact(micro_batch: int | None) -> None:
    """Two for each weight and example forward; backward as many for weights, and for inputs of
    all layers but the first."""
    forward = 4 * 8 + 8 * 8 + 8
    expected = 2 * 4 * (3 * forward - 4 * 8)
    assert step_flops(TOY, settings(micro_batch=micro_batch)) == (expected, True)


def test_operations_of_a_loss_that_looks_at_values_are_three_times_forward() -> None:
    """In a fresh process: after other tests torch's fake tensors have crashed the interpreter."""
    forward = 2 * 4 * (4 * 8 + 8 * 8 + 8)
    code = (
        "from tests.training.test_plan import LooksAtValues, LooksFirst, settings, step_flops\n"
        "print(*step_flops(LooksAtValues(), settings()))\n"
        "try: step_flops(LooksFirst(), settings())\n"
        "except RuntimeError: print('looks first')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path.cwd(), check=True
    )
    assert done.stdout.split("\n")[:2] == [f"{3 * forward} False", "looks first"]


def test_a_probe_measures_all_parts() -> None:
    config = settings(steps=100)
    measured = measure(TOY, config, "cpu", save=save_weights, budget_s=0.1)
    assert 4 < measured.steps <= 100
    for name in ("start_s", "first_step_s", "step_s", "validate_s", "save_s", "export_s"):
        assert getattr(measured, name) > 0, name
    assert measured.checkpoint_bytes > 4 * 4 * PARAMETERS and measured.memory_bytes > 1e6
    assert 4 * PARAMETERS < measured.model_bytes < measured.checkpoint_bytes
    none = measure(TOY, settings(steps=1), "cpu", save=None, budget_s=0.1)
    assert (none.steps, none.model_bytes) == (1, 0) and none.step_s == none.first_step_s


class CountingTask(Toy):
    asked: list[int | None] = []

    def validation_examples(self) -> int:
        return 100

    def validate(self, module: Any, limit: int | None) -> dict[str, float]:
        self.asked.append(limit)
        return {}


@pytest.mark.parametrize(
    ("limit", "asked"), [(None, [1, 8, 16]), (40, [1, 8, 16]), (16, [16]), (3, [3])]
)
def test_long_validations_are_only_begun(limit: int | None, asked: list[int]) -> None:
    CountingTask.asked.clear()
    measure(CountingTask(), settings(steps=1, validate_limit=limit), "cpu", save=None, budget_s=0.0)
    assert CountingTask.asked == asked


def test_every_cycle_is_tried() -> None:
    """A task may do other work in each, as students do whose first teacher is guided."""
    seen: list[int] = []

    class Notes(Toy):
        def loss(self, module: Any, batch: Any, step: Any) -> Any:
            seen.append(step.number)
            return super().loss(module, batch, step)

    told = measure(Notes(), settings(steps=30, cycles=3), "cpu", save=None, budget_s=0.01)
    assert {0, 10, 20} <= set(seen) <= set(range(30)) and seen == sorted(seen)
    assert told.steps == len(seen)
    seen.clear()
    measure(Notes(), settings(steps=2, cycles=3), "cpu", save=None, budget_s=0.01)
    assert seen == [0, 1]


def test_a_run_is_the_sum_of_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = Measured(
        start_s=1.0, first_step_s=5.0, step_s=2.0, steps=9, validate_s=10.0, save_s=3.0,
        export_s=4.0, memory_bytes=2**30, checkpoint_bytes=1000, model_bytes=300,
    )  # fmt: skip
    monkeypatch.setattr(plans, "probe", lambda *a, **k: measured)
    made = plan(TOY, settings(steps=11, validate_every=4, save_every=5), "cpu")
    parts = {"start": 1.0, "steps": 25.0, "validate": 30.0, "save": 9.0, "export": 4.0}
    assert made.parts == parts and made.seconds == 69.0
    assert made.disk_bytes == 2 * 1000 + 300 + 7 * 250  # log lines: step 1, 2, 4, ..., 10, 11
    once = plan(TOY, settings(steps=4, validate_every=0, save_every=5), "cpu")
    assert once.parts["validate"] == 10.0 and once.parts["save"] == 3.0
    text = made.table()
    assert f"{PARAMETERS}" in text and "1.00 GiB" in text and "1 min" in text and "9 steps" in text


def test_what_cannot_be_tried_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **more: Any) -> Measured:
        raise TooCostly("only 3 MiB of memory were left")

    monkeypatch.setattr(plans, "probe", refuse)
    made = plan(TOY, settings(), "cpu")
    assert made.how == "counted" and made.memory_bytes is None
    assert made.seconds == pytest.approx(12 * made.step_s) and made.seconds > 0  # type: ignore[operator]
    text = made.table()
    assert "only 3 MiB" in text and "GFLOP/s" in text and "unknown" in text
    assert "about " in plan(LooksAtValues(), settings(), "cpu").table()
    blind = plan(LooksFirst(), settings(), "cpu")
    assert blind.seconds is None and "cannot be counted" in blind.table()


def test_throughput_and_memory_are_positive() -> None:
    device = torch.device("cpu")
    assert throughput(device) > 1e8 and peak_memory(device) > 1e7
    assert (free_memory() or 1) > 0


def test_sizes_of_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12345")
    (tmp_path / "c").write_bytes(b"1")
    assert folder_bytes(tmp_path) == 6


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(3.21, "3.2 s"), (90.0, "2 min"), (3599.0, "1 h 00 min"), (7500.0, "2 h 05 min")],
)
def test_times_are_told(seconds: float, told: str) -> None:
    assert told_time(seconds) == told
    assert told_size(3 * 2**20) == "3.0 MiB" and told_size(5 * 2**29) == "2.50 GiB"


@pytest.fixture
def toy_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(name="toy", about="A toy.", task=TOY, train=settings(), save=save_weights)
    monkeypatch.setitem(registry.RECIPES, "toy", lambda data: recipe)


def command(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    return int(stop.value.code or 0)


def test_a_run_by_command_is_as_planned(
    toy_recipe: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Plan in a fresh process, run, compare what does not depend on how busy the machine is."""
    out = tmp_path / "run"
    words = ("train", "toy", "--data", str(tmp_path), "--out", str(out), "--device", "cpu")
    assert command(*words, "--steps", "15") == 0
    about = json.loads((out / "run.json").read_text())
    planned, fact = about["plan"], about["fact"]
    assert planned == json.loads((out / "plan.json").read_text())
    assert planned["parameters"] == PARAMETERS and planned["how"] == "measured"
    assert planned["parts"].keys() == fact["seconds"].keys()
    files = fact["disk_bytes"] - (out / "plan.json").stat().st_size
    assert planned["disk_bytes"] == pytest.approx(files, rel=0.2)
    told = capsys.readouterr().out
    assert "15 steps done" in told and "(plan: " in told and "error" in told


@pytest.mark.parametrize("kept", ["[]", '{"seconds": "long"}', "{"])
def test_a_kept_plan_that_is_none(
    kept: str, toy_recipe: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.json").write_text(kept)
    words = ("train", "toy", "--data", str(tmp_path), "--out", str(tmp_path), "--device", "cpu")
    assert command(*words) == 2
    assert "plan.json: " in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_stopped_command_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = Recipe(name="toy", about="A toy.", task=replace(TOY, stop_at=5), train=settings())
    monkeypatch.setitem(registry.RECIPES, "toy", lambda data: recipe)
    words = ("train", "toy", "--data", str(tmp_path), "--out", str(tmp_path / "run"))
    assert command(*words, "--device", "cpu", "--no-plan") == 130
    assert "stopped after step 5" in capsys.readouterr().out
    assert not (tmp_path / "run" / "plan.json").exists()


def test_plans_by_command(
    toy_recipe: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Plan(
        parameters=5, trained=4, device="cpu", how="measured", seconds=1.0, parts={"steps": 1.0},
        step_s=0.1, memory_bytes=1, disk_bytes=1,
    )  # fmt: skip
    asked = []
    monkeypatch.setattr(plans, "plan", lambda task, config, *a, **k: asked.append(config) or made)
    assert command("plan", "toy", "--steps", "3", "--micro-batch", "2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == 5
    assert asked == [settings(steps=3, micro_batch=2)]
    assert command("plan", "toy") == 0
    assert "1 of them frozen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [(("plan", "nowhere"), "is no recipe"), (("plan", "toy", "--steps", "0"), "at least 1")],
)
def test_bad_words_are_one_line(
    toy_recipe: None, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*words) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1 and "remedy" in told


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(BadInput, match="is no recipe"):
        registry.find_recipe("nowhere", None)
