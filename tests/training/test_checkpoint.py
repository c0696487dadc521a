"""State folders: exact, whole or not there, refused when damaged or of another run."""

import dataclasses
import json
import pickle
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from tests.training.toys import settings

from roadloom.errors import BadInput
from roadloom.training.checkpoint import (
    FREE,
    Checkpoints,
    State,
    as_json,
    check_same_run,
    config_hash,
)
from roadloom.training.config import TrainConfig

PARTS = {
    "model": {"w": torch.tensor([1.0, -0.0, 1e-40]), "n": torch.tensor(3)},
    "optimizer": {"w.exp_avg": torch.full((2, 2), 0.1, dtype=torch.float64)},
}

ABOUT = {"data": "toys", "data_hash": "aa"}


def state(step: int) -> State:
    return State(
        step=step, recipe="toy", config=as_json(settings()), examples=20, about=ABOUT,
        scaler={"scale": 0.1},
        scores={"error": 0.1 + 0.2}, seconds={"steps": 1.5}, memory_bytes=7,
    )  # fmt: skip


def test_what_is_saved_comes_back_bit_by_bit(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c")
    assert checkpoints.newest() is None
    folder = checkpoints.save(state(12), PARTS)
    assert folder.name == "step_00000012" and checkpoints.newest() == folder
    held, parts = checkpoints.load(folder)
    assert held.scores == {"error": 0.1 + 0.2} and held.config == as_json(settings())
    assert parts.keys() == PARTS.keys()
    for part, tensors in PARTS.items():
        for name, tensor in tensors.items():
            assert parts[part][name].dtype == tensor.dtype
            assert parts[part][name].numpy().tobytes() == tensor.numpy().tobytes()


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    (tmp_path / ".old_step_00000000").mkdir()  # a kill came while it was removed
    for step in (3, 20, 100):
        checkpoints.save(state(step), PARTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_00000020", "step_00000100"]
    assert list(checkpoints.steps()) == [20, 100]


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def rewrite(**changes: object) -> Callable[[Path], None]:
    return lambda file: void(file.write_text(json.dumps(json.loads(file.read_text()) | changes)))


def void(_: object) -> None: ...


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("model.safetensors", flip),
        ("optimizer.safetensors", lambda file: file.write_bytes(file.read_bytes()[:-5])),
        ("optimizer.safetensors", Path.unlink),
        ("state.json", lambda file: file.write_text(file.read_text()[:-9])),
        ("state.json", Path.unlink),
        ("state.json", rewrite(format=2)),
        ("state.json", rewrite(more=1)),
        ("state.json", rewrite(step=1)),
        ("state.json", rewrite(step="2")),
        ("state.json", rewrite(seconds=None)),
        ("state.json", rewrite(memory_bytes="much")),
        ("state.json", rewrite(files=["model.safetensors"])),
        ("state.json", rewrite(files={"../../model.safetensors": "0"})),
        ("state.json", rewrite(config={})),
        ("state.json", lambda file: file.write_text("[]")),
    ],
)
def test_damage_is_an_error_that_names_the_file(
    file: str, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state(1), PARTS)
    newest = checkpoints.save(state(2), PARTS)
    damage(newest / file)
    with pytest.raises(BadInput) as error:
        checkpoints.load(checkpoints.newest() or tmp_path)
    assert error.value.file == str(newest / file)
    assert error.value.remedy is not None
    assert str(newest) in error.value.remedy and "step_00000001" in error.value.remedy


def test_a_pickle_is_refused_even_with_the_right_hash(tmp_path: Path) -> None:
    newest = Checkpoints(tmp_path).save(state(1), PARTS)
    data = pickle.dumps({"weight": [0.0]})
    (newest / "model.safetensors").write_bytes(data)
    held = json.loads((newest / "state.json").read_text())
    held["files"]["model.safetensors"] = sha256(data).hexdigest()
    (newest / "state.json").write_text(json.dumps(held))
    with pytest.raises(BadInput, match="no safetensors file"):
        Checkpoints(tmp_path).load(newest)


OTHER = {
    "steps": 99, "batch": 99, "micro_batch": 1, "optimizer": "adam", "learning_rate": 0.5,
    "betas": (0.5, 0.5), "weight_decay": 0.5, "schedule": "linear", "warmup_steps": 99,
    "clip_norm": None, "ema_decay": 0.5, "precision": "bf16", "checkpoint_activations": True,
    "compile": True, "seed": 99, "log_every": 99, "save_every": 99, "validate_every": 99,
    "validate_limit": 99, "workers": 9, "strategy": "fsdp2", "cycles": 3,
}  # fmt: skip


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(TrainConfig)])
def test_only_free_settings_may_change(name: str, tmp_path: Path) -> None:
    other = settings(**{name: OTHER[name]})
    if name in FREE:
        check_same_run(state(3), "toy", other, 20, ABOUT, tmp_path)
        return
    with pytest.raises(BadInput) as error:
        check_same_run(state(3), "toy", other, 20, ABOUT, tmp_path)
    assert f"{name} was " in str(error.value) and str(tmp_path) in str(error.value)


def test_another_recipe_or_data_is_refused(tmp_path: Path) -> None:
    check_same_run(state(3), "toy", settings(), 20, ABOUT, tmp_path)
    with pytest.raises(BadInput, match="recipe was 'toy', is 'b'; training examples was 20, is 7"):
        check_same_run(state(3), "b", settings(), 7, ABOUT, tmp_path)
    with pytest.raises(BadInput, match="the task's data_hash was 'aa', is 'bb'"):
        check_same_run(state(3), "toy", settings(), 20, ABOUT | {"data_hash": "bb"}, tmp_path)
    with pytest.raises(BadInput, match="the task's losses was None, is 2"):
        check_same_run(state(3), "toy", settings(), 20, ABOUT | {"losses": 2}, tmp_path)
    with pytest.raises(BadInput, match="3 steps behind it, more than 2"):
        check_same_run(state(3), "toy", settings(steps=2), 20, ABOUT, tmp_path)


def test_a_run_of_before_a_setting_was_there_goes_on_with_its_default(tmp_path: Path) -> None:
    old = state(3)
    config = {name: value for name, value in old.config.items() if name != "cycles"}
    old = dataclasses.replace(old, config=config)
    check_same_run(old, "toy", settings(), 20, ABOUT, tmp_path)
    with pytest.raises(BadInput, match="cycles was 1, is 2"):
        check_same_run(old, "toy", settings(cycles=2), 20, ABOUT, tmp_path)


def test_the_hash_is_of_recipe_and_settings() -> None:
    one = config_hash("toy", as_json(settings()))
    assert one == config_hash("toy", dict(reversed(as_json(settings()).items())))
    assert one != config_hash("b", as_json(settings()))
    assert one != config_hash("toy", as_json(settings(seed=1)))
