"""One contract, run against every reader. A new data set joins by adding a line to ``SOURCES``."""

import json
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from tests.conftest import real_data_folder
from tests.scene.readers import av2_log, occupancy_roots, py123d_log
from tests.scene.readers.nuscenes_root import Root
from tests.scene.rich_clip import rich_clip

import roadloom
from roadloom.errors import MissingInput, NotRecorded
from roadloom.geometry.pose import Pose
from roadloom.io.image import read_image
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import KNOWN_IDS
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.compare import clips_differ
from roadloom.scene.reader import EXTRA_IMAGES
from roadloom.scene.source import Source, SourceName
from roadloom.scene.sweep import Sweep
from roadloom.town.config import TownConfig
from roadloom.town.source import TownSource

Value = TypeVar("Value")
KEY_REACH_NS = 100_000_000
SENSOR_FILES = (".jpg", ".jpeg", ".png", ".bin", ".npz", ".npy")


def _town(_: Path) -> Source:
    small = TownConfig(image_scale=0.02, duration_s=1.0, camera_hz=2, lidar_hz=2, rays_per_pixel=1)
    return Source(SourceName("town-v1", "val", None), TownSource("val", small))


def _nuscenes(folder: Path) -> Source:
    return roadloom.open(f"nuscenes:{Root().write(folder / 'root')}")


def _av2(folder: Path) -> Source:
    return roadloom.open(f"av2:{av2_log.write_log(folder).folder}")


def _folder(folder: Path) -> Source:
    rich_clip(folder, origin=5e6).save(folder / "clip")
    return roadloom.open(f"folder:{folder}/clip")


def _py123d(folder: Path) -> Source:
    pytest.importorskip("py123d", reason="the extra py123d is not installed")
    mine = rich_clip(folder, origin=1000.0)
    return roadloom.open(f"py123d:{py123d_log.write(mine, folder / 'root')}")


def _occ3d(folder: Path) -> Source:
    return roadloom.open(f"occ3d:{occupancy_roots.write_occ3d(folder)}")


def _occ3d_waymo(folder: Path) -> Source:
    return roadloom.open(f"occ3d_waymo:{occupancy_roots.write_waymo(folder)}")


def _carla_sc(folder: Path) -> Source:
    return roadloom.open(f"carla_sc:{occupancy_roots.write_carla(folder)}")


def _semantickitti(folder: Path) -> Source:
    return roadloom.open(f"semantickitti:{occupancy_roots.write_kitti(folder)}")


def _real(source: str) -> Callable[[Path], Source]:
    def open_real(_: Path) -> Source:
        data = real_data_folder()
        if data is None:
            pytest.skip("no real recordings: set ROADLOOM_REAL_DATA to the folder that holds them")
        kind, _colon, place = source.partition(":")
        return roadloom.open(f"{kind}:{data / place}")

    return open_real


def _layouts(folder: Path) -> Source:
    """The first key frames of the real scene: all forty take seconds under the type checker."""
    whole = _real("layouts:nuscenes_layouts")(folder)
    data = json.loads((Path(whole.name.place) / f"{whole.scenes[0]}.json").read_text())
    data["frames"] = data["frames"][:5]
    (folder / "layouts").mkdir()
    (folder / "layouts/scene-0103.json").write_text(json.dumps(data))
    return roadloom.open(f"layouts:{folder}/layouts")


SOURCES: dict[str, Callable[[Path], Source]] = {
    "town-v1": _town,
    "nuscenes made": _nuscenes,
    "nuscenes real": _real("nuscenes:nuscenes"),
    "av2 made": _av2,
    "av2 real": _real("av2:av2/sensor/val"),
    "layouts real": _layouts,
    "folder": _folder,
    "occ3d made": _occ3d,
    "occ3d real": _real("occ3d:occ3d_nuscenes"),
    "occ3d_waymo made": _occ3d_waymo,
    "carla_sc made": _carla_sc,
    "semantickitti made": _semantickitti,
    "semantickitti real": _real("semantickitti:semantickitti"),
    "py123d made": _py123d,
}


@pytest.fixture(scope="module", params=SOURCES)
def source(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Source]:
    folder = tmp_path_factory.mktemp("source")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROADLOOM_CACHE", str(folder / "cache"))
        yield SOURCES[request.param](folder)


@pytest.fixture(scope="module")
def clip(source: Source) -> Clip:
    return source[0]


def sensors(clip: Clip) -> list[str]:
    return [*clip.rig.camera_names, *clip.rig.lidar_names]


def a_few(count: int) -> list[int]:
    """First, second, middle, last."""
    return sorted({0, 1, count // 2, count - 1} & set(range(count)))


def recorded(read: Callable[[], Value]) -> Value | None:
    """What reading gives; None where it was not recorded or, in a cut-down piece, is absent."""
    try:
        return read()
    except (NotRecorded, MissingInput):
        return None


def assert_proper(pose: Pose) -> None:
    assert pose.rotation.dtype == pose.translation.dtype == np.float64
    assert np.isfinite(pose.translation).all()
    identity = pose.rotation @ np.swapaxes(pose.rotation, -1, -2)
    np.testing.assert_allclose(
        identity, np.broadcast_to(np.eye(3), identity.shape), rtol=0, atol=1e-6
    )
    assert (np.linalg.det(pose.rotation) > 0).all()


def test_a_source_counts_and_names_its_scenes(source: Source) -> None:
    assert len(source) == len(source.scenes) == len(set(source.scenes)) > 0
    assert source[0].scene_id == source.scenes[0]
    assert source[-1].scene_id == source.scenes[-1]
    assert source.clip(source.scenes[0]).scene_id == source.scenes[0]
    assert [clip.scene_id for clip in source[:2]] == list(source.scenes[:2])
    with pytest.raises(IndexError):
        source[len(source)]
    with pytest.raises(MissingInput, match="no-such"):
        source.clip("no-such")
    with pytest.raises(MissingInput):
        source.reader.open_scene("no-such")


def test_a_clip_says_what_it_is(clip: Clip) -> None:
    meta = clip.meta
    assert meta.licence and ":" in meta.source
    assert json.loads(json.dumps(meta.attributes, allow_nan=False)) == meta.attributes
    assert_proper(meta.our_from_vehicle)
    assert meta.lidar is None or meta.lidar in clip.rig.lidar_names
    assert clip.scene_id in repr(clip) and str(len(clip)) in repr(clip)


def test_reading_twice_gives_the_same(source: Source) -> None:
    assert clips_differ(source[0], source[0]) == []


def test_save_open_compare(source: Source, tmp_path: Path) -> None:
    """The gaps of a cut-down piece are kept; everything else comes back bit for bit."""
    clip = source[0]
    clip.save(tmp_path / "saved", partial=True)
    assert clips_differ(clip, roadloom.open(f"folder:{tmp_path}/saved")[0]) == []


def test_a_whole_real_layout_comes_back(tmp_path: Path) -> None:
    clip = _real("layouts:nuscenes_layouts")(tmp_path)[0]
    assert len(clip) == 40
    clip.save(tmp_path / "saved")
    assert clips_differ(clip, roadloom.open(f"folder:{tmp_path}/saved")[0]) == []


def test_time_rises(clip: Clip) -> None:
    assert len(clip) > 0
    assert (np.diff(clip.times_ns) > 0).all()
    assert (np.diff(clip.ego.time_ns) > 0).all()
    for sensor in sensors(clip):
        assert (np.diff(clip.reader.records(sensor).time_ns) > 0).all(), sensor


def test_poses_are_proper(clip: Clip) -> None:
    assert_proper(clip.ego.world_from_ego)
    for sensor in sensors(clip):
        assert_proper(clip.reader.records(sensor).world_from_ego)
    for key in a_few(len(clip)):
        assert_proper(clip[key].world_from_ego)
        if (boxes := recorded(lambda key=key: clip[key].boxes)) is not None:
            assert_proper(boxes.pose)


def test_the_path_reaches_every_key_frame_and_agrees_with_it(clip: Clip) -> None:
    on_path = clip.ego.at(clip.times_ns)
    for key in range(len(clip)):
        frame = clip[key].world_from_ego
        np.testing.assert_allclose(frame.translation, on_path.translation[key], rtol=0, atol=1e-6)
        np.testing.assert_allclose(frame.rotation, on_path.rotation[key], rtol=0, atol=1e-8)


def test_past_the_end_is_an_index_error(clip: Clip) -> None:
    for wrong in (len(clip), -len(clip) - 1):
        with pytest.raises(IndexError):
            clip[wrong]
    for stream in (*clip.images.values(), *clip.sweeps.values()):
        with pytest.raises(IndexError):
            stream[len(stream)]
    for streams in (clip.images, clip.sweeps):
        with pytest.raises(MissingInput):
            streams["NO_SUCH_SENSOR"]


def test_records_of_key_frames_are_of_their_time(clip: Clip) -> None:
    for sensor in sensors(clip):
        records = clip.reader.records(sensor)
        assert len(records.key) == len(clip)
        has = records.key >= 0
        away = np.abs(records.time_ns[records.key[has]] - clip.times_ns[has])
        assert (away <= (0 if sensor == clip.meta.lidar else KEY_REACH_NS)).all(), sensor


def test_sweeps_are_those_of_their_records(clip: Clip) -> None:
    for lidar, stream in clip.sweeps.items():
        for index in a_few(len(stream)):
            sweep = recorded(lambda index=index, stream=stream: stream[index])
            if sweep is None:
                continue
            records = clip.reader.records(lidar)
            assert sweep.time_ns == records.time_ns[index]
            assert np.array_equal(
                sweep.world_from_ego.translation, records.world_from_ego.translation[index]
            )
            assert_sound(sweep)


def assert_sound(sweep: Sweep) -> None:
    assert len(sweep) > 0 and sweep.points.dtype == np.float32
    assert np.isfinite(sweep.points[sweep.returned]).all()
    known = sweep.intensity[~np.isnan(sweep.intensity)]
    assert ((known >= 0) & (known <= 1)).all()
    assert (np.abs(sweep.point_time_ns - sweep.time_ns) < 200_000_000).all()
    assert sweep.label is None or KNOWN_IDS[sweep.label].all()
    for origin in sweep.origins:
        assert_proper(origin.ego_from_lidar)


def test_the_frame_s_points_are_in_its_own_ego_frame(clip: Clip) -> None:
    for key in a_few(len(clip)):
        frame = clip[key]
        if (sweep := recorded(frame.lidar)) is not None:
            assert sweep.time_ns == frame.time_ns
            assert np.array_equal(
                sweep.world_from_ego.translation, frame.world_from_ego.translation
            )


def test_images_have_the_size_of_their_calibration(clip: Clip, tmp_path: Path) -> None:
    for camera, stream in clip.images.items():
        lens = clip.rig.camera(camera).camera
        for index in a_few(len(stream))[:2]:
            image = stream[index]
            assert image.time_ns == stream.times_ns[index] and image.mount.name == camera
            pixels = recorded(lambda image=image: image.pixels)
            if pixels is None:
                continue
            assert pixels.shape == (lens.height, lens.width, 3) and pixels.dtype == np.uint8
            encoded = clip.reader.image_bytes(camera, index)
            if encoded is not None:
                copy = tmp_path / f"{camera}{index}{encoded[1]}"
                copy.write_bytes(encoded[0])
                assert np.array_equal(read_image(copy), pixels)


def test_boxes_are_sound(clip: Clip) -> None:
    for key in range(len(clip)):
        boxes = recorded(lambda key=key: clip[key].boxes)
        if boxes is None:
            continue
        assert boxes.time_ns == clip.times_ns[key]
        assert np.isfinite(boxes.pose.rotation).all() and boxes.size.dtype == np.float64
        assert KNOWN_IDS[boxes.class_id].all() and not (boxes.class_id == 0).any()
        for names in (boxes.track_id, boxes.token):
            named = names[names != ""]
            assert len(np.unique(named)) == len(named)


def test_at_a_key_frame_s_time_is_that_frame(clip: Clip) -> None:
    for key in a_few(len(clip)):
        frame = clip.at(int(clip.times_ns[key]))
        assert frame.key == key
        if (boxes := recorded(lambda key=key: clip[key].boxes)) is not None:
            assert frame.boxes.same_as(boxes)


def test_boxes_run_through_the_key_frames_without_a_jump(clip: Clip) -> None:
    """Within a microsecond nothing moves by more than a tenth of a millimetre."""
    compared = 0
    for key in a_few(len(clip)):
        boxes = recorded(lambda key=key: clip[key].boxes)
        if boxes is None:
            continue
        for aside in (-1000, 1000):
            time = int(clip.times_ns[key]) + aside
            if not clip.ego.time_ns[0] <= time <= clip.ego.time_ns[-1]:
                continue
            near = recorded(lambda time=time: clip.at(time).boxes)
            if near is not None:
                compared += assert_close(boxes, near)
    tracked = recorded(lambda: clip[0].boxes)
    if len(clip) > 1 and tracked is not None and (tracked.track_id != "").any():
        assert compared


def assert_close(boxes: Boxes, near: Boxes) -> int:
    assert set(near.track_id) <= set(boxes.track_id) - {""}
    rows = [boxes.track_id.tolist().index(track) for track in near.track_id.tolist()]
    same = boxes[np.array(rows, np.int64)]
    np.testing.assert_allclose(near.pose.translation, same.pose.translation, rtol=0, atol=1e-4)
    np.testing.assert_allclose(near.pose.rotation, same.pose.rotation, rtol=0, atol=1e-4)
    assert np.array_equal(near.class_id, same.class_id)
    return len(near)


def test_what_was_not_recorded_says_so(clip: Clip) -> None:
    """Every field answers or raises ``NotRecorded``; files of cut-down pieces are missing."""
    frame = clip[len(clip) - 1]
    reads: list[Callable[[], object]] = [lambda: clip.map, lambda: frame.boxes, frame.lidar]
    reads += [lambda grid=grid: frame.occupancy(grid) for grid in clip.occupancy_grids]
    for camera in clip.rig.camera_names:
        reads.append(lambda camera=camera: frame.image(camera).pixels)
        reads += [lambda c=camera, k=kind: frame.extra_image(k, c) for kind in EXTRA_IMAGES]
    answers = [recorded(read) is not None for read in reads]
    assert any(answers)
    assert set(frame.images) <= set(clip.rig.camera_names)


def test_copies_are_small_and_read_the_same(source: Source) -> None:
    clip = source[0]
    read = recorded(lambda: clip[0].boxes)
    for thing in (source, clip, clip[0]):
        assert len(pickle.dumps(thing)) < 1_000_000
    again: Clip = pickle.loads(pickle.dumps(source))[0]
    frame: Frame = pickle.loads(pickle.dumps(clip[0]))
    assert again.rig == clip.rig and np.array_equal(again.times_ns, clip.times_ns)
    if read is not None:
        assert frame.boxes.same_as(read) and again[0].boxes.same_as(read)


@pytest.fixture(scope="session")
def opened() -> list[list[str]]:
    """A stack of lists: names of files go to the top one. A hook cannot be taken out again."""
    lists: list[list[str]] = []

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if lists and event == "open":
            lists[-1].append(str(arguments[0]))

    sys.addaudithook(hook)
    return lists


def test_opening_reads_no_sensor_file(source: Source, opened: list[list[str]]) -> None:
    opened.append([])
    clip = source[0]
    assert clip[0].time_ns == clip.times_ns[0]
    names = [name for name in opened.pop() if "cache" not in Path(name).parts]  # an index is there
    assert [n for n in names if n.endswith(SENSOR_FILES) or "/sensors/lidar/" in n] == []
