"""The devkit's map, mask, CAN bus and lidarseg on an export of two streets.

make devkit && .venv-devkit/bin/python -m pytest tests/export/test_devkit_maps.py
"""

import numpy as np
import pytest
import shapely
from tests.export.street_clip import CITY, SPEED, TILE_M, export_streets, street_clip

from roadloom.export.nuscenes.classes import CATEGORIES
from roadloom.export.nuscenes.map_expansion import map_token
from roadloom.export.nuscenes.map_tiles import Tile, place
from roadloom.scene.classes import class_id

pytest.importorskip(
    "nuscenes", reason="nuscenes-devkit is not here: `make devkit` builds .venv-devkit with it"
)
pytestmark = pytest.mark.filterwarnings("ignore")
"""Its warnings are not ours."""
SCENES = ("scene-0003", "scene-0012")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    import matplotlib

    matplotlib.use("Agg")
    return export_streets(tmp_path_factory.mktemp("streets") / "root")


@pytest.fixture(scope="module")
def nusc(root):
    from nuscenes import NuScenes

    return NuScenes("v1.0-trainval", str(root), verbose=False)


@pytest.fixture(scope="module")
def city(root):
    from nuscenes.map_expansion.map_api import NuScenesMap

    return NuScenesMap(str(root), CITY)


def tile_of(number: int) -> Tile:
    poses = np.stack([frame.world_from_ego.translation for frame in street(number)])
    return place(number, poses, city=CITY, edge_m=TILE_M)


def street(number: int):
    return street_clip(east=900.0 * number)


def in_root(number: int, points: np.ndarray) -> np.ndarray:
    """Points of the street's own frame as x and y in the root's world."""
    world = street(number).reader.world_from_street.apply(np.asarray(points, np.float64))
    return (world + tile_of(number).shift)[:, :2]


@pytest.mark.parametrize("number", [0, 1])
def test_what_lies_at_a_point(city, number):
    points = in_root(number, [[30.0, -5.0, 0.0], [30.0, 0.0, 0.0], [30.0, 8.0, 0.0]])
    road, island, pavement = (city.layers_on_point(*point) for point in points.tolist())
    assert road["drivable_area"] and road["lane"] and road["road_block"]
    assert not island["drivable_area"]  # a hole
    assert pavement["walkway"] and not pavement["drivable_area"]


@pytest.mark.parametrize("number", [0, 1])
def test_lanes_lie_on_our_centrelines(city, number):
    clip = street(number)
    tokens = {
        lane.id: map_token(SCENES[number], "lane", lane.id)
        for lane in clip.map.lanes
        if lane.id in ("along", "bend")
    }
    drawn = city.discretize_lanes(list(tokens.values()), 0.5)
    shift = tile_of(number).shift
    for lane in clip.map.lanes:
        if lane.id not in tokens:
            continue
        found = np.array(drawn[tokens[lane.id]])
        line = shapely.LineString((lane.centerline + shift)[:, :2])
        assert shapely.distance(shapely.points(found[:, :2]), line).max() < 0.1
        along = np.diff(found[:, :2], axis=0)
        moved = np.hypot(*along.T) > 0.01
        heading = np.arctan2(along[moved, 1], along[moved, 0])
        turn = np.angle(np.exp(1j * (heading - found[:-1, 2][moved])))
        assert np.abs(turn).max() < 0.1
        assert len(found) > 20


def test_the_closest_lane_and_what_follows(city):
    for number in (0, 1):
        place_xy = in_root(number, [[30.0, -1.9, 0.0], [68.0, 2.0, 0.0]])
        along, bend = (city.get_closest_lane(*point, radius=3) for point in place_xy.tolist())
        assert along == map_token(SCENES[number], "lane", "along")
        assert bend == map_token(SCENES[number], "lane", "bend")
        assert city.get_outgoing_lane_ids(along) == [bend]
        assert city.get_incoming_lane_ids(bend) == [along]


def test_masks_of_layers_agree_with_our_layout(city):
    """The devkit rounds vertices to its canvas, so edges may differ by a cell."""
    from scipy.ndimage import binary_dilation, binary_erosion

    from roadloom.geometry.voxel_grid import VoxelGrid

    layers = ["drivable_area", "walkway", "road_block"]
    grid = VoxelGrid(lower_m=(-40.0, -40.0, -1.0), cell_m=(0.4, 0.4, 0.4), shape=(200, 200, 16))
    for number in (0, 1):
        frame, shift = street(number)[2], tile_of(number).shift
        x, y = (frame.world_from_ego.translation + shift)[:2]
        yaw = np.degrees(frame.world_from_ego.yaw)
        found = city.get_map_mask((x, y, 80.0, 80.0), float(yaw), layers, (200, 200))
        layout = frame.layout(grid)
        for layer, mask in zip(layers, found, strict=True):
            ours = layout.channel(layer)
            theirs = mask.astype(bool).T  # its rows go to the left, its columns ahead
            assert ours.any()
            assert (theirs <= binary_dilation(ours, np.ones((3, 3)), iterations=2)).all(), layer
            assert (binary_erosion(ours, np.ones((3, 3)), iterations=2) <= theirs).all(), layer


def test_records_in_a_patch(city):
    (x, y), tile = in_root(0, [[55.0, 0.0, 0.0]])[0].tolist(), tile_of(0)
    found = city.get_records_in_patch((x - 30, y - 30, x + 30, y + 30), mode="intersect")
    assert len(found["ped_crossing"]) == len(found["stop_line"]) == 1
    assert len(found["walkway"]) == 2 and not found["carpark_area"]
    everywhere = city.get_records_in_patch((0, 0, *city.canvas_edge), mode="intersect")
    assert len(everywhere["walkway"]) == 4
    assert city.canvas_edge == [2 * tile.edge_m, tile.edge_m]


def test_the_mask_holds_the_drivable_area(nusc, root):
    (record,) = nusc.map
    mask = record["mask"]
    assert len(record["log_tokens"]) == 2 and record["category"] == "semantic_prior"
    rng = np.random.default_rng(0)
    for number in (0, 1):
        tile = tile_of(number)
        area = street(number).map.polygons["drivable_area"][0]
        rings = [(ring + tile.shift)[:, :2] for ring in (area.exterior, *area.holes)]
        window = shapely.box(*tile.low, *tile.high)
        shape = shapely.Polygon(rings[0], rings[1:]).intersection(window)
        # The devkit takes a pixel's corner where we take its centre: 0.05 m either way.
        points = rng.uniform(tile.low - 20, tile.high + 20, (5000, 2))
        places = shapely.points(points)
        sure = shapely.distance(places, shape.boundary) > 0.15
        found = mask.is_on_mask(points[:, 0], points[:, 1])
        assert np.array_equal(found[sure], shapely.contains(shape, places)[sure])
        assert found.sum() > 150
        path = np.stack([f.world_from_ego.translation for f in street(number)]) + tile.shift
        assert mask.is_on_mask(path[0, 0] - 3 * np.sin(0.4), path[0, 1] + 3 * np.cos(0.4)).all()


def patch_of(polygon, **look):
    """In place of descartes 1.1, which the devkit draws with and which knows no shapely 2."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    rings = [np.array(ring.coords)[:, :2] for ring in (polygon.exterior, *polygon.interiors)]
    return PathPatch(Path.make_compound_path(*[Path(ring, closed=True) for ring in rings]), **look)


def test_pictures_are_drawn(nusc, city, root, tmp_path, monkeypatch):
    import descartes
    import matplotlib.pyplot as plt
    from nuscenes.map_expansion.bitmap import BitMap

    monkeypatch.setattr(descartes, "PolygonPatch", patch_of)
    bitmap = BitMap(str(root), CITY, "semantic_prior")
    x, y = in_root(0, [[30.0, 0.0, 0.0]])[0].tolist()
    layers = ["drivable_area", "lane", "walkway", "road_divider", "lane_divider"]
    patch = (x - 50, y - 50, x + 50, y + 50)
    figure, _ = city.render_map_patch(patch, layers, figsize=(4, 4), bitmap=bitmap)
    figure.savefig(tmp_path / "patch.png")
    assert (tmp_path / "patch.png").stat().st_size > 5000
    poses, _, _ = city.render_egoposes_on_fancy_map(nusc, verbose=False)
    assert len(poses) == 8
    city.render_centerlines(resolution_meters=1.0)
    city.render_record("ped_crossing", city.ped_crossing[0]["token"])
    plt.close("all")


def test_buses_are_read(nusc, root):
    from nuscenes.can_bus.can_bus_api import NuScenesCanBus

    buses = NuScenesCanBus(str(root))
    assert buses.list_misaligned_routes(max_misalignment=1.0) == []
    for number, scene in enumerate(SCENES):
        poses = buses.get_messages(scene, "pose", print_warnings=False)
        speeds = np.array([pose["vel"] for pose in poses])
        np.testing.assert_allclose(speeds[:, 0], np.hypot(SPEED, 0.01 * SPEED), atol=1e-3)
        own = np.array([pose["pos"] for pose in poses])
        samples = [s for s in nusc.sample if nusc.get("scene", s["scene_token"])["name"] == scene]
        for sample in samples:
            record = nusc.get("sample_data", sample["data"]["LIDAR_TOP"])
            place_xyz = nusc.get("ego_pose", record["ego_pose_token"])["translation"]
            times = np.array([pose["utime"] for pose in poses])
            at = [np.interp(sample["timestamp"], times, own[:, axis]) for axis in range(3)]
            np.testing.assert_allclose(at, place_xyz, atol=1e-5)
        assert len(samples) == 4 and number < 2
        buses.print_message_stats(scene, "ms_imu")


def test_labels_of_points_are_counted(nusc, capsys):
    nusc.list_lidarseg_categories(sort_by="index")
    told = capsys.readouterr().out
    assert len(nusc.lidarseg) == 4  # the second street has no labels
    nusc.get_sample_lidarseg_stats(nusc.sample[0]["token"], sort_by="index")
    told = {
        line[4:44].strip(): line.split("=")[-1] for line in capsys.readouterr().out.splitlines()
    }
    sweep = street(0)[0].lidar()
    labels = dict(zip(*np.unique(sweep.label, return_counts=True), strict=True))
    assert int(told["vehicle.truck"]) == labels[class_id("vehicle.truck")] == 8
    drivable = int(told["flat.driveable_surface"].replace(",", ""))
    assert drivable == labels[class_id("flat.drivable")]
    assert set(CATEGORIES.values()) >= {name for name in told if "." in name and " " not in name}
