"""A rig as YAML, both ways: how a clip stores its rig, and how a user describes a vehicle.

What is written reads back equal, to the last bit of every number. Written by hand, rotations may
be given as ``yaw_pitch_roll_deg`` and beams in degrees and microseconds. See
``sensors/presets`` for two complete files.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from roadloom.errors import BadInput
from roadloom.geometry.checks import LARGEST, shown
from roadloom.io.read import read_text
from roadloom.sensors.rig import Rig
from roadloom.sensors.rig_file import VERSION, RigFile, camera_in, camera_out, lidar_in, lidar_out


def rig_to_yaml(rig: Rig) -> str:
    """The rig as YAML text that ``rig_from_yaml`` reads back equal."""
    document = RigFile(
        roadloom_rig=VERSION,
        name=rig.name,
        source=rig.source,
        cameras=[camera_out(c) for c in rig.cameras],
        lidars=[lidar_out(m) for m in rig.lidars],
    )
    # Other than ASCII is written in escapes: PyYAML loses a lone U+0085 otherwise.
    return yaml.safe_dump(
        _without_none(msgspec.to_builtins(document)),
        sort_keys=False,
        default_flow_style=None,
        width=100,
    )


def read_rig(file: str | Path) -> Rig:
    """The rig of a YAML file.

    Raises:
        MissingInput: no such file.
        BadInput: as ``rig_from_yaml``.
    """
    return rig_from_yaml(read_text(file), file=file)


def rig_from_yaml(text: str, file: str | Path | None = None) -> Rig:
    """Read a rig.

    Args:
        text: the YAML.
        file: where it came from; errors name it.

    Raises:
        BadInput: not YAML, of another version, or a field is missing, unknown, of the wrong
            type, not finite, beyond 1e9 or impossible (as a left-handed rotation); names file
            and field.
    """
    tree = _parse(text, file)
    _check_version(tree, file)
    for path, value in _numbers(tree, ""):
        if not abs(value) < math.inf:  # NaN too; math.isfinite fails on integers of 309 digits
            raise BadInput(f"must be finite, got {value}", file=file, field=path)
        # Times in nanoseconds have a limit of their own.
        if abs(value) > LARGEST and not path.endswith("_ns"):
            raise BadInput(
                f"must be at most {LARGEST:g}, got {shown(value)}",
                file=file, field=path, remedy="give metres, pixels, degrees, as the name says",
            )  # fmt: skip
    try:
        document = msgspec.convert(tree, RigFile)
    except msgspec.ValidationError as error:
        raise _explained(str(error), file) from error
    cameras, lidars = [], []
    for i, camera in enumerate(document.cameras):
        with _At(file, f"cameras[{i}]"):
            cameras.append(camera_in(camera))
    for i, lidar in enumerate(document.lidars):
        with _At(file, f"lidars[{i}]"):
            lidars.append(lidar_in(lidar))
    with _At(file, "name"):
        return Rig(
            name=document.name,
            cameras=tuple(cameras),
            lidars=tuple(lidars),
            source=document.source,
        )


def _without_none(tree: Any) -> Any:
    """Of the ways to give a number, the file shows the one that was used."""
    if isinstance(tree, dict):
        return {k: _without_none(v) for k, v in tree.items() if v is not None}
    return [_without_none(v) for v in tree] if isinstance(tree, list | tuple) else tree


class _At:
    """Says at which field of which file a ``ValueError`` arose."""

    def __init__(self, file: str | Path | None, field: str) -> None:
        self.file, self.field = file, field

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ValueError):
            if isinstance(error, BadInput):
                field = f"{self.field}.{error.field}" if error.field else self.field
                raise BadInput(
                    error.message, file=self.file, field=field, remedy=error.remedy
                ) from error
            raise BadInput(str(error), file=self.file, field=self.field) from error


CHOICES = {
    "model": "use pinhole, fisheye or f-theta",
    "direction": "use clockwise or counter-clockwise, seen from the sensor's own +z",
}
"""What a field that names one of several things may say."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Both are safe; the one in C, where PyYAML has it, is ten times as fast."""
_DEEPEST = 50
"""No rig nests so deep, and the loader in C overruns its stack at some 100,000."""


def _parse(text: str, file: str | Path | None) -> Any:
    try:
        _check_depth(text)
        twice = _twice(yaml.compose(text, Loader=_LOADER))
        # The last four are what PyYAML lets out of its constructors on values that defy their tag.
        tree = None if twice else yaml.load(text, Loader=_LOADER)
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError) as error:
        raise BadInput(f"is not YAML: {error}", file=file, remedy=_RESTORE) from error
    if twice:
        raise BadInput(f"line {twice}: a key or an anchor is used twice", file=file)
    return tree


_RESTORE = "compare it with a preset: src/roadloom/sensors/presets/nuscenes.yaml"


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"nested more than {_DEEPEST} deep")


def _twice(root: yaml.Node | None) -> int | None:
    """Line of a repeated key, of which YAML would keep the last, or of an alias, which can make
    a short file endless."""
    seen: set[int] = set()
    todo = [] if root is None else [root]
    while todo:
        node = todo.pop()
        if id(node) in seen:
            return int(node.start_mark.line) + 1
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            todo += node.value
        elif isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(keys) != len(set(keys)):
                return int(node.start_mark.line) + 1
            todo += [part for pair in node.value for part in pair]
    return None


def _check_version(tree: Any, file: str | Path | None) -> None:
    if not isinstance(tree, dict) or "roadloom_rig" not in tree:
        raise BadInput("is missing: this is no rig", file=file, field="roadloom_rig")
    version = tree["roadloom_rig"]
    if version != VERSION or isinstance(version, bool):
        raise BadInput(
            f"version {version!r} cannot be read, only {VERSION}",
            file=file, field="roadloom_rig", remedy="update roadloom",
        )  # fmt: skip


def _numbers(tree: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(tree, float | int) and not isinstance(tree, bool):
        yield path, tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from _numbers(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from _numbers(value, f"{path}[{i}]")


def _explained(message: str, file: str | Path | None) -> BadInput:
    """msgspec says ``Expected `float`, got `str` - at `$.cameras[0].fx```."""
    what, _, place = message.partition(" - at ")
    field = place.strip("`").removeprefix("$").removeprefix(".")
    named = re.search(r"(?:required|unknown) field `(\w+)`", what)
    if named:
        field = f"{field}.{named[1]}" if field else named[1]
    hint = "write a number such as 1.0e-3 or 1.0e+3, with point and sign"
    if "got `str`" not in what:
        hint = CHOICES.get(field.rpartition(".")[2], "docs/rig_format.md lists every field")
    return BadInput(what, file=file, field=field or None, remedy=hint)
