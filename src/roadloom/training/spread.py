"""The processes and devices of a run. One process needs no strategy and no lightning_fabric.

Under ``torchrun`` Fabric starts the process group, and wraps the module for data parallelism:
``ddp`` (each process holds all weights) or ``fsdp2`` (each holds a part). Under ``fsdp2`` the
module and its declared blocks must take and return tensors, or tuples, lists and dicts of them.
"""

import atexit
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from roadloom.errors import BadInput
from roadloom.io.extras import need
from roadloom.training.config import TrainConfig


class Spread:
    """One process on one device."""

    rank = 0
    processes = 1

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module on its device, ready to be called in training."""
        return module.to(self.device)

    def gradients(self, wrapped: nn.Module, last: bool) -> AbstractContextManager[None]:
        """Around forward and backward of a micro batch; the last one averages over processes."""
        return nullcontext()

    def barrier(self) -> None:
        """Wait for all processes."""


class ManyProcesses(Spread):
    """One of the processes that ``torchrun`` started."""

    def __init__(self, device: torch.device, strategy: str) -> None:
        fabric = need("lightning_fabric")
        processes = int(os.environ["WORLD_SIZE"])
        here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
        self._fabric = fabric.Fabric(
            accelerator=device.type,
            devices=here,
            num_nodes=processes // here,
            strategy=_sharding(processes) if strategy == "fsdp2" else "ddp",
        )
        self._fabric.launch()
        atexit.register(_leave_group)
        self.rank, self.processes = self._fabric.global_rank, self._fabric.world_size
        self._sharded = strategy == "fsdp2"
        super().__init__(self._fabric.device)

    def wrap(self, module: nn.Module) -> nn.Module:
        # Fabric.setup_module would wrap once more, in a module that refuses dataclasses as output
        wrapped: nn.Module = self._fabric.strategy.setup_module(module.to(self.device))
        return wrapped

    def gradients(self, wrapped: nn.Module, last: bool) -> AbstractContextManager[None]:
        if self._sharded:
            wrapped.set_requires_gradient_sync(last)
            return nullcontext()
        waiting: Callable[[], AbstractContextManager[None]] = wrapped.no_sync
        return nullcontext() if last else waiting()

    def barrier(self) -> None:
        dist.barrier()


def _leave_group() -> None:
    """At the end of the program: gloo's threads abort a program that ends in their midst
    (pytorch issue 190489), and Fabric leaves only groups of GPUs."""
    if dist.is_initialized():
        dist.destroy_process_group()


def start(config: TrainConfig, device: str | torch.device) -> Spread:
    """Join the processes of this run, or be the only one.

    Raises:
        BadInput: the device is not there.
        MissingExtra: several processes, and lightning_fabric is not installed.
    """
    wanted = pick_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return ManyProcesses(wanted, "ddp" if config.strategy == "auto" else config.strategy)
    return Spread(wanted)


def pick_device(name: str | torch.device) -> torch.device:
    """``auto`` is the GPU where there is one.

    Raises:
        BadInput: no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BadInput(f"{name!r} is no device", field="--device", remedy="cpu or cuda") from error
    if device.type not in ("cpu", "cuda"):
        raise BadInput(f"{name!r} is not supported", field="--device", remedy="cpu or cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BadInput("there is no CUDA device", field="--device", remedy="leave --device out")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BadInput(
            f"there are {torch.cuda.device_count()} CUDA devices, counted from 0",
            field="--device", remedy="name one of them",
        )  # fmt: skip
    return device


def declared_blocks(module: nn.Module) -> list[nn.Module]:
    """Blocks that ``module.checkpoint_blocks()`` names: computed again, or sharded, one by one."""
    declare = getattr(module, "checkpoint_blocks", None)
    return [] if declare is None else list(declare())


def recompute_blocks(module: nn.Module) -> None:
    """Let each declared block forget its activations and compute them again when needed.

    Raises:
        BadInput: the module declares none.
    """
    from torch.utils.checkpoint import checkpoint

    blocks = declared_blocks(module)
    if not blocks:
        raise BadInput(
            f"{type(module).__name__} names no checkpoint_blocks()",
            field="checkpoint_activations", remedy="leave it off for this model",
        )  # fmt: skip
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def _sharding(processes: int) -> Any:
    strategies = need("lightning_fabric.strategies")
    return strategies.ModelParallelStrategy(
        _shard, data_parallel_size=processes, tensor_parallel_size=1
    )


def _shard(module: nn.Module, mesh: Any) -> nn.Module:
    from torch.distributed.fsdp import fully_shard

    for block in declared_blocks(module):
        fully_shard(block, mesh=mesh["data_parallel"])
    fully_shard(module, mesh=mesh["data_parallel"])
    return module
