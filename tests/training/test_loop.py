"""Runs of the loop: resume is exact, sums do not depend on the cut, errors name the example."""

import json
import math
import random
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.toys import Points, Toy, ends, environment, python, save_weights, settings

from roadloom.errors import BadInput, RoadloomError
from roadloom.io.file_lock import locked
from roadloom.training.checkpoint import Checkpoints
from roadloom.training.config import TrainConfig
from roadloom.training.log import MEASURED, read_log
from roadloom.training.loop import LOCK, Result, train
from roadloom.training.trainer import Diverged

DROPS = Toy(dropout=0.3)
"""Draws from torch's global generator in the network too."""


def run(out: Path, task: Toy = DROPS, config: TrainConfig | None = None, **more: Any) -> Result:
    config = settings() if config is None else config
    return train("toy", task, config, out, device="cpu", save=save_weights, **more)


def weights(out: Path, part: str = "model") -> dict[str, torch.Tensor]:
    checkpoints = Checkpoints(out / "checkpoints")
    newest = checkpoints.newest()
    assert newest is not None
    return checkpoints.load(newest)[1][part]


def assert_close(out: Path, other: Path, **tolerance: float) -> None:
    for part in ("model", "ema"):
        one, two = weights(out, part), weights(other, part)
        one.pop("counted", None), two.pop("counted", None)
        torch.testing.assert_close(one, two, **(tolerance or {"rtol": 1e-5, "atol": 1e-6}))


def test_a_run_in_pieces_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", config=settings(validate_every=4))
    assert whole.finished and whole.step == 12 and whole.scores.keys() == {"error"}
    config = settings(validate_every=4)
    for stop_at in (1, 6, 11, 12):
        done = run(tmp_path / "parts", replace(DROPS, stop_at=stop_at), config)
        assert (done.step, done.finished) == (stop_at, stop_at == 12)
        assert (tmp_path / "parts" / "run.json").exists() == done.finished
    one, other = ends(tmp_path / "whole"), ends(tmp_path / "parts")
    assert one["files"] == other["files"] and one["log"] == other["log"]


def test_what_may_change_on_a_resume_changes_no_bit(tmp_path: Path) -> None:
    run(tmp_path / "whole")
    run(tmp_path / "parts", replace(DROPS, stop_at=7))
    run(tmp_path / "parts", config=settings(save_every=2, validate_limit=2))
    assert ends(tmp_path / "whole")["files"] == ends(tmp_path / "parts")["files"]


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    run(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    assert run(tmp_path).finished
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}


def test_a_second_run_in_the_folder_is_refused_at_once(tmp_path: Path) -> None:
    held = locked(tmp_path / LOCK, patience_s=0.0, what="training")
    with held, pytest.raises(RoadloomError, match="is training in this folder"):
        run(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert run(tmp_path).finished and not (tmp_path / LOCK).exists()


@pytest.mark.parametrize("name", ["model", "run.json"])
def test_what_no_run_of_the_folder_made_is_not_replaced(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "precious").touch()
    with pytest.raises(BadInput, match=f"holds {name}"):
        run(tmp_path)
    assert (tmp_path / name / "precious").exists()


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="file"):
        run(tmp_path / "file")


@pytest.mark.parametrize(
    "setting",
    [{"workers": -1}, {"validate_every": -1}, {"warmup_steps": -1}, {"learning_rate": math.nan},
     {"learning_rate": 0.0}, {"clip_norm": 0.0}],
    ids=str,
)  # fmt: skip
def test_settings_that_are_none(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        TrainConfig(steps=1, **setting)


def test_more_steps_replace_the_model(tmp_path: Path) -> None:
    run(tmp_path, config=settings(steps=4))
    few = ends(tmp_path)["files"]["m.safetensors"]
    assert run(tmp_path, config=settings(steps=6)).step == 6
    assert ends(tmp_path)["files"]["m.safetensors"] != few
    assert json.loads((tmp_path / "run.json").read_text())["settings"]["steps"] == 6


def test_the_folder_tells_what_happened(tmp_path: Path) -> None:
    result = run(tmp_path, plan={"seconds": 3.0})
    about = json.loads((tmp_path / "run.json").read_text())
    assert about["plan"] == {"seconds": 3.0} and about["fact"]["seconds"] == result.facts["seconds"]
    assert about["settings"]["learning_rate"] == 1e-2 and about["scores"] == result.scores
    assert about["fact"]["memory_bytes"] > 0 and about["fact"]["disk_bytes"] > 0
    rows = read_log(tmp_path)
    assert [row["step"] for row in rows] == [1, 2, 4, 6, 8, 10, 12, 12]
    names = {"step", "loss", "learning_rate", "gradient_norm", "seed"} | MEASURED
    assert rows[0].keys() == names and rows[-1].keys() == {"step", "validation/error"}
    assert rows[1]["learning_rate"] == 1e-2 and rows[-2]["loss"] > 0


def test_the_model_folder_holds_the_average(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    run(tmp_path)
    saved = load_file(tmp_path / "model" / "m.safetensors")
    average, own = weights(tmp_path, "ema"), weights(tmp_path)
    assert saved.keys() == own.keys() and average.keys() == own.keys() - {"counted"}
    assert all(torch.equal(saved[name], average[name]) for name in average)
    assert not torch.equal(average["last.weight"], own["last.weight"])
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert card.keys() == {"data", "recipe", "steps", "seed", "scores", "settings", "torch"}
    assert (card["data"], card["steps"], card["scores"].keys()) == ("made points", 12, {"error"})


def test_accumulation_equals_the_whole_batch(tmp_path: Path) -> None:
    run(tmp_path / "whole", Toy())
    run(tmp_path / "parts", Toy(), settings(micro_batch=1))
    assert_close(tmp_path / "whole", tmp_path / "parts")
    assert weights(tmp_path / "parts")["counted"] == 4 * weights(tmp_path / "whole")["counted"]


def test_recomputed_activations_change_no_bit(tmp_path: Path) -> None:
    run(tmp_path / "kept", DROPS)
    run(tmp_path / "again", DROPS, settings(checkpoint_activations=True))
    assert ends(tmp_path / "kept")["files"] == ends(tmp_path / "again")["files"]


@pytest.mark.parametrize("precision", ["bf16", "16"])
def test_few_bits_run_and_resume(precision: Any, tmp_path: Path) -> None:
    few = settings(precision=precision)
    run(tmp_path / "full", Toy())
    run(tmp_path / "few", Toy(), few)
    run(tmp_path / "parts", Toy(stop_at=7), few)
    run(tmp_path / "parts", Toy(), few)
    assert ends(tmp_path / "few")["files"] == ends(tmp_path / "parts")["files"]
    assert_close(tmp_path / "full", tmp_path / "few", rtol=0.1, atol=0.05)
    one, other = weights(tmp_path / "full"), weights(tmp_path / "few")
    assert not torch.equal(one["last.weight"], other["last.weight"])
    assert all(p.dtype == torch.float32 for p in weights(tmp_path / "few", "ema").values())


def test_clipping_bounds_the_gradient(tmp_path: Path) -> None:
    """Adam's first step does not depend on the size of the gradient, its first moment does."""
    run(tmp_path, Toy(), settings(steps=1, clip_norm=1e-3))
    moments = [m for name, m in weights(tmp_path, "optimizer").items() if name.endswith("exp_avg")]
    norm = torch.cat([m.flatten() for m in moments]).norm() / 0.1
    assert read_log(tmp_path)[0]["gradient_norm"] > 1e-2
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)


def test_without_an_average_the_weights_are_the_model(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    run(tmp_path, config=settings(ema_decay=0.0))
    saved = load_file(tmp_path / "model" / "m.safetensors")
    assert all(torch.equal(saved[name], p) for name, p in weights(tmp_path).items())
    assert not list(tmp_path.rglob("ema.safetensors"))


@pytest.mark.parametrize(("micro_batch", "named"), [(1, 1), (2, 2)])
def test_nan_stops_and_names_the_examples(micro_batch: int, named: int, tmp_path: Path) -> None:
    bad = Toy(bad_index=3)
    with pytest.raises(Diverged) as error:
        run(tmp_path, bad, settings(micro_batch=micro_batch, save_every=1, seed=2))
    text = str(error.value).partition("on examples ")[2].partition(" (remedy")[0]
    assert "3" in text.split(", ") and len(text.split(", ")) == named
    steps = list(Checkpoints(tmp_path / "checkpoints").steps())
    assert f"in step {max(steps, default=0) + 1} " in str(error.value)
    assert not steps or all(p.isfinite().all() for p in weights(tmp_path).values())


def test_an_infinite_gradient_of_a_finite_loss_stops(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="gradient"):
        run(tmp_path, Toy(root_of_zero=True))


def test_another_run_in_the_folder_is_refused(tmp_path: Path) -> None:
    run(tmp_path, config=settings(steps=3))
    with pytest.raises(BadInput, match="learning_rate was 0.01, is 0.02"):
        run(tmp_path, config=settings(learning_rate=0.02))
    with pytest.raises(BadInput, match="training examples was 20, is 21"):
        run(tmp_path, replace(DROPS, points=Points(count=21)))
    with pytest.raises(BadInput, match="another module"):
        run(tmp_path, replace(DROPS, hidden=9))


def test_a_damaged_checkpoint_is_no_reason_to_take_an_older_one(tmp_path: Path) -> None:
    run(tmp_path)
    file = tmp_path / "checkpoints" / "step_00000012" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BadInput) as error:
        run(tmp_path)
    assert error.value.file == str(file) and "step_00000010" in str(error.value.remedy)


LONG = settings(steps=40, save_every=3, log_every=1, validate_every=7)
SLOW = replace(DROPS, points=Points(pause_s=0.004))
PROGRAM = (
    "import sys; from pathlib import Path; from tests.training import test_loop as t; "
    "t.run(Path(sys.argv[1]), t.SLOW, t.LONG)"
)


def kill_at(out: Path, step: int) -> None:
    """Begin, or go on, in a process of its own, and kill it a little after a step."""
    with subprocess.Popen(python(PROGRAM, str(out)), env=environment()) as process:
        while process.poll() is None and steps_in_log(out) < step:
            time.sleep(0.002)
        time.sleep(random.Random(step).random() * 0.05)
        assert process.poll() is None, "it ended before it could be killed"
        process.kill()


def steps_in_log(out: Path) -> int:
    return max((row["step"] for row in read_log(out)), default=0)


def test_killed_and_resumed_ends_with_the_same_bits(tmp_path: Path) -> None:
    """Two real SIGKILLs; ``studies/training_kills.py`` does more, of larger tasks."""
    run(tmp_path / "whole", SLOW, LONG)
    out = tmp_path / "parts"
    for step in (5, 17):
        kill_at(out, step)
        checkpoints = Checkpoints(out / "checkpoints")
        for folder in checkpoints.steps().values():
            checkpoints.load(folder)
    run(out, SLOW, LONG)
    one, other = ends(tmp_path / "whole"), ends(out)
    assert one == other
    assert not list((out / "checkpoints").glob(".*"))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["32", "bf16", "16"])
def test_a_gpu_trains_the_same(precision: Any, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    run(tmp_path / "cpu", Toy())
    config = settings(precision=precision)
    for stop_at in (7, 12):
        train("toy", Toy(stop_at=stop_at), config, tmp_path / "gpu", device="cuda")
    loose = {"rtol": 0.1, "atol": 0.05} if precision != "32" else {"rtol": 1e-3, "atol": 1e-4}
    assert_close(tmp_path / "cpu", tmp_path / "gpu", **loose)
