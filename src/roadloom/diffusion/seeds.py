"""Random numbers that belong to one sample: its seed gives them, whatever else is in the batch.

Every use has a stream of its own name, so that two uses of one seed never see the same numbers.
All numbers are drawn on the CPU and then moved: a seed means the same noise on every device.
"""

import hashlib
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from roadloom.errors import BadInput


def generators(seeds: Sequence[int], stream: str) -> list[torch.Generator]:
    """One CPU generator per sample.

    Args:
        seeds: one per sample; any integers.
        stream: what the numbers are for.
    """
    return [torch.Generator().manual_seed(_mix(seed, stream)) for seed in seeds]


def noise_like(
    seeds: Sequence[int],
    shape: Sequence[int],
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
    stream: str = "noise",
) -> Float[Tensor, "batch *sample"]:
    """Standard normal noise, sample by sample from its own seed.

    Args:
        shape: of one sample, without the batch axis.
    """
    return draw_noise(generators(seeds, stream), shape, device=device, dtype=dtype)


def draw_noise(
    sources: Sequence[torch.Generator],
    shape: Sequence[int],
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "batch *sample"]:
    """The next standard normal noise of every generator.

    Raises:
        BadInput: there is none.
    """
    if not sources:
        raise BadInput("no seed is given", field="seeds", remedy="give one for each sample")
    draws = [torch.randn(tuple(shape), generator=source, dtype=dtype) for source in sources]
    return torch.stack(draws).to(device)


def _mix(seed: int, stream: str) -> int:
    digest = hashlib.blake2b(f"{stream}:{seed}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1  # torch takes 63 bits on every platform
