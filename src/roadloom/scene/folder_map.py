"""The road map of a ``folder`` clip: one JSON file, ground heights and masks beside it."""

import json
from pathlib import Path

from roadloom.errors import BadInput
from roadloom.io.npz import Field, npz_bytes, read_npz
from roadloom.io.read import is_file, read_bytes, read_json
from roadloom.scene.folder_tables import check_files
from roadloom.scene.road_map import RoadMap
from roadloom.scene.road_map_json import from_dict, to_dict

GROUND_FILE = "ground.npz"
"""Beside the map's JSON: the array ``ground``."""


def read_road_map(path: Path) -> RoadMap:
    """Read the map; its masks are read when asked for.

    Raises:
        MissingInput: the file, a mask or the ground's heights are not there.
        BadInput: damaged.
    """
    data = read_json(path)
    arrays = {}
    if isinstance(data, dict) and data.get("ground") is not None:
        arrays = read_npz(path.parent / GROUND_FILE, {"ground": Field("<f4", ("row", "column"))})
    road_map = from_dict(data, arrays, file=path)
    for layer, value in data["rasters"].items():
        check_files([value["file"]], path, f"rasters.{layer}.file")
        if not is_file(road_map.rasters[layer].file):
            raise BadInput(
                f"names {value['file']!r}, which is not there", file=path,
                field=f"rasters.{layer}.file", remedy="restore the mask",
            )  # fmt: skip
    return road_map


def road_map_files(road_map: RoadMap) -> dict[str, bytes]:
    """File name -> content: ``map.json`` and what goes beside it."""
    files, names = {}, {}
    for number, (layer, raster) in enumerate(road_map.rasters.items()):
        names[layer] = f"mask_{number}{raster.file.suffix}"
        files[names[layer]] = read_bytes(raster.file)
    if arrays := road_map.arrays():
        files[GROUND_FILE] = npz_bytes(arrays)
    text = json.dumps(to_dict(road_map, names), allow_nan=False, separators=(",", ":"))
    return {"map.json": f"{text}\n".encode(), **files}
