"""The description of a scene: the same everywhere, and nothing in it touches anything else."""

from collections import Counter

import numpy as np
import pytest

from roadloom.scene.class_views import view
from roadloom.scene.classes import DETECTION_NAMES, class_id
from roadloom.street0.config import SPLITS, StreetConfig
from roadloom.street0.crowd import EGO_LENGTH, EGO_REAR, EGO_WIDTH
from roadloom.street0.dice import Dice
from roadloom.street0.draw import draw_plan
from roadloom.street0.plan import FIRST_TICK, LAST_TICK, Thing
from roadloom.street0.shapes import KINDS, bounds, parts_of
from roadloom.street0.world import TICK_S, World, drive_pose

VAL = range(SPLITS["val"])

# Made by this very code: a change of any of these is another town and needs another name.
PINNED = {
    ("train", 0): "bd74c33a786d05b7",
    ("train", 63): "4f9b9ba8b976b881",
    ("val", 0): "8c2e355283896c9e",
    ("val", 7): "b12cea35e96ef0db",
    ("test", 15): "16b0cf2916a7daba",
}


@pytest.mark.parametrize(("split", "index"), PINNED, ids=lambda v: str(v))
def test_the_description_is_frozen(split: str, index: int) -> None:
    assert draw_plan(split, index).digest() == PINNED[split, index]


def test_a_scene_does_not_depend_on_those_drawn_before_it() -> None:
    draw_plan.cache_clear()
    alone = draw_plan("val", 7).digest()
    draw_plan.cache_clear()
    for index in range(8):
        last = draw_plan("val", index).digest()
    assert last == alone


def test_no_two_scenes_are_alike() -> None:
    digests = [draw_plan(split, i).digest() for split in SPLITS for i in range(12)]
    assert len(set(digests)) == len(digests)


def test_dice_are_raw_words_of_pcg64() -> None:
    """Numbers from NumPy's own generator of that name, drawn here a second time."""
    words = np.random.PCG64(np.random.SeedSequence([1, 2])).random_raw(2)
    dice = Dice(1, 2)
    assert [dice.word(), dice.between(10, 20, 5)] == [words[0], 10 + 5 * (int(words[1]) % 3)]


@pytest.mark.parametrize("index", VAL)
def test_nothing_overlaps_at_any_moment(index: int) -> None:
    """Upright bounds move linearly, so the span in which two of them overlap is exact."""
    low, high, velocity, names = _solids(draw_plan("val", index).things)
    first, last = FIRST_TICK * TICK_S, LAST_TICK * TICK_S
    for i in range(len(low) - 1):
        start, end = np.full(len(low) - i - 1, first), np.full(len(low) - i - 1, last)
        for axis in range(3):
            # Overlap while  a < v t < b  along this axis.
            a = low[i, axis] - high[i + 1 :, axis]
            b = high[i, axis] - low[i + 1 :, axis]
            v = velocity[i + 1 :, axis] - velocity[i, axis]
            with np.errstate(divide="ignore", invalid="ignore"):
                t0, t1 = np.sort(np.stack([a / v, b / v]), axis=0)
            still = v == 0
            apart = still & ~((a < 0) & (b > 0))
            t0, t1 = np.where(still, -np.inf, t0), np.where(still, np.inf, t1)
            start, end = np.maximum(start, t0), np.minimum(end, np.where(apart, -np.inf, t1))
        met = np.flatnonzero(start < end)
        same = [j for j in met if names[i + 1 + j] == names[i]]
        assert len(met) == len(same), f"{names[i]} meets {[names[i + 1 + j] for j in met]}"


@pytest.mark.parametrize("index", VAL)
def test_nothing_comes_near_the_ego(index: int) -> None:
    plan = draw_plan("val", index)
    low, high, velocity, names = _solids(plan.things)
    ticks = np.arange(FIRST_TICK, LAST_TICK + 0.1, 0.2)
    pose = drive_pose(plan.drive, ticks)
    corners = np.array(
        [[x, y, 0] for x in (-EGO_REAR, EGO_LENGTH - EGO_REAR) for y in (-1, 1)], np.float64
    )
    corners[:, 1] *= EGO_WIDTH / 2
    ego = pose.apply(np.broadcast_to(corners / 1000, (len(ticks), 4, 3)))
    for i, name in enumerate(names):
        if low[i, 2] > 2.0:
            continue
        shift = velocity[i] * (ticks * TICK_S)[:, None]
        apart = (ego.max(axis=1) < low[i] + shift) | (ego.min(axis=1) > high[i] + shift)
        assert apart[:, :2].any(axis=1).all(), name


def test_every_detection_class_appears_and_the_sizes_are_those_of_the_kind() -> None:
    lut, seen = view("det10").lut, Counter()
    for index in VAL:
        world = World(plan=draw_plan("val", index))
        for row in world.annotated:
            thing = world.plan.things[row]
            low, high = bounds(parts_of(thing))
            extent = np.subtract(high, low)
            assert (np.abs(extent[:2] - thing.size[:2]) <= 60).all() or thing.kind in (
                "adult", "child", "worker", "bicycle", "motorcycle",
            ), thing  # fmt: skip
            assert (extent <= np.array(thing.size) + 40).all(), thing
            assert extent[2] == pytest.approx(thing.size[2], abs=60), thing
            seen[DETECTION_NAMES[lut[class_id(KINDS[thing.kind].cls)]]] += 1
    assert set(seen) == set(DETECTION_NAMES)


def test_speeds_are_those_of_real_traffic() -> None:
    """Ranges of ``moving`` in measured drives: people to 2.1 m/s, vehicles to 13 m/s."""
    limits = {"adult": 2.1, "child": 2.1, "bicycle": 6.5, "car": 13, "truck": 13, "bus": 13}
    for index in VAL:
        plan = draw_plan("val", index)
        for thing in plan.things:
            speed = thing.speed / 1000 / TICK_S
            assert speed <= limits.get(thing.kind, 13)
            assert (speed > 0) == (
                thing.attribute in ("vehicle.moving", "pedestrian.moving", "cycle.with_rider")
            )
        ticks = np.arange(0, 200, 0.5)
        place = drive_pose(plan.drive, ticks).translation
        velocity = np.gradient(place, ticks * TICK_S, axis=0)
        assert np.linalg.norm(velocity, axis=1).min() > 2.0
        assert np.linalg.norm(velocity, axis=1).max() < 16
        assert np.abs(np.gradient(velocity, ticks * TICK_S, axis=0)[2:-2]).max() < 3


def test_the_drive_follows_its_nose() -> None:
    """The derivative of the position, found by differences, lies along the x axis."""
    drive = draw_plan("val", 3).drive
    ticks = np.linspace(-20, 220, 500)
    step = 1e-3
    along = (
        drive_pose(drive, ticks + step).translation - drive_pose(drive, ticks - step).translation
    )
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    np.testing.assert_allclose(drive_pose(drive, ticks).rotation[:, :, 0], along, atol=1e-7)
    assert np.ptp(drive_pose(drive, ticks).translation[:, 1]) > 0.1


@pytest.mark.parametrize(
    "wrong",
    [{"image_scale": 0.0}, {"duration_s": 11.0}, {"lidar_hz": 7}, {"edge_samples": 0},
     {"box_range_m": -1.0}, {"key_hz": 0}],
    ids=str,
)  # fmt: skip
def test_bad_configs_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong)) if "key_hz" not in wrong else "hz"):
        StreetConfig(**wrong)


def test_unknown_scenes_are_refused() -> None:
    with pytest.raises(ValueError, match="no scene 16"):
        draw_plan("val", 16)


def _solids(things: tuple[Thing, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Upright bounds of every thing at tick 0; a tree's stem and crown one by one."""
    low, high, velocity, names = [], [], [], []
    for row, thing in enumerate(things):
        parts = parts_of(thing)
        stem = {"tree": 1, "sign": 1, "lamp": 2}.get(thing.kind, len(parts))
        groups = [group for group in (parts[:stem], parts[stem:]) if group]
        norm = np.hypot(*thing.heading)
        cos, sin = thing.heading[0] / norm, thing.heading[1] / norm
        for group in groups:
            a, b = bounds(group)
            corners = np.array([[x, y] for x in (a[0], b[0]) for y in (a[1], b[1])])
            turned = corners @ np.array([[cos, sin], [-sin, cos]]) + [thing.x, thing.y]
            low.append([*turned.min(axis=0), thing.z + a[2]])
            high.append([*turned.max(axis=0), thing.z + b[2]])
            velocity.append([thing.speed * cos, thing.speed * sin, 0])
            names.append(f"{thing.kind} {row}")
    per_second = np.array(velocity) / 1000 / TICK_S
    return np.array(low) / 1000, np.array(high) / 1000, per_second, names
