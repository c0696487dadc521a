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
from roadloom.io.atomic import write_json
from roadloom.io.read import read_json
from roadloom.scene.classes import CLASS_HASH, check_class_hash
from roadloom.scene.occupancy import Occupancy

SCHEMA = 1
MANIFEST = "labels.json"


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
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise BadInput("is there already and not empty", file=path, remedy="name a new folder")
        if taken := {"roadloom_labels", "class_hash"} & facts.keys():
            raise BadInput("is written by itself", field=taken.pop(), remedy="leave it out")
        path.mkdir(parents=True, exist_ok=True)
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
        if not path.is_dir():
            raise MissingInput("no such folder of labels", file=path)
        manifest = path / MANIFEST
        facts = read_json(manifest)
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
        return self.folder / scene_id / "occupancy" / f"{time_ns}.npz"

    def times_ns(self, scene_id: str) -> tuple[int, ...]:
        """Times of the labelled key frames of a scene, rising.

        Raises:
            BadInput: a file's name is no time.
        """
        times = []
        for path in (self.folder / scene_id / "occupancy").glob("*.npz"):
            if path.name.startswith("."):
                continue  # being written
            if not path.stem.isascii() or not path.stem.removeprefix("-").isdigit():
                raise BadInput("its name is no time in ns", file=path, field="time_ns")
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
        path = self.path(scene_id, time_ns)
        path.parent.mkdir(parents=True, exist_ok=True)
        occupancy.to_npz(path)

    def occupancy(self, scene_id: str, time_ns: int, grid: VoxelGrid) -> Occupancy:
        """Read one label.

        Raises:
            NotRecorded: there is none for this key frame, or it lies on another grid.
            BadInput: its file is damaged.
        """
        path = self.path(scene_id, time_ns)
        if not path.is_file():
            raise NotRecorded(
                f"no label of scene {scene_id} at {time_ns} ns", file=path, field="occupancy"
            )
        found = Occupancy.from_npz(path)
        if found.grid != grid:
            raise NotRecorded(
                f"the label lies on {found.grid}, not on {grid}", file=path, field="grid"
            )
        return found
