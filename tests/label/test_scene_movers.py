"""Boxes keep moving things sharp, and what they must not touch."""

import numpy as np
import pytest
from tests.label.asking import OTHER, ROAD, SIZE, car_at, cells_of, labels, moving
from tests.label.toy import CAR, GRID, MOUNT, Shot, boxes, clip, pose, shell, wall

from roadloom.geometry.pose import Pose
from roadloom.label.recipe import WINDOWS
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import FREE, UNKNOWN


class TestMovers:
    @pytest.mark.parametrize("exact", [False, True])
    def test_with_boxes_a_car_keeps_its_shape(self, exact: bool) -> None:
        made = moving(exact=exact)
        one = labels(made, 1, boxes=True, window=WINDOWS["frame"])
        all_ = labels(made, 1, boxes=True)
        assert np.array_equal(one == CAR, cells_of(shell(car_at(0.0), SIZE)))
        assert np.array_equal(all_ == CAR, one == CAR)
        assert not (all_ == OTHER).any()

    def test_without_boxes_its_trail_is_speed_times_window_long(self) -> None:
        found = labels(moving(window_s=0.5, speed=8.0), 1, grid=GRID)
        x = np.flatnonzero((found == OTHER).any(axis=(1, 2)))
        length = (x.max() - x.min() + 1) * GRID.cell_m[0]
        assert abs(length - (SIZE[0] + 8.0)) <= 2 * GRID.cell_m[0]

    def test_a_turning_car_keeps_its_shape(self) -> None:
        def turning(t: float) -> Pose:
            return pose(x=2 * t, y=4.0, yaw=0.8 * t, z=SIZE[2] / 2)

        keys = (0.0, 0.1, 0.2)
        shots = [Shot(t, shell(turning(t), SIZE)) for t in (0.0, 0.05, 0.1, 0.2)]
        at = [boxes(t, pose(), [("car", turning(t), SIZE)]) for t in keys]
        found = labels(clip(*shots, key_s=keys, key_boxes=at), boxes=True)
        assert np.array_equal(found == CAR, cells_of(shell(turning(0.0), SIZE)))

    def test_points_of_one_turn_are_met_by_the_box_of_their_own_time(self) -> None:
        """In a world that knows boxes at all times; both halves of the car fit together."""
        points = shell(car_at(0.0, 0.0), SIZE)
        own = np.linspace(-0.1, 0.0, len(points))
        world = points + np.outer(8.0 * own, [1, 0, 0])

        def at(t: float) -> Boxes:
            return boxes(t, pose(), [("car", car_at(t, 8.0), SIZE)])

        found = labels(clip(Shot(0.0, world, own_time_s=own), exact_boxes=at), boxes=True)
        assert np.array_equal(found == CAR, cells_of(points))

    def test_an_object_that_is_gone_leaves_nothing(self) -> None:
        shots = [Shot(t, shell(car_at(t), SIZE)) for t in (0.0, 0.5)]
        at = [boxes(0.0, pose(), [("car", car_at(0.0), SIZE)]), boxes(0.5, pose(), [])]
        made = clip(shots[0], Shot(0.5, wall(6.1)), key_s=(0.0, 0.5), key_boxes=at)
        assert not (labels(made, 1, boxes=True) == CAR).any()
        assert (labels(made, 0, boxes=True) == CAR).any()

    def test_rays_of_other_times_do_not_empty_a_car(self) -> None:
        """A ray crosses the place before the car comes: free, but not where the car is now."""
        through = np.array([[0.1, 7.1, 0.9]])
        keys = (0.0, 1.0)
        at = [boxes(0.0, pose(), [("car", pose(x=-30.0, y=4.0, z=0.75), SIZE)]),
              boxes(1.0, pose(), [("car", pose(x=0.0, y=4.0, z=0.75), SIZE)])]  # fmt: skip
        made = clip(Shot(0.0, through), Shot(1.0, wall(7.1)), key_s=keys, key_boxes=at)
        middle = tuple(GRID.cell_of(np.array([0.5, 4.1, 1.25]))[0])
        assert labels(made, 1)[middle] == FREE  # without boxes everything stands still
        assert labels(made, 1, boxes=True)[middle] == UNKNOWN
        assert labels(made, 0, boxes=True)[middle] == FREE
        before = tuple(GRID.cell_of(np.array([0.75, 2.1, 1.5]))[0])
        assert labels(made, 1, boxes=True)[before] == FREE

    def test_rays_through_a_car_are_carried_with_it(self) -> None:
        """Through its windows, half a second ago and 4 m back."""
        start, within = MOUNT.translation, np.array([-5.0, 4.1, 1.15])  # the car is at x = -5
        behind = (start + 1.3 * (within - start))[None]
        keys = (-0.5, 0.0)
        at = [boxes(t, pose(), [("car", car_at(t, 8.0), SIZE)]) for t in keys]
        made = clip(Shot(-0.5, behind), Shot(0.0, wall(7.1, 5, 6)), key_s=keys, key_boxes=at)
        cell = tuple(GRID.cell_of(within + [4.0, 0.0, 0.0])[0])
        assert labels(made, 1, boxes=True)[cell] == FREE
        assert labels(made, 1)[cell] == UNKNOWN

    def test_the_road_under_a_car_does_not_drive_off(self) -> None:
        road = np.stack(np.meshgrid(np.arange(-7.9, 8, 0.35), [3.9, 4.1], [0.03]), -1).reshape(
            -1, 3
        )
        at = [boxes(t, pose(), [("car", car_at(t), SIZE)]) for t in (0.0, 0.5)]
        made = clip(Shot(0.0, road), Shot(0.5, road), key_s=(0.0, 0.5), key_boxes=at)
        found = labels(made, 0, boxes=True)
        assert np.array_equal(found == OTHER, cells_of(road))

    def test_a_label_decides_what_a_box_may_hold(self) -> None:
        low = car_at(0.0).apply(np.array([[0.0, 0.0, 0.02 - 0.75]]))
        at = [boxes(t, pose(), [("car", car_at(t), SIZE)]) for t in (0.0, 0.5)]
        for kind, moves in ((CAR, True), (ROAD, False)):
            shot = Shot(0.0, low, label=np.array([kind], np.uint8))
            made = clip(shot, Shot(0.5, wall(-7.5)), key_s=(0.0, 0.5), key_boxes=at)
            want = low + [2.0, 0, 0] if moves else low
            assert labels(made, 1, boxes=True)[tuple(GRID.cell_of(want[0])[0])] == kind

    def test_of_boxes_in_each_other_the_smallest_holds_a_point(self) -> None:
        middle = np.array([[4.1, 4.1, 1.0]])
        rows = [("big", pose(4.0, 4.0, z=1.0), (4.0, 3.0, 2.0)),
                ("small", pose(4.0, 4.0, z=1.0), (1.0, 1.0, 1.5))]  # fmt: skip
        later = [rows[0], ("small", pose(4.0, 5.2, z=1.0), rows[1][2])]
        made = clip(
            Shot(0.0, middle), Shot(0.5, wall(-7.5)), key_s=(0.0, 0.5),
            key_boxes=[boxes(0.0, pose(), rows), boxes(0.5, pose(), later)],
        )  # fmt: skip
        assert labels(made, 1, boxes=True)[tuple(GRID.cell_of(middle[0] + [0, 1.2, 0])[0])] == CAR

    @pytest.mark.parametrize("late_s", [-0.12, 0.12])
    def test_a_box_holds_on_a_little_beyond_its_path(self, late_s: float) -> None:
        """The first turn began before the first annotation: the speed goes on."""
        keys = (0.0, 0.5)
        at = [boxes(t, pose(), [("car", car_at(t), SIZE)]) for t in keys]
        time = late_s if late_s < 0 else 0.5 + late_s
        made = clip(Shot(time, shell(car_at(time), SIZE)), Shot(0.0, wall(-7.5)),
                    key_s=keys, key_boxes=at)  # fmt: skip
        found = labels(made, 0, boxes=True)
        assert np.array_equal(found == CAR, cells_of(shell(car_at(0.0), SIZE)))
