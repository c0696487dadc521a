"""Sensor files of one scene: whole or not there, however many lie beside them.

    bytes -> ROOT/.roadloom/partial/SCENE.RANDOM/N -> flushed -> renamed into place

A folder of samples may hold a hundred thousand files, so temporaries have a place of their own,
which is removed when its scene is begun again. A writer that outlived its run then finds no place
to write any more and ends; what it had finished has the bytes that the new one would write.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from roadloom.errors import BadInput
from roadloom.io.read import is_file

WORK = ".roadloom"
"""Folder of a root with what only this export needs."""
PARTIAL = "partial"


class Outbox:
    """Writes files of one scene below ``root``. Use it as a context; only one at a time."""

    def __init__(self, root: Path, scene: str) -> None:
        self.root, self.scene = root, scene
        self.folder = root / WORK / PARTIAL / f"{scene}.{secrets.token_hex(6)}"
        self.written = 0

    def __enter__(self) -> "Outbox":
        for left in self.folder.parent.glob(f"{self.scene}.*"):
            shutil.rmtree(left, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def has(self, name: str) -> bool:
        """Whether an earlier run, cut off later, has written this file; it is whole then."""
        return is_file(self.root / name)

    def put(self, name: str, data: bytes) -> None:
        """Write a file, ``name`` being relative to the root.

        Raises:
            BadInput: the disk refuses it.
        """
        target, temporary = self.root / name, self.folder / str(self.written)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise BadInput(
                f"cannot be written: {error.strerror}", file=target,
                remedy="make room, then run the same command again" if full
                else "name a place that can be written",
            ) from error  # fmt: skip
        self.written += 1


def tidy(root: Path, is_whole: Callable[[str], bool]) -> None:
    """Remove the empty places of writers that were killed when their scene was whole already."""
    for left in (root / WORK / PARTIAL).glob("*.*"):
        if is_whole(left.name.rpartition(".")[0]):
            shutil.rmtree(left, ignore_errors=True)
