"""nuScenes roots with values that types allow and roads do not: each is refused, and named."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scene.readers.nuscenes_root import LOCATION, VERSION, Root

import roadloom
from roadloom.errors import BadInput
from roadloom.scene.readers.nuscenes import NuScenesSource
from roadloom.scene.readers.nuscenes_index import ALWAYS_SUMMED, Index

HUGE = [1e308, -1e308, 0.0]
CASES: list[tuple[str, str, Any]] = [
    *(("scene", "name", name) for name in ("../../ESCAPED", "/abs", "a\nb", "a\x1b[2Jb", "..")),
    *(("sensor", "channel", name) for name in ("x" * 101, "é" * 60)),
    *(("log", "location", name) for name in ("../../x", "x" * 5000)),
    ("ego_pose", "translation", HUGE),
    ("ego_pose", "translation", [1.1e9, 0.0, 0.0]),
    ("ego_pose", "rotation", [1e308, 1e308, 0.0, 0.0]),
    ("calibrated_sensor", "translation", HUGE),
    ("calibrated_sensor", "camera_intrinsic", [[1e308, 0, 1.0], [0, 1e308, 1.0], [0, 0, 1.0]]),
    ("calibrated_sensor", "camera_intrinsic", [[9.0, 0, 1e308], [0, 9.0, 1.0], [0, 0, 1.0]]),
    ("sample_annotation", "translation", HUGE),
    ("sample_annotation", "size", [1e308, 1e308, 1e308]),
    ("sample_data", "timestamp", 1),
    ("sample_data", "timestamp", 8_999_999_999_999_999),
    ("sample_data", "timestamp", 4_102_444_799_999_999),
    ("sample_data", "width", 2**31 - 1),
    ("sample_data", "filename", "samples/" + "x" * 300),
    ("sample", "timestamp", 8_999_999_999_999_999),
    ("map", "filename", "maps/" + "x" * 390),
]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROADLOOM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def root() -> Root:
    return Root(keys=2)


def both(folder: Path) -> list[BadInput]:
    """What reading and checking say of a root: neither may pass it or fail otherwise."""
    with pytest.raises(BadInput) as refused:
        roadloom.open(f"nuscenes:{folder}")
    problems = list(NuScenesSource(str(folder)).problems(None, partial=False))
    assert problems
    return [refused.value, *problems]


@pytest.mark.parametrize("table, field, value", CASES, ids=lambda value: str(value)[:24])
def test_what_cannot_be_is_refused(
    root: Root, tmp_path: Path, table: str, field: str, value: Any
) -> None:
    rows = root.tables[table]
    row = next((i for i, r in enumerate(rows) if r.get("camera_intrinsic") or r.get("width")), 0)
    rows[row][field] = value
    found = both(root.write(tmp_path / "root"))
    for problem in found[:2]:
        if (table, field) != ("sample", "timestamp"):  # or one of the records that belong to it
            assert str(problem.file).endswith(f"{table}.json")
            assert str(problem.field).startswith(f"[{row}].{field}")
        assert len(str(problem)) < 1000


def test_a_key_that_is_there_twice_is_refused(root: Root, tmp_path: Path) -> None:
    folder = root.write(tmp_path / "root")
    for table, field, row in (
        ("ego_pose", "translation", 3), ("sample_data", "filename", 5), ("category", "index", 2),
        ("scene", "name", 0), ("sample_annotation", "num_lidar_pts", 1),
    ):  # fmt: skip
        path = folder / VERSION / f"{table}.json"
        sound = path.read_bytes()
        parts = sound.split(f'"{field}":'.encode())
        key = f'"{field}":'.encode()
        value = json.dumps(root.tables[table][0][field]).encode()
        path.write_bytes(
            key.join(parts[: row + 1]) + key + value + b"," + key + key.join(parts[row + 1 :])
        )
        for problem in both(folder)[:2]:
            assert problem.field == f"[{row}].{field}" and "twice" in problem.message
            assert problem.file == str(path.resolve())
        path.write_bytes(sound)
    assert not list(NuScenesSource(str(folder)).problems(None, partial=False))


def test_texts_like_keys_are_no_keys(root: Root, tmp_path: Path) -> None:
    root.tables["log"][0]["vehicle"] = 'logfile": "location'
    root.tables["log"][0]["logfile"] = "location"
    root.tables["scene"][0]["description"] = "name"
    folder = root.write(tmp_path / "root")
    (folder / VERSION / "log.json").write_text(json.dumps(root.tables["log"]))  # ä as \u00e4
    assert not list(NuScenesSource(str(folder)).problems(None, partial=False))


def without_lidar(root: Root) -> Root:
    """Cameras and radars only."""
    kept = [r for r in root.tables["sample_data"] if "LIDAR" not in r["filename"]]
    root.tables["sample_data"], root.tables["lidarseg"] = kept, []
    return root


def test_a_root_without_lidar_plays(tmp_path: Path) -> None:
    root = without_lidar(Root(keys=3))
    folder = root.write(tmp_path / "root")
    assert not list(NuScenesSource(str(folder)).problems(None, partial=False))
    clip = roadloom.open(f"nuscenes:{folder}")[0]
    stamps = [r["timestamp"] for r in root.tables["sample"][:3]]
    assert clip.times_ns.tolist() == [1000 * stamp for stamp in stamps]
    first_record = min(r["timestamp"] for r in root.tables["sample_data"])
    assert clip.ego.time_ns[0] == 1000 * first_record
    for frame, stamp in zip(clip, stamps, strict=True):
        expected = root.world_from_ego(0, stamp)
        assert np.allclose(frame.world_from_ego.translation, expected.translation, atol=0.2)
        assert len(frame.boxes) >= 2


@pytest.mark.parametrize("away_us, sound", [(40_000, True), (150_000, False)])
def test_key_frames_beyond_the_path(tmp_path: Path, away_us: int, sound: bool) -> None:
    root = without_lidar(Root(keys=3))
    first_scene = [
        r for r in root.tables["sample_data"] if r["sample_token"].startswith("sample-0")
    ]
    last = max(r["timestamp"] for r in first_scene)
    root.tables["sample"][2]["timestamp"] = last + away_us
    folder = root.write(tmp_path / "root")
    problems = list(NuScenesSource(str(folder)).problems("scene-0001", partial=False))
    if sound:
        assert not problems
        clip = roadloom.open(f"nuscenes:{folder}:scene-0001")[0]
        truth = root.world_from_ego(0, last + away_us).translation
        assert np.allclose(clip[2].world_from_ego.translation, truth, atol=0.2)
        return
    assert [p.field for p in problems] == ["[2].timestamp"]
    assert str(problems[0].file).endswith("sample.json")
    with pytest.raises(BadInput, match=r"sample\.json: \[2\]\.timestamp"):
        _ = roadloom.open(f"nuscenes:{folder}:scene-0001")[0]


def test_a_scene_without_records_is_named(root: Root, tmp_path: Path) -> None:
    kept = [r for r in root.tables["sample_data"] if r["sample_token"].startswith("sample-0")]
    root.tables["sample_data"] = kept
    root.tables["lidarseg"] = []
    folder = root.write(tmp_path / "root")
    with pytest.raises(BadInput, match=r"scene\.json: \[1\]"):
        _ = roadloom.open(f"nuscenes:{folder}:scene-0002")[0]
    assert any(
        p.field == "[1].token" for p in NuScenesSource(str(folder)).problems(None, partial=True)
    )


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [pipe, device])
@pytest.mark.parametrize(
    "name", [f"{VERSION}/scene.json", f"{VERSION}/lidarseg.json", f"maps/expansion/{LOCATION}.json"]
)
def test_only_files_are_read(
    root: Root, tmp_path: Path, make: Callable[[Path], None], name: str
) -> None:
    folder = root.write(tmp_path / "root")
    (folder / name).unlink()
    make(folder / name)
    problems = list(NuScenesSource(str(folder)).problems(None, partial=False))
    assert any(str(p.file).endswith(name) and "pipe" in p.message for p in problems)


def test_long_places_are_refused() -> None:
    for place in ("a" * 5000, "a" * 300, "b/" + "a" * 400 + "@v1.0-mini", "x@" + "a" * 5000):
        with pytest.raises(BadInput) as refused:
            NuScenesSource(place)
        assert len(str(refused.value)) < 1000


def test_points_are_no_further_than_the_moon(root: Root, tmp_path: Path) -> None:
    name = next(name for name in root.files if name.endswith(".pcd.bin"))
    rows = np.frombuffer(root.files[name], "<f4").reshape(-1, 5).copy()
    rows[7, 1] = 1e30
    root.files[name] = rows.tobytes()
    folder = root.write(tmp_path / "root")
    problems = list(NuScenesSource(str(folder)).problems(None, partial=False))
    assert [(str(p.file).endswith(name), p.field) for p in problems] == [(True, "y")]


@pytest.mark.parametrize("keep_date", [True, False])
def test_an_index_damaged_at_the_same_size_is_built_again(
    root: Root, tmp_path: Path, keep_date: bool
) -> None:
    folder = root.write(tmp_path / "root")
    index = Index.open(folder, VERSION)
    for path in sorted(index.folder.glob("*.npy")):
        sound, stat = path.read_bytes(), path.stat()
        path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 0x55]))
        if keep_date:
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        Index.open(folder, VERSION)
        assert path.read_bytes() == sound


def test_large_columns_are_compared_where_their_date_has_changed(
    root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ALWAYS_SUMMED >= 1 << 16
    monkeypatch.setattr("roadloom.scene.readers.nuscenes_index.ALWAYS_SUMMED", 0)
    folder = root.write(tmp_path / "root")
    path = Index.open(folder, VERSION).folder / "record.start.npy"
    sound, stat = path.read_bytes(), path.stat()
    path.write_bytes(sound[:-1] + b"\x55")
    os.utime(path, ns=(1, stat.st_mtime_ns + 1))
    Index.open(folder, VERSION)
    assert path.read_bytes() == sound
    os.utime(path, ns=(1, 1))  # a copied cache: other dates, the same contents
    before = path.stat().st_ino
    Index.open(folder, VERSION)
    assert path.stat().st_ino == before


def test_a_column_lost_while_open_says_what_to_delete(root: Root, tmp_path: Path) -> None:
    index = Index.open(root.write(tmp_path / "root"), VERSION)
    (index.folder / "log.vehicle.npy").write_bytes(b"x")
    with pytest.raises(BadInput, match=f"delete {index.folder} and open"):
        _ = index["log.vehicle"]
