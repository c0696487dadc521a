"""Published checkpoints: what a system must tell so that its weights load and can be checked.

    published names -> names(module) -> our state dict, the same tensors in the same shapes

Checkpoints are read from safetensors only; a pickled one is converted once by its owner.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from roadloom.errors import BadInput
from roadloom.io.npz import Field
from roadloom.io.read import RESTORE


@dataclass(frozen=True, kw_only=True)
class PublishedSystem:
    """One model that others published, as five functions.

    Our module keeps every tensor of the checkpoint whole and in its published shape, so that a
    checkpoint is converted by renaming alone, in both directions.
    """

    build: Callable[[Mapping[str, Any]], nn.Module]
    """A published configuration, in its own option names, to our module in evaluation mode.
    BadInput, with the option as ``field``, for a value that we do not know or support."""
    names: Callable[[nn.Module], dict[str, str]]
    """Every key of the published state dict -> key of ours; each of ours occurs once."""
    inputs: Callable[[nn.Module], dict[str, Field]]
    """Arrays that ``run`` takes, their dtype and shape; those of absent conditions left out."""
    outputs: Callable[[nn.Module], dict[str, Field]]
    """Arrays that ``run`` returns, all float32."""
    run: Callable[[nn.Module, Mapping[str, Tensor]], dict[str, Tensor]]
    """Compute every output from all inputs, in the axis order of the published code."""


def load_published(
    system: PublishedSystem,
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    *,
    fixed: frozenset[str] = frozenset(),
    file: str | Path | None = None,
) -> None:
    """Fill ``module`` with tensors of published names; those ``fixed`` keep our value if absent.

    Raises:
        BadInput: a key is missing, left over, of another shape, or holds NaN or infinity.
    """
    names = system.names(module)
    for key in sorted(tensors.keys() - names.keys()):
        raise BadInput("is no tensor of this model", file=file, field=key, remedy=RESTORE)
    own = module.state_dict()
    state = {}
    for key, ours in names.items():
        if key not in tensors and key in fixed:
            state[ours] = own[ours]
            continue
        state[ours] = _fitting(key, tensors, own[ours], file)
    module.load_state_dict(state)


def published_state(system: PublishedSystem, module: nn.Module) -> dict[str, Tensor]:
    """The module's tensors under their published names."""
    own = module.state_dict()
    return {key: own[ours] for key, ours in system.names(module).items()}


def read_published(
    system: PublishedSystem, module: nn.Module, path: str | Path, *, prefix: str = ""
) -> None:
    """Fill ``module`` from a safetensors file of published names.

    ``prefix``: in front of every name in the file, such as ``module.`` of a wrapper.

    Raises:
        MissingInput, BadInput: no such file, no safetensors, or as for ``load_published``.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    from roadloom.io.read import read_bytes

    try:
        tensors = load(read_bytes(path))
    except SafetensorError as error:
        raise BadInput(
            f"is no safetensors file: {error}", file=path,
            remedy="convert a pickled checkpoint once, where it may do no harm",
        ) from error  # fmt: skip
    named = {key.removeprefix(prefix): value for key, value in tensors.items()}
    load_published(system, module, named, file=path)


def _fitting(
    key: str, tensors: Mapping[str, Tensor], own: Tensor, file: str | Path | None
) -> Tensor:
    if key not in tensors:
        raise BadInput("is missing", file=file, field=key, remedy=RESTORE)
    tensor = tensors[key]
    if tensor.shape != own.shape:
        raise BadInput(
            f"has shape {tuple(tensor.shape)}, not {tuple(own.shape)}", file=file, field=key,
            remedy="build the model by the configuration of this checkpoint",
        )  # fmt: skip
    if not torch.isfinite(tensor).all():
        raise BadInput("holds NaN or infinity", file=file, field=key, remedy=RESTORE)
    return tensor.to(own)
