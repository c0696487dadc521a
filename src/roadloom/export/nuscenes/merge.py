"""The tables, maps and splits of a root, made of the fragments of all its whole scenes.

    .roadloom/scenes/*.json -> VERSION/*.json, maps/, splits.json -> .roadloom/merged.json

Scenes come in the order of their numbers, so the same scenes give the same bytes whichever machine
wrote them, and when. What is there already and made of the same fragments is not touched.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from roadloom.errors import BadInput
from roadloom.export.nuscenes.beside import expansion_path, mask_path
from roadloom.export.nuscenes.classes import ATTRIBUTES, CATEGORIES, VISIBILITY
from roadloom.export.nuscenes.manifest import claim_of, locked, read_manifest
from roadloom.export.nuscenes.map_expansion import expansion_file, merge
from roadloom.export.nuscenes.map_mask import map_row, write_mask
from roadloom.export.nuscenes.map_tiles import canvas_edge
from roadloom.export.nuscenes.options import SPLITS
from roadloom.export.nuscenes.outbox import WORK
from roadloom.export.nuscenes.scene import Row, fragment_path
from roadloom.export.nuscenes.tokens import token
from roadloom.io.atomic import atomic_file, write_bytes, write_json
from roadloom.io.read import is_file, read_bytes, read_json
from roadloom.scene.readers.nuscenes import LICENCES

OF_SCENES = (
    "log", "scene", "sample", "calibrated_sensor", "ego_pose", "sample_data", "instance",
    "sample_annotation",
)  # fmt: skip
"""Tables whose rows belong to one scene each."""
OFFICIAL_ORDER = (
    "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_FRONT_LEFT", "CAM_BACK", "CAM_BACK_LEFT",
    "CAM_BACK_RIGHT", "LIDAR_TOP", "RADAR_FRONT", "RADAR_FRONT_LEFT", "RADAR_FRONT_RIGHT",
    "RADAR_BACK_LEFT", "RADAR_BACK_RIGHT",
)  # fmt: skip
FORMAT = 1


def merge_root(root: Path) -> bool:
    """Bring tables, maps and splits up to date; False where they were.

    Raises:
        BadInput: a fragment is damaged (names the file).
    """
    with locked(root):
        manifest = read_manifest(root)
        names = [
            name
            for export in manifest["exports"]
            for name in claim_of(export).names
            if is_file(fragment_path(root, name))
        ]
        if not names:
            return False
        options = manifest["exports"][0]["options"]
        version, edge_m = str(options["version"]), float(options["tile_m"])
        state = {"format": FORMAT, "fragments": {n: _sum(fragment_path(root, n)) for n in names}}
        if _is_merged(root, state):
            return False
        facts = _write_tables(root, version, names)
        _write_maps(root, facts, edge_m)
        write_json(root / "splits.json", {
            split: sorted(fact["scene"] for fact in facts if fact["split"] == split)
            for split in SPLITS
        })  # fmt: skip
        write_json(root / LICENCES, {
            name: export["licence"]
            for export in manifest["exports"] for name in export["names"] if name in names
        })  # fmt: skip
        write_json(root / WORK / "merged.json", state | {"files": _merged_files(root, version)})
    return True


def _sum(path: Path) -> str:
    return sha256(read_bytes(path)).hexdigest()


def _is_merged(root: Path, state: dict[str, Any]) -> bool:
    """Whether all that the last merge wrote is there, and nothing has come since."""
    done = root / WORK / "merged.json"
    if not is_file(done):
        return False
    found = read_json(done)
    files = found.pop("files", None) if isinstance(found, dict) else None
    there = isinstance(files, list) and all(is_file(root / str(name)) for name in files)
    return there and bool(found == state)


def _merged_files(root: Path, version: str) -> list[str]:
    """What belongs to all scenes together: tables, maps, lists."""
    found = [*(root / version).glob("[!.]*.json"), *(root / "maps").rglob("[!.]*.*")]
    names = [path.relative_to(root).as_posix() for path in found]
    return sorted([*names, "splits.json", LICENCES])


def read_fragment(root: Path, name: str) -> dict[str, Any]:
    path = fragment_path(root, name)
    fragment = read_json(path)
    if not isinstance(fragment, dict) or not isinstance(fragment.get("tables"), dict):
        raise BadInput(
            "is no fragment of an export", file=path,
            remedy="delete it and run the same command again",
        )  # fmt: skip
    return fragment


class _Table:
    """A JSON list that is written row by row."""

    def __init__(self, file: IO[str]) -> None:
        self.file, self.between = file, "[\n"

    def add(self, rows: list[Row]) -> None:
        for row in rows:
            self.file.write(self.between + json.dumps(row, allow_nan=False))
            self.between = ",\n"

    def close(self) -> None:
        self.file.write("[]\n" if self.between == "[\n" else "\n]\n")


def _write_tables(root: Path, version: str, names: list[str]) -> list[dict[str, Any]]:
    """All tables in one pass over the fragments; what each fragment says beside its rows."""
    folder = root / version
    facts, sensors, lidarseg = [], {}, []
    with ExitStack() as stack:
        tables = {table: _opened(stack, folder / f"{table}.json") for table in OF_SCENES}
        for fragment in _fragments(root, names):
            rows = fragment.pop("tables")
            for table in OF_SCENES:
                tables[table].add(rows[table])
            sensors.update({row["channel"]: row for row in rows["sensor"]})
            lidarseg += rows["lidarseg"]
            fragment["log_token"] = rows["log"][0]["token"]
            facts.append(fragment)
        for opened in tables.values():
            opened.close()
    logs: dict[str, list[str]] = {}
    for fact in facts:
        logs.setdefault(fact["city"], []).append(fact["log_token"])
    shared = {
        "sensor": sorted(sensors.values(), key=_place_of),
        "category": category_rows(),
        "attribute": attribute_rows(),
        "visibility": visibility_rows(),
        "map": [map_row(city, logs[city]) for city in sorted(logs)],
    }
    if lidarseg:
        shared["lidarseg"] = lidarseg
    for name, rows in shared.items():
        with ExitStack() as stack:
            opened = _opened(stack, folder / f"{name}.json")
            opened.add(rows)
            opened.close()
    return facts


def _opened(stack: ExitStack, path: Path) -> _Table:
    temporary = stack.enter_context(atomic_file(path))
    return _Table(stack.enter_context(temporary.open("w", encoding="utf-8", newline="\n")))


def _fragments(root: Path, names: list[str]) -> Iterator[dict[str, Any]]:
    for name in names:
        yield read_fragment(root, name)


def _place_of(sensor: Row) -> tuple[int, str]:
    """The official channels first, in their order."""
    name = sensor["channel"]
    known = name in OFFICIAL_ORDER
    return (OFFICIAL_ORDER.index(name) if known else len(OFFICIAL_ORDER), name)


def category_rows() -> list[Row]:
    """The 32 categories of nuScenes-lidarseg; 23 of them are those of boxes."""
    return [
        {"token": token("category", name), "name": name, "description": "", "index": value}
        for value, name in CATEGORIES.items()
    ]


def attribute_rows() -> list[Row]:
    return [
        {"token": token("attribute", name), "name": name, "description": text}
        for name, text in ATTRIBUTES.items()
    ]


def visibility_rows() -> list[Row]:
    return [
        {"token": str(number), "level": level, "description": f"{level[1:]} % of it can be seen"}
        for number, level in enumerate(VISIBILITY, start=1)
    ]


def _write_maps(root: Path, facts: list[dict[str, Any]], edge_m: float) -> None:
    """Mask and expansion of every city that has a scene."""
    for city in sorted({fact["city"] for fact in facts}):
        here = [fact for fact in facts if fact["city"] == city]
        cells = [(fact["cell"][0], fact["cell"][1]) for fact in here]
        tiles = {
            cell: mask_path(root, fact["scene"]) for cell, fact in zip(cells, here, strict=True)
        }
        write_mask(root / map_row(city, [])["filename"], tiles, edge_m)
        parts = (read_bytes(expansion_path(root, fact["scene"])) for fact in here)
        edge = canvas_edge(cells, edge_m)
        write_bytes(root / expansion_file(city), merge(parts, edge))
