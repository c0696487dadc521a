"""What one of two processes does in test_processes.py, all in one start: each start costs seconds.

python -m tests.training.two FOLDER
"""

import atexit
import os
import sys
import warnings
from pathlib import Path

import torch
import torch.distributed as dist
from tests.training.toys import Points, Toy, save_weights, settings

from roadloom.training.loop import train
from roadloom.training.reduce import all_gather, all_sum, rank, world_size
from roadloom.training.trainer import Diverged

RUNS = {
    "ddp": settings(strategy="ddp"),
    "ddp_micro": settings(strategy="ddp", micro_batch=1, checkpoint_activations=True, workers=1),
    "fsdp2": settings(strategy="fsdp2"),
    "fsdp2_bf16": settings(strategy="fsdp2", precision="bf16", steps=3, micro_batch=1),
}


def tell_that_the_group_is_left(out: Path, number: str) -> None:
    if not dist.is_initialized():
        (out / f"left_{number}").touch()


def main(out: Path) -> None:
    atexit.register(tell_that_the_group_is_left, out, os.environ["RANK"])  # runs last
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of packages, in a process that pytest does not watch
    for name, config in RUNS.items():
        train(name, Toy(), config, out / name, device="cpu", save=save_weights)
    stopped = Toy(stop_at=7 if rank() else None)  # one process is told, both stop
    train("r", stopped, settings(strategy="fsdp2"), out / "resumed", device="cpu")
    train("r", Toy(), settings(strategy="fsdp2"), out / "resumed", device="cpu", save=save_weights)
    try:
        train("bad", Toy(Points(), bad_index=3), settings(), out / "bad", device="cpu")
    except Diverged as error:
        (out / f"error_{rank()}").write_text(str(error))
    sums(out)


def sums(out: Path) -> None:
    """Gradients of a quotient of sums over both processes, averaged as the loop does."""
    weight = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    data = torch.tensor([[1.0, 2.0], [3.0, 5.0], [8.0, 13.0]], dtype=torch.float64)
    mine = data[:1] if rank() == 0 else data[1:]
    total, count = (mine * weight).sin().sum(), (mine * weight).cos().square().sum()
    quotient = all_sum(total) / all_sum(count)
    (gradient,) = torch.autograd.grad(quotient, weight)
    averaged = all_gather(gradient).mean(0)
    alone = torch.autograd.grad(
        (data * weight).sin().sum() / (data * weight).cos().square().sum(), weight
    )[0]
    torch.testing.assert_close(averaged, alone, rtol=1e-12, atol=0)
    assert world_size() == 2 and all_gather(torch.tensor(rank())).tolist() == [0, 1]
    (out / f"sums_{rank()}").touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
