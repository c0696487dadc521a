"""The path beyond its ends, boxes between and beyond key frames, ground classes by the map."""

import numpy as np
import pytest
from tests.label.toy import CAR, GRID, START_NS, Shot, boxes, clip, ns, pose

from roadloom.errors import BadInput
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.label.drive import BEYOND_NS, Drive
from roadloom.label.ground import MapClasses
from roadloom.label.movers import EDGE_NS, ObjectPaths
from roadloom.label.recipe import WINDOWS, Recipe
from roadloom.label.scene import SceneLabeller
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import UNKNOWN, class_id
from roadloom.scene.map_raster import GroundHeight
from roadloom.scene.road_map import Polygon, RoadMap

OTHER, ROAD, WALK = map(class_id, ("other.occupied", "flat.drivable", "flat.sidewalk"))


def circle(t: float) -> Pose:
    return pose(x=20 * np.sin(0.4 * t), y=20 * (1 - np.cos(0.4 * t)), yaw=0.4 * t)


def track(seconds: np.ndarray) -> PoseTrack:
    return PoseTrack(
        time_ns=np.array([ns(t) for t in seconds], np.int64),
        world_from_ego=Pose.stack([circle(t) for t in seconds.tolist()]),
    )


class TestDrive:
    def test_on_the_path_it_is_the_path(self) -> None:
        ego = track(np.arange(0, 2, 0.01))
        times = START_NS + np.array([0, 1_234_567, 500_000_000, 1_990_000_000])
        found, want = Drive(ego).at(times), ego.at(times)
        assert np.array_equal(found.rotation, want.rotation)
        assert np.array_equal(found.translation, want.translation)

    @pytest.mark.parametrize("end", [0.0, 2.0])
    def test_beyond_its_ends_it_goes_on(self, end: float) -> None:
        drive = Drive(track(np.linspace(0, 2, 201)))
        sign = 1 if end else -1
        t = end + sign * 0.05
        found, want = drive.at(np.array([ns(t)]))[0], circle(t)
        assert np.linalg.norm(found.translation - want.translation) < 0.02
        assert np.abs(found.rotation - want.rotation).max() < 1e-9
        with pytest.raises(BadInput, match="outside"):
            drive.at(np.array([ns(end) + sign * (BEYOND_NS + 1)]))

    def test_poses_microseconds_apart_do_not_fling_it_away(self) -> None:
        """The speed is the mean over a tenth of a second, not that of two noisy neighbours."""
        ego = track(np.array([0.0, 0.04, 0.08, 0.08001]))
        ego.world_from_ego.translation[3] += [0.0, 0.02, 0.0]
        found = Drive(ego).at(np.array([ns(0.13)]))[0]
        assert np.linalg.norm(found.translation - circle(0.13).translation) < 0.06

    def test_a_single_pose_is_held(self) -> None:
        drive = Drive(track(np.array([0.0])))
        assert np.array_equal(drive.at(np.array([ns(0.1)]))[0].translation, np.zeros(3))

    def test_the_largest_turn_bounds_that_of_every_moment(self) -> None:
        drive = Drive(track(np.arange(0, 2, 0.1)))
        times = np.array([ns(t) for t in np.linspace(0.42, 0.87, 50)])
        for at in (0.3, 0.6, 0.9):
            turned = 0.4 * np.abs(np.linspace(0.42, 0.87, 50) - at)
            found = drive.largest_turn(times, circle(at).inverse())
            assert found == pytest.approx(turned.max(), abs=1e-7)

    def test_places_of_the_vehicle(self) -> None:
        drive = Drive(track(np.arange(0, 2, 0.01)))
        rng = np.random.default_rng(0)
        times = START_NS + rng.integers(10**9, 1_100_000_000, 300)
        mount, frame = np.array([1.0, 0.3, 1.8]), circle(1.1).inverse()
        want = (frame @ drive.at(times)).apply(mount[None, None])[:, 0]
        assert np.abs(drive.points_at(times, mount, frame) - want).max() < 1e-6
        assert drive.points_at(times[:0], mount, frame).shape == (0, 3)
        same = drive.points_at(np.repeat(times[:1], 3), mount, frame)
        assert np.allclose(same, want[:1], atol=1e-9)


class TestPaths:
    def at(self, t: float, *keys: list, velocity: np.ndarray | None = None) -> dict[str, float]:
        """x of each object at a time, of boxes at 0, 0.5, 1, ... s."""
        seconds = tuple(0.5 * i for i in range(len(keys)))
        rows = [
            boxes(s, circle(s), [(n, pose(x, 5.0), (4.0, 2.0, 1.5)) for n, x in key])
            for s, key in zip(seconds, keys, strict=True)
        ]
        if velocity is not None:
            rows[0] = Boxes.make(
                rows[0].time_ns, rows[0].class_id, rows[0].pose, rows[0].size,
                track_id=rows[0].track_id, velocity=velocity[None],
            )  # fmt: skip
        made = clip(way=circle, key_s=seconds, key_boxes=rows)
        found = ObjectPaths(made, Drive(made.ego)).at(ns(t), Pose.identity())
        assert np.allclose(found.pose.translation[:, 1], 5.0)
        return dict(zip(found.track.tolist(), found.pose.translation[:, 0].tolist(), strict=True))

    def test_at_and_between_key_frames(self) -> None:
        keys = [("a", 1.0)], [("a", 2.0), ("b", 7.0)], [("b", 8.0)]
        assert self.at(0.0, *keys) == pytest.approx({"a": 1.0})
        assert self.at(0.25, *keys) == pytest.approx({"a": 1.5})
        assert self.at(0.75, *keys) == pytest.approx({"b": 7.5})

    def test_a_little_beyond_an_end_they_go_on_at_their_speed(self) -> None:
        keys = [("a", 1.0)], [("a", 2.0), ("b", 7.0)], [("b", 8.0)]
        assert self.at(0.6, *keys) == pytest.approx({"a": 2.2, "b": 7.2})
        assert self.at(0.4, *keys) == pytest.approx({"a": 1.8, "b": 6.8})
        assert self.at(-0.1, *keys) == pytest.approx({"a": 0.8})
        assert self.at(1.1, *keys) == pytest.approx({"b": 8.2})
        assert self.at(1.0 + 2 * EDGE_NS / 1e9, *keys) == {}

    def test_alone_they_go_on_as_annotated_or_stay(self) -> None:
        assert self.at(0.1, [("a", 1.0)]) == pytest.approx({"a": 1.0})
        assert self.at(0.1, [("a", 1.0)], velocity=np.array([3.0, 0, 0])) == pytest.approx(
            {"a": 1.3}
        )


def square(x0: float, x1: float, z: float = np.nan) -> tuple[Polygon, ...]:
    corners = [[x0, -9, z], [x1, -9, z], [x1, 9, z], [x0, 9, z]]
    return (Polygon.make(np.array(corners)),)


class TestMap:
    def test_ground_near_the_raster_s_height(self) -> None:
        ground = GroundHeight(
            heights=np.full((40, 40), 5.0, np.float32),
            world_from_pixel=np.array([[1.0, 0.0, -20.0], [0.0, 1.0, -20.0]]),
        )
        place = RoadMap(
            polygons={"drivable_area": square(0, 5), "walkway": square(3, 8)}, ground=ground
        )
        made = clip(Shot(0.0, np.zeros((1, 3))), place=place)
        points = np.array([[2.0, 1, 0.1], [4, 1, -0.1], [7, 1, 0], [2, 1, 0.3], [9, 1, 0.0]])
        found, ground_ = MapClasses(made).classes(points, pose(z=5.0))
        assert found.tolist() == [ROAD, ROAD, WALK, UNKNOWN, UNKNOWN]
        assert ground_.tolist() == [True, True, True, False, True]
        off, ground_ = MapClasses(made).classes(points + [100, 0, 0], pose(z=5.0))
        assert (
            off == UNKNOWN
        ).all() and not ground_.any()  # the raster ends, so no height is known

    def test_without_a_raster_the_lowest_points_are_ground(self) -> None:
        place = RoadMap(polygons={"drivable_area": square(-9, 9)})
        xy = np.stack(np.meshgrid(np.arange(-7, 7, 0.5), np.arange(-7, 7, 0.5)), -1).reshape(-1, 2)
        road = np.concatenate([xy, 0.04 * xy[:, :1]], axis=1)  # it rises by 4 %
        box = np.array([[3.0, 3.0, 1.0], [5.0, 3.0, 0.3 + 0.2]])
        roof = np.array([[20.0, 20.0, 3.0]])
        points = np.concatenate([road, box, roof])
        made = clip(Shot(0.0, np.zeros((1, 3))), place=place)
        found, low = MapClasses(made).classes(points, pose())
        assert np.array_equal(low, found == ROAD)
        assert (found[: len(road)] == ROAD).mean() > 0.99
        assert (found[len(road) :] == UNKNOWN).all()

    def test_it_labels_what_neither_label_nor_box_does(self) -> None:
        """Precedence: the point's own label, the box that holds it, the map."""
        grass = class_id("nature.terrain")
        points = np.array([[2.2, 2.2, 0.02], [4.2, 4.2, 0.02], [6.2, 6.2, 0.3], [6.2, -6.2, 1.2],
                           [6.2, 5.4, 0.02]])  # fmt: skip
        kinds = np.array([grass, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN], np.uint8)
        at = boxes(0.0, pose(), [("car", pose(6.2, 6.2, z=0.7), (2.0, 2.0, 1.4))])
        made = clip(
            Shot(0.0, points, label=kinds), key_boxes=[at],
            place=RoadMap(polygons={"drivable_area": square(-9, 9)}),
        )  # fmt: skip
        recipe = Recipe(grid=GRID, window=WINDOWS["frame"])
        found = SceneLabeller(made, recipe).label(0).labels
        cell = GRID.cell_of(points)[0]
        assert found[tuple(cell.T)].tolist() == [grass, ROAD, CAR, OTHER, ROAD]

    def test_a_map_of_other_layers_says_nothing(self) -> None:
        made = clip(
            Shot(0.0, np.zeros((1, 3))), place=RoadMap(polygons={"stop_line": square(0, 9)})
        )
        found, ground = MapClasses(made).classes(np.array([[1.0, 1, 0]]), pose())
        assert found.tolist() == [UNKNOWN] and ground.tolist() == [True]
