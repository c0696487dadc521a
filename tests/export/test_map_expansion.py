"""The map expansion: what is written is read back equal, cut at the tile, arcs on their lines."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.export.street_clip import street_clip

from roadloom.errors import BadInput
from roadloom.export.nuscenes.map_expansion import (
    LAYERS,
    TABLES,
    expansion_file,
    fragment,
    map_token,
    merge,
)
from roadloom.export.nuscenes.map_expansion_arcs import ARC_OFF_M, VERTEX_OFF_M, arc_path
from roadloom.export.nuscenes.map_expansion_crop import AREAS, LINES, clip_line, tile_map
from roadloom.export.nuscenes.map_tiles import Tile, place
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.layout import rasterise
from roadloom.scene.readers.nuscenes_map import centerline, read_map
from roadloom.scene.road_map import RoadMap

GRID = VoxelGrid(lower_m=(-40.03, -40.07, -1.0), cell_m=(0.4, 0.4, 0.4), shape=(200, 200, 16))
CITY = "boston-seaport"


def tiles(count: int) -> list[Tile]:
    paths = [street_clip(east=900.0 * i).ego.world_from_ego.translation for i in range(count)]
    return [place(i, path, city=CITY) for i, path in enumerate(paths)]


def written(root: Path, maps: list[RoadMap]) -> RoadMap:
    file = root / expansion_file(CITY)
    file.parent.mkdir(parents=True)
    parts = [fragment(road_map, f"scene-{i}") for i, road_map in enumerate(maps)]
    file.write_bytes(merge(parts, (960.0, 480.0)))
    return read_map(root, CITY, None)


def test_what_is_written_is_read_back_equal(tmp_path: Path) -> None:
    maps = [tile_map(street_clip(east=900.0 * i).map, tile) for i, tile in enumerate(tiles(2))]
    back = written(tmp_path, maps)
    for layer in AREAS:
        wanted = [area for road_map in maps for area in road_map.polygons.get(layer, ())]
        assert len(back.polygons[layer]) == len(wanted)
        for found, area in zip(back.polygons[layer], wanted, strict=True):
            assert found.same_as(area)
    for layer in LINES:
        wanted = [line for road_map in maps for line in road_map.lines[layer]]
        for found, line in zip(back.lines[layer], wanted, strict=True):
            assert np.array_equal(found, line, equal_nan=True)
    assert len(back.lanes) == sum(len(road_map.lanes) for road_map in maps) == 6


def test_lanes_come_back_with_boundaries_marks_and_neighbours(tmp_path: Path) -> None:
    cut = tile_map(street_clip().map, tiles(1)[0])
    back = {lane.id: lane for lane in written(tmp_path, [cut]).lanes}
    assert {lane.id for lane in cut.lanes} == {"along", "beside", "bend"}  # far and bare are not
    for lane in cut.lanes:
        found = back[map_token("scene-0", "lane", lane.id)]
        assert np.array_equal(found.left, lane.left, equal_nan=True)
        assert np.array_equal(found.right, lane.right, equal_nan=True)
        assert lane.polygon is not None and found.polygon is not None
        assert found.polygon.same_as(lane.polygon)
        assert (found.kind, found.is_intersection) == (lane.kind, lane.is_intersection)
        assert distance(found.centerline, lane.centerline) < 0.05
        assert distance(lane.centerline, found.centerline) < 0.05
    along = back[map_token("scene-0", "lane", "along")]
    assert along.successors == (map_token("scene-0", "lane", "bend"),)
    assert (along.left_mark, along.right_mark) == ("SOLID_WHITE", "")


def test_the_layout_is_the_same_before_and_after(tmp_path: Path) -> None:
    """Through masks of our own, which know nothing of the export."""
    clip, tile = street_clip(), tiles(1)[0]
    back = written(tmp_path, [tile_map(clip.map, tile)])
    for frame in clip:
        pose = frame.world_from_ego
        moved = type(pose)(pose.rotation, pose.translation + tile.shift)
        wanted = rasterise(None, clip.map, pose, GRID)
        found = rasterise(None, back, moved, GRID)
        # Cells whose centre lies within rounding of an edge may fall either way.
        assert (wanted.channels != found.channels).mean() < 1e-4
        assert wanted.channels.any(axis=(1, 2)).sum() >= 5


def test_every_layer_of_the_format_is_there_and_bytes_repeat() -> None:
    cut = tile_map(street_clip().map, tiles(1)[0])
    data = merge([fragment(cut, "a"), fragment(cut, "b")], (480.0, 480.0))
    assert data == merge([fragment(cut, "a"), fragment(cut, "b")], (480.0, 480.0))
    whole = json.loads(data)
    assert whole["version"] == "1.3" and whole["canvas_edge"] == [480.0, 480.0]
    assert set(whole) == {"version", "canvas_edge", *LAYERS, *TABLES}
    for layer in LAYERS:
        tokens = [row["token"] for row in whole[layer]]
        assert len(set(tokens)) == len(tokens)
    assert whole["traffic_light"] == [] == whole["road_segment"]


def test_a_map_without_anything_gives_empty_layers() -> None:
    whole = json.loads(merge([fragment(RoadMap(name=CITY), "a")], (480.0, 480.0)))
    assert all(not whole[name] for name in (*LAYERS, *TABLES))


def test_a_damaged_fragment_is_named() -> None:
    good = fragment(RoadMap(name=CITY), "a")
    for bad in (good[:-9], b"[]", good.replace(b'"lane"', b'"line_"')):
        with pytest.raises(BadInput, match=r"fragment 1: the map of a scene is damaged"):
            merge([good, bad], (480.0, 480.0))


def test_lanes_that_meet_share_their_nodes() -> None:
    whole = json.loads(merge([fragment(tile_map(street_clip().map, tiles(1)[0]), "a")], (9.0, 9.0)))
    lines = {row["token"]: row["node_tokens"] for row in whole["line"]}
    areas = {row["token"]: row["exterior_node_tokens"] for row in whole["polygon"]}
    lanes = {row["token"]: row for row in (*whole["lane"], *whole["lane_connector"])}
    along, bend = (lanes[map_token("a", "lane", name)] for name in ("along", "bend"))
    end = lines[along["to_edge_line_token"]]
    assert set(end) <= set(areas[bend["polygon_token"]])
    assert set(end) == set(lines[bend["from_edge_line_token"]])


def test_a_block_ends_where_its_lanes_do() -> None:
    cut = tile_map(street_clip().map, tiles(1)[0])
    whole = json.loads(merge([fragment(cut, "a")], (9.0, 9.0)))
    lines = {row["token"]: row["node_tokens"] for row in whole["line"]}
    places = {row["token"]: (row["x"], row["y"]) for row in whole["node"]}
    lanes = {lane.id: lane for lane in cut.lanes}
    (block,) = whole["road_block"]
    for name, end in (("from", 0), ("to", -1)):
        found = [places[node] for node in lines[block[f"{name}_edge_line_token"]]]
        sides = (lanes["along"].left, lanes["along"].right, lanes["beside"].right)
        assert found == [tuple(side[end, :2].tolist()) for side in sides]


def test_nothing_is_kept_beyond_the_tile() -> None:
    tile = tiles(1)[0]
    cut = tile_map(street_clip().map, tile)
    rings = [area.exterior for areas in cut.polygons.values() for area in areas]
    lanes = [line for lane in cut.lanes for line in (lane.left, lane.right, lane.centerline)]
    points = np.concatenate([*rings, *lanes, *(x for lines in cut.lines.values() for x in lines)])
    assert (points[:, :2] >= tile.low - 1e-5).all() and (points[:, :2] <= tile.high + 1e-5).all()
    whole = shapely.Polygon(street_clip().map.polygons["road_block"][0].exterior[:, :2])
    window = shapely.box(*(tile.low - tile.shift[:2]), *(tile.high - tile.shift[:2]))
    kept = shapely.Polygon(cut.polygons["road_block"][0].exterior[:, :2]).area
    assert kept == pytest.approx(whole.intersection(window).area, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    points=st.lists(st.tuples(*[st.integers(-30, 30)] * 2), min_size=2, max_size=12),
    low=st.tuples(*[st.integers(-20, 0)] * 2),
    size=st.tuples(*[st.integers(1, 30)] * 2),
)
def test_clipped_lines_equal_shapely(
    points: list[tuple[int, int]], low: tuple[int, int], size: tuple[int, int]
) -> None:
    line, lower = np.array(points, np.float64), np.array(low, np.float64)
    upper = lower + size
    parts = clip_line(line, lower, upper)
    steps = zip(line[:-1], line[1:], strict=True)
    window = shapely.box(*lower, *upper)
    wanted = sum(shapely.LineString(step).intersection(window).length for step in steps)
    found = sum(np.hypot(*np.diff(part, axis=0).T).sum() for part in parts)
    assert found == pytest.approx(wanted, abs=1e-4)
    for part in parts:
        assert (part >= lower - 1e-6).all() and (part <= upper + 1e-6).all()


def distance(points: np.ndarray, line: np.ndarray) -> float:
    """The farthest that a point of one line is from the other [m]."""
    return float(
        shapely.distance(shapely.points(points[:, :2]), shapely.LineString(line[:, :2])).max()
    )


@pytest.mark.parametrize("radius", [4.0, 12.0, -12.0, 150.0, -3000.0])
def test_a_circle_becomes_few_arcs_of_its_radius(radius: float) -> None:
    way = np.arange(0, min(abs(radius) * 1.5, 60.0), 0.5) / radius
    points = np.stack([radius * np.sin(way), radius * (1 - np.cos(way))], axis=-1) + [812.5, 77.25]
    path = arc_path(points)
    assert len(path) <= 2
    drawn = centerline(_arcs(path))
    assert distance(points, drawn) <= VERTEX_OFF_M + 0.05  # the reader draws chords of 1 m
    assert distance(drawn, points) <= ARC_OFF_M
    if abs(radius) < 1000:
        assert path[0]["radius"] == pytest.approx(abs(radius), rel=1e-2)
        assert path[0]["shape"][0] == ("L" if radius > 0 else "R")


def test_a_straight_is_one_record_and_corners_stay_corners() -> None:
    straight = np.stack([np.linspace(0, 90, 46), np.linspace(5, 20, 46)], axis=-1)
    (record,) = arc_path(straight)
    assert record["segment_length"] == [0.0, pytest.approx(np.hypot(90, 15)), 0.0]
    corner = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [10.0, 10.0], [0.0, 10.0]])
    assert [round(sum(r["segment_length"]), 6) for r in arc_path(corner)] == [10.0, 10.0, 10.0]
    assert arc_path(corner[:1]) == [] == arc_path(corner[2:4])


@settings(max_examples=25, deadline=None)
@given(turns=st.lists(st.floats(-0.6, 0.6), min_size=1, max_size=40), step=st.floats(0.3, 3.0))
def test_no_point_of_the_path_is_far_from_the_line(turns: list[float], step: float) -> None:
    heading = np.cumsum(turns)
    steps = step * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    points = np.concatenate([[[0.0, 0.0]], np.cumsum(steps, axis=0)])
    path = arc_path(points)
    drawn = centerline(_arcs(path))
    assert distance(drawn, points) <= ARC_OFF_M + 1e-6
    assert np.allclose(drawn[[0, -1]], points[[0, -1]], atol=1e-6)
    for before, after in zip(path, path[1:], strict=False):
        assert before["end_pose"][:2] == after["start_pose"][:2]


def _arcs(path: list[dict]) -> list:
    import msgspec

    from roadloom.scene.readers.nuscenes_map import Arc

    return msgspec.convert(path, list[Arc])
