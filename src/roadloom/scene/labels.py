"""A folder of labels kept apart from the recording they belong to.

    DIR/labels.json                 schema, class hash, source, licence, parameters
    DIR/SCENE/occupancy/TIME.npz    occupancy of the key frame at TIME [ns]

``roadloom.open(SOURCE, labels=DIR)`` attaches it: ``frame.occupancy(grid)`` then reads here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.atomic import check_new_folder, write_json
from roadloom.io.read import exists, is_dir, is_file, read_json
from roadloom.scene.classes import CLASS_HASH, check_class_hash
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import check_scene_name

SCHEMA = 1
MANIFEST = "labels.json"
_REMEDY = "name the folder that roadloom's labels were written to"
_AGAIN = "write the labels again"


@dataclass(frozen=True)
class LabelFolder:
    """Labels by scene and key frame time; only the folder's name is held."""

    folder: Path

    @staticmethod
    def create(folder: str | Path, facts: dict[str, Any]) -> "LabelFolder":
        """Start a folder; ``facts`` are source, licence and parameters, as JSON values.

        Raises:
            BadInput: there is something in it already, so that labels of two makings would mix.
        """
        path = Path(folder)
        check_new_folder(path)
        if taken := {"roadloom_labels", "class_hash"} & facts.keys():
            raise BadInput("is written by itself", field=taken.pop(), remedy="leave it out")
        write_json(path / MANIFEST, {"roadloom_labels": SCHEMA, "class_hash": CLASS_HASH, **facts})
        return LabelFolder(path)

    @staticmethod
    def open(folder: str | Path) -> "LabelFolder":
        """Check the manifest of an existing folder.

        Raises:
            MissingInput: no such folder, or no manifest in it.
            BadInput: another schema, or another class list.
        """
        path = Path(folder)
        if not is_dir(path):
            what = "is no folder" if exists(path) else "no such folder of labels"
            raise MissingInput(what, file=path, remedy=_REMEDY)
        manifest = path / MANIFEST
        if not exists(manifest):
            raise MissingInput("no such file: these are no labels", file=manifest, remedy=_REMEDY)
        try:
            facts = read_json(manifest)
        except BadInput as error:
            raise BadInput(
                error.message, file=manifest, field=error.field, remedy=_AGAIN
            ) from error
        version = facts.get("roadloom_labels") if isinstance(facts, dict) else None
        if version != SCHEMA or isinstance(version, bool):
            raise BadInput(
                f"is {version!r}, this version reads {SCHEMA}",
                file=manifest, field="roadloom_labels",
                remedy="update roadloom, or write the labels again",
            )  # fmt: skip
        check_class_hash(str(facts.get("class_hash")), file=manifest)
        return LabelFolder(path)

    @property
    def facts(self) -> dict[str, Any]:
        """What the labels were made with: ``labels.json`` whole."""
        found: dict[str, Any] = read_json(self.folder / MANIFEST)
        return found

    def path(self, scene_id: str, time_ns: int) -> Path:
        """File of one label, inside the folder.

        Raises:
            BadInput: the scene's name could lead out of the folder.
        """
        return self._scene(scene_id) / f"{int(time_ns)}.npz"

    def _scene(self, scene_id: str) -> Path:
        return self.folder / check_scene_name(scene_id, file=self.folder) / "occupancy"

    def times_ns(self, scene_id: str) -> tuple[int, ...]:
        """Times of the labelled key frames of a scene, rising.

        Raises:
            BadInput: a file's name is no time.
        """
        times = []
        for path in self._scene(scene_id).glob("*.npz"):
            if path.name.startswith("."):
                continue  # being written
            if not path.stem.isascii() or not path.stem.removeprefix("-").isdigit():
                raise BadInput(
                    "its name is no time in ns", file=path, field="time_ns",
                    remedy="take the file out of the folder of labels",
                )  # fmt: skip
            times.append(int(path.stem))
        return tuple(sorted(times))

    def grids(self, scene_id: str) -> tuple[VoxelGrid, ...]:
        """The grid of a scene's labels, in a tuple; none where the scene has no label.

        One label is read for it: all labels of a scene lie on one grid.
        """
        times = self.times_ns(scene_id)
        return (Occupancy.from_npz(self.path(scene_id, times[0])).grid,) if times else ()

    def add(self, scene_id: str, time_ns: int, occupancy: Occupancy) -> None:
        """Write the label of one key frame, whole or not at all; an earlier one is replaced."""
        occupancy.to_npz(self.path(scene_id, time_ns))

    def occupancy(self, scene_id: str, time_ns: int, grid: VoxelGrid) -> Occupancy:
        """Read one label.

        Raises:
            NotRecorded: there is none for this key frame, or it lies on another grid.
            BadInput: its file is damaged.
        """
        path = self.path(scene_id, time_ns)
        if not is_file(path):
            raise NotRecorded(
                f"no label of scene {scene_id} at {time_ns} ns", file=path, field="occupancy",
                remedy="ask times_ns for the labels that there are",
            )  # fmt: skip
        found = Occupancy.from_npz(path)
        if found.grid != grid:
            raise NotRecorded(
                f"the label lies on {found.grid}, not on {grid}", file=path, field="grid",
                remedy="ask for the labels' own grid: grids tells it",
            )  # fmt: skip
        return found
