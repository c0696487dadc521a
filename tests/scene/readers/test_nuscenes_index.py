"""The index: blocks, links, and that it is built once, whole, and anew when the tables change."""

import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tests.scene.readers.nuscenes_root import VERSION, Root, table_bytes

from roadloom.errors import BadInput
from roadloom.scene.readers import nuscenes_index
from roadloom.scene.readers.nuscenes_columns import load_tables
from roadloom.scene.readers.nuscenes_index import Index
from roadloom.scene.readers.nuscenes_tables import SampleData, read_rows
from roadloom.scene.readers.nuscenes_tokens import NO_ROW, Growing, Tokens

ROOT = Root(keys=3)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROADLOOM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return ROOT.write(tmp_path / "root")


def refuse(problem: BadInput) -> None:
    raise problem


@pytest.mark.parametrize("block", [1, 3, 100, 257, 5000, 1 << 20])
def test_blocks_of_any_size_give_the_same_records(tmp_path: Path, block: int) -> None:
    path = tmp_path / "sample_data.json"
    rows = [dict(r) for r in ROOT.tables["sample_data"]][:12]
    rows[3]["filename"] = 'a },{ "token": "x" }, {'  # looks like a border between records
    path.write_bytes(table_bytes(rows))
    read: list[int] = []
    found = list(read_rows(path, SampleData, refuse, read.append, block=block))
    assert [n for part in found for n in part.number] == list(range(12))
    assert [r.filename for part in found for r in part.records] == [r["filename"] for r in rows]
    assert sum(read) == path.stat().st_size
    assert (len(found) > 1) == (block <= 1000)


def test_damage_is_numbered_from_the_start_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sample_data.json"
    rows = [dict(r) for r in ROOT.tables["sample_data"]]
    rows[17]["ego_pose_token"], rows[5]["width"] = 3, -1
    path.write_bytes(table_bytes(rows))
    found: list[BadInput] = []
    good = [n for part in read_rows(path, SampleData, found.append, block=700) for n in part.number]
    assert [p.field for p in found] == ["[5].width", "[17].ego_pose_token"]
    assert good == [n for n in range(len(rows)) if n not in (5, 17)]


def test_tokens_find_rows_like_a_dictionary() -> None:
    rng = np.random.default_rng(1)
    texts = [bytes(rng.integers(97, 100, rng.integers(1, 9)).astype(np.uint8)) for _ in range(400)]
    known, wanted = np.array(texts[:200]), np.array(texts[200:] + [b"a" * 40, b""])
    tokens = Tokens(known)
    rows: dict[bytes, int] = {}
    for row, token in enumerate(known.tolist()):
        rows.setdefault(token, row)
    assert tokens.rows_of(wanted).tolist() == [rows.get(t, NO_ROW) for t in wanted.tolist()]
    repeated = [r for r, t in enumerate(known.tolist()) if rows[t] != r]
    assert tokens.repeated().tolist() == repeated


def test_index_joins_what_the_tables_say(folder: Path) -> None:
    index = Index.open(folder, VERSION)
    by_token = {t: {r["token"]: r for r in rows} for t, rows in ROOT.tables.items()}
    channels, starts = index.texts("sensor.channel"), index["record.start"].tolist()
    seen = []
    for scene in range(2):
        for sensor, channel in enumerate(channels):
            group = scene * len(channels) + sensor
            times = []
            for row in range(starts[group], starts[group + 1]):
                record = ROOT.tables["sample_data"][int(index["record.number"][row])]
                seen.append(record["token"])
                times.append(int(index["record.timestamp"][row]))
                pose = by_token["ego_pose"][record["ego_pose_token"]]
                sample = by_token["sample"][record["sample_token"]]
                assert record["token"].startswith(f"{channel}.{scene}.")
                assert times[-1] == record["timestamp"]
                assert index["record.translation"][row].tolist() == pose["translation"]
                assert index["record.rotation"][row].tolist() == pose["rotation"]
                assert index["record.filename"][row].decode() == record["filename"]
                stamp = index["sample.timestamp"][index["record.sample"][row]]
                assert stamp == sample["timestamp"]
            assert times == sorted(times) and times
    assert sorted(seen) == sorted(by_token["sample_data"])
    numbers = index["box.number"].tolist()
    for row, number in enumerate(numbers):
        box = ROOT.tables["sample_annotation"][number]
        assert index["box.token"][row].decode() == box["token"]
        assert index["instance.token"][index["box.instance"][row]].decode() == box["instance_token"]
        for link in ("prev", "next"):
            to = int(index[f"box.{link}"][row])
            assert (index["box.token"][to].decode() if to >= 0 else "") == box[link]


def stamps(index: Index) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in index.folder.iterdir()}


def test_second_opening_builds_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Index.open(folder, VERSION)
    before = stamps(first)
    monkeypatch.setattr(nuscenes_index, "load_tables", None)
    second = Index.open(folder, VERSION)
    assert second.folder == first.folder and stamps(second) == before


def test_changed_tables_get_a_new_index_and_the_old_one_goes(folder: Path, cache: Path) -> None:
    first = Index.open(folder, VERSION)
    path = folder / VERSION / "log.json"
    log = json.loads(path.read_text())
    log[0]["vehicle"] = "n008"
    path.write_text(json.dumps(log))
    second = Index.open(folder, VERSION)
    assert second.texts("log.vehicle") == ["n008"]
    assert second.folder != first.folder and not first.folder.exists()
    with pytest.raises(BadInput, match="open the source again"):
        _ = first["log.vehicle"]
    assert not any(path.is_relative_to(folder) for path in cache.rglob("*"))


def test_same_size_but_later_date_is_a_change(folder: Path) -> None:
    first = Index.open(folder, VERSION)
    path = folder / VERSION / "log.json"
    path.write_bytes(path.read_bytes().replace(b"n015", b"n009"))
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000))
    assert Index.open(folder, VERSION).texts("log.vehicle") == ["n009"]
    del first


@pytest.mark.parametrize("harm", ["cut", "gone", "manifest", "no manifest"])
def test_damaged_index_is_built_again(folder: Path, harm: str) -> None:
    index = Index.open(folder, VERSION)
    column, manifest = index.folder / "box.size.npy", index.folder / "manifest.json"
    whole = column.read_bytes()
    if harm == "cut":
        column.write_bytes(whole[:-8])
    elif harm == "gone":
        column.unlink()
    elif harm == "manifest":
        manifest.write_bytes(b'{"sizes": ')
    else:
        manifest.unlink()
    again = Index.open(folder, VERSION)
    assert (again.folder / "box.size.npy").read_bytes() == whole


def test_a_build_that_ends_early_leaves_no_index(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(tables: object) -> object:
        yield "scene.name", np.zeros(3)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(nuscenes_index, "_columns", stop)
        with pytest.raises(KeyboardInterrupt):
            Index.open(folder, VERSION)
    assert not list(cache.rglob("*.npy"))
    home = next(path for path in (cache / "nuscenes").iterdir() if path.is_dir())
    (home / ".half.tmp").mkdir()  # what a build that was killed outright leaves
    (home / ".half.tmp" / "scene.name.npy").write_bytes(b"x")
    index = Index.open(folder, VERSION)
    assert [path.name for path in home.iterdir()] == [index.folder.name]


def test_two_at_once_build_one_index(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builds, real = [], load_tables

    def slow(*arguments: object, **named: object) -> object:
        builds.append(1)
        time.sleep(0.3)
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(nuscenes_index, "load_tables", slow)
    found: list[Index] = []
    threads = [
        threading.Thread(target=lambda: found.append(Index.open(folder, VERSION))) for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1 and len({index.folder for index in found}) == 1 and len(found) == 2


def test_cache_that_cannot_be_written_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ROADLOOM_CACHE", str(tmp_path / "file"))
    with pytest.raises(BadInput, match="ROADLOOM_CACHE"):
        Index.open(folder, VERSION)


def test_columns_are_mapped_not_read(folder: Path) -> None:
    index = Index.open(folder, VERSION)
    assert isinstance(index["record.translation"], np.memmap)
    assert not index["record.translation"].flags.writeable


def test_a_column_read_in_parts_is_the_parts_joined() -> None:
    rng = np.random.default_rng(2)
    texts, vectors = Growing(), Growing()
    parts = [rng.normal(size=(n, 3)) for n in (3, 1, 0, 40, 2, 7)]
    words = [
        np.array([b"x" * int(k) for k in rng.integers(1, 30, len(p))] or [], "S") for p in parts
    ]
    for part, word in zip(parts, words, strict=True):
        vectors.add(part)
        texts.add(word)
    assert np.array_equal(vectors.whole(), np.concatenate(parts))
    assert texts.whole().tolist() == [w for word in words for w in word.tolist()]
