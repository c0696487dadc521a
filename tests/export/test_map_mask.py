"""Masks: pixels agree with the polygons, tiles join in strips, damage is named."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image
from tests.export.street_clip import StreetReader, street_clip

from roadloom.errors import BadInput
from roadloom.export.nuscenes.map_mask import (
    FILES,
    WHITE,
    map_row,
    tile_mask,
    write_mask,
    write_tile,
)
from roadloom.export.nuscenes.map_tiles import CITIES, Tile, place
from roadloom.scene.map_raster import MapRaster
from roadloom.scene.road_map import RoadMap

EDGE = 120.0
MARGIN = 40.0


def tile_at(number: int, east: float = 0.0) -> Tile:
    path = StreetReader(east=east).ego().world_from_ego.translation
    return place(number, path, city="boston-seaport", edge_m=EDGE, margin_m=MARGIN)


def test_pixels_agree_with_the_polygons(tmp_path: Path) -> None:
    road_map, tile = street_clip().map, tile_at(2)
    pixels = tile_mask(road_map, tile)
    assert pixels.shape == (1200, 1200)
    write_tile(tmp_path / "tile.png", pixels)
    write_mask(tmp_path / "mask.png", {(1, 1): tmp_path / "tile.png"}, EDGE)
    raster = MapRaster.bottom_left(tmp_path / "mask.png", 0.1)
    area = road_map.polygons["drivable_area"][0]
    shape = shapely.Polygon(
        (area.exterior + tile.shift)[:, :2], [(h + tile.shift)[:, :2] for h in area.holes]
    )
    shape = shape.intersection(shapely.box(*tile.low, *tile.high))
    points = np.random.default_rng(3).uniform(0.9 * EDGE, 2 * EDGE, (20_000, 2))
    found = raster.contains(points)
    places = shapely.points(points)
    sure = shapely.distance(places, shape.boundary) > 0.08  # half a pixel's diagonal
    assert np.array_equal(found[sure], shapely.contains(shape, places)[sure])
    assert 500 < found.sum() < 4000 and sure.mean() > 0.95


def test_a_mask_comes_through_pixel_by_pixel(tmp_path: Path) -> None:
    """The shift is whole metres, so pixels of a mask at 0.1 m from a root stay pixels."""
    rng = np.random.default_rng(0)
    source = rng.integers(0, 2, (400, 500), dtype=np.uint8) * np.uint8(WHITE)
    Image.fromarray(source).save(tmp_path / "source.png")
    raster = MapRaster.bottom_left(tmp_path / "source.png", 0.1)
    path = np.array([[10.0, 10.0, 0.0], [30.0, 20.0, 0.0]])
    tile = place(0, path, city="boston-seaport", edge_m=EDGE, margin_m=MARGIN)
    pixels = tile_mask(RoadMap(rasters={"drivable_area": raster}), tile)
    column, top = (tile.shift[:2] * 10).astype(int)
    found = pixels[::-1][top : top + 400, column : column + 500][::-1]
    assert np.array_equal(found, source)
    assert pixels.sum() == source.sum()


def test_strips_join_tiles_and_bytes_repeat(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    made, files = {}, {}
    for cell in ((0, 0), (2, 0), (1, 1)):
        made[cell] = rng.integers(0, 2, (60, 60), dtype=np.uint8) * np.uint8(WHITE)
        files[cell] = tmp_path / f"{cell}.png"
        write_tile(files[cell], made[cell])
    write_mask(tmp_path / "a.png", files, 6.0)
    write_mask(tmp_path / "b.png", dict(reversed(files.items())), 6.0)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    whole = np.asarray(Image.open(tmp_path / "a.png"))
    assert whole.shape == (120, 180) and whole.dtype == np.uint8
    for (column, row), pixels in made.items():
        top = 60 * (1 - row)
        assert np.array_equal(whole[top : top + 60, 60 * column : 60 * column + 60], pixels)
    assert not whole[:60, :60].any() and not whole[60:, 60:120].any()


def test_a_tile_of_another_size_or_cut_off_is_named(tmp_path: Path) -> None:
    write_tile(tmp_path / "tile.png", np.zeros((50, 60), np.uint8))
    with pytest.raises(BadInput, match=r"tile.png: is 60x50 pixels, not 60x60"):
        write_mask(tmp_path / "a.png", {(0, 0): tmp_path / "tile.png"}, 6.0)
    data = (tmp_path / "tile.png").read_bytes()
    (tmp_path / "tile.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInput, match=r"tile.png"):
        write_mask(tmp_path / "a.png", {(0, 0): tmp_path / "tile.png"}, 6.0)
    assert not (tmp_path / "a.png").exists()


def test_rows_name_the_published_files() -> None:
    rows = [map_row(city, ["a", "b"]) for city in CITIES]
    assert {row["filename"] for row in rows} == set(FILES.values())
    assert len({row["token"] for row in rows}) == 4
    assert all(row["category"] == "semantic_prior" for row in rows)
    assert rows[0]["log_tokens"] == ["a", "b"]


def test_without_a_map_all_is_black() -> None:
    assert not tile_mask(RoadMap(), tile_at(0)).any()
