"""Whole files or none: write under a temporary name beside the target, then rename.

A temporary name tells who writes: ``.NAME.HOST-PID.RANDOM.tmp``. What a killed writer left is
removed by the next one of the same target.
"""

import errno
import json
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from platform import node
from typing import Any
from zlib import crc32

from roadloom.errors import BadInput
from roadloom.io.read import exists, is_dir

STALE_S = 24 * 3600.0
"""Age at which a temporary of another machine, whose processes we cannot see, counts as left."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of a write that name no file."""
_REMEDY = "name a place that can be written and has room"


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on a clean exit it becomes ``path``.

    The temporary name keeps the suffix, as many writers choose their format by it.

    Raises:
        BadInput: ``path`` cannot be written.
    """
    target = Path(path)
    if is_dir(target):
        raise BadInput("is a folder, not a file", file=target, remedy="name a file in it")
    temporary = _temporary(target, target.stem, target.suffix)
    try:
        with _errors_of(target, temporary):
            target.parent.mkdir(parents=True, exist_ok=True)
            _remove_left(target.parent, target.stem, target.suffix)
            yield temporary
            _flush(temporary)
            temporary.replace(target)
    finally:
        _remove(temporary)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; on a clean exit it becomes ``path``.

    Of several writers of one folder the first wins, whole, and the others fail.

    Raises:
        BadInput: ``path`` exists already and is not an empty folder, or cannot be written.
    """
    target = Path(path)
    check_new_folder(target)
    temporary = _temporary(target, target.name, "")
    try:
        with _errors_of(target, temporary):
            target.parent.mkdir(parents=True, exist_ok=True)
            _remove_left(target.parent, target.name, "")
            temporary.mkdir()
            yield temporary
            _rename_folder(temporary, target)
    finally:
        _remove(temporary)


def check_new_folder(path: str | Path) -> None:
    """Refuse a folder that cannot be made whole without losing what is there.

    Raises:
        BadInput: a file, a link, or a folder with something in it.
    """
    target = Path(path)
    try:
        there = exists(target)
        if target.is_symlink():
            raise BadInput(
                "is a link", file=target, remedy="name the folder that it should lead to"
            )
        free = not there or (target.is_dir() and not any(target.iterdir()))
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", file=target, remedy=_REMEDY) from error
    if not free:
        raise _taken(target)


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


def _rename_folder(temporary: Path, target: Path) -> None:
    try:
        with suppress(FileNotFoundError):  # another writer may just have removed it
            target.rmdir()  # empty; elsewhere than on POSIX a rename does not replace it
        temporary.replace(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise _taken(target) from error
        raise


def _taken(target: Path) -> BadInput:
    return BadInput("is there already and not empty", file=target, remedy="name a new folder")


@contextmanager
def _errors_of(target: Path, temporary: Path) -> Iterator[None]:
    """Turn what the system refuses of the target into BadInput; other errors pass."""
    try:
        yield
    except OSError as error:
        named = str(error.filename or "")
        ours = named in (str(temporary), str(target), *map(str, target.parents))
        inside = named.startswith(f"{temporary}{os.sep}")
        if not (ours or inside or (not named and error.errno in _FULL)):
            raise
        raise BadInput(
            f"cannot be written: {error.strerror}", file=target, remedy=_REMEDY
        ) from error


def _temporary(target: Path, stem: str, suffix: str) -> Path:
    return target.with_name(
        f"{_prefix(stem)}{_us()}-{os.getpid()}.{secrets.token_hex(6)}.tmp{suffix}"
    )


def _prefix(stem: str) -> str:
    """Shortened, so that a name of the longest kind leaves room for the rest."""
    return f".{stem[:40]}."


def _us() -> str:
    """This machine, in eight characters that a file name can hold."""
    return f"{crc32(node().encode()):08x}"


def _remove_left(folder: Path, stem: str, suffix: str) -> None:
    """Remove temporaries of this target whose writers are gone."""
    owner = re.compile(
        rf"{re.escape(_prefix(stem))}([0-9a-f]{{8}})-([0-9]{{1,9}})\.[0-9a-f]{{12}}"
        rf"\.tmp{re.escape(suffix)}"
    )
    for entry in os.scandir(folder):
        match = owner.fullmatch(entry.name)
        if match is None:
            continue
        try:
            old = time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE_S
        except FileNotFoundError:
            continue  # its writer has just finished
        if (match[1] == _us() and not _lives(int(match[2]))) or (match[1] != _us() and old):
            _remove(Path(entry.path))


def _lives(process: int) -> bool:
    if sys.platform == "win32":
        return True  # signal 0 would stop it there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True


def _remove(path: Path) -> None:
    """A file or folder of ours, if it is there; best effort, as a leftover does no harm."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            return
