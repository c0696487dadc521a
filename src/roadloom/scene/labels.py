"""A folder of labels kept apart from the recording they belong to.

    DIR/labels.json                 schema, class hash, source, licence, parameters
    DIR/SCENE/occupancy/TIME.npz    occupancy of the key frame at TIME [ns]

``roadloom.open(SOURCE, labels=DIR)`` attaches it: ``frame.occupancy(grid)`` then reads here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadloom.errors import BadInput, NotRecorded
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.atomic import write_json
from roadloom.io.read import read_json
from roadloom.scene.classes import CLASS_HASH
from roadloom.scene.occupancy import Occupancy

SCHEMA = 1


@dataclass(frozen=True)
class LabelFolder:
    """Labels by scene and key frame time; only the folder's name is held."""

    folder: Path

    @staticmethod
    def create(folder: str | Path, facts: dict[str, Any]) -> "LabelFolder":
        """Start a folder; ``facts`` are source, licence and parameters, as JSON values."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        write_json(
            path / "labels.json",
            {"roadloom_labels": SCHEMA, "class_hash": CLASS_HASH, **facts},
        )
        return LabelFolder(path)

    @staticmethod
    def open(folder: str | Path) -> "LabelFolder":
        """Check the manifest of an existing folder.

        Raises:
            BadInput: no manifest, another schema, or another class list.
        """
        path = Path(folder)
        manifest = path / "labels.json"
        facts = read_json(manifest)
        if not isinstance(facts, dict) or facts.get("roadloom_labels") != SCHEMA:
            raise BadInput(
                f"must be {SCHEMA}", file=manifest, field="roadloom_labels",
                remedy="write the labels again with this version",
            )  # fmt: skip
        if facts.get("class_hash") != CLASS_HASH:
            raise BadInput(
                f"written with class list {facts.get('class_hash')!r}, not {CLASS_HASH}",
                file=manifest, field="class_hash", remedy="write the labels again",
            )  # fmt: skip
        return LabelFolder(path)

    def path(self, scene_id: str, time_ns: int) -> Path:
        return self.folder / scene_id / "occupancy" / f"{time_ns}.npz"

    def add(self, scene_id: str, time_ns: int, occupancy: Occupancy) -> None:
        path = self.path(scene_id, time_ns)
        path.parent.mkdir(parents=True, exist_ok=True)
        occupancy.to_npz(path)

    def occupancy(self, scene_id: str, time_ns: int, grid: VoxelGrid) -> Occupancy:
        """Read one label.

        Raises:
            NotRecorded: there is none for this key frame, or it lies on another grid.
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
