"""Sums over all processes of a run, for losses whose normalisers span the whole batch.

The loop averages the gradients of all processes (and of accumulated micro batches). A loss that
is a mean over the examples of its own micro batch thus gives the loss of the global batch. One
with another normaliser, such as the count of known voxels, must be written

    all_sum(total) / all_sum(count)

with both sums differentiable: every process then returns the same number, the backward pass of
``all_sum`` adds what each process asks of it, and the average over processes is the gradient of
the global quotient. Equivalent, without a second sum in the backward pass, is
``total * world_size() / all_sum(count.detach())``. Accumulated micro batches are not joined: a
quotient is that of the micro batches which go through the network at the same time.
"""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor


def world_size() -> int:
    """Processes of this run."""
    return dist.get_world_size() if _many() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if _many() else 0


def all_sum(tensor: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """Sum over all processes, with gradients; the tensor itself where there is one process."""
    if not _many():
        return tensor
    summed: Tensor = _AllSum.apply(tensor)
    return summed


def all_gather(tensor: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "process *shape"]:
    """The tensors of all processes in order of rank, without gradients."""
    if not _many():
        return tensor.detach()[None]
    gathered = [torch.empty_like(tensor) for _ in range(world_size())]
    dist.all_gather(gathered, tensor.detach().contiguous())
    return torch.stack(gathered)


def _many() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


class _AllSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        summed = tensor.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        summed = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed
