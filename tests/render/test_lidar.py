"""LiDAR in occupancy: brute force as the judge, both ways of casting, and laws."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from roadloom.errors import BadInput, MissingExtra, NotRecorded
from roadloom.geometry.box import inside
from roadloom.geometry.interpolate import PoseTrack, blend
from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.render.lidar import CastSweep, Fate, cast_sweep
from roadloom.render.moving import Movers, movers_of
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import UNKNOWN, class_id
from roadloom.scene.occupancy import Occupancy
from roadloom.sensors.lidar import SpinningLidar
from roadloom.sensors.rig import MountedLidar

CAR, WALL, ROAD = (class_id(n) for n in ("vehicle.car", "structure.building", "flat.drivable"))
GRID = VoxelGrid(lower_m=(-6.0, -6.0, -1.0), cell_m=(0.4, 0.4, 0.4), shape=(30, 30, 8))
NOW = 1_700_000_000_123_456_789
TURN_NS = 100_000_000


def device(columns: int = 24, beams: int = 6, **fields: object) -> SpinningLidar:
    numbers: dict[str, object] = {
        "name": "test", "elevations_rad": np.linspace(0.15, -0.4, beams),
        "azimuth_offsets_rad": np.zeros(beams), "firing_offsets_s": np.arange(beams) * 1e-4,
        "columns": columns, "turn_s": TURN_NS * 1e-9, "direction": "counter-clockwise",
        "start_azimuth_rad": 0.3, "min_range_m": 0.0, "max_range_m": 100.0,
    }  # fmt: skip
    return SpinningLidar(**(numbers | fields))  # type: ignore[arg-type]


def mounted(
    lidar: SpinningLidar | None = None, at: tuple[float, ...] = (0.1, 0.05, 0.7)
) -> MountedLidar:
    return MountedLidar(
        name="TOP", lidar=lidar or device(), trigger_offset_ns=-TURN_NS // 2,
        ego_from_lidar=Pose(rotation_from_yaw(np.array(0.2)), np.array(at)),
    )  # fmt: skip


def occupancy(labels: np.ndarray, **fields: object) -> Occupancy:
    return Occupancy(grid=GRID, labels=labels, **fields)  # type: ignore[arg-type]


def scattered(seed: int, share: float = 0.04) -> Occupancy:
    rng = np.random.default_rng(seed)
    dice = rng.random(GRID.shape)
    some = rng.choice([CAR, WALL, ROAD], GRID.shape)
    labels = np.where(dice < share, some, np.where(dice < 2 * share, UNKNOWN, 0)).astype(np.uint8)
    labels[13:18, 13:18, 2:] = 0
    return occupancy(labels)


def drive(speed: float = 12.0, turn: float = 1.5) -> PoseTrack:
    """Far from the world's origin, as recordings are."""
    times = NOW + np.arange(-20, 21, dtype=np.int64) * 17_000_000
    s = (times - NOW) / 1e9
    place = np.stack([4000 + speed * s, -900 + 0.5 * s, 0.2 * s], axis=-1)
    return PoseTrack(time_ns=times, world_from_ego=Pose(rotation_from_yaw(0.4 + turn * s), place))


def traffic(seed: int) -> tuple[Boxes, list[Boxes]]:
    """Three boxes: two that are tracked to both ends of the turn, one by its velocity alone."""
    rng = np.random.default_rng(seed)
    place = np.array([[3.0, 2.5, 0.3], [-3.5, 1.0, 0.6], [1.0, -4.0, 0.5]])
    size = np.array([[2.5, 1.6, 1.6], [3.0, 2.0, 2.0], [1.5, 1.5, 1.5]])
    yaw = rng.uniform(-3, 3, 3)
    velocity = np.array([[9.0, 2.0, 0.0], [-7.0, 1.0, 0.0], [0.0, 12.0, 0.0]])

    def at(time_ns: int, rows: slice) -> Boxes:
        s = (time_ns - NOW) / 1e9
        pose = Pose(rotation_from_yaw(yaw + 2.0 * s), place + velocity * s)
        return Boxes.make(
            time_ns, np.full(3, CAR), pose, size, velocity=velocity,
            track_id=np.array(["a", "b", "c"]),
        )[rows]  # fmt: skip

    everyone, tracked = slice(None), slice(0, 2)
    ends = (NOW - TURN_NS // 2, NOW + TURN_NS // 2)
    return at(NOW, everyone), [at(t, tracked) for t in ends]


def filled(scene: Occupancy, boxes: Boxes) -> Occupancy:
    """With matter in half the cells of each box."""
    held = inside(GRID.centers().reshape(-1, 3), boxes.pose, boxes.size).any(axis=0)
    held &= np.random.default_rng(1).random(held.shape) < 0.5
    labels = np.where(held.reshape(GRID.shape), np.uint8(CAR), scene.labels)
    return replace(scene, labels=labels)


def slabs(origin: np.ndarray, way: np.ndarray, cells: np.ndarray) -> tuple[float, int]:
    """The nearest of some cells on one ray: distance (infinite: none) and its row."""
    if not len(cells):
        return np.inf, -1
    low = np.array(GRID.lower_m) + cells * np.array(GRID.cell_m)
    high = np.array(GRID.lower_m) + (cells + 1) * np.array(GRID.cell_m)
    with np.errstate(divide="ignore"):
        one, other = (low - origin) / way, (high - origin) / way
    near = np.maximum(np.minimum(one, other).max(axis=-1), 0.0)
    near[near >= np.maximum(one, other).min(axis=-1)] = np.inf
    return float(near.min()), int(near.argmin())


def at_time(movers: Movers, number: int, time_ns: int) -> Pose:
    knots = movers.knots_ns
    piece = int(np.clip(np.searchsorted(knots, time_ns, side="right") - 1, 0, len(knots) - 2))
    share = (time_ns - knots[piece]) / (knots[piece + 1] - knots[piece])
    return blend(movers.path[number, piece], movers.path[number, piece + 1], share)


def brute(
    scene: Occupancy, mount: MountedLidar, ego: PoseTrack | None, movers: Movers | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every ray against every cell, each pose worked out on its own: range, cell and mover."""
    assert mount.lidar is not None
    beams, offsets = mount.lidar.rays()
    owner = np.full(GRID.shape, -1) if movers is None else movers.owner
    cells = np.argwhere(scene.occupied)
    whose = owner[tuple(cells.T)]
    ranges, found, met = np.full(beams.shape[:2], np.inf), np.full(beams.shape, -1), []
    for at in np.ndindex(*beams.shape[:2]):
        time_ns = NOW + mount.trigger_offset_ns + int(offsets[at])
        pose = Pose.identity()
        if ego is not None:
            pose, now = ego.at(np.array([time_ns]))[0], ego.at(np.array([NOW]))[0]
            pose = now.inverse() @ pose
        pose = pose @ mount.ego_from_lidar
        origin, way = pose.translation, pose.rotate(beams[at][None])[0]
        best = -1
        for number in range(-1, 0 if movers is None else len(movers)):
            start, turned = origin, way
            if number >= 0:
                assert movers is not None
                there = movers.grid_from_box[number] @ at_time(movers, number, time_ns).inverse()
                start, turned = there.apply(origin[None])[0], there.rotate(way[None])[0]
            mine = cells[whose == number]
            distance, row = slabs(start, turned, mine)
            if distance < ranges[at]:
                ranges[at], found[at], best = distance, mine[row], number
        met.append(best)
    return ranges, found, np.array(met).reshape(beams.shape[:2])


def check(found: CastSweep, scene: Occupancy, ego: PoseTrack | None, movers: Movers | None) -> None:
    ranges, cells, met = brute(scene, found.mount, ego, movers)
    assert (np.isfinite(ranges) == found.returned).all() and found.returned.mean() > 0.3
    assert np.abs(found.range_m[found.returned] - ranges[found.returned]).max() < 1e-9
    assert (found.cell == cells).all() and (found.mover == met).all()
    labels = scene.labels[tuple(found.cell[found.returned].T)]
    assert (found.label[found.returned] == labels).all() and (
        found.label[~found.returned] == 0
    ).all()
    angle = found.incidence_rad[found.returned]
    assert (angle >= 0).all() and (angle <= np.pi / 2).all()


ALL = pytest.mark.parametrize("where", [None, pytest.param("cuda", marks=pytest.mark.gpu)])


def skip_without(where: str | None) -> None:
    if where == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device: the path of GPUs was tried on torch's CPU only")


@ALL
@pytest.mark.parametrize("seed", range(2))
def test_a_turn_equals_brute_force_while_all_stands(seed: int, where: str | None) -> None:
    skip_without(where)
    scene = scattered(seed)
    check(cast_sweep(scene, mounted(), time_ns=NOW, device=where), scene, None, None)


@ALL
@pytest.mark.parametrize("seed", range(2))
def test_a_turn_equals_brute_force_while_the_ego_and_boxes_move(
    seed: int, where: str | None
) -> None:
    skip_without(where)
    boxes, others = traffic(seed)
    scene = filled(scattered(seed), boxes)
    movers = movers_of(scene, boxes, others)
    assert movers is not None and len(movers) == 3
    found = cast_sweep(
        scene, mounted(), time_ns=NOW, ego=drive(), movers=movers, device=where
    )  # fmt: skip
    check(found, scene, drive(), movers)
    assert all((found.mover == number).sum() > 2 for number in range(3))


def test_threads_and_torch_answer_to_the_last_bit_alike() -> None:
    scene, (boxes, others) = scattered(5), traffic(5)
    more = {"time_ns": NOW, "ego": drive(), "movers": movers_of(scene, boxes, others)}
    first = cast_sweep(scene, mounted(), **more)
    for way in ({"num_threads": 3}, {"device": "cpu"}):
        other = cast_sweep(scene, mounted(), **more, **way)
        for name in ("range_m", "label", "incidence_rad", "fate", "cell", "mover", "origins"):
            assert np.array_equal(
                getattr(first, name), getattr(other, name), equal_nan=name == "incidence_rad"
            ), name


@pytest.mark.parametrize("step, start", [(TURN_NS // 50, -1.1), (-TURN_NS // 50, 0.7)])
def test_a_path_that_ends_before_the_turn_does_is_continued(step: int, start: float) -> None:
    """At constant velocity it does not matter which moments the path was told at."""
    place, speed = Pose(np.eye(3)[None], np.array([[3.0, 0.0, 0.4]])), np.array([[0.0, 40.0, 0.0]])
    boxes = Boxes.make(
        NOW, np.array([CAR]), place, np.array([[1.0, 1.0, 1.0]]), velocity=speed,
        track_id=np.array(["a"]),
    )  # fmt: skip
    scene = filled(occupancy(np.zeros(GRID.shape, np.uint8)), boxes)
    mount = mounted(device(180, 4, start_azimuth_rad=start), at=(0.0, 0.0, 0.5))
    whole, short = (
        movers_of(scene, boxes, [Boxes.empty(NOW + at) for at in moments])
        for moments in ((-TURN_NS, TURN_NS), (step,))
    )
    first = cast_sweep(scene, mount, time_ns=NOW, movers=whole)
    assert (first.mover == 0).sum() > 5
    again = cast_sweep(scene, mount, time_ns=NOW, movers=short)
    assert np.array_equal(first.mover, again.mover)
    np.testing.assert_allclose(first.range_m, again.range_m, rtol=0, atol=1e-9)


@pytest.mark.parametrize("time_ns", [-(2**63), 2**63 - 1, 2**63 - TURN_NS // 4, 2**70])
def test_times_beyond_64_bits_are_refused(time_ns: int) -> None:
    with pytest.raises(BadInput, match="does not fit into 64 bits") as caught:
        cast_sweep(scattered(1), mounted(), time_ns=time_ns)
    assert caught.value.field == "time_ns"


def test_a_wall_reads_its_distance_along_the_normal() -> None:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[27] = WALL  # its near face is at -6 + 27 * 0.4 = 4.8 m
    lidar = device(360, 3, elevations_rad=np.array([0.3, 0.0, -0.2]), start_azimuth_rad=-0.2,
                   firing_offsets_s=np.zeros(3))  # fmt: skip
    found = cast_sweep(occupancy(labels), mounted(lidar), time_ns=NOW)
    cosine = found.directions[..., 0]
    hit = found.returned
    assert hit.sum() > 100
    assert np.abs(found.range_m[hit] * cosine[hit] - 4.7).max() < 1e-12
    assert np.abs(np.cos(found.incidence_rad) - cosine)[hit].max() < 1e-12
    assert abs(found.range_m[0, 1] - 4.7) < 1e-12 and found.incidence_rad[0, 1] < 1e-7
    assert np.abs(found.points[hit][:, 0] - 4.8).max() < 1e-12


def test_a_device_at_rest_sees_what_a_frozen_one_sees() -> None:
    scene = scattered(8)
    still = PoseTrack(
        time_ns=NOW + np.array([-TURN_NS, TURN_NS]),
        world_from_ego=Pose(rotation_from_yaw(np.full(2, 0.7)), np.full((2, 3), 5.0)),
    )  # fmt: skip
    boxes, _ = traffic(8)
    parked = replace(boxes, velocity=np.zeros((3, 3)))
    assert movers_of(scene, parked, [replace(parked, time_ns=NOW - TURN_NS)]) is None
    frozen = cast_sweep(scene, mounted(), time_ns=NOW)
    rolling = cast_sweep(scene, mounted(), time_ns=NOW, ego=still)
    assert (frozen.cell == rolling.cell).all() and (frozen.fate == rolling.fate).all()
    assert np.abs(frozen.range_m[frozen.returned] - rolling.range_m[frozen.returned]).max() < 1e-9


def test_a_car_is_where_it_drives_to_while_the_turn_lasts() -> None:
    """A board ahead that comes nearer at v: what the ray fired dt after now reads is v dt less."""
    labels = np.zeros(GRID.shape, np.uint8)
    labels[25, :, 2:7] = CAR
    middle = np.array([[-6 + 25.5 * 0.4, 0.0, 0.8]])
    boxes = Boxes.make(
        NOW, np.array([CAR]), Pose(np.eye(3)[None], middle), np.array([[0.4, 12.1, 2.1]]),
        velocity=np.array([[-10.0, 0.0, 0.0]]),
    )  # fmt: skip
    lidar = device(360, 1, elevations_rad=np.zeros(1), start_azimuth_rad=0.0,
                   firing_offsets_s=np.zeros(1))  # fmt: skip
    found = cast_sweep(
        occupancy(labels), mounted(lidar), time_ns=NOW, movers=movers_of(occupancy(labels), boxes, [
            Boxes.empty(NOW - TURN_NS // 2)])
    )  # fmt: skip
    hit = found.mover == 0
    assert hit.sum() > 60 and (found.returned == hit).all()
    seconds = (found.ray_time_ns - NOW) / 1e9
    assert np.abs(found.points[..., 0] - (4.0 - 10.0 * seconds))[hit].max() < 1e-9
    assert np.ptp(found.points[hit][:, 0]) > 0.5  # across the columns


def test_what_a_mover_leaves_is_free_and_what_it_hides_comes_into_sight() -> None:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[25, :, :] = WALL
    labels[20, 14:17, 2:7] = CAR
    middle = np.array([[-6 + 20.5 * 0.4, 0.2, 0.8]])
    boxes = Boxes.make(
        NOW, np.array([CAR]), Pose(np.eye(3)[None], middle), np.array([[0.5, 1.3, 2.1]]),
        velocity=np.array([[0.0, 300.0, 0.0]]),
    )  # fmt: skip
    lidar = device(120, 1, elevations_rad=np.zeros(1), start_azimuth_rad=-0.2,
                   firing_offsets_s=np.zeros(1))  # fmt: skip
    mount = replace(mounted(lidar), trigger_offset_ns=0)
    scene = occupancy(labels)
    frozen = cast_sweep(scene, mount, time_ns=NOW)
    movers = movers_of(scene, boxes, [Boxes.empty(NOW + TURN_NS)])
    rolling = cast_sweep(scene, mount, time_ns=NOW, movers=movers)
    gone = (frozen.label == CAR) & (rolling.label == WALL)
    assert (frozen.label == CAR).sum() >= 4 and gone.sum() >= 3
    assert (rolling.label[0] == frozen.label[0]).all()  # at that moment it is still there


def test_a_scene_turned_by_quarters_turns_the_columns() -> None:
    scene = scattered(11)
    lidar = device(80, firing_offsets_s=np.zeros(6))
    mount = mounted(lidar, (0.0, 0.0, 0.7))
    first = cast_sweep(scene, mount, time_ns=NOW)
    turned = occupancy(np.ascontiguousarray(np.rot90(scene.labels, 1)))  # +90 degrees about z
    second = cast_sweep(turned, mount, time_ns=NOW)
    moved = np.roll(first.range_m, 20, axis=0)
    assert np.isfinite(moved).sum() > 100
    assert np.array_equal(np.isfinite(moved), second.returned)
    assert np.abs(moved[second.returned] - second.range_m[second.returned]).max() < 1e-9
    assert (np.roll(first.label, 20, axis=0) == second.label).all()


def test_ranges_that_the_device_does_not_measure_are_told_apart() -> None:
    scene = scattered(3)
    every = cast_sweep(scene, mounted(), time_ns=NOW)
    cut = cast_sweep(scene, mounted(device(min_range_m=2.0, max_range_m=4.0)), time_ns=NOW)
    reach = every.range_m
    assert (cut.fate[reach < 2] == Fate.TOO_NEAR).all() and (reach < 2).any()
    assert (cut.fate[(reach > 4) & np.isfinite(reach)] == Fate.TOO_FAR).all()
    assert ((cut.fate == Fate.MISSED) == (every.fate == Fate.MISSED)).all()
    assert (every.fate == Fate.MISSED).any() and (cut.fate == Fate.TOO_FAR).any()
    lost = cut.fate != Fate.RETURNED
    assert np.isinf(cut.range_m[lost]).all() and np.isnan(cut.points[lost]).all()
    assert np.isnan(cut.incidence_rad[lost]).all() and (cut.cell[lost] == -1).all()


def test_a_ray_that_begins_in_a_cell_has_no_angle() -> None:
    labels = np.full(GRID.shape, WALL, np.uint8)
    found = cast_sweep(occupancy(labels), mounted(), time_ns=NOW)
    assert (
        (found.range_m == 0).all() and np.isnan(found.incidence_rad).all() and found.returned.all()
    )


def test_the_sweep_holds_the_same_points_with_and_without_the_ego_motion() -> None:
    scene, ego = scattered(4), drive()
    found = cast_sweep(scene, mounted(), time_ns=NOW, ego=ego)
    sweep, raw = found.sweep(), found.sweep(motion_compensated=False)
    assert len(sweep) == found.returned.sum() and sweep.motion_compensated
    assert sweep.label is not None and (sweep.label == found.label[found.returned]).all()
    assert np.abs(sweep.points - found.points[found.returned]).max() < 1e-5
    carried = ego.at(raw.point_time_ns).apply(raw.points[:, None].astype(np.float64))[:, 0]
    there = sweep.world_from_ego.apply(sweep.points.astype(np.float64))
    assert np.abs(carried - there).max() < 1e-5 and np.abs(raw.points - sweep.points).max() > 0.1
    assert (sweep.ring == np.nonzero(found.returned)[1]).all()
    every = found.sweep(lost=True)
    assert len(every) == found.fate.size and (every.returned == found.returned.ravel()).all()
    far = np.sqrt(((every.points - found.origins.reshape(-1, 3)) ** 2).sum(axis=-1))
    assert np.abs(far[~every.returned] - 100).max() < 1e-3


def test_another_frame_of_the_grid_changes_no_range() -> None:
    scene = scattered(9)
    pose = Pose(rotation_from_yaw(np.array(-1.1)), np.array([0.3, 0.1, -0.2]))  # grid_from_ego
    shifted = replace(mounted(), ego_from_lidar=pose.inverse() @ mounted().ego_from_lidar)
    one = cast_sweep(scene, mounted(), time_ns=NOW)
    other = cast_sweep(
        replace(scene, frame="lidar"), shifted, time_ns=NOW, grid_from_ego=pose
    )  # fmt: skip
    assert (one.cell == other.cell).all()
    assert (
        np.abs(pose.apply(other.origins.reshape(-1, 3)) - one.origins.reshape(-1, 3)).max() < 1e-12
    )
    assert np.abs(one.range_m[one.returned] - other.range_m[one.returned]).max() < 1e-9


def test_refusals_say_what_to_do() -> None:
    scene = scattered(0)
    with pytest.raises(NotRecorded, match="beams"):
        cast_sweep(scene, replace(mounted(), lidar=None), time_ns=NOW)
    with pytest.raises(BadInput, match="lidar frame"):
        cast_sweep(replace(scene, frame="lidar"), mounted(), time_ns=NOW)
    with pytest.raises(BadInput, match="outside"):
        cast_sweep(scene, mounted(), time_ns=NOW + 10**12, ego=drive())
    movers = movers_of(scene, *traffic(0))
    assert movers is not None
    with pytest.raises(BadInput, match="movers"):
        cast_sweep(scene, mounted(), time_ns=NOW,
                   movers=replace(movers, owner=movers.owner[:3]))  # fmt: skip
    with pytest.raises(BadInput, match="same"):
        movers_of(scene, traffic(0)[0], [Boxes.empty(NOW)])
    if not torch.cuda.is_available():
        with pytest.raises(MissingExtra, match="CUDA"):
            cast_sweep(scene, mounted(), time_ns=NOW, device="cuda")
    with pytest.raises(BadInput, match="torch device"):
        cast_sweep(scene, mounted(), time_ns=NOW, device="abacus")
