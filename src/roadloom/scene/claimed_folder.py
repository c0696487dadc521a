"""A folder of results, bound by its manifest to what it was begun with.

    ClaimedFolder(manifest="export.json", ...).claim(DIR, {...})

The manifest is written first and never changed while anything whole lies beside it: a run that was
cut off goes on only with the flags that it was begun with, and two runs never mix their results.
Who writes results shares a lock with others that do; a folder changes hands only to one that is
alone with it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from roadloom.errors import BadInput
from roadloom.io.atomic import write_json
from roadloom.io.file_lock import locked, try_lock, unlock, wait
from roadloom.io.read import exists, is_dir, is_file, read_json
from roadloom.scene.readers.json_fields import short

_GROUPS = ("flags", "options", "recipe", "request")
"""Objects in a manifest whose fields are flags."""
_FACTS = ("class_hash", "grids", "kind", "licence", "scenes", "version")
"""Fields outside of them that are not; a schema's name begins with ``roadloom``."""
_SPOKEN = {"source": "SOURCE", "future_offsets": "--future", "channels": "--channel"}
_PATIENCE_S, _LONG_S = 2.0, 60.0
"""For others that write into a folder that is to be claimed; for those that claim it."""
_CLAIMING = "beginning with this folder"
SAME = "use the same flags and version, or a new folder"


@dataclass(frozen=True, kw_only=True)
class ClaimedFolder:
    """What the folders of one command look like."""

    manifest: str
    """Name of the file; it lies in the folder itself."""
    schema: str
    """Field of the manifest by which it is known as ours."""
    command: str
    """What begins such a folder, such as ``roadloom prepare``."""
    whole: tuple[str, ...]
    """Patterns of files that come last: where one lies, something is whole."""
    parts: tuple[str, ...] = ()
    """Patterns of files that may lie there without anything being whole yet."""

    def claim(self, folder: Path, manifest: dict[str, Any]) -> None:
        """Make a folder one of this manifest, or find that it is.

        A folder in which nothing is whole, and into which nobody is writing, is free for another
        manifest: what began it could not be met, or was interrupted at its first scene. What that
        left behind is removed.

        Raises:
            BadInput: it was begun with other flags, or holds other things, or is no folder.
        """
        path, until = folder / self.manifest, time.monotonic() + _PATIENCE_S
        if not exists(path):
            try:
                check_free(folder, self.manifest, self.command)
            except BadInput:
                if not exists(path):  # else another run has just begun it
                    raise
            make_folder(folder)
        while not exists(path) or read_json(path) != manifest:
            if (alone := try_lock(self._lock(folder))) is not None:
                try:
                    self._take(folder, manifest)
                finally:
                    unlock(alone, self._lock(folder))
                return
            if exists(path) and time.monotonic() > until:
                check_same(read_json(path), manifest, path)
            wait(path, until + _LONG_S, _CLAIMING)

    def _take(self, folder: Path, manifest: dict[str, Any]) -> None:
        """Write the manifest where that is allowed; nobody else reads or writes meanwhile."""
        path = folder / self.manifest
        if not exists(path):
            write_json(path, manifest)
            return
        found = read_json(path)
        if found == manifest:
            return
        if isinstance(found, dict) and self.schema in found and not self.has_whole(folder):
            self._remove_parts(folder)
            write_json(path, manifest)
            return
        check_same(found, manifest, path)

    @contextmanager
    def writing(self, folder: Path, manifest: dict[str, Any]) -> Iterator[None]:
        """While results are written: the folder is this manifest's, and stays so to the end.

        Raises:
            BadInput: another run has taken it since it was claimed.
        """
        path = folder / self.manifest
        with locked(self._lock(folder), patience_s=_LONG_S, what=_CLAIMING, shared=True):
            if read_json(path) != manifest:
                raise BadInput(
                    "another run with other flags took the folder meanwhile", file=path,
                    remedy="name another folder; one folder serves one command",
                )  # fmt: skip
            yield

    def _lock(self, folder: Path) -> Path:
        return folder / f".{self.manifest}.lock"

    def has_whole(self, folder: Path) -> bool:
        """Whether anything in a folder is whole."""
        return any(self._files(folder, self.whole))

    def _files(self, folder: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
        for pattern in patterns:
            yield from (p for p in folder.glob(pattern) if p.name[0] != "." and is_file(p))

    def _remove_parts(self, folder: Path) -> None:
        """Remove what is not whole, and the folders that are empty then."""
        for file in list(self._files(folder, self.parts)):
            file.unlink(missing_ok=True)
        for pattern in self.parts:
            for above in list(PurePath(pattern).parents)[:-1]:  # the deepest first
                for inner in [path for path in folder.glob(str(above)) if is_dir(path)]:
                    with suppress(OSError):  # something else is in it
                        inner.rmdir()


def make_folder(path: Path) -> None:
    """Make a folder where there is none.

    Raises:
        BadInput: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"cannot be written: {error.strerror}", file=path,
            remedy="name a place that can be written and has room",
        ) from error  # fmt: skip


def check_free(folder: Path, manifest: str, command: str) -> None:
    """Refuse what is no folder, or a folder of other things.

    Another machine may be writing the manifest at this moment.

    Raises:
        BadInput: it is either.
    """
    if exists(folder) and not is_dir(folder):
        raise BadInput("is no folder", file=folder, field="--out", remedy="name another")
    names = (p.name for p in folder.iterdir()) if is_dir(folder) else ()
    if any(not name.startswith(".") and name != manifest for name in names):
        raise BadInput(
            f"is not empty and holds no {manifest}", file=folder, field="--out",
            remedy=f"name a new folder, or one that `{command}` has begun",
        )  # fmt: skip


def check_same(found: Any, wanted: dict[str, Any], path: Path) -> None:
    """Raise BadInput unless two manifests are equal, naming the first flag that differs."""
    there, asked = _flat(found if isinstance(found, dict) else {}), _flat(wanted)
    for field in (*asked, *there):
        if there.get(field) != asked.get(field):
            raise BadInput(
                f"the folder was begun with {short(there.get(field))}, now "
                f"{short(asked.get(field))} is asked for",
                file=path, field=field, remedy=SAME,
            )  # fmt: skip


def flag_of(name: str) -> str:
    """A flag as the command line writes it."""
    return _SPOKEN.get(name, f"--{name.replace('_', '-')}")


def _flat(manifest: dict[str, Any]) -> dict[str, Any]:
    """Values by flag: fields of the objects that hold flags, and the others."""
    inner: dict[str, Any] = {}
    for name in _GROUPS:
        if isinstance(manifest.get(name), dict):
            inner |= manifest[name]
    flat = {flag_of(name): value for name, value in inner.items()}
    for name, value in manifest.items():
        if name not in _GROUPS:
            known = name in _FACTS or name.startswith("roadloom")
            flat[name if known else flag_of(name)] = value
    return flat
