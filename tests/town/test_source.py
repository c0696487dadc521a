"""``town-v1`` as a source: quick to open, small to send, the same in every process."""

import hashlib
import pickle
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

import roadloom
from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.voxel_grid import CARLA_SC, OCC3D, VoxelGrid
from roadloom.scene.clip import Clip
from roadloom.town.config import TownConfig
from roadloom.town.plan.draw import PLACES, draw_plan
from roadloom.town.source import TownReader, TownSource
from roadloom.town.world import build_world

SMALL = TownConfig(image_scale=0.08, rays_per_pixel=1)


def run(code: str) -> str:
    done = subprocess.run(  # our own interpreter and code
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_opening_loads_neither_torch_nor_numba() -> None:
    code = (
        "import sys, roadloom; clip = roadloom.open('town-v1:val')[0]; frame = clip[3];"
        "len(clip); clip.rig; clip.attributes; frame.time_ns;"
        "print([m for m in ('torch', 'numba') if m in sys.modules])"
    )
    assert run(code) == "[]"


def test_scenes_are_named_by_number() -> None:
    for split, count in PLACES.items():
        source = roadloom.open(f"town-v1:{split}")
        assert source.scenes == tuple(str(i) for i in range(count))
    assert roadloom.open("town-v1:val:3")[0].scene_id == "3"
    with pytest.raises(MissingInput, match="town-v1:train"):
        roadloom.open("town-v1:valid")
    with pytest.raises(BadInput, match="no scene '999'"):
        roadloom.open("town-v1:val:999")
    with pytest.raises(MissingInput, match="no scene"):
        TownSource("val").open_scene("-1")


def test_the_first_code_block_of_the_readme_runs() -> None:
    clip = Clip(TownReader("val", 0, SMALL))
    frame = clip[3]
    assert frame.image("CAM_FRONT").pixels.shape == (72, 128, 3)
    assert len(frame.lidar()) > 15_000
    assert len(frame.boxes) > 10
    assert frame.occupancy(OCC3D).occupied.any()
    assert frame.layout(CARLA_SC) is not None
    assert len(frame.images) == 6
    depth = frame.extra_image("depth", "CAM_FRONT")
    assert depth.shape == (72, 128) and (depth > 0).all()
    assert clip.reader.occupancy_grids() == (OCC3D,)  # type: ignore[attr-defined]


def test_a_reader_travels_as_a_few_bytes_and_arrives_the_same() -> None:
    clip = Clip(TownReader("val", 0, SMALL))
    _ = clip[3].image("CAM_FRONT").pixels
    data = pickle.dumps(clip)
    assert len(data) < 1000
    arrived = pickle.loads(data)
    assert arrived[3].lidar().same_as(clip[3].lidar())
    assert arrived[3].boxes.same_as(clip[3].boxes)
    assert arrived.rig == clip.rig and arrived.attributes == clip.attributes


def test_records_are_staggered_around_the_key_frames() -> None:
    clip = Clip(TownReader("val", 0, SMALL))
    assert (np.diff(clip.times_ns) == 500_000_000).all() and len(clip) == 40
    sweeps = clip.sweeps["LIDAR_TOP"].records
    assert (np.diff(sweeps.time_ns) == 50_000_000).all() and len(sweeps) == 400
    np.testing.assert_array_equal(sweeps.time_ns[sweeps.key], clip.times_ns)
    for mounted in clip.rig.cameras:
        records = clip.images[mounted.name].records
        assert (np.diff(records.time_ns) == 100_000_000).all() and len(records) == 200
        np.testing.assert_array_equal(
            records.time_ns[records.key], clip.times_ns + mounted.trigger_offset_ns
        )
    offsets = {m.trigger_offset_ns for m in clip.rig.cameras}
    assert len(offsets) == 6 and min(offsets) < -40_000_000


def test_the_world_is_far_away_and_the_path_is_exact() -> None:
    clip = Clip(TownReader("val", 0, SMALL))
    for frame in (clip[0], clip[7]):
        assert np.abs(frame.world_from_ego.translation[:2]).max() > 100
        track = clip.ego.at(np.array([frame.time_ns], np.int64))[0]
        np.testing.assert_allclose(track.translation, frame.world_from_ego.translation, atol=1e-9)
        np.testing.assert_allclose(track.rotation, frame.world_from_ego.rotation, atol=1e-12)
    camera = clip.images["CAM_FRONT"].records
    between = clip.ego.at(camera.time_ns)
    # The track is sampled every 10 ms; between samples it is straight.
    np.testing.assert_allclose(between.translation, camera.world_from_ego.translation, atol=1e-4)
    ground = clip[3].lidar()
    low = ground.points[np.abs(ground.points[:, :2]).max(axis=1) < 8][:, 2]
    assert abs(np.median(low[low < 0.3])) < 0.1


def test_between_key_frames_boxes_are_exact() -> None:
    clip = Clip(TownReader("val", 0, SMALL))
    middle = clip.at(int(clip.times_ns[4]) + 230_000_000)
    reader = clip.reader
    assert isinstance(reader, TownReader)
    world = reader.world
    town_from_thing = world.town_from_thing(float(world.seconds(np.array([middle.time_ns]))[0]))
    town_from_ego = world.town_from_ego(np.array([middle.time_ns], np.int64))[0]
    rows = np.array([int(t.rpartition("-")[2]) for t in middle.boxes.track_id])
    assert len(rows) > 20
    expected = town_from_thing[rows].apply(world.box[0][rows][:, None])[:, 0]
    found = town_from_ego.apply(middle.boxes.pose.translation)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert (middle.boxes.num_lidar_points == -1).all() and (middle.boxes.visibility == 0).all()


def test_commands_hold_from_the_first_moment_on() -> None:
    clip = Clip(TownReader("val", 0, SMALL))
    assert {command for _, command in clip.commands} <= {"follow", "straight", "left", "right"}
    assert clip[0].command in {"follow", "straight", "left", "right"}
    assert clip[39].command == [c for begin, c in clip.commands if begin <= clip[39].time_ns][-1]


def test_a_fresh_process_makes_the_same_scene_as_one_that_came_from_scene_0() -> None:
    code = """
import hashlib
from roadloom.town.config import TownConfig
from roadloom.town.source import TownSource
source = TownSource("val", TownConfig(image_scale=0.08, rays_per_pixel=1))
for scene in {scenes}:
    reader = source.open_scene(scene)
    reader.world.plan.digest()
    h = hashlib.sha256(reader.sweep("LIDAR_TOP", 30).points.tobytes())
    h.update(reader.image("CAM_FRONT", 15).tobytes())
    h.update(reader.world.plan.digest().encode())
print(h.hexdigest())
"""
    fresh = run(code.format(scenes=["7"]))
    _ = TownReader("val", 0, SMALL).world.tables
    reader = TownReader("val", 7, SMALL)
    here = hashlib.sha256(reader.sweep("LIDAR_TOP", 30).points.tobytes())
    here.update(reader.image("CAM_FRONT", 15).tobytes())
    here.update(reader.world.plan.digest().encode())
    assert fresh == here.hexdigest()


GRID = VoxelGrid(lower_m=(-4.0, -4.0, -1.0), cell_m=(0.8, 0.8, 0.8), shape=(10, 10, 4))


@pytest.mark.parametrize("duration_s", [20.0, 3.0])
def test_moments_off_the_path_are_refused(duration_s: float) -> None:
    clip = Clip(TownReader("val", 11, TownConfig(image_scale=0.05, duration_s=duration_s)))
    reader, (first, last) = clip.reader, clip.ego.time_ns[[0, -1]].tolist()
    for off in (first - 1, last + 1, last + 10**12, 0, -(2**70), 2**70):
        for ask in (
            partial(reader.boxes_at, off),
            partial(reader.occupancy_at, off, GRID),
            partial(reader.occupancy_masks, off, GRID),
            partial(reader.occupancy_flow, off, first, GRID),
            partial(reader.occupancy_flow, first, off, GRID),
        ):
            with pytest.raises(BadInput, match="outside the path") as caught:
                ask()
            assert caught.value.field == "time_ns" and caught.value.remedy
    for end in (first, last):
        assert len(reader.boxes_at(end)) and (reader.occupancy_at(end, GRID).labels < 255).any()


def test_flow_reaches_to_the_ends_of_the_path_and_no_farther() -> None:
    clip = Clip(TownReader("val", 11, SMALL))
    for frame in (clip[0], clip[39]):
        spans = [(int(t) - frame.time_ns) / 1e9 for t in clip.ego.time_ns[[0, -1]]]
        for dt_s in spans:
            assert np.isfinite(frame.occupancy_flow(GRID, dt_s=dt_s)).any()
        for dt_s in (spans[0] - 1e-3, spans[1] + 1e-3, 30.0, 1000.0, -100.0):
            with pytest.raises(BadInput, match="outside the path") as caught:
                frame.occupancy_flow(GRID, dt_s=dt_s)
            assert caught.value.field == "dt_s" and caught.value.remedy


@pytest.mark.parametrize(
    "place", [("train", 844), ("train", 700), ("val", -1), ("best", 0), ("val", True)]
)
def test_a_world_that_is_no_clip_is_not_drawn(place) -> None:
    for draw in (draw_plan, build_world):
        with pytest.raises(MissingInput, match="no clip"):
            draw(*place)


def test_the_config_changes_what_is_seen_and_not_the_world() -> None:
    short = TownReader("val", 0, TownConfig(image_scale=0.05, duration_s=3.0, key_hz=1))
    clip = Clip(short)
    assert len(clip) == 3 and len(clip.sweeps["LIDAR_TOP"]) == 60
    whole = Clip(TownReader("val", 0, TownConfig(image_scale=0.05)))
    assert clip[1].lidar().same_as(whole[2].lidar())
    assert clip.rig.camera("CAM_FRONT").camera.width == 80
