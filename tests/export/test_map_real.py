"""Recorded maps through the export: an Argoverse 2 log's lanes, the mask of a nuScenes place."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely

from roadloom.export.nuscenes.map_expansion import (
    LAYERS,
    expansion_file,
    fragment,
    map_token,
    merge,
)
from roadloom.export.nuscenes.map_expansion_crop import tile_map
from roadloom.export.nuscenes.map_mask import tile_mask, write_mask, write_tile
from roadloom.export.nuscenes.map_tiles import place
from roadloom.scene.map_raster import MapRaster
from roadloom.scene.readers.nuscenes_map import read_map
from roadloom.scene.registry import open_source

CITY = "boston-seaport"


def test_lanes_of_an_argoverse_log_come_back(real_data: Path, tmp_path: Path) -> None:
    clip = open_source(f"av2:{real_data / 'av2' / 'sensor' / 'val'}")[0]
    tile = place(0, clip.ego.world_from_ego.translation, city=CITY)
    cut = tile_map(clip.map, tile)
    assert len(cut.lanes) > 150
    file = tmp_path / expansion_file(CITY)
    file.parent.mkdir(parents=True)
    file.write_bytes(merge([fragment(cut, "log")], (480.0, 480.0)))
    back = read_map(tmp_path, CITY, None)
    assert sum(len(back.polygons[layer]) for layer in cut.polygons) > 20
    for layer, areas in cut.polygons.items():
        assert all(a.same_as(b) for a, b in zip(areas, back.polygons[layer], strict=True))
    for layer, lines in cut.lines.items():
        pairs = zip(lines, back.lines[layer], strict=True)
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)
    lanes = {lane.id: lane for lane in back.lanes}
    for lane in cut.lanes:
        found = lanes[map_token("log", "lane", lane.id)]
        line = shapely.LineString(lane.centerline[:, :2])
        assert shapely.distance(shapely.points(found.centerline[:, :2]), line).max() < 0.06
        assert len(found.successors) == len(lane.successors)
        assert np.array_equal(found.left, lane.left, equal_nan=True)
    whole = json.loads(file.read_text())
    tokens = {layer: {row["token"] for row in whole[layer]} for layer in LAYERS}
    for row in (*whole["lane"], *whole["lane_connector"]):
        assert {row["from_edge_line_token"], row["to_edge_line_token"]} <= tokens["line"]


@pytest.mark.slow
def test_the_mask_of_a_recorded_place_keeps_its_pixels(real_data: Path, tmp_path: Path) -> None:
    clip = open_source(f"nuscenes:{real_data / 'nuscenes'}")[0]
    source = clip.map.rasters["drivable_area"]
    path = clip.ego.world_from_ego.translation
    tile = place(0, path, city=CITY, edge_m=120.0, margin_m=50.0)
    write_tile(tmp_path / "tile.png", tile_mask(clip.map, tile))
    write_mask(tmp_path / "mask.png", {(0, 0): tmp_path / "tile.png"}, 120.0)
    back = MapRaster.bottom_left(tmp_path / "mask.png", 0.1)
    # Middles of pixels: what rounding does on their edges is another matter.
    points = np.random.default_rng(0).uniform(tile.low + 0.1, tile.high - 0.1, (20_000, 2))
    points = np.floor(points * 10) / 10 + 0.05
    found = back.contains(points)
    assert np.array_equal(found, source.contains(points - tile.shift[:2]))
    assert 0.1 < found.mean() < 0.9
