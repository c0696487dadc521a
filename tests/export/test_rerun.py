"""Rerun recordings, read back by the SDK's own reader."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scene.rich_clip import GRID, HEIGHT, KEYS, WIDTH, rich_clip

from roadloom.errors import BadInput, MissingExtra
from roadloom.export.rerun import RerunOptions, export_rerun, write_recording
from roadloom.scene.clip import Clip
from roadloom.viewer.projection import still_points

ORIGIN = 5e6


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(MissingExtra, match=r"pip install 'roadloom.rerun.'"):
        export_rerun("town-v1:val:3", tmp_path / "out", RerunOptions())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flags", [{"image_width": 3}, {"map_range_m": -1.0}, {"grid": "no"}])
def test_bad_options(flags: dict) -> None:
    with pytest.raises(BadInput, match=r"--\w"):
        RerunOptions(**flags)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return rich_clip(tmp_path_factory.mktemp("clip"), origin=ORIGIN)


Rows = dict[str, list[dict[str, Any]]]


def read(path: Path) -> Rows:
    """Entity -> rows: short names of components, and ``time`` [ns] (None: static)."""
    chunk = pytest.importorskip("rerun.chunk", reason="rerun-sdk is not installed")
    found: Rows = {}
    for part in chunk.RrdReader(path).stream().to_chunks():
        batch = part.to_record_batch()
        for row in range(batch.num_rows):
            values: dict[str, Any] = {"time": None}
            for name in batch.schema.names:
                cell = batch.column(name)[row]
                if name == "time":
                    values["time"] = cell.value
                else:
                    values[name.rpartition(":")[2]] = cell.as_py()
            found.setdefault(part.entity_path, []).append(values)
    return found


@pytest.fixture(scope="module")
def native(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    pytest.importorskip("rerun", reason="rerun-sdk is not installed: recordings are untested")
    path = tmp_path_factory.mktemp("rrd") / "native.rrd"
    assert write_recording(clip, path, RerunOptions(rate="native")) == KEYS
    return read(path)


def times(rows: list[dict[str, Any]]) -> list[int]:
    return [row["time"] for row in rows if row["time"] is not None]


def test_entities(native: Rows) -> None:
    assert sorted(native) == [
        "/", "/about", "/fisheyes/CAM_LEFT", "/world", "/world/boxes", "/world/cameras/CAM_FRONT",
        "/world/ego", "/world/ego/vehicle", "/world/lidar/TOP", "/world/map/drivable_area",
        "/world/map/lane_divider", "/world/map/lanes", "/world/occupancy", "/world/path",
    ]  # fmt: skip


def test_every_record_at_its_own_time(native: Rows, clip: Clip) -> None:
    assert times(native["/world/ego"]) == clip.ego.time_ns.tolist()
    assert times(native["/world/lidar/TOP"]) == clip.sweeps["TOP"].times_ns.tolist()
    front = clip.images["CAM_FRONT"].times_ns.tolist()
    assert times(native["/world/cameras/CAM_FRONT"]) == front
    assert times(native["/fisheyes/CAM_LEFT"]) == clip.images["CAM_LEFT"].times_ns.tolist()
    for entity in ("/world/boxes", "/world/occupancy"):
        assert times(native[entity]) == clip.times_ns.tolist()


def placed(row: dict[str, Any], points: np.ndarray) -> np.ndarray:
    """Points of an entity in the file's world; matrices are stored by columns."""
    rotation = np.array(row["mat3x3"][0]).reshape(3, 3).T
    return points @ rotation.T + np.array(row["translation"][0])


def test_points_lie_where_they_were_measured(native: Rows, clip: Clip) -> None:
    for row, sweep in zip(native["/world/lidar/TOP"], clip.sweeps["TOP"], strict=True):
        hits = sweep[sweep.returned]
        world = sweep.world_from_ego.apply(still_points(hits, clip.ego)) - [ORIGIN, ORIGIN, 0]
        found = placed(row, np.array(row["positions"]))
        np.testing.assert_allclose(found, world, atol=1e-4)
        if hits.label is not None:
            assert row["class_ids"] == hits.label.tolist()
        else:
            assert len(row["colors"]) == len(hits)


def test_the_ego_pose(native: Rows, clip: Clip) -> None:
    ahead = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    for number in (0, 77, 159):
        row, pose = native["/world/ego"][number], clip.ego.world_from_ego[number]
        np.testing.assert_allclose(
            placed(row, ahead), pose.apply(ahead) - [ORIGIN, ORIGIN, 0], atol=1e-4
        )


def test_cameras(native: Rows, clip: Clip) -> None:
    lens, *images = native["/world/cameras/CAM_FRONT"]
    assert lens["time"] is None and lens["resolution"] == [[WIDTH, HEIGHT]]
    matrix = np.array(lens["image_from_camera"][0]).reshape(3, 3).T
    camera = clip.rig.camera("CAM_FRONT").camera
    # The viewer counts from the corner of a pixel.
    expected = camera.matrix + np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    np.testing.assert_allclose(matrix, expected, rtol=1e-6)
    for row, image in zip(images, clip.images["CAM_FRONT"], strict=True):
        middle = placed(row, np.zeros((1, 3)))
        at = image.world_from_camera.translation - [ORIGIN, ORIGIN, 0]
        np.testing.assert_allclose(middle, at[None], atol=1e-4)
        # Its file asks to be turned, which the viewer does not heed: it is encoded anew.
        assert pixels(row).shape == (HEIGHT, WIDTH, 3)
        assert abs(pixels(row).astype(float) - image.pixels).mean() < 12


def pixels(row: dict[str, Any]) -> np.ndarray:
    import io

    from PIL import Image

    data = np.array(row["blob"][0], np.uint8).tobytes()
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def test_boxes(native: Rows, clip: Clip) -> None:
    first, boxes = native["/world/boxes"][0], clip[0].boxes
    np.testing.assert_allclose(np.array(first["half_sizes"]) * 2, boxes.size, rtol=1e-6)
    np.testing.assert_allclose(first["centers"], boxes.pose.translation, rtol=1e-6)
    quaternion = np.array(first["quaternions"])[:, [3, 0, 1, 2]]
    np.testing.assert_allclose(quaternion, boxes.pose.quaternion, atol=1e-6)
    assert first["class_ids"] == boxes.class_id.tolist()
    assert first["labels"] == ["vehicle.car car", "human.pedestrian", first["labels"][2]]
    assert native["/world/boxes"][2]["centers"] in ([], None)  # nothing there: cleared


def test_occupancy(native: Rows, clip: Clip) -> None:
    first, gap, _ = native["/world/occupancy"]
    centers, classes = clip[0].occupancy(GRID).points()
    np.testing.assert_allclose(first["centers"], centers, atol=1e-5)
    assert first["class_ids"] == classes.tolist()
    assert gap["is_recursive"] == [False]  # what was shown before goes


def test_key_frames_only(clip: Clip, tmp_path: Path) -> None:
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    options = RerunOptions(occupancy="points", map=False, boxes=False, image_width=16)
    write_recording(clip, tmp_path / "a.rrd", options)
    found = read(tmp_path / "a.rrd")
    assert times(found["/world/lidar/TOP"]) == clip.times_ns.tolist()
    assert len(times(found["/fisheyes/CAM_LEFT"])) == 2  # it missed a key frame
    assert pixels(found["/world/cameras/CAM_FRONT"][1]).shape == (11, 16, 3)
    assert not any(name.startswith(("/world/map", "/world/boxes")) for name in found)
    assert (tmp_path / "a.rbl").stat().st_size > 100


def test_the_same_content_again(clip: Clip, tmp_path: Path) -> None:
    """Ids of rows and chunks too; the order of entries in headers is the SDK's to choose."""
    chunk = pytest.importorskip("rerun.chunk", reason="rerun-sdk is not installed")
    parts = []
    for name in "ab":
        write_recording(clip, tmp_path / f"{name}.rrd", RerunOptions())
        reader = chunk.RrdReader(tmp_path / f"{name}.rrd")
        parts.append([(p.id, p.to_record_batch()) for p in reader.stream().to_chunks()])
    assert len(parts[0]) == len(parts[1]) > 10
    for (first, one), (second, other) in zip(*parts, strict=True):
        assert first == second and one.equals(other)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".rbl", ".rbl", ".rrd", ".rrd"]


def test_a_whole_source_resumed_and_damage(clip: Clip, tmp_path: Path) -> None:
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    clip.save(tmp_path / "clips/a")
    (tmp_path / "second").mkdir()
    rich_clip(tmp_path / "second", scene="rich-2").save(tmp_path / "clips/b")
    source = f"folder:{tmp_path}/clips"
    assert export_rerun(source, tmp_path / "out", RerunOptions(), shard=(0, 2)) == (1, 0, KEYS)
    assert export_rerun(source, tmp_path / "out", RerunOptions()) == (1, 1, KEYS)
    with pytest.raises(BadInput, match="--rate"):
        export_rerun(source, tmp_path / "out", RerunOptions(rate="native"))
    (sweep, *_) = sorted((tmp_path / "clips/b").rglob("TOP/*.npz"))
    sweep.write_bytes(sweep.read_bytes()[:100])
    with pytest.raises(BadInput, match=sweep.name):
        export_rerun(f"{source}:rich-2", tmp_path / "other", RerunOptions())
    assert not list((tmp_path / "other").glob("*.rrd"))
