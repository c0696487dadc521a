"""Whole files or none: write under a temporary name beside the target, then rename."""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on a clean exit it becomes ``path``.

    The temporary name keeps the suffix, as many writers choose their format by it.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(6)}.tmp{target.suffix}")
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; on a clean exit it becomes ``path``.

    Raises:
        FileExistsError: ``path`` exists already and is not an empty folder.
    """
    target = Path(path)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise FileExistsError(f"{target} exists already")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        if target.exists():
            target.rmdir()
        temporary.replace(target)
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)


def write_bytes(path: str | Path, data: bytes) -> None:
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """UTF-8, line ends as given."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any, default: Callable[[Any], Any] | None = None) -> None:
    """Strict JSON (NaN refused), keys in their order, two spaces."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, default=default) + "\n")


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
