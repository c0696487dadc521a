"""What a step costs, counted without computing: for runs that this machine cannot try."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import torch

from roadloom.training.config import TrainConfig
from roadloom.training.order import Order, Split
from roadloom.training.task import Step, Task

_SIZE, _TIMES = 1024, 8
REACHED = 0.25
"""Share of a matrix product's speed that we take a whole training step to reach: an assumption."""


def count_parameters(task: Task) -> tuple[int, int]:
    """(all, trained) parameters, of a module without memory."""
    with torch.device("meta"):
        module = task.build()
    every = list(module.parameters())
    return sum(p.numel() for p in every), sum(p.numel() for p in every if p.requires_grad)


def step_flops(task: Task, config: TrainConfig) -> tuple[int, bool]:
    """Floating-point operations of one optimiser step, forward and backward; are they exact?

    Where the loss looks at values, which counting has not, backward is taken as twice what was
    counted until then.

    Raises:
        RuntimeError: already the network looks at values.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode

    examples = task.examples()
    order = Order(examples=len(examples), batch=config.batch, seed=config.seed)
    split = Split(batch=config.batch, micro_batch=config.micro_batch)
    seeds = tuple(order.example_seed(0, position) for position in split.positions(0, 0))
    example = examples.read(order.index(0, 0), seeds[0])
    module = task.build()
    weights = [p for p in module.parameters() if p.requires_grad]
    exact = True
    with FakeTensorMode(allow_non_fake_inputs=True), FlopCounterMode(display=False) as counter:
        batch = {
            name: torch.empty((split.size, *tensor.shape), dtype=tensor.dtype)
            for name, tensor in example.items()
        }
        step = Step(number=0, seeds=seeds, micro_batches=split.rounds)
        try:
            loss, _ = task.loss(module, batch, step)
            torch.autograd.grad(loss, weights, allow_unused=True)
        except RuntimeError:
            if not counter.get_total_flops():
                raise
            exact = False
    counted = int(counter.get_total_flops()) * split.rounds
    return (counted if exact else 3 * counted), exact


def step_flops_apart(task: Task, config: TrainConfig) -> tuple[int, bool]:
    """``step_flops`` in a fresh process: torch's fake tensors have crashed used ones."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(step_flops, task, config).result()


def throughput(device: torch.device) -> float:
    """Floating-point operations a second of a matrix product on this device."""
    matrix = torch.randn(_SIZE, _SIZE, device=device)
    float((matrix @ matrix).sum())
    begin = time.perf_counter()
    for _ in range(_TIMES):
        product = matrix @ matrix
    float(product.sum())
    return _TIMES * 2 * _SIZE**3 / (time.perf_counter() - begin)
