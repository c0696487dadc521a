"""A folder of labels kept apart from the recording they belong to.

    DIR/labels.json          schema, class hash, version, source, licence, parameters
    DIR/SCENE.labels         all labels of a scene: by time of key frame and offset, append-only
    DIR/scenes/SCENE.json    written once a scene is finished: its labels, bytes and checksum

``roadloom.open(SOURCE, labels=DIR)`` attaches it: ``frame.occupancy(grid)`` then reads here.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from roadloom import __version__
from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.atomic import check_new_folder, write_json
from roadloom.io.read import exists, is_dir, is_file, read_json
from roadloom.scene.claimed_folder import check_free, check_same, make_folder
from roadloom.scene.classes import CLASS_HASH, check_class_hash
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import check_scene_name
from roadloom.scene.readers.json_fields import Fields, short
from roadloom.scene.store_format import SUFFIX, remedy
from roadloom.scene.store_read import Index, index_of, read_label
from roadloom.scene.store_write import SceneWriter, folder_lock, in_use

SCHEMA = 2
MANIFEST = "labels.json"
FINISHED = "scenes"
_OWN = ("roadloom_labels", "roadloom", "class_hash")
_REMEDY = "name the folder that roadloom's labels were written to"
_AGAIN = "write the labels again"


@dataclass(frozen=True)
class LabelFolder:
    """Labels by scene, key frame time and offset; only the folder's name is held.

    An offset is how many key frames ahead of its time a label's content lies; 0 is the present.
    """

    folder: Path

    @staticmethod
    def create(folder: str | Path, facts: dict[str, Any]) -> "LabelFolder":
        """Start a folder; ``facts`` are source, licence and parameters, as JSON values.

        Raises:
            BadInput: there is something in it already, so that labels of two makings would mix.
        """
        check_new_folder(folder)
        return _begun(Path(folder), facts)

    @staticmethod
    def open_or_create(folder: str | Path, facts: dict[str, Any]) -> "LabelFolder":
        """Start a folder, or go on with one that was begun with the very same facts.

        A folder that holds no label yet, and to which none is being written, may be begun anew
        with others.

        Raises:
            BadInput: it was begun with other facts, naming the first that differs; by another
                version or class list; or it holds other things.
        """
        path = Path(folder)
        if not exists(path / MANIFEST):
            check_free(path, MANIFEST, "roadloom label")
            make_folder(path)
        with folder_lock(path):
            if not exists(path / MANIFEST):
                return _begun(path, facts)
            labels = LabelFolder.open(path)
            try:
                labels.check_facts(facts)
            except BadInput:
                if any(in_use(file) for file in path.glob(f"*{SUFFIX}")):
                    raise
                return _begun(path, facts)
            return labels

    @staticmethod
    def open(folder: str | Path) -> "LabelFolder":
        """Check an existing folder: its manifest, and the size of every finished scene.

        Raises:
            MissingInput: no such folder, or no manifest in it.
            BadInput: another schema or class list, or a finished scene is not whole.
        """
        path = Path(folder)
        if not is_dir(path):
            what = "is no folder" if exists(path) else "no such folder of labels"
            raise MissingInput(what, file=path, remedy=_REMEDY)
        manifest = path / MANIFEST
        if not exists(manifest):
            raise MissingInput("no such file: these are no labels", file=manifest, remedy=_REMEDY)
        with _remedied(manifest, _AGAIN):
            facts = read_json(manifest)
        version = facts.get("roadloom_labels") if isinstance(facts, dict) else None
        if version != SCHEMA or isinstance(version, bool):
            raise BadInput(
                f"is {version!r}, this version reads {SCHEMA}",
                file=manifest, field="roadloom_labels",
                remedy="update roadloom, or write the labels again",
            )  # fmt: skip
        check_class_hash(str(facts.get("class_hash")), file=manifest)
        labels = LabelFolder(path)
        for scene in labels._finished_scenes():
            labels.finished(scene)
        return labels

    @property
    def facts(self) -> dict[str, Any]:
        """What the labels were made with: ``labels.json`` whole."""
        found: dict[str, Any] = read_json(self.folder / MANIFEST)
        return found

    def check_facts(self, facts: dict[str, Any]) -> None:
        """Raise BadInput unless the folder was begun with these facts, by this version."""
        wanted = json.loads(json.dumps(_whole(facts)))
        check_same(self.facts, wanted, self.folder / MANIFEST)

    @property
    def scenes(self) -> tuple[str, ...]:
        """Scenes that have labels, by name."""
        files = self.folder.glob(f"*{SUFFIX}")
        names = (file.name.removesuffix(SUFFIX) for file in files)
        return tuple(sorted(name for name in names if self._places(name)))

    def path(self, scene_id: str) -> Path:
        """File of a scene's labels, inside the folder.

        Raises:
            BadInput: the scene's name could lead out of the folder.
        """
        return self.folder / f"{check_scene_name(scene_id, file=self.folder)}{SUFFIX}"

    def keys(self, scene_id: str) -> tuple[tuple[int, int], ...]:
        """(time [ns], offset) of every label of a scene, in the order of their making."""
        return tuple(self._places(scene_id))

    def times_ns(self, scene_id: str, offset: int = 0) -> tuple[int, ...]:
        """Times of the key frames of a scene that have a label of this offset, rising.

        Labels that another process appends turn up when asked again.

        Raises:
            BadInput: the scene's file is damaged.
        """
        return tuple(sorted(time for time, ahead in self.keys(scene_id) if ahead == offset))

    def grids(self, scene_id: str) -> tuple[VoxelGrid, ...]:
        """The grid of a scene's labels, in a tuple; none where the scene has no label."""
        index = self._index(scene_id)
        return (index.header.grid,) if index and index.header and index.places else ()

    def frame(self, scene_id: str) -> str | None:
        """The frame that this grid lies in, ``ego`` or ``lidar``; None without a label."""
        index = self._index(scene_id)
        return index.header.frame if index and index.header and index.places else None

    def _index(self, scene_id: str) -> Index | None:
        return index_of(self.path(scene_id), scene_id)

    def _places(self, scene_id: str) -> Any:
        index = self._index(scene_id)
        return {} if index is None else index.places

    def add(self, scene_id: str, time_ns: int, occupancy: Occupancy, offset: int = 0) -> None:
        """Append the label of one key frame, whole or not at all.

        Raises:
            BadInput: there is one already, the scene is finished, or its other labels lie on
                another grid or in another frame.
        """
        if self.finished(scene_id):
            raise BadInput(
                "the scene is finished", file=self.record_path(scene_id), field="scene_id",
                remedy="write further labels into a new folder",
            )  # fmt: skip
        with self.writer(scene_id) as writer:
            writer.add(time_ns, occupancy, offset)

    def writer(self, scene_id: str) -> SceneWriter:
        """For many labels: ``with labels.writer(scene) as writer: writer.add(...)``."""
        return SceneWriter(self.path(scene_id), scene_id)

    def occupancy(self, scene_id: str, time_ns: int, grid: VoxelGrid, offset: int = 0) -> Occupancy:
        """Read one label.

        Raises:
            NotRecorded: there is none for this key frame, or it lies on another grid.
            BadInput: its record is damaged.
        """
        path, index = self.path(scene_id), self._index(scene_id)
        place = None if index is None else index.places.get((int(time_ns), int(offset)))
        if index is None or index.header is None or place is None:
            ahead = f", offset {offset}" if offset else ""
            raise NotRecorded(
                f"no label of scene {scene_id} at {time_ns} ns{ahead}", file=path,
                field="occupancy", remedy="ask times_ns for the labels that there are",
            )  # fmt: skip
        if index.header.grid != grid:
            raise NotRecorded(
                f"the label lies on {index.header.grid}, not on {grid}", file=path, field="grid",
                remedy="ask for the labels' own grid: grids tells it",
            )  # fmt: skip
        return read_label(path, index.header, place)

    def record_path(self, scene_id: str) -> Path:
        """File that says that a scene is finished."""
        return self.folder / FINISHED / f"{check_scene_name(scene_id, file=self.folder)}.json"

    def finish(self, scene_id: str, facts: dict[str, Any] | None = None) -> None:
        """Say that a scene has all its labels, with count, bytes and checksum of its file.

        Every scene has a file of its own for it, so that machines that share a folder never
        write the same one.
        """
        path = self.path(scene_id)
        there = is_file(path)
        record = {
            "scene": scene_id,
            "labels": len(self._places(scene_id)),
            "bytes": path.stat().st_size if there else 0,
            "sha256": _digest(path),
        }
        write_json(self.record_path(scene_id), record | (facts or {}))

    def finished(self, scene_id: str) -> bool:
        """Whether a scene has all its labels.

        Raises:
            BadInput: it had, but its file is no longer of that size.
        """
        record = self._record(scene_id)
        if record is None:
            return False
        path = self.path(scene_id)
        size, wanted = path.stat().st_size if is_file(path) else 0, record.whole("bytes")
        if size != wanted:
            raise BadInput(
                f"{size} bytes, not the {wanted} of the finished scene", file=path,
                field="bytes", remedy=remedy(path),
            )  # fmt: skip
        return True

    def finished_facts(self, scene_id: str) -> dict[str, Any] | None:
        """What was said of a scene when it was finished; None as long as it is not."""
        record = self._record(scene_id)
        return None if record is None else record.value

    def _record(self, scene_id: str) -> Fields | None:
        path = self.record_path(scene_id)
        if not exists(path):
            return None
        with _remedied(path, remedy(self.path(scene_id))):
            return Fields(path, "", read_json(path))

    def _finished_scenes(self) -> list[str]:
        found = (self.folder / FINISHED).glob("*.json")
        return sorted(f.name.removesuffix(".json") for f in found if f.name[0] != ".")

    def problems(self) -> Iterator[BadInput]:
        """Read every label of every scene and compare every checksum; nothing wrong, nothing
        comes."""
        names = {file.name.removesuffix(SUFFIX) for file in self.folder.glob(f"*{SUFFIX}")}
        for scene in sorted(names | set(self._finished_scenes())):
            try:
                damaged = list(self._damaged(scene))
                if not damaged and self.finished(scene):
                    self._check_record(scene)
            except BadInput as error:
                damaged = [error]
            yield from damaged

    def _damaged(self, scene_id: str) -> Iterator[BadInput]:
        """Labels of a scene that cannot be read."""
        path = self.path(scene_id)
        index = index_of(path, scene_id, fresh=True)
        if index is None or index.header is None:
            return
        for place in index.places.values():
            try:
                read_label(path, index.header, place)
            except BadInput as error:
                yield error

    def _check_record(self, scene_id: str) -> None:
        record, path = self._record(scene_id), self.path(scene_id)
        assert record is not None
        count = len(self._places(scene_id))
        for field, there in (("labels", count), ("sha256", _digest(path)), ("scene", scene_id)):
            if record.get(field) != there:
                raise BadInput(
                    f"is {short(there)}, not {short(record.get(field))} as when the scene was "
                    "finished",
                    file=path, field=field, remedy=remedy(path),
                )  # fmt: skip


def _begun(path: Path, facts: dict[str, Any]) -> LabelFolder:
    if taken := set(_OWN) & facts.keys():
        raise BadInput("is written by itself", field=taken.pop(), remedy="leave it out")
    write_json(path / MANIFEST, _whole(facts))
    return LabelFolder(path)


def _whole(facts: dict[str, Any]) -> dict[str, Any]:
    own = {"roadloom_labels": SCHEMA, "roadloom": __version__, "class_hash": CLASS_HASH}
    return own | facts


def _digest(path: Path) -> str:
    if not is_file(path):
        return sha256().hexdigest()
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


@contextmanager
def _remedied(file: Path, remedy: str) -> Iterator[None]:
    """What cannot be restored from an original data set is made again."""
    try:
        yield
    except BadInput as error:
        raise BadInput(error.message, file=file, field=error.field, remedy=remedy) from error
