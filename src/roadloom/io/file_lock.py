"""Locks between processes: the system's (``flock``), which go with their process however it ends.

    held = try_lock(path)          alone, or shared with others that share it; None: not now
    with locked(path, ...): ...    waits for it

The file that is locked is removed by the last that lets go of it.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roadloom.errors import BadInput, RoadloomError

POLL_S = 0.02
_ROOM = "name a folder that can be written and has room"


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """The open file at ``path``, made if need be, with its lock; None while another has it.

    Raises:
        BadInput: it cannot be written.
    """
    import fcntl

    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise BadInput(f"cannot be written: {error.strerror}", file=path, remedy=_ROOM) from error
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        if _is_at(file, path):
            return file
    except BlockingIOError:
        pass
    except BaseException:
        os.close(file)
        raise
    os.close(file)  # held by another, or removed by its last owner
    return None


def unlock(file: int, path: Path) -> None:
    """Let go of a lock; the file goes with it unless others share it."""
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(file, path):
            path.unlink()
    except BlockingIOError:
        pass
    finally:
        os.close(file)


@contextmanager
def locked(path: Path, *, patience_s: float, what: str, shared: bool = False) -> Iterator[None]:
    """Hold the lock of ``path``.

    Args:
        path: in a folder that is there.
        patience_s: how long to wait for others.
        what: they are doing, for the error.
        shared: with others that share it.

    Raises:
        RoadloomError: another process holds it for too long.
        BadInput: the file cannot be written.
    """
    until = time.monotonic() + patience_s
    while (file := try_lock(path, shared=shared)) is None:
        wait(path, until, what)
    try:
        yield
    finally:
        unlock(file, path)


def wait(path: Path, until: float, what: str) -> None:
    """A moment, unless ``until`` [s, monotonic] is past.

    Raises:
        RoadloomError: it is.
    """
    if time.monotonic() > until:
        raise RoadloomError(
            f"another process is {what}", file=path,
            remedy="wait for it, or end it; then run the same command again",
        )  # fmt: skip
    time.sleep(POLL_S)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
