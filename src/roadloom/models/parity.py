"""Whether our model computes what a published one was recorded to compute.

    fixture -> weights by the recipe -> our model, through its converter -> outputs -> errors

A fixture holds no weights. Both sides draw them, tensor by tensor, from the name of each and
one seed, so a name that the converter gets wrong is a wrong result.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any
from zlib import crc32

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from roadloom.errors import BadInput
from roadloom.io.npz import Field, read_npz
from roadloom.io.read import RESTORE, read_json
from roadloom.models.published import PublishedSystem, load_published
from roadloom.models.registry import SYSTEMS

_Length = Annotated[int, msgspec.Meta(ge=0, le=2**31)]


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tensor of the published state dict."""

    shape: list[_Length]
    dtype: str
    random: bool
    """Drawn by the recipe; else the model computes it for itself."""


class Fixture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model was, and where its recorded arrays are."""

    system: str
    io: str
    """Name of the array file, beside the fixture."""
    tolerance: float
    """Largest absolute error of any output."""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    inputs: list[str]
    outputs: list[str]
    config: dict[str, Any]
    parameters: dict[str, Parameter]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came out of one fixture."""

    tolerance: float
    errors: dict[str, float]
    """Largest absolute error of every output."""
    arrays: dict[str, np.ndarray]
    """What we computed, under the fixture's output names."""

    @property
    def passed(self) -> bool:
        return all(error <= self.tolerance for error in self.errors.values())


def read_fixture(path: str | Path) -> Fixture:
    """
    Raises:
        MissingInput: no such file.
        BadInput: no JSON, a field missing, unknown or of another type; the error names it.
    """
    try:
        fixture = msgspec.convert(read_json(path), Fixture)
    except msgspec.ValidationError as error:
        raise BadInput(f"is no parity fixture: {error}", file=path, remedy=RESTORE) from error
    if not (math.isfinite(fixture.tolerance) and fixture.tolerance > 0):
        raise BadInput(f"{fixture.tolerance} is no tolerance", file=path, field="tolerance")
    if Path(fixture.io).name != fixture.io:
        raise BadInput(f"{fixture.io!r} is not beside the fixture", file=path, field="io")
    if not fixture.outputs:
        raise BadInput("names no output to compare", file=path, field="outputs", remedy=RESTORE)
    return fixture


def check(path: str | Path, module: nn.Module | None = None) -> Report:
    """Run one fixture; ``module`` instead of one built from its configuration keeps its code
    but gets the fixture's weights.

    Raises:
        BadInput: the fixture or its arrays are damaged, or ask for what we do not compute.
    """
    fixture = read_fixture(path)
    if fixture.system not in SYSTEMS:
        raise BadInput(
            f"system {fixture.system!r} is not known", file=path, field="system",
            remedy=f"use {', '.join(sorted(SYSTEMS))}",
        )  # fmt: skip
    system = SYSTEMS[fixture.system]
    try:
        if module is None:
            with torch.device("meta"):  # takes no memory, whatever the configuration says
                _check_names(system, system.build(fixture.config), fixture)
            module = system.build(fixture.config)
        _check_names(system, module, fixture)
        fill(system, module, fixture)
        inputs, recorded = _arrays(system, module, fixture, Path(path))
        with torch.no_grad():
            computed = system.run(module, inputs)
    except BadInput as error:
        if error.file is not None:
            raise
        raise BadInput(error.message, file=path, field=error.field, remedy=error.remedy) from error
    arrays = {name: computed[name].float().cpu().numpy() for name in fixture.outputs}
    errors = {name: largest_error(arrays[name], recorded[name]) for name in fixture.outputs}
    return Report(tolerance=fixture.tolerance, errors=errors, arrays=arrays)


def fill(system: PublishedSystem, module: nn.Module, fixture: Fixture) -> None:
    """Give the module the fixture's weights, through the system's converter."""
    drawn = {
        key: draw(key, tuple(parameter.shape), fixture.seed)
        for key, parameter in fixture.parameters.items()
        if parameter.random
    }
    load_published(system, module, drawn, fixed=frozenset(fixture.parameters.keys() - drawn.keys()))


def draw(key: str, shape: tuple[int, ...], seed: int) -> Tensor:
    """The recipe's tensor of this name."""
    generator = np.random.Generator(np.random.PCG64([crc32(key.encode()), seed]))
    x = generator.standard_normal(shape).astype(np.float32)
    last = key.rpartition(".")[2]
    if last == "running_var":
        x = 1 + np.float32(0.1) * np.abs(x)
    elif last != "running_mean" and len(shape) >= 2:
        x = x / np.float32(math.sqrt(math.prod(shape[1:])))
    elif last in ("weight", "scale"):
        x = 1 + np.float32(0.1) * x
    else:
        x = np.float32(0.1) * x
    return torch.from_numpy(np.asarray(x, np.float32))


def largest_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest absolute difference; infinite if anything of ours is not finite, or the shape."""
    if ours.shape != theirs.shape or not np.isfinite(ours).all():
        return math.inf
    return float(np.abs(ours.astype(np.float64) - theirs).max(initial=0.0))


def _check_names(system: PublishedSystem, module: nn.Module, fixture: Fixture) -> None:
    """Refuse keys or shapes that are not the model's, before anything is drawn."""
    own, names = module.state_dict(), system.names(module)
    for key in sorted(names.keys() | fixture.parameters.keys()):
        if key not in fixture.parameters:
            raise BadInput("is missing", field=f"parameters.{key}", remedy=RESTORE)
        if key not in names:
            raise BadInput("is no tensor of this model", field=f"parameters.{key}", remedy=RESTORE)
        parameter = fixture.parameters[key]
        if parameter.random and parameter.dtype != "float32":
            raise BadInput(
                f"is {parameter.dtype}; the recipe draws float32",
                field=f"parameters.{key}", remedy=RESTORE,
            )  # fmt: skip
        shape, wanted = tuple(parameter.shape), tuple(own[names[key]].shape)
        if shape != wanted:
            raise BadInput(
                f"has shape {shape}, not {wanted}", field=f"parameters.{key}",
                remedy="check the configuration and the parameters against each other",
            )  # fmt: skip


def _arrays(
    system: PublishedSystem, module: nn.Module, fixture: Fixture, path: Path
) -> tuple[dict[str, Tensor], dict[str, np.ndarray]]:
    """Inputs of the model, and recorded outputs."""
    wanted = system.inputs(module)
    known = system.outputs(module)
    _check_listed("inputs", fixture.inputs, wanted)
    _check_listed("outputs", fixture.outputs, known)
    for name, field in wanted.items():
        if name not in fixture.inputs and not field.optional:
            raise BadInput(f"lacks {name!r}", field="inputs", remedy=RESTORE)
    fields = {name: wanted[name] for name in fixture.inputs}
    fields |= {name: known[name] for name in fixture.outputs}
    strict = {name: replace(field, finite=True, optional=False) for name, field in fields.items()}
    arrays = read_npz(path.parent / fixture.io, strict)
    inputs = {name: torch.from_numpy(arrays[name]) for name in fixture.inputs}
    return inputs, {name: arrays[name] for name in fixture.outputs}


def _check_listed(what: str, listed: list[str], known: Mapping[str, Field]) -> None:
    for name in listed:
        if name not in known:
            raise BadInput(
                f"{name!r} is unknown here", field=what, remedy=f"use {', '.join(known)}"
            )
    if len(set(listed)) != len(listed):
        raise BadInput("names an array twice", field=what, remedy=RESTORE)
