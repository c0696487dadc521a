"""What stands is there, annotated or not; short gaps are bridged; the ground under grazing rays."""

import numpy as np
import pytest
from tests.label.asking import OTHER, SIZE, cells_of, labels
from tests.label.toy import CAR, GRID, MOUNT, Shot, boxes, clip, ns, pose, shell, wall

from roadloom.geometry.pose import Pose
from roadloom.label.movers import ObjectPaths
from roadloom.label.objects import objects_of
from roadloom.label.tracks import BRIDGE_NS, STILL_M, DriveTracks
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import FREE, UNKNOWN
from roadloom.scene.clip import Clip

AT = pose(2.0, 4.0, 0.0, SIZE[2] / 2)
KEYS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)


def parked(*annotated: int, way: list[Pose] | None = None, exact: bool = False) -> Clip:
    """A car seen by the first sweep only, with boxes in these key frames."""
    way = way or [AT] * len(KEYS)
    at = [
        boxes(t, pose(), [("car", way[i], SIZE)] if i in annotated else [])
        for i, t in enumerate(KEYS)
    ]
    shots = [Shot(0.0, shell(way[0], SIZE)), Shot(2.5, wall(-7.5))]
    if exact:
        return clip(*shots, key_s=KEYS, exact_boxes=lambda t: at[int(np.floor(t / 0.5 + 1e-6))])
    return clip(*shots, key_s=KEYS, key_boxes=at)


class TestStanding:
    @pytest.mark.parametrize("exact", [False, True])
    @pytest.mark.parametrize("key", range(6))
    def test_a_parked_car_is_there_in_every_key_frame(self, key: int, exact: bool) -> None:
        found = labels(parked(0, 1, 2, exact=exact), key, boxes=True)
        assert np.array_equal(found == CAR, cells_of(shell(AT, SIZE)))
        assert not (found == OTHER)[cells_of(shell(AT, SIZE))].any()

    def test_annotators_jitter_by_a_little(self) -> None:
        rng = np.random.default_rng(1)
        way = [
            pose(2.0 + x, 4.0 + y, a, SIZE[2] / 2)
            for x, y, a in rng.uniform(-0.1, 0.1, (6, 3)).tolist()
        ]
        found = labels(parked(0, 1, 2, way=way), 5, boxes=True)
        assert np.array_equal(found == CAR, cells_of(shell(way[2], SIZE)))  # the nearest in time

    def test_what_moves_is_dropped_where_it_is_absent(self) -> None:
        way = [pose(2.0 + 0.8 * i, 4.0, 0.0, SIZE[2] / 2) for i in range(6)]
        assert not (labels(parked(0, 1, 2, way=way), 5, boxes=True) == CAR).any()
        turning = [pose(2.0, 4.0, 0.5 * i, SIZE[2] / 2) for i in range(6)]
        assert not (labels(parked(0, 1, 2, way=turning), 5, boxes=True) == CAR).any()

    def test_what_was_annotated_shortly_is_not_known_to_stand(self) -> None:
        assert not (labels(parked(0, 1), 5, boxes=True) == CAR).any()

    def test_unless_its_speed_says_so(self) -> None:
        for speed, stands in ((0.05, True), (1.0, False), (np.nan, False)):
            one = boxes(0.0, pose(), [("car", AT, SIZE)])
            one = Boxes.make(
                one.time_ns, one.class_id, one.pose, one.size, track_id=one.track_id,
                velocity=np.array([[speed, 0.0, 0.0]]),
            )  # fmt: skip
            tracks = DriveTracks([one, Boxes.empty(ns(0.5))], [pose(), pose()])
            assert tracks.standing(one.track_id).tolist() == [stands]

    def test_rays_of_other_times_empty_what_stands(self) -> None:
        """Through its windows, while it is not annotated: nothing was there."""
        start = MOUNT.translation
        within = np.array([2.0, 4.1, 1.15])
        behind = (start + 1.3 * (within - start))[None]
        at = [boxes(t, pose(), [("car", AT, SIZE)] * (i < 3)) for i, t in enumerate(KEYS)]
        made = clip(Shot(0.0, wall(-7.5)), Shot(2.5, behind), key_s=KEYS, key_boxes=at)
        cell = tuple(GRID.cell_of(within)[0])
        assert labels(made, 0)[cell] == FREE
        for key in range(6):
            assert labels(made, key, boxes=True)[cell] == FREE

    def test_how_still_still_is(self) -> None:
        def stands(step: float) -> bool:
            moments = [boxes(t, pose(), [("a", pose(step * (t > 1.2)), SIZE)]) for t in KEYS]
            return bool(DriveTracks(moments, [pose()] * 6).standing(np.array(["a"]))[0])

        assert stands(1.98 * STILL_M) and not stands(2.02 * STILL_M)  # half of it off the median

    def test_a_moving_vehicle_sees_standing_things_stand(self) -> None:
        frames = [pose(4 * t, 0.3, 0.2 * t) for t in KEYS]
        moments = [boxes(t, f, [("a", AT, SIZE)]) for t, f in zip(KEYS, frames, strict=True)]
        tracks = DriveTracks(moments[:4], frames[:4])
        assert tracks.standing(np.array(["a", "b"])).tolist() == [True, False]
        found = tracks.resting(ns(2.5), frames[5], np.zeros(0, "<U1"))
        assert np.allclose(found.pose.translation, frames[5].inverse().apply(AT.translation[None]))
        assert not len(tracks.resting(ns(2.5), frames[5], np.array(["a"])).track)

    def test_no_annotation_at_all(self) -> None:
        tracks = DriveTracks([Boxes.empty(0)], [pose()])
        none = np.zeros(0, "<U1")
        assert not len(tracks.resting(0, pose(), none).track)
        assert not len(tracks.bridged(0, pose(), none).track)


class TestGaps:
    def path(self, *rows: float | None, exact: bool = False) -> ObjectPaths:
        """x of one object in key frames 0.5 s apart, None where it is not annotated."""
        seconds = tuple(0.5 * i for i in range(len(rows)))
        at = [
            boxes(t, pose(), [] if x is None else [("a", pose(x, 5.0), SIZE)])
            for t, x in zip(seconds, rows, strict=True)
        ]
        if exact:
            made = clip(key_s=seconds, exact_boxes=lambda t: at[round(2 * t)])
        else:
            made = clip(key_s=seconds, key_boxes=at)
        from roadloom.label.drive import Drive

        return ObjectPaths(made, Drive(made.ego))

    @pytest.mark.parametrize("time_s, x", [(0.5, 2.0), (0.25, 1.0), (0.9, 3.6)])
    def test_one_key_frame_is_bridged(self, time_s: float, x: float) -> None:
        found = self.path(0.0, None, 4.0).at(ns(time_s), pose())
        assert found.track.tolist() == ["a"]
        assert np.allclose(found.pose.translation[0], [x, 5.0, 0.0])
        assert np.allclose(found.size[0], SIZE)

    def test_of_a_world_that_answers_for_any_moment_too(self) -> None:
        found = self.path(0.0, None, 4.0, exact=True).at(ns(0.5), pose())
        assert np.allclose(found.pose.translation, [[2.0, 5.0, 0.0]])

    def test_longer_gaps_are_not(self) -> None:
        assert BRIDGE_NS < 1.5e9
        for time_s in (0.5, 0.75, 1.0):
            assert not len(self.path(0.0, None, None, 6.0).at(ns(time_s), pose()).track)

    def test_each_object_once(self) -> None:
        """In the middle of a bridge an end does not go on as well."""
        found = self.path(0.0, None, 4.0).at(ns(0.1), pose())
        assert found.track.tolist() == ["a"] and found.pose.translation[0, 0] == pytest.approx(0.4)

    def test_a_car_annotated_before_and_after_keeps_its_shape(self) -> None:
        places = [pose(-1 + 2 * t, 4.0, 0.0, SIZE[2] / 2) for t in (0.0, 0.5, 1.0)]
        shots = [Shot(0.5 * i, shell(p, SIZE)) for i, p in enumerate(places)]
        at = [boxes(0.5 * i, pose(), [("car", p, SIZE)] * (i != 1)) for i, p in enumerate(places)]
        made = clip(*shots, key_s=(0.0, 0.5, 1.0), key_boxes=at)
        for key, place in enumerate(places):
            found = labels(made, key, boxes=True)
            assert np.array_equal(found == CAR, cells_of(shell(place, SIZE)))
            assert not (found == OTHER).any()


def test_objects_need_a_track() -> None:
    both = boxes(0.0, pose(), [("", AT, SIZE), ("b", AT, SIZE)])
    assert objects_of(both).track.tolist() == ["b"]


class TestGround:
    def made(self) -> Clip:
        """Rings of ground points 2 m apart on a plane, and the ray of a wall behind them."""
        turn = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        rings = [[r * np.cos(a), r * np.sin(a), 0.11] for r in (3.0, 5.0, 7.0) for a in turn]
        high = [[7.1, 0.1, 0.9]]
        return clip(Shot(0.0, np.array(rings + high)))

    def test_the_ground_between_rings_is_not_declared_free(self) -> None:
        layer = int(GRID.cell_of(np.array([0.0, 0.0, 0.11]))[0][2])
        plain, default = (labels(self.made(), carve_ground=c) for c in (True, False))
        changed = plain != default
        assert changed.sum() > 100
        assert set(np.flatnonzero(changed.any(axis=(0, 1)))) == {layer}
        assert (plain[changed] == FREE).all() and (default[changed] == UNKNOWN).all()
        assert not (default[..., layer] == FREE).any()

    def test_rays_to_walls_free_that_layer(self) -> None:
        low = np.array([[7.1, 0.1, 0.9], [7.1, -3.0, 0.11]])
        made = clip(Shot(0.0, np.concatenate([low, low[1:] - [0.0, 0.0, 0.8]])))
        layer = int(GRID.cell_of(low[1])[0][2])
        assert (labels(made)[..., layer] == FREE).any()  # the lower point is the ground
