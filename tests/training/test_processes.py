"""Two processes equal one, by data parallelism and by sharded weights (FSDP2)."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.training.test_loop import assert_close, weights
from tests.training.toys import Toy, ends, environment, save_weights, settings

from roadloom.errors import BadInput
from roadloom.training.log import MEASURED, read_log
from roadloom.training.loop import train
from roadloom.training.reduce import all_gather, all_sum, rank, world_size
from roadloom.training.spread import declared_blocks, pick_device, recompute_blocks


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that two processes wrote, started as torchrun starts them."""
    pytest.importorskip("lightning_fabric")
    out = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for number in "01":
        names = environment(
            RANK=number, LOCAL_RANK=number, WORLD_SIZE="2", LOCAL_WORLD_SIZE="2",
            MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), TORCHELASTIC_RUN_ID="test",
        )  # fmt: skip
        command = [sys.executable, "-m", "tests.training.two", str(out)]
        processes.append(subprocess.Popen(command, env=names, stderr=subprocess.PIPE, text=True))
    said = [process.communicate(timeout=280)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(said)
    return out


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("one")
    train("toy", Toy(), settings(), out, device="cpu", save=save_weights)
    return out


@pytest.mark.parametrize("name", ["ddp", "ddp_micro", "fsdp2"])
def test_two_processes_equal_one(name: str, two: Path, one: Path) -> None:
    assert_close(two / name, one)
    here, there = read_log(one), read_log(two / name)
    assert [row["step"] for row in here] == [row["step"] for row in there]
    for row, other in zip(here, there, strict=True):
        for key in row.keys() - MEASURED - {"seed"}:
            assert other[key] == pytest.approx(row[key], rel=1e-4, abs=1e-6), key
    moments, others = weights(one, "optimizer"), weights(two / name, "optimizer")
    torch.testing.assert_close(moments, others, rtol=1e-3, atol=1e-6)


def test_sharded_weights_resume_exactly(two: Path) -> None:
    whole, resumed = ends(two / "fsdp2"), ends(two / "resumed")
    assert whole["files"] == resumed["files"]


def test_sharded_weights_in_few_bits(two: Path, tmp_path: Path) -> None:
    few = settings(precision="bf16", steps=3)
    train("toy", Toy(), few, tmp_path, device="cpu")
    assert_close(two / "fsdp2_bf16", tmp_path, rtol=0.1, atol=0.05)


def test_one_process_goes_on_where_two_stopped(two: Path, one: Path, tmp_path: Path) -> None:
    """The checkpoints hold whole tensors, whoever wrote them."""
    import shutil

    shutil.copytree(two / "resumed" / "checkpoints", tmp_path / "checkpoints")
    shutil.rmtree(tmp_path / "checkpoints" / "step_00000012")
    result = train("r", Toy(), settings(), tmp_path, device="cpu")
    assert result.finished
    assert_close(tmp_path, one)


def test_all_processes_raise_the_same_error(two: Path) -> None:
    said = [(two / f"error_{number}").read_text() for number in "01"]
    assert said[0] == said[1] and "nan" in said[0]
    names = said[0].partition("on examples ")[2].partition(" (")[0].split(", ")
    assert "3" in names and len(names) == 2  # of four: those of one process


def test_a_program_that_ends_has_left_the_group(two: Path) -> None:
    assert (two / "left_0").exists() and (two / "left_1").exists()


def test_sums_over_processes_have_the_gradient_of_the_whole(two: Path) -> None:
    assert (two / "sums_0").exists() and (two / "sums_1").exists()


def test_one_process_sums_to_itself() -> None:
    tensor = torch.ones(3, requires_grad=True)
    assert all_sum(tensor) is tensor and (world_size(), rank()) == (1, 0)
    gathered = all_gather(tensor)
    assert gathered.shape == (1, 3) and not gathered.requires_grad


def test_several_processes_need_fabric(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from roadloom.errors import MissingExtra

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(MissingExtra, match=r"roadloom\[train\]"):
        train("toy", Toy(), settings(), tmp_path, device="cpu")


@pytest.mark.parametrize("name", ["nonsense", "cuda", "meta", "mps"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    if name == "cuda" and torch.cuda.is_available():
        pytest.skip("it is there")
    with pytest.raises(BadInput) as error:
        pick_device(name)
    assert error.value.field == "--device"


def test_only_declared_blocks_are_recomputed() -> None:
    module = Toy().build()
    assert declared_blocks(module) == [module.block]
    assert declared_blocks(torch.nn.Linear(1, 1)) == []
    recompute_blocks(module)
    with pytest.raises(BadInput, match="checkpoint_blocks"):
        recompute_blocks(torch.nn.Linear(1, 1))
