"""State folders from which a run goes on: ``OUT/checkpoints/step_00001234/``.

Each holds model, ema and optimizer as safetensors and ``state.json``: step, recipe, settings and
the hash of every file. It is written under another name and renamed when whole, so a folder of
that name is never half written; the last two are kept.
"""

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import msgspec
from torch import Tensor

from roadloom.errors import BadInput
from roadloom.io.atomic import atomic_folder
from roadloom.io.read import is_dir, read_json, regular_file
from roadloom.io.tensors import save_tensors
from roadloom.training.config import TrainConfig

FORMAT = 1
KEPT = 2
FREE = frozenset({
    "steps", "log_every", "save_every", "validate_every", "validate_limit", "workers",
    "strategy", "micro_batch", "checkpoint_activations", "compile",
})  # fmt: skip
"""Settings that may change on a resume: how long, how often, on what machine. ``steps`` changes
the rest of the learning rate's course, the last four the rounding of sums."""


@dataclass(frozen=True, kw_only=True)
class State:
    """What ``state.json`` holds beside the tensors' hashes."""

    step: int
    recipe: str
    config: dict[str, Any]
    examples: int
    """Training examples: another number is another order."""
    about: dict[str, Any]
    """What the task's card says: data, hashes, losses."""
    scaler: dict[str, Any]
    """Of the loss in 16 bits."""
    scores: dict[str, float]
    """Of the last validation."""
    seconds: dict[str, float]
    """Spent so far, by what they were spent on."""
    memory_bytes: int
    """Most that was held so far."""
    format: int = FORMAT
    config_hash: str = ""
    files: dict[str, str] = dataclasses.field(default_factory=dict)
    """File -> SHA-256."""


class Checkpoints:
    """The state folders of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: State, parts: Mapping[str, Mapping[str, Tensor]]) -> Path:
        """Write one state folder, then remove all but the last two."""
        target = self.folder / f"step_{state.step:08d}"
        with atomic_folder(target) as temporary:
            files = {}
            for part, tensors in sorted(parts.items()):
                file = temporary / f"{part}.safetensors"
                save_tensors(tensors, file)
                files[file.name] = _hash(file)
            held = dataclasses.replace(
                state, files=files, config_hash=config_hash(state.recipe, state.config)
            )
            text = json.dumps(dataclasses.asdict(held), indent=2, allow_nan=False)
            (temporary / "state.json").write_text(text + "\n")
            for file in temporary.iterdir():
                _to_disk(file)
        self._thin()
        return target

    def steps(self) -> dict[int, Path]:
        """Step -> folder, in ascending order."""
        if not is_dir(self.folder):
            return {}
        found = {
            int(match[1]): path
            for path in self.folder.iterdir()
            if (match := re.fullmatch(r"step_(\d{8,})", path.name))
        }
        return dict(sorted(found.items()))

    def newest(self) -> Path | None:
        return next(reversed(self.steps().values()), None)

    def load(self, folder: Path) -> tuple[State, dict[str, dict[str, Tensor]]]:
        """A state folder, every byte of it checked.

        Raises:
            BadInput: something is missing, damaged or of another format.
        """
        try:
            state = self._read_state(folder)
            return state, {
                Path(name).stem: _read_part(folder / name, digest)
                for name, digest in state.files.items()
            }
        except BadInput as error:
            raise self._damaged(folder, error) from error

    def _read_state(self, folder: Path) -> State:
        file = folder / "state.json"
        held = read_json(file)
        if not isinstance(held, dict) or held.get("format") != FORMAT:
            raise BadInput(f"is not of format {FORMAT}", file=file)
        if odd := held.keys() ^ {field.name for field in dataclasses.fields(State)}:
            raise BadInput(f"lacks or adds {', '.join(sorted(odd))}", file=file)
        try:
            state = msgspec.convert(held, State)
        except msgspec.ValidationError as error:
            raise BadInput(f"is not a training state: {error}", file=file) from error
        if f"step_{state.step:08d}" != folder.name:
            raise BadInput(f"is of step {state.step}", file=file, field="step")
        for name in state.files:
            if not re.fullmatch(r"[a-z_]+\.safetensors", name):
                raise BadInput(f"{name!r} is no file of a state", file=file, field="files")
        if config_hash(state.recipe, state.config) != state.config_hash:
            raise BadInput("holds other settings than were written", file=file)
        return state

    def _damaged(self, folder: Path, error: BadInput) -> BadInput:
        others = [path.name for path in self.steps().values() if path != folder]
        then = f"from {others[-1]}" if others else "from the beginning"
        return BadInput(
            error.message, file=error.file, field=error.field,
            remedy=f"remove the folder {folder} to go on {then}",
        )  # fmt: skip

    def _thin(self) -> None:
        """Remove old folders, each under another name first: a kill leaves none half removed."""
        for path in list(self.steps().values())[:-KEPT]:
            path.rename(path.with_name(f".old_{path.name}"))
        for left in self.folder.glob(".old_step_*"):
            shutil.rmtree(left)


def _read_part(file: Path, digest: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if _hash(regular_file(file)) != digest:
        raise BadInput("is not what was written", file=file)
    try:
        return load_file(file)
    except (SafetensorError, ValueError, KeyError) as error:
        raise BadInput(f"is no safetensors file: {error}", file=file) from error


def as_json(config: TrainConfig) -> dict[str, Any]:
    """The settings as JSON would give them back."""
    return through_json(dataclasses.asdict(config))


def through_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON would give them back."""
    back: dict[str, Any] = json.loads(json.dumps(values))
    return back


def config_hash(recipe: str, config: Mapping[str, Any]) -> str:
    text = json.dumps([recipe, config], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def check_same_run(
    state: State,
    recipe: str,
    config: TrainConfig,
    examples: int,
    about: Mapping[str, Any],
    folder: Path,
) -> None:
    """Refuse to go on with what would be another run.

    Args:
        about: the task's card, as JSON gives it back.

    Raises:
        BadInput: names what differs, then and now.
    """
    config_then = as_json(TrainConfig(steps=1)) | state.config  # settings of later versions
    then = {"recipe": state.recipe, "training examples": state.examples} | config_then
    now = {"recipe": recipe, "training examples": examples} | as_json(config)
    then |= {f"the task's {name}": value for name, value in state.about.items()}
    now |= {f"the task's {name}": value for name, value in about.items()}
    odd = [
        f"{name} was {then.get(name)!r}, is {now.get(name)!r}"
        for name in sorted(then.keys() | now.keys())
        if name not in FREE and then.get(name) != now.get(name)
    ]
    if odd:
        raise BadInput(
            f"was begun otherwise: {'; '.join(odd)}", file=folder,
            remedy="go on with the same recipe and data, or train into another folder",
        )  # fmt: skip
    if state.step > config.steps:
        raise BadInput(
            f"has {state.step} steps behind it, more than {config.steps}", file=folder,
            field="steps", remedy="ask for more steps, or train into another folder",
        )  # fmt: skip


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _to_disk(file: Path) -> None:
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())
