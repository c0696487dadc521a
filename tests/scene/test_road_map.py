"""The road map: its checks, its way through JSON, its masks and ground heights."""

import copy
import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from roadloom.errors import BadInput, MissingInput
from roadloom.scene.map_raster import GroundHeight, MapRaster
from roadloom.scene.road_map import Lane, Polygon, RoadMap, with_height

FAR = np.array([5.0e6, -5.0e6])


def write_mask(path: Path, rows: int = 40, columns: int = 30, seed: int = 0) -> np.ndarray:
    values = (np.random.default_rng(seed).random((rows, columns)) < 0.5).astype(np.uint8) * 255
    Image.fromarray(values).save(path)
    return values


def some_map(folder: Path) -> RoadMap:
    rng = np.random.default_rng(1)

    def points(count: int, flat: bool = False) -> np.ndarray:
        xy = rng.uniform(-100, 100, (count, 2)) + FAR
        return with_height(xy if flat else np.column_stack([xy, rng.uniform(-3, 3, count)]))

    def lane(name: str, **more: Any) -> Lane:
        left, right, middle = points(4), points(5), points(3, flat=True)
        return Lane(id=name, left=left, right=right, centerline=middle, **more)

    write_mask(folder / "mask.png")
    return RoadMap(
        name="somewhere",
        polygons={
            "drivable_area": (
                Polygon(exterior=points(6), holes=(points(3), points(4, flat=True))),
                Polygon(exterior=points(3, flat=True)),
            ),
            "walkway": (),
        },
        lines={"lane_divider": (points(2), points(7, flat=True)), "road_divider": ()},
        lanes=(
            lane("a", polygon=Polygon(exterior=points(4)), successors=("b", "elsewhere")),
            lane(
                "b",
                predecessors=("a",),
                left_neighbor="c",
                right_neighbor="d",
                left_mark="SOLID_WHITE",
                right_mark="NONE",
                kind="bike",
                is_intersection=True,
                speed_limit_mps=13.9,
            ),
            Lane(id="c", left=points(0), right=points(0), centerline=points(2)),
        ),
        rasters={"drivable_area": MapRaster.bottom_left(folder / "mask.png", 0.1)},
        ground=GroundHeight(
            heights=np.where(rng.random((5, 7)) < 0.3, np.nan, rng.random((5, 7))).astype("f4"),
            world_from_pixel=np.array([[0.3, 0.0, FAR[0]], [0.0, 0.3, FAR[1]]]),
        ),
    )


def through_json(road_map: RoadMap, folder: Path) -> RoadMap:
    text = json.dumps(road_map.to_dict(), allow_nan=False)
    return RoadMap.from_dict(json.loads(text), road_map.arrays(), file=folder / "map.json")


# JSON


def test_json_and_back_is_equal(tmp_path: Path) -> None:
    road_map = some_map(tmp_path)
    again = through_json(road_map, tmp_path)
    assert again.same_as(road_map) and road_map.same_as(again)
    np.testing.assert_array_equal(again.lanes[0].left, road_map.lanes[0].left)
    assert through_json(RoadMap(), tmp_path).same_as(RoadMap())
    assert pickle.loads(pickle.dumps(road_map)).same_as(road_map)


def test_masks_may_move_with_the_file(tmp_path: Path) -> None:
    road_map = some_map(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "moved.png").write_bytes((tmp_path / "mask.png").read_bytes())
    data = road_map.to_dict({"drivable_area": "moved.png"})
    again = RoadMap.from_dict(data, road_map.arrays(), file=other / "map.json")
    assert again.rasters["drivable_area"].file == other / "moved.png"
    assert again.same_as(road_map)
    Image.open(tmp_path / "mask.png").save(other / "moved.png", compress_level=0)
    assert again.same_as(road_map)  # other bytes, same mask
    write_mask(other / "moved.png", seed=1)
    assert not again.same_as(road_map)


def test_equal_means_equal_in_everything(tmp_path: Path) -> None:
    one = some_map(tmp_path)
    lane = one.lanes[1]
    area = one.polygons["drivable_area"]
    moved = area[0].exterior.copy()
    moved[0, 0] = np.nextafter(moved[0, 0], 0)
    mask = one.rasters["drivable_area"]
    assert one.ground is not None
    others = [
        replace(one, name="elsewhere"),
        replace(one, polygons={**one.polygons, "stop_line": ()}),
        replace(one, polygons={**one.polygons, "drivable_area": area[:1]}),
        replace(
            one,
            polygons={**one.polygons, "drivable_area": (replace(area[0], exterior=moved), area[1])},
        ),
        replace(
            one,
            polygons={**one.polygons, "drivable_area": (replace(area[0], holes=()), area[1])},
        ),
        replace(one, lines={**one.lines, "lane_divider": one.lines["lane_divider"][::-1]}),
        replace(one, lanes=one.lanes[:2]),
        replace(one, rasters={}),
        replace(
            one,
            rasters={"drivable_area": replace(mask, world_from_pixel=mask.world_from_pixel + 1e-6)},
        ),
        replace(one, ground=None),
        replace(one, ground=replace(one.ground, heights=one.ground.heights + np.float32(1))),
    ]
    changes: dict[str, Any] = {
        "id": "z",
        "left": lane.right,
        "right": lane.left,
        "centerline": lane.left,
        "left_mark": "",
        "right_mark": "",
        "polygon": area[1],
        "successors": ("a",),
        "predecessors": (),
        "left_neighbor": "",
        "right_neighbor": "",
        "kind": "bus",
        "is_intersection": False,
        "speed_limit_mps": float("nan"),
    }
    others += [
        replace(one, lanes=(one.lanes[0], replace(lane, **{name: value}), one.lanes[2]))
        for name, value in changes.items()
    ]
    assert set(changes) == set(Lane.__dataclass_fields__)
    for k, other in enumerate(others):
        assert not one.same_as(other) and not other.same_as(one), k
        assert through_json(other, tmp_path).same_as(other), k


def test_a_layer_is_recorded_if_it_is_named() -> None:
    road_map = RoadMap(polygons={"walkway": ()}, lines={"lane_divider": ()})
    assert road_map.layers == {"walkway", "lane_divider"}


def every_place(value: Any, path: tuple = ()) -> list[tuple]:
    """Paths of all values inside nested dicts and lists; of long lists only the first two."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key in value:
            found += every_place(value[key], (*path, key))
    if isinstance(value, list):
        for k in range(min(2, len(value))):
            found += every_place(value[k], (*path, k))
    return found


@pytest.mark.parametrize("damage", ["missing", "number", "text", "list", "huge", "nan text"])
def test_damaged_json_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    road_map = some_map(tmp_path)
    whole = json.loads(json.dumps(road_map.to_dict()))
    new = {"number": 12.5, "text": "x", "list": [[]], "huge": 10**400, "nan text": "NaN"}
    refused = 0
    places = every_place(whole)
    for place in places:
        data = copy.deepcopy(whole)
        holder = data
        for step in place[:-1]:
            holder = holder[step]
        if damage == "missing":
            del holder[place[-1]]
        else:
            holder[place[-1]] = new[damage]
        try:
            changed = RoadMap.from_dict(data, road_map.arrays(), file=tmp_path / "map.json")
        except BadInput as error:
            refused += 1
            assert error.file == str(tmp_path / "map.json") and error.field and error.remedy
        else:  # a value of the right type: it is read as it stands
            assert changed.to_dict() != whole
    assert refused > 0.3 * len(places) > 40


def test_missing_heights_and_masks_are_named(tmp_path: Path) -> None:
    road_map = some_map(tmp_path)
    with pytest.raises(BadInput, match="ground: its array of heights is missing"):
        RoadMap.from_dict(road_map.to_dict())
    with pytest.raises(BadInput, match="ground: must be float32"):
        RoadMap.from_dict(road_map.to_dict(), {"ground": np.zeros((5, 7))})
    (tmp_path / "mask.png").unlink()
    with pytest.raises(MissingInput, match="mask.png"):
        road_map.rasters["drivable_area"].contains(np.zeros((1, 2)))
    (tmp_path / "mask.png").write_bytes(b"GIF89a" + b"0" * 30)
    with pytest.raises(BadInput, match="not a PNG"):
        MapRaster.bottom_left(tmp_path / "mask.png", 0.1)


# Types


def test_polygons_close_themselves_and_heights_may_be_unknown() -> None:
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 0]])
    polygon = Polygon.make(square, [square + 5])
    assert polygon.exterior.shape == (3, 3) and polygon.holes[0].shape == (3, 3)
    assert np.isnan(polygon.exterior[:, 2]).all()
    assert Polygon.make(np.array([[0.0, 0, 1], [1, 0, 1], [1, 1, 1]])).exterior[2, 2] == 1


def test_bad_geometry_is_refused() -> None:
    good = with_height(np.array([[0.0, 0], [1, 0], [1, 1]]))
    with pytest.raises(ValueError, match="a ring needs 3 vertices, got 2"):
        Polygon(exterior=good[:2])
    with pytest.raises(ValueError, match="finite x and y"):
        Polygon.make(np.array([[0.0, np.nan], [1, 0], [1, 1]]))
    with pytest.raises(ValueError, match="a line of walkway needs 2 vertices"):
        RoadMap(lines={"walkway": (good[:1],)})
    with pytest.raises(ValueError, match="left of lane 7 must have finite"):
        Lane(id="7", left=good + np.inf, right=good, centerline=good)
    with pytest.raises(ValueError, match=r"\[n 2\] or \[n 3\], got \(3, 4\)"):
        with_height(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="flat"):
        MapRaster(file=Path("x"), world_from_pixel=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="must be finite"):
        GroundHeight(heights=np.zeros((2, 2), np.float32), world_from_pixel=np.full((2, 3), np.nan))


# Rasters


@pytest.mark.parametrize("offset", [np.zeros(2), FAR])
def test_a_mask_answers_for_the_pixel_that_holds_a_point(
    tmp_path: Path, offset: np.ndarray
) -> None:
    values = write_mask(tmp_path / "mask.png", rows=9, columns=21)
    values[0, :3] = (127, 128, 255)
    Image.fromarray(values).save(tmp_path / "mask.png")
    turned = np.array([[0.0, -0.25], [0.5, 0.0]])  # column runs along y, row along -x
    affine = np.column_stack([turned, offset + (3.0, -7.0)])
    raster = MapRaster(file=tmp_path / "mask.png", world_from_pixel=affine)
    rng = np.random.default_rng(0)
    pixel = np.column_stack([rng.uniform(-3, 23, 500), rng.uniform(-3, 11, 500)])
    pixel[:3] = [[0, 0], [1, 0], [2, 0]]
    xy = (pixel @ turned.T) + (offset + (3.0, -7.0))
    expected = [
        bool(values[round(r), round(c)] >= 128) if -0.5 <= c < 20.5 and -0.5 <= r < 8.5 else False
        for c, r in pixel
    ]
    np.testing.assert_array_equal(raster.contains(xy), expected)
    assert expected[:3] == [False, True, True]
    assert not raster.contains(np.array([[np.nan, 0.0]])).any()
    assert raster.contains(xy.reshape(4, 125, 2)).shape == (4, 125)


def test_bottom_left_origin(tmp_path: Path) -> None:
    values = np.zeros((30, 20), np.uint8)
    values[-1, 0] = values[0, 19] = values[0, 0] = 255
    Image.fromarray(values).save(tmp_path / "mask.png")
    raster = MapRaster.bottom_left(tmp_path / "mask.png", 0.1)
    inside = np.array([[0.01, 0.01], [0.09, 0.09], [1.91, 2.91], [1.99, 2.99]])
    outside = np.array([[0.11, 0.05], [0.05, 0.11], [-0.01, 0.05], [1.95, 3.01], [2.01, 2.95]])
    assert raster.contains(inside).all()
    assert not raster.contains(outside).any()


def test_a_changed_mask_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(path)
    raster = MapRaster.bottom_left(path, 1.0)
    assert not raster.contains(np.array([[2.5, 2.5]])).any()
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(path)
    assert raster.contains(np.array([[2.5, 2.5]])).all()


@pytest.mark.parametrize("offset", [np.zeros(2), FAR])
def test_ground_height_is_that_of_the_pixel(offset: np.ndarray) -> None:
    heights = np.arange(12, dtype=np.float32).reshape(3, 4)
    heights[1, 2] = np.nan
    ground = GroundHeight(
        heights=heights,
        world_from_pixel=np.array([[0.5, 0, offset[0]], [0, 0.5, offset[1]]]),
    )
    xy = np.array([[0.0, 0.0], [1.5, 1.0], [0.74, 0.26], [1.0, 0.5], [-0.26, 0], [1.76, 0]])
    expected = [0, 11, 5, np.nan, np.nan, np.nan]
    np.testing.assert_array_equal(ground.height(xy + offset), expected)


# Real recordings


def test_real_ground_raster_agrees_with_the_vector_map(real_data: Path) -> None:
    folder = next((real_data / "av2" / "sensor" / "val").iterdir()) / "map"
    heights = np.load(next(folder.glob("*ground_height*.npy"))).astype(np.float32)
    place = json.loads(next(folder.glob("*img_Sim2_city.json")).read_text())
    # img = s * (city + t), truncated: the value belongs to the whole pixel, its middle at +0.5.
    step = 1 / place["s"]
    shift = 0.5 * step - np.array(place["t"])
    affine = np.array([[step, 0, shift[0]], [0, step, shift[1]]])
    ground = GroundHeight(heights=heights, world_from_pixel=affine)
    archive = json.loads(next(folder.glob("log_map_archive_*.json")).read_text())
    points = np.array(
        [
            [p["x"], p["y"], p["z"]]
            for lane in archive["lane_segments"].values()
            for p in lane["left_lane_boundary"]
        ]
    )
    difference = ground.height(points[:, :2]) - points[:, 2]
    assert np.isfinite(difference).mean() > 0.9
    assert np.nanmedian(np.abs(difference)) < 0.1
