"""The laws of labels, on clips small enough to know the answer."""

from dataclasses import replace

import numpy as np
import pytest
from tests.label.asking import OTHER, ROAD, SIZE, car_at, cells_of, driving, labels, moving, recipe
from tests.label.toy import CAR, GRID, MOUNT, Shot, boxes, clip, pose, shell, wall
from tests.label.twin import label as slow

from roadloom.errors import BadInput, NotRecorded, UnknownClass
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.label.recipe import WINDOWS, EgoBox, Window
from roadloom.label.scene import SceneLabeller
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import FREE, UNKNOWN, class_id
from roadloom.scene.clip import Clip


class TestStatic:
    def test_a_wall_seen_from_two_places_fills_the_same_cells(self) -> None:
        points = wall(7.1)
        near = labels(clip(Shot(0.0, points), way=driving))
        far = labels(clip(Shot(0.5, points), way=driving))
        want = cells_of(points)
        assert np.array_equal(near == OTHER, want)
        assert np.array_equal(far == OTHER, want)

    def test_the_order_of_sweeps_changes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shots = [Shot(0.1 * i, wall(4.1 + i, high=1.0 + i)) for i in range(4)]
        one = SceneLabeller(clip(*shots, way=driving), recipe()).label(0)
        from roadloom.label import scene

        within = scene.sweeps_within
        monkeypatch.setattr(scene, "sweeps_within", lambda *a: within(*a)[::-1])
        assert SceneLabeller(clip(*shots, way=driving), recipe()).label(0).same_as(one)

    def test_a_ray_starts_where_the_lidar_was(self) -> None:
        """The vehicle drove 4 m back: its late ray crosses the cells before that place only."""
        back = lambda t: pose(x=-8.0 * t)  # noqa: E731
        point = np.array([[-7.7, 0.2, 1.7]])
        found = labels(clip(Shot(0.5, point), way=back))
        free = np.argwhere(found == FREE)
        first, _ = GRID.cell_of(np.array([-3.0, 0.2, 1.7]))  # the mount at x = 1, 4 m further back
        assert free[:, 0].max() == first[0]
        assert set(map(tuple, free[:, 1:])) == {tuple(first[1:])}
        assert len(free) == first[0]
        assert (found == OTHER).sum() == 1

    def test_points_of_one_sweep_have_their_own_times(self) -> None:
        """Compensated points stay; the rays start along the way of the LiDAR."""
        times = np.array([-0.4, 0.0])
        points = np.array([[-2.7, 7.1, 1.7], [1.1, 7.1, 1.7]])
        found = labels(clip(Shot(0.0, points, own_time_s=times), way=lambda t: pose(x=10.0 * t)))
        assert np.array_equal(found == OTHER, cells_of(points))
        column = GRID.cell_of(np.array([[-3.0, 0.5, 1.7], [1.0, 0.5, 1.7], [-1.0, 0.5, 1.7]]))[0]
        assert [found[tuple(c)] for c in column] == [FREE, FREE, UNKNOWN]

    @pytest.mark.parametrize("frame", ["ego", "lidar"])
    def test_points_left_in_the_frames_of_their_own_times(self, frame: str) -> None:
        points = wall(5.1)
        times = np.linspace(-0.1, 0.0, len(points))
        one = Shot(0.0, points, own_time_s=times)
        other = Shot(0.0, points, own_time_s=times, compensated=False)
        assert np.array_equal(
            labels(clip(one, way=driving), frame=frame),
            labels(clip(other, way=driving), frame=frame),
        )

    def test_a_world_far_away_gives_the_same_cells(self) -> None:
        def far(t: float) -> Pose:
            near = driving(t)
            return Pose(near.rotation, near.translation + [4e6, -3e6, 100.0])

        points = wall(5.1)
        shots = [Shot(0.1 * i, points) for i in range(3)]
        moved = [Shot(s.time_s, points + [4e6, -3e6, 100.0]) for s in shots]
        assert np.array_equal(labels(clip(*shots, way=driving)), labels(clip(*moved, way=far)))

    def test_every_lidar_is_fused(self) -> None:
        mounts = {"TOP": MOUNT, "SIDE": Pose(np.eye(3), np.array([0.0, 1.1, 0.7]))}
        points = wall(5.1)
        found = labels(
            clip(Shot(0.0, points[::2]), Shot(0.0, points[1::2], lidar="SIDE"), mounts=mounts)
        )
        assert np.array_equal(found == OTHER, cells_of(points))
        assert found[tuple(GRID.cell_of(np.array([0.1, 1.1, 0.7]))[0])] == FREE  # where it sits

    def test_a_lidar_frame_is_the_ego_frame_moved_by_the_mount(self) -> None:
        mount = Pose(np.eye(3), np.array([0.8, -0.4, 1.6]))  # whole cells
        points = np.concatenate([wall(5.1), wall(-6.3)])
        made = clip(Shot(0.0, points), mounts={"TOP": mount})
        shift = np.array([2, -1, 4])
        lower = tuple((np.array(GRID.lower_m) - mount.translation).tolist())
        moved = VoxelGrid(lower_m=lower, cell_m=GRID.cell_m, shape=GRID.shape)
        in_ego = SceneLabeller(made, recipe()).label(0)
        in_lidar = SceneLabeller(made, recipe(frame="lidar", grid=moved)).label(0)
        assert in_lidar.frame == "lidar"
        assert np.array_equal(in_lidar.labels, in_ego.labels)
        same_grid = labels(made, frame="lidar")  # the same numbers, so cells lie further ahead
        cells = np.argwhere(in_ego.labels == OTHER) - shift
        cells = cells[((cells >= 0) & (cells < GRID.shape)).all(axis=1)]
        want = np.zeros(GRID.shape, bool)
        want[tuple(cells.T)] = True
        assert np.array_equal(same_grid == OTHER, want)

    def test_a_lidar_frame_needs_a_main_lidar(self) -> None:
        made = clip(Shot(0.0, wall(5.1)))
        reader = made.reader
        reader.meta = replace(reader.meta, lidar=None)
        made = Clip(reader)
        with pytest.raises(NotRecorded, match="main one"):
            SceneLabeller(made, recipe(frame="lidar")).label(0)
        assert (SceneLabeller(made, recipe()).label(0).labels == OTHER).any()

    def test_a_shot_that_met_nothing_says_nothing(self) -> None:
        points = np.array([[5.1, 0.2, 1.7], [np.nan] * 3, [-6.1, 0.2, 1.7]])
        found = labels(clip(Shot(0.0, points, returned=np.array([True, False, False]))))
        assert (found == OTHER).sum() == 1
        assert not (found[:20] == FREE).any()

    def test_a_cell_needs_min_hits_points(self) -> None:
        twice, once = [5.1, 0.1, 0.1], [5.1, 1.1, 0.1]
        made = clip(Shot(0.0, np.array([twice, twice, once])))
        found = SceneLabeller(made, recipe(min_hits=2)).label(0)
        assert np.array_equal(found.labels == OTHER, cells_of(np.array([twice])))
        cell = tuple(GRID.cell_of(np.array(once))[0])
        assert found.labels[cell] == UNKNOWN
        assert found.mask_lidar is not None and found.mask_lidar[cell]  # it was hit all the same

    def test_points_on_faces_belong_to_the_upper_cell_and_not_to_the_grid_s_end(self) -> None:
        grid = VoxelGrid(lower_m=(0.0, 0.0, 0.0), cell_m=(0.5, 0.5, 0.5), shape=(8, 4, 4))
        points = np.array([[3.0, 0.5, 1.0], [4.0, 0.5, 1.0], [0.5, 2.0, 0.5]])
        ego_box = EgoBox(lower_m=(0.0, 0.0, -9.1), upper_m=(0.1, 0.1, -9.0))
        found = labels(clip(Shot(0.0, points)), grid=grid, ego_box=ego_box)
        assert np.argwhere(found == OTHER).tolist() == [[6, 1, 2]]

    def test_the_mask_is_what_was_hit_or_crossed(self) -> None:
        found = SceneLabeller(clip(Shot(0.0, wall(5.1))), recipe()).label(0)
        assert found.mask_lidar is not None and found.mask_camera is None  # no camera in the rig
        assert np.array_equal(found.mask_lidar, found.labels != UNKNOWN)
        assert 0 < found.mask_lidar.mean() < 1
        assert (
            SceneLabeller(clip(Shot(0.0, wall(5.1))), recipe(masks=False)).label(0).mask_lidar
            is None
        )


class TestEgo:
    def test_the_vehicle_is_removed_from_every_frame(self) -> None:
        """Its roof is hit in all sweeps at speed, points compensated or not."""
        roof = np.array([[3.0, 0.5, 1.5], [-1.0, -0.9, 0.4]])

        def fast(t: float) -> Pose:
            return pose(x=20.0 * t, yaw=0.5 * t)

        shots = []
        for i in range(4):
            own = np.array([0.1 * i - 0.09, 0.1 * i - 0.01])
            world = np.stack([fast(t).apply(p[None])[0] for t, p in zip(own, roof, strict=True)])
            shots.append(Shot(0.1 * i, world, own_time_s=own, compensated=i % 2 == 0))
        made = clip(*shots, way=fast)
        assert (labels(made) == UNKNOWN).all()  # rays to the vehicle say nothing either
        tiny = EgoBox(lower_m=(0.0, 0.0, -9.1), upper_m=(0.1, 0.1, -9.0))
        assert (labels(made, ego_box=tiny) == OTHER).sum() >= 4

    def test_what_others_see_in_that_place_stays(self) -> None:
        point = np.array([[2.0, 0.1, 0.5]])  # in the ego's box at 0 s, 5 m ahead of it at -1 s
        found = labels(clip(Shot(-1.0, point), Shot(0.0, wall(7.1)), way=lambda t: pose(x=5 * t)))
        assert found[tuple(GRID.cell_of(point[0])[0])] == OTHER


class TestTargets:
    def test_geometric_labels_know_three_values(self) -> None:
        made = moving(exact=True)
        plain = labels(made, 1, boxes=True)
        found = labels(made, 1, boxes=True, target="geometric")
        assert set(np.unique(found).tolist()) == {FREE, OTHER, UNKNOWN}
        assert np.array_equal(found == OTHER, plain == CAR)
        assert np.array_equal(found == FREE, plain == FREE)

    def test_an_offset_shows_a_later_frame_in_the_present_one(self) -> None:
        def back(t: float) -> Pose:
            return pose(x=-1.2 * t)

        keys = (0.0, 0.5, 1.0)
        times = np.arange(11) / 10
        shots = [
            Shot(t, np.concatenate([shell(car_at(t), SIZE), wall(6.1)])) for t in times.tolist()
        ]
        at = [boxes(t, back(t), [("car", car_at(t), SIZE)]) for t in keys]
        made = clip(*shots, way=back, key_s=keys, key_boxes=at)
        found = labels(made, 0, 2, boxes=True)
        assert np.array_equal(found == CAR, cells_of(shell(car_at(1.0), SIZE)))
        assert np.array_equal(found == OTHER, cells_of(wall(6.1)))
        window = Window(before_s=0.1, after_s=0.0)  # it lies around the later frame
        late = labels(clip(Shot(0.9, wall(6.1)), Shot(0.0, wall(4.1)), way=back, key_s=keys),
                      0, 2, window=window)  # fmt: skip
        assert np.array_equal(late == OTHER, cells_of(wall(6.1)))

    def test_points_of_no_known_class_count_only_alone(self) -> None:
        points = np.array([[5.1, 0.1, 0.1]] * 5 + [[5.1, 1.1, 0.1]])
        kind = np.array([UNKNOWN] * 4 + [ROAD, UNKNOWN], np.uint8)
        found = labels(clip(Shot(0.0, points, label=kind)))
        assert found[tuple(GRID.cell_of(points[0])[0])] == ROAD
        assert found[tuple(GRID.cell_of(points[5])[0])] == OTHER

    def test_thin_things_weigh_four_times_and_ties_go_to_the_lower_id(self) -> None:
        pole, wall_ = class_id("structure.pole"), class_id("structure.wall")
        a, b = [5.1, 0.1, 0.1], [5.1, 1.1, 0.1]
        kinds = [wall_] * 3 + [pole] + [wall_] * 4 + [pole]
        points = np.array([a] * 4 + [b] * 5)
        found = labels(clip(Shot(0.0, points, label=np.array(kinds, np.uint8))))
        assert found[tuple(GRID.cell_of(np.array(a))[0])] == pole
        assert found[tuple(GRID.cell_of(np.array(b))[0])] == min(pole, wall_)

    def test_noise_and_the_vehicle_s_own_points_say_nothing(self) -> None:
        kinds = np.array([class_id("other.noise"), class_id("vehicle.ego")], np.uint8)
        points = np.array([[5.1, 0.1, 0.1], [6.1, 2.1, 0.1]])
        assert (labels(clip(Shot(0.0, points, label=kinds))) == UNKNOWN).all()


def scattered(seed: int, exact: bool, labelled: bool) -> object:
    """A drive among random points, two moving boxes, and such as are annotated now and then."""
    rng = np.random.default_rng(seed)
    keys = (0.0, 0.5, 1.0, 1.5)

    def rows(t: float) -> list:
        found = [
            ("a", pose(3 + 4 * t, 2.0, 0.3 + 0.2 * t, 0.8), (3.0, 1.5, 1.6)),
            ("b", pose(-4 - 2 * t, -3.0 + t, -0.7, 0.9), (0.8, 0.8, 1.8)),
        ]
        found += [("c", pose(0.5, 5.5, 0.1, 0.7), (2.0, 2.0, 1.4))] * (t < 0.7)
        found += [("rests", pose(6.0, 0.5, 0.4, 0.6), (2.5, 1.5, 1.4))] * (t < 1.2)
        return found + [("gap", pose(-1 + 2 * t, -6, z=0.7), (1.5, 1.5, 1.5))] * (
            abs(t - 0.5) > 0.1
        )

    shots = []
    for i in range(6):
        t = 0.3 * i
        world = rng.uniform([-9, -9, -0.9], [12, 9, 2.4], (30, 3))
        local = rng.uniform(-0.55, 0.55, (20, 3))
        held = [rows(t)[k % len(rows(t))] for k in range(20)]
        world = np.concatenate(
            [world] + [p.apply((u * s)[None]) for u, (_, p, s) in zip(local, held, strict=True)]
        )
        world = np.concatenate([world, world[:15] + 0.01])
        kinds = rng.choice([UNKNOWN, UNKNOWN, CAR, ROAD, 60], len(world)).astype(np.uint8)
        shots.append(
            Shot(
                t,
                world,
                own_time_s=t - rng.integers(0, 50, len(world)) / 1000,
                label=kinds if labelled else None,
                returned=rng.random(len(world)) > 0.1,
                compensated=i % 2 == 0,
            )  # fmt: skip
        )

    def at(t: float) -> Boxes:
        return boxes(t, driving(t), rows(t))

    if exact:
        return clip(*shots, way=driving, key_s=keys, exact_boxes=at)
    return clip(*shots, way=driving, key_s=keys, key_boxes=[at(t) for t in keys])


@pytest.mark.parametrize(
    "seed, exact, labelled, parts",
    [
        (0, False, False, {"boxes": True}),
        (1, False, True, {"boxes": True, "frame": "lidar"}),
        (2, False, True, {"boxes": False, "min_hits": 2}),
        (3, False, False, {"boxes": True, "target": "geometric", "box_margin_m": 0.3}),
        (4, True, True, {"boxes": True}),
        (6, False, True, {"boxes": True, "carve_ground": True}),
    ],
)
def test_the_labeller_equals_its_plain_twin(
    seed: int, exact: bool, labelled: bool, parts: dict
) -> None:
    made = scattered(seed, exact, labelled)
    key = 3 - seed % 4
    fast = SceneLabeller(made, recipe(**parts)).label(key)  # type: ignore[arg-type]
    plain = slow(made, recipe(**parts), key)  # type: ignore[arg-type]
    assert (plain.labels == FREE).sum() > 300 and plain.occupied.sum() > 5
    assert np.array_equal(fast.labels, plain.labels)


def test_the_same_labeller_and_another_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was asked before, and however little it may hold."""
    from roadloom.label import scene

    made = scattered(0, False, True)
    one = SceneLabeller(made, recipe(boxes=True, window=WINDOWS["0.5s"]))  # type: ignore[arg-type]
    first = [one.label(k) for k in (0, 1, 2)]
    monkeypatch.setattr(scene, "HELD_BYTES", 0)
    other = SceneLabeller(made, recipe(boxes=True, window=WINDOWS["0.5s"]))  # type: ignore[arg-type]
    for key in (2, 0, 1, 1):
        assert other.label(key).same_as(first[key])
        assert one.label(key).same_as(first[key])
    assert len(other._held) == 4  # the sweeps of the last window


class TestErrors:
    def test_no_such_key_frame(self) -> None:
        with pytest.raises(BadInput, match="key frame 3"):
            labels(clip(Shot(0.0, wall(5.1))), 3)

    def test_the_drive_ends_before_the_offset(self) -> None:
        with pytest.raises(NotRecorded, match="offset"):
            labels(clip(Shot(0.0, wall(5.1))), 0, 1)
        with pytest.raises(BadInput, match="offset"):
            labels(clip(Shot(0.0, wall(5.1))), 0, -1)

    def test_no_sweep_in_the_window(self) -> None:
        with pytest.raises(NotRecorded, match="window"):
            labels(clip(Shot(2.9, wall(5.1))), window=WINDOWS["1s"])

    def test_no_lidar(self) -> None:
        with pytest.raises(NotRecorded, match="lidar"):
            labels(clip(mounts={}))

    def test_no_boxes(self) -> None:
        with pytest.raises(NotRecorded, match="boxes=False"):
            labels(clip(Shot(0.0, wall(5.1))), boxes=True)

    def test_boxes_without_tracks(self) -> None:
        at = boxes(0.0, pose(), [("", car_at(0.0), SIZE)])
        with pytest.raises(NotRecorded, match="boxes=False"):
            labels(clip(Shot(0.0, wall(5.1)), key_boxes=[at]), boxes=True)

    def test_a_point_that_returned_and_is_no_point(self) -> None:
        with pytest.raises(BadInput, match="point 1 of sweep 0 of TOP"):
            labels(clip(Shot(0.0, np.array([[5.1, 0.1, 0.1], [np.nan, 0, 0]]))))

    def test_a_label_that_is_no_class(self) -> None:
        with pytest.raises(UnknownClass, match="200"):
            labels(clip(Shot(0.0, wall(5.1)[:1], label=np.array([200], np.uint8))))

    def test_a_point_far_off_the_path(self) -> None:
        shot = Shot(0.0, wall(5.1)[:1], own_time_s=np.array([-3.0]))
        with pytest.raises(BadInput, match="outside the recorded"):
            labels(clip(shot))

    def test_a_sweep_without_a_point(self) -> None:
        found = labels(clip(Shot(0.0, np.zeros((0, 3)))))
        assert (found == UNKNOWN).all()
