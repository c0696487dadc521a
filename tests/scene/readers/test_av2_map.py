"""The vector map and ground raster of an Argoverse 2 log."""

from pathlib import Path

import numpy as np
import pytest
from tests.scene.readers import av2_log
from tests.scene.readers.av2_log import GROUND_Z, SyntheticLog

import roadloom
from roadloom.errors import NotRecorded
from roadloom.geometry.pose import rotation_from_yaw
from roadloom.scene.readers.av2_ground import read_ground
from roadloom.scene.readers.av2_map import halfway, read_map
from roadloom.scene.road_map import RoadMap


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> SyntheticLog:
    return av2_log.write_log(tmp_path_factory.mktemp("val"))


@pytest.fixture(scope="module")
def road_map(log: SyntheticLog) -> RoadMap:
    return roadloom.open(f"av2:{log.folder}")[0].map


def test_layers_and_place(road_map: RoadMap) -> None:
    assert road_map.name == "PIT"
    assert road_map.layers == {"drivable_area", "ped_crossing", "lane_divider", "road_divider"}


def test_lanes_hold_what_the_file_says(road_map: RoadMap) -> None:
    first, second = road_map.lanes
    assert (first.id, first.kind, second.kind) == ("101", "vehicle", "bike")
    assert first.successors == ("103",) and first.predecessors == ()
    assert (first.right_neighbor, first.left_neighbor) == ("102", "")
    assert second.left_neighbor == "101"
    assert (first.left_mark, first.right_mark) == ("SOLID_YELLOW", "DASHED_WHITE")
    assert np.array_equal(first.left[:, 1], [2_418.5, 2_418.5])
    assert len(first.right) == 3
    assert np.allclose(first.centerline[:, 1], 2_416.75)
    assert np.allclose(first.centerline[:, 0], [5_150, 5_200, 5_260])
    assert first.polygon is not None and len(first.polygon.exterior) == 5


def test_paint_becomes_dividers_and_shared_paint_is_held_once(road_map: RoadMap) -> None:
    yellow, white = road_map.lines["road_divider"], road_map.lines["lane_divider"]
    assert [line[0, 1] for line in yellow] == [2_418.5]
    # The boundary between both lanes has three vertices in one and two in the other: two lines.
    assert sorted(line[0, 1] for line in white) == [2_415.0, 2_415.0]


def test_one_line_seen_from_both_sides_is_one(log: SyntheticLog, tmp_path: Path) -> None:
    text = log.archive.read_text().replace('{"x": 5200.0, "y": 2415.0, "z": 70.0}, ', "")
    (tmp_path / log.archive.name).write_text(text)
    assert len(read_map(tmp_path).lines["lane_divider"]) == 1


def test_a_crossing_is_a_simple_quadrangle(road_map: RoadMap) -> None:
    (crossing,) = road_map.polygons["ped_crossing"]
    x, y = crossing.exterior[:, 0], crossing.exterior[:, 1]
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    assert np.isclose(area, 30.0)


def test_ground_height_truncates_as_the_data_set_does(road_map: RoadMap) -> None:
    ground = road_map.ground
    assert ground is not None
    # Twenty columns of half a metre are unknown: x from 5,100 to 5,110.
    xy = np.array(
        [[5_109.99, 2_400.0], [5_110.01, 2_400.0], [5_100.01, 2_380.01], [5_099.9, 2_400]]
    )
    assert np.isnan(ground.height(xy)).tolist() == [True, False, True, True]
    assert ground.height(xy)[1] == GROUND_Z


def test_ground_height_follows_a_turned_raster(tmp_path: Path) -> None:
    """Against the formula: pixel = s (R p + t), truncated."""
    import json

    turn, shift, scale = rotation_from_yaw(np.array(0.3)), np.array([-7.0, 4.0]), 2.5
    heights = np.arange(1200, dtype=np.float16).reshape(30, 40)
    np.save(tmp_path / "l_ground_height_surface____PIT.npy", heights)
    sim2 = {"R": turn[:2, :2].ravel().tolist(), "t": shift.tolist(), "s": scale}
    (tmp_path / "l___img_Sim2_city.json").write_text(json.dumps(sim2))
    ground = read_ground(tmp_path)
    assert ground is not None
    points = np.random.default_rng(1).uniform(-15, 30, (2000, 2))
    column, row = np.floor(scale * (points @ turn[:2, :2].T + shift)).astype(int).T
    inside = (column >= 0) & (column < 40) & (row >= 0) & (row < 30)
    assert 200 < inside.sum() < 1800
    found = ground.height(points)
    assert np.array_equal(~np.isnan(found), inside)
    assert np.array_equal(found[inside], heights[row[inside], column[inside]].astype(float))


def test_halfway_lies_half_way() -> None:
    left = np.array([[0.0, 2, 0], [10, 2, 0]])
    right = np.array([[0.0, 0, 0], [2, 0, 0], [10, 0, 1]])
    middle = halfway(left, right)
    assert len(middle) == 3
    assert np.allclose(middle[[0, -1]], [[0, 1, 0], [10, 1, 0.5]])
    far = halfway(left + 5_000_000, right + 5_000_000)
    assert np.allclose(far - 5_000_000, middle, atol=1e-6)
    point = np.array([[1.0, 1, 1], [1, 1, 1]])  # no length at all
    assert np.isfinite(halfway(point, right)).all()


def test_missing_pieces_are_not_recorded(tmp_path: Path) -> None:
    log = av2_log.write_log(tmp_path)
    log.heights.unlink()
    assert read_map(log.folder / "map").ground is None
    log.archive.unlink()
    clip = roadloom.open(f"av2:{log.folder}")[0]
    with pytest.raises(NotRecorded, match="map"):
        _ = clip.map
    assert clip.attributes["city"] == ""


def test_real_map(real_data: Path) -> None:
    place = real_data / "av2/sensor/val/7fab2350-7eaf-3b7e-a39d-6937a4c1bede/map"
    if not place.is_dir():
        pytest.skip("no AV2 map among the real recordings")
    found = read_map(place)
    assert found.name == "PIT"
    assert len(found.lanes) == 183
    assert len(found.polygons["drivable_area"]) == 13
    assert len(found.polygons["ped_crossing"]) == 11
    marks = [mark for lane in found.lanes for mark in (lane.left_mark, lane.right_mark)]
    assert marks.count("NONE") == 280 and marks.count("SOLID_YELLOW") == 28
    for lane in found.lanes:  # the centre line lies on the lanes, hence on known ground
        assert found.ground is not None
        above = lane.centerline[:, 2] - found.ground.height(lane.centerline[:, :2])
        assert np.isnan(above).all() or np.nanmax(abs(above)) < 1.0
