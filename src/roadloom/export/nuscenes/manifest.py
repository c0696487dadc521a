"""What a root is made of: which exports, with which options, and which scene has which name.

    ROOT/.roadloom/manifest.json   city, version, and for every export its source, options, scenes
    ROOT/.roadloom/lock            held while the manifest or the tables are written
    ROOT/.roadloom/writers.lock    shared while scenes are written: their export keeps its place

An export is claimed before anything is written, so that all machines that work on it agree on
names and places. Another source is appended; the same source with other options is refused.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock

from roadloom import __version__
from roadloom.errors import BadInput
from roadloom.export.nuscenes.map_tiles import check_room
from roadloom.export.nuscenes.official import scene_names
from roadloom.export.nuscenes.options import SPLITS, NuScenesOptions
from roadloom.export.nuscenes.outbox import WORK
from roadloom.export.nuscenes.scene import Slot, fragment_path
from roadloom.io import file_lock
from roadloom.io.atomic import write_json
from roadloom.io.file_lock import try_lock, unlock
from roadloom.io.read import exists, is_file, read_json
from roadloom.scene.claimed_folder import check_free, check_same, flag_of
from roadloom.scene.classes import CLASS_HASH
from roadloom.scene.readers.json_fields import Fields, short
from roadloom.scene.source import SourceName

SCHEMA = 1
_SAME = ("version", "city", "tile_m")
"""Options that all exports of a root share."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One export as the manifest has it."""

    source: str
    first: int
    """Number of its first scene in the root."""
    scenes: tuple[str, ...]
    names: tuple[str, ...]
    split: str

    def slot(self, scene: str) -> Slot:
        """Where a scene of the source goes."""
        at = self.scenes.index(scene)
        return Slot(name=self.names[at], number=self.first + at, split=self.split)


def manifest_path(root: Path) -> Path:
    return root / WORK / "manifest.json"


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Alone with what all exports share; waits for others."""
    lock = root / WORK / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        yield


def claim(
    root: Path,
    source: str,
    scenes: tuple[str, ...],
    options: NuScenesOptions,
    *,
    licence: str,
    labels: str | None,
    rig: str | None,
) -> Claim:
    """Enter an export into the manifest, or find it there.

    Args:
        root: of the export.
        source: KIND:PLACE[:SCENE].
        scenes: all that the source has, whatever the shard.
        options: of the export.
        licence: of the source.
        labels: folder of labels, if any.
        rig: YAML of the rig that a made source is seen through, if any.

    Raises:
        BadInput: the folder holds something else, or this source with other options, or a scene
            is in it already; or there is no room for so many.
    """
    path = manifest_path(root)
    if not exists(path):
        check_free(root, f"{WORK}/manifest.json", "roadloom export nuscenes")
    wanted = {
        "source": source,
        "roadloom": __version__,
        "class_hash": CLASS_HASH,
        "licence": licence,
        "labels": labels,
        "rig": rig,
        "options": options.as_json(),
        "scenes": list(scenes),
    }
    with locked(root):
        manifest: dict[str, Any] = {"roadloom_nuscenes": SCHEMA, "exports": []}
        if exists(path):
            manifest = read_manifest(root)
        exports: list[dict[str, Any]] = manifest["exports"]
        for export in exports:
            if export["source"] == source:
                there = {field: export.get(field) for field in wanted}
                if there != wanted and _can_begin_again(root, export, exports):
                    remove_files(root, exports.pop())
                    break
                check_same(there, wanted, path)
                return claim_of(export)
        if exports:
            _check_fits(exports, wanted, path)
        first = sum(len(export["scenes"]) for export in exports)
        check_room(first + len(scenes), city=options.city, edge_m=options.tile_m)
        taken = {name for export in exports for name in export["names"]}
        export = wanted | {
            "split": split_of(source, options),
            "first": first,
            "names": _free_names(len(scenes), taken, options.official),
        }
        manifest["exports"] = [*exports, export]
        write_json(path, manifest)
        return claim_of(export)


@contextmanager
def writing(root: Path, source: str, options: NuScenesOptions) -> Iterator[None]:
    """While a scene is written: the export has its place in the root, and keeps it to the end.

    Raises:
        BadInput: another export has taken it since it was claimed.
    """
    with ExitStack() as held:
        with locked(root):
            exports: list[dict[str, Any]] = read_manifest(root)["exports"]
            wanted = (source, options.as_json())
            if not any((export["source"], export["options"]) == wanted for export in exports):
                raise BadInput(
                    "another export took the place of this one meanwhile", file=root,
                    field="--out", remedy="name another folder, or run one export at a time",
                )  # fmt: skip
            held.enter_context(
                file_lock.locked(_writers(root), patience_s=10.0, what="claiming it", shared=True)
            )
        yield


def _writers(root: Path) -> Path:
    """Shared by all that write scenes."""
    return root / WORK / "writers.lock"


def claim_of(export: dict[str, Any]) -> Claim:
    return Claim(
        source=export["source"], first=export["first"], scenes=tuple(export["scenes"]),
        names=tuple(export["names"]), split=export["split"],
    )  # fmt: skip


def read_manifest(root: Path) -> dict[str, Any]:
    """The checked manifest.

    Raises:
        MissingInput: there is none.
        BadInput: damaged, or of another schema.
    """
    path = manifest_path(root)
    fields = Fields(path, "", read_json(path))
    if fields.whole("roadloom_nuscenes") != SCHEMA:
        raise fields.bad("roadloom_nuscenes", f"this version reads {SCHEMA}")
    for export in fields.each("exports"):
        for name in ("source", "split", "licence"):
            export.text(name)
        export.whole("first")
        for name in ("scenes", "names"):
            if not all(isinstance(text, str) for text in export.items(name)):
                raise export.bad(name, "must be names")
    found: dict[str, Any] = fields.value
    return found


def split_of(source: str, options: NuScenesOptions) -> str:
    """Which list of ``splits.json`` the scenes of a source belong to."""
    if options.official is not None:
        return options.official
    if options.split is not None:
        return options.split
    place = SourceName.parse(source).place
    return place if place in SPLITS else SPLITS[0]


def _can_begin_again(root: Path, export: dict[str, Any], exports: list[dict[str, Any]]) -> bool:
    """Whether an export is the last one and has no whole scene: it failed at its first.

    Nobody must be writing one either; who begins with it waits for the root's lock.
    """
    begun = any(is_file(fragment_path(root, name)) for name in export["names"])
    if begun or export is not exports[-1]:
        return False
    alone = try_lock(_writers(root))
    if alone is not None:
        unlock(alone, _writers(root))
    return alone is not None


def remove_files(root: Path, export: dict[str, Any]) -> None:
    """Take away what an export without a whole scene left behind."""
    names = export["names"]
    for name in names:
        for path in (*root.glob(f"samples/*/{name}__*"), *root.glob(f"sweeps/*/{name}__*")):
            path.unlink()
        for path in (*root.glob(f"can_bus/{name}_*"), *(root / WORK / "maps").glob(f"{name}.*")):
            path.unlink()
        shutil.rmtree(root / "gts" / name, ignore_errors=True)
    used = {
        row["filename"]
        for path in (root / WORK / "scenes").glob("scene-*.json")
        for row in read_json(path)["tables"]["lidarseg"]
    }
    for path in root.glob("lidarseg/*/*.bin"):
        if path.relative_to(root).as_posix() not in used:
            path.unlink()


def _check_fits(exports: list[dict[str, Any]], wanted: dict[str, Any], path: Path) -> None:
    for field in _SAME:
        there, value = exports[0]["options"].get(field), wanted["options"][field]
        if there != value:
            raise BadInput(
                f"the root was begun with {short(there)}, now {short(value)} is asked for",
                file=path, field=flag_of(field), remedy="use the same, or a new folder",
            )  # fmt: skip
    held = {name for export in exports for name in _whole_names(export)}
    for name in _whole_names(wanted):
        if name in held:
            raise BadInput(
                f"{name} was exported already, as part of another source", file=path,
                field="SOURCE", remedy="name the source as before, or a new folder",
            )  # fmt: skip


def _whole_names(export: dict[str, Any]) -> list[str]:
    name = SourceName.parse(export["source"])
    return [f"{name.kind}:{name.place}:{scene}" for scene in export["scenes"]]


def _free_names(wanted: int, taken: set[str], official: str | None) -> list[str]:
    """The next names that no export of the root has.

    Raises:
        BadInput: the official split has no more.
    """
    known = (f"scene-{n:04d}" for n in count(1)) if official is None else scene_names(official)
    names: list[str] = []
    for name in known:
        if len(names) == wanted:
            break
        if name not in taken:
            names.append(name)
    if len(names) < wanted:
        raise BadInput(
            f"{wanted} scenes need more names than the {len(names)} that are left of the official "
            f"{official}", field="--official", remedy="export fewer scenes under these names",
        )  # fmt: skip
    return names
