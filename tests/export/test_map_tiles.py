"""Tiles: no two overlap, all lie in the positive quarter, and a nuScenes val split fits."""

import numpy as np
import pytest

from roadloom.errors import BadInput
from roadloom.export.nuscenes.map_tiles import (
    CITIES,
    MAX_EDGE_M,
    SPREAD,
    TILE_M,
    canvas_edge,
    cell_of,
    check_room,
    city_of,
    place,
)

PATH = np.array([[-3000.25, 900.5, 57.0], [-2950.0, 1001.5, 58.0], [-2900.0, 950.0, 61.0]])


def test_cells_fill_growing_squares() -> None:
    cells = [cell_of(slot) for slot in range(400)]
    assert len(set(cells)) == 400
    for side in range(1, 21):
        assert set(cells[: side * side]) == {(x, y) for x in range(side) for y in range(side)}


@pytest.mark.parametrize("city", [*CITIES, SPREAD])
def test_tiles_do_not_overlap_and_hold_their_paths(city: str) -> None:
    tiles = [place(number, PATH, city=city) for number in range(30)]
    taken = {(tile.city, tile.column, tile.row) for tile in tiles}
    assert len(taken) == 30
    for tile in tiles:
        moved = PATH + tile.shift
        low, high = tile.corner, tile.corner + tile.edge_m
        assert (low >= 0).all()
        assert (low <= tile.low).all() and (tile.high <= high).all()
        assert np.allclose(moved[:, :2].min(axis=0) - tile.low, 100.0)
        assert np.allclose(tile.high - moved[:, :2].max(axis=0), 100.0)


def test_the_shift_is_whole_metres_and_brings_the_path_to_height_0() -> None:
    tile = place(5, PATH)
    assert np.array_equal(tile.shift[:2], np.round(tile.shift[:2]))
    assert np.median((PATH + tile.shift)[:, 2]) == pytest.approx(0.0, abs=0.005)


def test_a_scene_keeps_its_place_when_others_are_appended() -> None:
    one, again = place(7, PATH), place(7, PATH)
    assert (one.city, one.corner.tolist()) == (again.city, again.corner.tolist())
    assert city_of(7) == CITIES[3]


def test_150_scenes_fit_and_no_mask_exceeds_the_largest_of_nuscenes() -> None:
    check_room(150)
    last = [cell_of(check_room(number + 1)) for number in range(150)]
    width, height = canvas_edge(last, TILE_M)
    assert max(width, height) <= MAX_EDGE_M
    assert width * height * 100 <= 32_286 * 36_871


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(BadInput, match=r"50 scenes .* 49 tiles of 480 m that boston.* 'spread'"):
        check_room(50, city="boston-seaport")
    with pytest.raises(BadInput, match=r"197 scenes .* four cities .* smaller tiles"):
        check_room(197)
    with pytest.raises(BadInput, match=r"path and 100 m around it span 701 m, a tile 480 m"):
        place(0, np.array([[0.0, 0.0, 0.0], [501.0, 0.0, 0.0]]))
    with pytest.raises(BadInput, match=r"no map of 'atlantis'"):
        place(0, PATH, city="atlantis")
    for edge in (0.0, 0.5, 100.5, 3401.0):
        with pytest.raises(BadInput, match="tile_m"):
            check_room(1, edge_m=edge)
