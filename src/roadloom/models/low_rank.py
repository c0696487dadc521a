"""A network as its difference from another: low-rank matrices and whole vectors.

    weight of a linear layer = base + up @ down       rank R: R (in + out) numbers, not in * out
    bias, scale, table       = base + plus

Low-rank adaptation (Hu et al., arXiv 2106.09685), which also holds what a few-step student learns
beyond its teacher (LCM-LoRA, arXiv 2311.05556). The merged network is an ordinary one: it costs
nothing when used.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from roadloom.errors import BadInput

UP, DOWN, PLUS = ".up", ".down", ".plus"


class LowRankDifference(nn.Module):
    """Differences of all linear layers and vectors of a network; zero at the start.

    Args:
        base: the network; only its names and shapes are kept.
        rank: of each matrix. Those of no more rows or columns than that stay as they are.
    """

    def __init__(self, base: nn.Module, rank: int) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"rank must be at least 1, got {rank}")
        self.rank = rank
        self._tensors = nn.ParameterDict()  # its keys may not hold dots
        for name, weights in _linear_weights(base):
            rows, columns = weights.shape
            if rank < min(rows, columns):
                self._put(name + UP, torch.zeros(rows, rank, device=weights.device))
                down = torch.randn(rank, columns, device=weights.device) * columns**-0.5
                self._put(name + DOWN, down)
        for name, vector in base.named_parameters():
            if vector.ndim == 1:
                self._put(name + PLUS, torch.zeros_like(vector))

    def _put(self, name: str, start: Tensor) -> None:
        self._tensors[name.replace(".", "/")] = nn.Parameter(start.detach())

    def tensors(self) -> dict[str, Tensor]:
        """By name, as ``merged`` takes them."""
        return {name.replace("/", "."): tensor for name, tensor in self._tensors.items()}

    def forward(self, base: nn.Module) -> dict[str, Tensor]:
        """The changed parameters of the network, for ``torch.func.functional_call``."""
        named = dict(base.named_parameters())
        changed = {name.rpartition(".")[0] for name in self.tensors()}
        return merged({name: named[name] for name in changed}, self.tensors())


def merged(base: Mapping[str, Tensor], differences: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of ``base`` with the differences added, in 32 bits.

    Raises:
        BadInput: a difference is of no tensor of the base, or does not fit it.
    """
    whole = dict(base)
    for full_name, difference in differences.items():
        name, _, part = full_name.rpartition(".")
        if name not in base or "." + part not in (UP, DOWN, PLUS):
            raise BadInput("differs from nothing in the base", field=full_name)
        if "." + part == DOWN:
            continue
        added = difference.float()
        if "." + part == UP:
            if name + DOWN not in differences:
                raise BadInput("has no matrix to go with it", field=full_name)
            with torch.autocast(difference.device.type, enabled=False):
                down = differences[name + DOWN].float()
                added = added @ down if added.shape[-1:] == down.shape[:1] else added[:0]
        if added.shape != base[name].shape:
            raise BadInput("does not fit the base", field=full_name)
        whole[name] = base[name].float() + added
    return whole


def _linear_weights(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, part in module.named_modules():
        if isinstance(part, nn.Linear):
            yield f"{name}.weight", part.weight
