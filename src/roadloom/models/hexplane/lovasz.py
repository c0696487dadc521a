"""Lovasz-softmax, the convex stand-in for 1 - IoU (Berman et al., arXiv 1705.08790).

For a class, let e be each voxel's error: 1 - p where the class is true, p elsewhere. With errors
sorted falling, the loss is the sum of e_i * (J_i - J_(i-1)), where J_i is the Jaccard loss of a
prediction that has just the first i voxels wrong (eq. 9 and algorithm 1). The differences are the
gradient with regard to e, and add up to 1.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor


def jaccard_steps(true: Bool[Tensor, " voxel"], total: int | Tensor) -> Float[Tensor, " voxel"]:
    """J_i - J_(i-1) for voxels in falling order of their error.

    Args:
        true: where the class is, for a leading part of all voxels.
        total: voxels of the class, in that part and the rest.
    """
    hits = true.cumsum(0, dtype=torch.float32)
    count = torch.arange(1, len(true) + 1, device=true.device, dtype=torch.float32)
    losses = 1 - (total - hits) / (total + count - hits)
    losses[1:] -= losses[:-1].clone()
    return losses


def class_loss(
    probability: Float32[Tensor, " voxel"], true: Bool[Tensor, " voxel"], floor: float
) -> tuple[Tensor, Int64[Tensor, " part"], Float32[Tensor, " part"]]:
    """The loss of one class; voxels, and the gradient by the class's probability there.

    Elsewhere the gradient is zero.

    Args:
        floor: voxels whose error is smaller are left out of the sort; 0: all are sorted. They
            come last in it, so the terms of the others are exact, and the loss is short by less
            than ``floor``, for the steps of J add up to 1.
    """
    errors = torch.where(true, 1 - probability, probability)
    chosen = (errors >= floor).nonzero()[:, 0] if floor > 0 else torch.arange(len(errors))
    ordered, order = falling(errors, chosen.to(errors.device))
    hit = true[order]
    steps = jaccard_steps(hit, true.sum())
    return ordered @ steps, order, torch.where(hit, -steps, steps)


def falling(
    errors: Float32[Tensor, " voxel"], chosen: Int64[Tensor, " part"]
) -> tuple[Float32[Tensor, " part"], Int64[Tensor, " part"]]:
    """Chosen numbers from 0 on, largest first, and their indices; of equal ones the earlier first.

    On a CPU as numpy's sort of whole numbers, which uses wide registers: the bits of floats that
    are not negative rise with their value, and the index below them settles ties.
    """
    part = errors[chosen]
    if errors.device.type != "cpu":
        ordered, order = part.sort(descending=True, stable=True)
        return ordered, chosen[order]
    keys = (~part.view(torch.int32)).long() << 32
    keys |= chosen
    keys = torch.from_numpy(np.sort(keys.numpy()))
    bits = (keys >> 32).to(torch.int32)
    return (~bits).view(torch.float32), keys & 0xFFFFFFFF
