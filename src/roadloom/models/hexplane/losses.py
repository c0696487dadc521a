"""Losses of the autoencoder: weighted cross-entropy, Lovasz-softmax, divergence from N(0, 1).

The first two are one function with a gradient of its own. Besides the logits it holds one array
of their size: first the softmax, then in its place the gradient; all else is by chunks of voxels
or by class.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from roadloom.models.hexplane.lovasz import class_loss
from roadloom.models.hexplane.planes import Planes

CHUNK = 1 << 16
"""Voxels whose float32 copies exist at once."""


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    cross_entropy: float = 1.0
    """Weight of the term, as those below."""
    lovasz: float = 1.0
    kl: float = 0.0015
    """Of the published code; the paper says 0.005."""
    focus: float = 0.0
    """Exponent of the factor (1 - p)^focus of each voxel's cross-entropy (arXiv 1708.02002);
    0: none."""
    lovasz_floor: float = 0.0
    """Errors below it stay out of the sort of Lovasz-softmax: much faster, short by at most this
    much."""
    lovasz_together: bool = False
    """One Lovasz-softmax over all voxels of the batch, as in the published code; by example
    otherwise."""
    count_ignored: bool = False
    """Voxels of no class count as free, as in the published code; they are left out otherwise."""


def weight_sum(
    targets: UInt8[Tensor, "*voxels"], weights: Float[Tensor, " class"]
) -> Float[Tensor, ""]:
    """Of the voxels' class weights: what weighted cross-entropy is divided by."""
    counts = torch.bincount(targets.flatten(), minlength=256)[: len(weights)]
    return (counts.to(weights) * weights).sum()


def divergence(mean: Planes, logvar: Planes) -> Float[Tensor, ""]:
    """KL from N(0, 1), summed over the planes and divided by the count of all their numbers."""
    total = sum((m.square() + v.exp() - 1 - v).sum() for m, v in zip(mean, logvar, strict=True))
    return 0.5 * total / sum(m.numel() for m in mean)


def segmentation_loss(
    logits: Float[Tensor, "batch *voxels class"],
    targets: UInt8[Tensor, "batch *voxels"],
    weights: Float[Tensor, " class"],
    config: LossConfig,
    weight_total: Tensor | None = None,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
    """Weighted sum of cross-entropy and Lovasz-softmax, and (without gradient) each by itself.

    Args:
        targets: class ids; ids that are no class are left out unless the configuration counts
            them.
        weight_total: what the cross-entropy is divided by; of these targets if left out.
    """
    if config.count_ignored:
        targets = targets.masked_fill(targets >= len(weights), 0)
    if weight_total is None:
        weight_total = weight_sum(targets, weights)
    with torch.autocast(logits.device.type, enabled=False):  # sums of many terms, in 32 bits
        return _Segmentation.apply(logits, targets, weights, config, weight_total)


class _Segmentation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        targets: Tensor,
        weights: Tensor,
        config: LossConfig,
        weight_total: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        classes = len(weights)
        groups = 1 if config.lovasz_together else len(logits)
        flat = logits.detach().reshape(groups, -1, classes)
        ids = targets.reshape(groups, -1)
        gradient = torch.empty(
            (groups, classes, flat.shape[1]), dtype=torch.float32, device=logits.device
        )
        entropy, hull = gradient.new_zeros(()), gradient.new_zeros(())
        for logit, target, share in zip(flat, ids, gradient, strict=True):
            entropy += _softmax_(share, logit, target, weights, config.focus)
            if config.lovasz:
                hull += _lovasz_(share, target, config.lovasz_floor)
            _chain_(share, logit, target, weights, config, weight_total, groups)
        entropy, hull = entropy / weight_total, hull / groups
        ctx.save_for_backward(gradient.transpose(1, 2).reshape(logits.shape).to(logits.dtype))
        ctx.mark_non_differentiable(entropy, hull)
        return config.cross_entropy * entropy + config.lovasz * hull, entropy, hull

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream[0], None, None, None, None


def _parts(count: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, count, CHUNK)]


def _log_softmax(logits: Tensor) -> Tensor:
    """Of [N K], classes first and in float32: fast along the long axis."""
    return logits.T.float().contiguous().log_softmax(dim=0)  # [K N]


def _known(targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Class ids, 0 for none, and the weight of each voxel, 0 for none."""
    known = targets < len(weights)
    ids = targets.masked_fill(~known, 0).long()
    return ids, weights[ids] * known


def _softmax_(
    out: Tensor, logits: Tensor, targets: Tensor, weights: Tensor, focus: float
) -> Tensor:
    """Write the softmax of [N K] to ``out`` [K N]; returns the sum of weighted entropies."""
    total = out.new_zeros(())
    for part in _parts(len(targets)):
        logs = _log_softmax(logits[part])
        ids, weight = _known(targets[part], weights)
        own = logs.gather(0, ids[None])[0]
        total -= weight @ (own * (1 - own.exp()).pow(focus) if focus else own)
        torch.exp(logs, out=out[:, part])
    return total


def _lovasz_(share: Tensor, targets: Tensor, floor: float) -> Tensor:
    """Turn probabilities [K N] into the gradient of their Lovasz-softmax; returns the loss.

    The mean over the classes that occur; voxels of no class are left out.
    """
    known = (targets < len(share)).nonzero()[:, 0]
    everything = len(known) == len(targets)
    ids, total = (targets if everything else targets[known]), share.new_zeros(())
    present = torch.bincount(ids, minlength=len(share))[: len(share)].nonzero()[:, 0].tolist()
    for number, probability in enumerate(share):
        if number in present:
            part = probability if everything else probability[known]
            loss, where, gradient = class_loss(part, ids == number, floor)
            total += loss / len(present)
        probability.zero_()
        if number in present:
            probability[where if everything else known[where]] = gradient / len(present)
    return total


def _chain_(
    share: Tensor,
    logits: Tensor,
    targets: Tensor,
    weights: Tensor,
    config: LossConfig,
    weight_total: Tensor,
    groups: int,
) -> None:
    """Turn the gradient by probabilities [K N] into that of the whole loss by logits."""
    for part in _parts(len(targets)):
        logs = _log_softmax(logits[part])
        probability, out = logs.exp(), share[:, part]
        ids, weight = _known(targets[part], weights)
        if config.lovasz:
            out -= (out * probability).sum(dim=0)
            out *= probability * (config.lovasz / groups)
        else:
            out.zero_()
        factor = weight * (config.cross_entropy / weight_total)
        if config.focus:
            own = logs.gather(0, ids[None])[0]
            miss = (1 - own.exp()).clamp(min=1e-12)
            steep = config.focus * own.exp() * miss.pow(config.focus - 1) * own
            factor *= miss.pow(config.focus) - steep
        out += probability * factor
        out.scatter_add_(0, ids[None], -factor[None])
