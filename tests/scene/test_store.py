"""The compact store: what goes in comes out, damage is told, cuts lose the torn label only."""

import lzma
import multiprocessing
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadloom.errors import BadInput, RoadloomError
from roadloom.geometry.voxel_grid import OCC3D, VoxelGrid
from roadloom.scene import store_read, store_write
from roadloom.scene.class_maps import ids_from
from roadloom.scene.classes import CLASSES, FREE, KNOWN_HASHES, UNKNOWN
from roadloom.scene.labels import LabelFolder
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.store_codec import MOST_CELLS, largest_payload, pack, unpack
from roadloom.scene.store_format import HEADER_BYTES, RECORD_BYTES, Header, Record

SHAPE = (5, 4, 3)  # 60 cells: no whole number of bytes
GRID = VoxelGrid(lower_m=(-1.0, -2.0, -0.5), cell_m=(0.4, 0.5, 0.1), shape=SHAPE)


def some_label(seed: int, grid: VoxelGrid = GRID, frame: str = "ego") -> Occupancy:
    """Random cells; every fourth label lacks a mask or both."""
    rng = np.random.default_rng(seed)
    values = np.array([FREE, UNKNOWN, 1, 19, len(CLASSES) - 1], np.uint8)
    masks = [rng.random(grid.shape) < 0.5 if seed & bit else None for bit in (1, 2)]
    return Occupancy(
        grid=grid, labels=rng.choice(values, grid.shape), mask_lidar=masks[0],
        mask_camera=masks[1], frame=frame,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> LabelFolder:
    return LabelFolder.create(tmp_path / "labels", {"source": "here"})


@pytest.fixture
def three(folder: LabelFolder) -> LabelFolder:
    for n in range(3):
        folder.add("a", 100 * n, some_label(n))
    return folder


@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 6)] * 3))
@settings(max_examples=60, deadline=None)
def test_every_label_comes_back(seed: int, shape: tuple[int, int, int]) -> None:
    grid = replace(GRID, shape=shape)
    label = some_label(seed, grid)
    flags, payload = pack(label)
    assert unpack(payload, flags, grid, "ego").same_as(label)
    assert pack(label) == (flags, payload) and len(payload) <= largest_payload(label.labels.size)


@pytest.mark.parametrize("fill", [FREE, UNKNOWN, 19])
def test_uniform_labels_come_back(fill: int) -> None:
    label = Occupancy(grid=OCC3D, labels=np.full(OCC3D.shape, fill, np.uint8))
    flags, payload = pack(label)
    assert len(payload) < 600 and unpack(payload, flags, OCC3D, "ego").same_as(label)


def test_noise_stays_below_the_limit() -> None:
    label = some_label(3, OCC3D)
    assert len(pack(label)[1]) <= largest_payload(label.labels.size)


def test_the_real_occ3d_label_comes_back_in_less_than_half(real_data: Path) -> None:
    (file,) = (real_data / "occ3d_nuscenes").rglob("labels.npz")
    with np.load(file, allow_pickle=False) as raw:
        label = Occupancy(
            grid=OCC3D,
            labels=ids_from("occ3d", raw["semantics"]),
            mask_lidar=raw["mask_lidar"].astype(bool),
            mask_camera=raw["mask_camera"].astype(bool),
        )
    flags, payload = pack(label)
    assert unpack(payload, flags, OCC3D, "ego").same_as(label)
    assert len(payload) < file.stat().st_size / 2


def raw_payload(raw: bytes) -> bytes:
    from roadloom.scene.store_codec import _FILTERS

    return lzma.compress(raw, format=lzma.FORMAT_RAW, filters=_FILTERS)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "fewer than 2 planes"),
        (b"\xff" * 15, "fewer than 2 planes"),
        (b"\x00" * 7 + b"\x01" + b"\x00" * 8, "beyond its last cell"),
        (b"\xff" * 7 + b"\xf0" + b"\x80" + b"\x00" * 7, "another number of classes"),
        (b"\x00" * 8 + b"\x80" + b"\x00" * 7 + b"\x13", "another number of classes"),
        (b"\xff" * 7 + b"\xf0" + b"\x80" + b"\x00" * 7 + b"\x00", "no occupied cell has"),
        (b"\xff" * 7 + b"\xf0" + b"\x80" + b"\x00" * 7 + b"\xff", "no occupied cell has"),
        (b"\xff" * 7 + b"\xf0" + b"\x80" + b"\x00" * 7 + b"\xc8", "no occupied cell has"),
        (b"\x00" * 1000, "where a label of its grid ends"),
        (b"\x00" * 50_000_000, "where a label of its grid ends"),
    ],
)
def test_payloads_that_are_no_label_are_refused(raw: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        unpack(raw_payload(raw), 0, GRID, "ego")


def test_damaged_payloads_are_refused() -> None:
    flags, payload = pack(some_label(3))
    for bad in (payload[:-1], payload + b"\0", b"", b"\xff" + payload[1:]):
        with pytest.raises(ValueError):
            unpack(bad, flags, GRID, "ego")
    with pytest.raises(ValueError, match="flags"):
        unpack(payload, 8, GRID, "ego")


def test_the_same_labels_are_the_same_bytes(three: LabelFolder, tmp_path: Path) -> None:
    again = LabelFolder.create(tmp_path / "again", {"source": "here"})
    with again.writer("a") as writer:
        for n in range(3):
            writer.add(100 * n, some_label(n))
    assert again.path("a").read_bytes() == three.path("a").read_bytes()
    assert {p.name for p in again.folder.iterdir()} == {"labels.json", "a.labels"}


def test_a_cut_anywhere_loses_the_torn_label_only(three: LabelFolder, tmp_path: Path) -> None:
    whole = three.path("a").read_bytes()
    ends = [place.end for place in store_read.index_of(three.path("a"), "a").places.values()]  # type: ignore[union-attr]
    assert ends[-1] == len(whole)
    for cut in range(len(whole) + 1):
        labels = LabelFolder(tmp_path / str(cut))
        labels.folder.mkdir()
        labels.path("a").write_bytes(whole[:cut])
        there = sum(end <= cut for end in ends)
        assert labels.times_ns("a") == tuple(100 * n for n in range(there))
        if cut % 7 and cut not in ends:
            continue  # each is resumed in a few milliseconds
        with labels.writer("a") as writer:
            for n in range(there, 3):
                writer.add(100 * n, some_label(n))
        assert labels.path("a").read_bytes() == whole


def test_a_tail_of_zeros_is_what_lost_power_leaves(three: LabelFolder) -> None:
    path, whole = three.path("a"), three.path("a").read_bytes()
    for zeros in (1, RECORD_BYTES, 5000):
        path.write_bytes(whole + b"\0" * zeros)
        assert three.times_ns("a") == (0, 100, 200)
        with three.writer("a"):
            pass
        assert path.read_bytes() == whole
    path.write_bytes(b"\0" * 5000)
    assert three.times_ns("a") == () and three.grids("a") == ()


def overwrite(path: Path, data: bytes) -> None:
    """Other bytes, at another time: two writes may fall into one tick of the clock."""
    before = path.stat().st_mtime_ns
    path.write_bytes(data)
    os.utime(path, ns=(before + 1000, before + 1000))


def test_every_flipped_bit_is_found(three: LabelFolder) -> None:
    """In the header, in records, in payloads: reading all of it never gives another label."""
    path, whole = three.path("a"), three.path("a").read_bytes()
    truth = [some_label(n) for n in range(3)]
    for at in range(0, len(whole), 3):
        overwrite(path, whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        with pytest.raises(BadInput) as caught:
            for n, label in enumerate(truth):
                assert three.occupancy("a", 100 * n, GRID).same_as(label)
        assert caught.value.file == str(path) and caught.value.remedy
        assert list(three.problems()), at
        with pytest.raises(BadInput), three.writer("a"):
            pass
    path.write_bytes(whole)
    assert list(three.problems()) == []


def test_damage_names_the_time_of_the_record(three: LabelFolder) -> None:
    path = three.path("a")
    places = store_read.index_of(path, "a").places  # type: ignore[union-attr]
    data = bytearray(path.read_bytes())
    data[places[100, 0].end - 1] ^= 1
    path.write_bytes(data)
    assert three.times_ns("a") == (0, 100, 200)
    for time in (0, 200):
        three.occupancy("a", time, GRID)
    with pytest.raises(BadInput, match=r"label at 100 ns .*checksum.*scenes/a\.json"):
        three.occupancy("a", 100, GRID)
    data[places[100, 0].start] ^= 1
    overwrite(path, data)
    with pytest.raises(BadInput, match="the record after that of 0 ns"):
        three.times_ns("a")


def hostile(path: Path, **change: int) -> None:
    """A file of one record with sound checksums that speaks of what is not there."""
    grid = replace(GRID, shape=(change.get("x", 5), 4, 3))
    header = Header(scene_id="a", grid=grid, frame="ego").to_bytes()
    payload = raw_payload(b"\0" * change.get("bytes", 16))
    record = Record(
        time_ns=0, offset=0, flags=0, size=change.get("size", len(payload)),
        payload_crc=crc32(payload),
    )  # fmt: skip
    path.write_bytes(header + record.to_bytes() + payload)


def test_no_file_makes_us_take_memory_that_it_does_not_need(folder: LabelFolder) -> None:
    path = folder.path("a")
    hostile(path)
    assert (folder.occupancy("a", 0, GRID).labels == UNKNOWN).all()
    hostile(path, bytes=80_000_000)
    with pytest.raises(BadInput, match="first record"):  # no label of 60 cells is so large
        folder.occupancy("a", 0, GRID)
    hostile(path, bytes=20_000_000)
    tracemalloc.start()
    with pytest.raises(BadInput, match="does not end where"):
        folder.occupancy("a", 0, GRID)
    assert tracemalloc.get_traced_memory()[1] < 6_000_000  # 4 MiB are the dictionary
    tracemalloc.stop()
    hostile(path, x=MOST_CELLS)
    with pytest.raises(BadInput, match="grid"):
        folder.grids("a")
    hostile(path, size=2**32 - 1)
    with pytest.raises(BadInput, match="damaged"):
        folder.times_ns("a")


def test_a_file_of_another_kind_schema_or_scene_is_refused(three: LabelFolder) -> None:
    path, whole = three.path("a"), three.path("a").read_bytes()
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(BadInput, match="no file of labels"):
        three.times_ns("a")
    path.write_bytes(whole[:8] + struct.pack("<I", 2) + whole[12:])
    with pytest.raises(BadInput, match="this version reads 1"):
        three.times_ns("a")
    path.rename(three.path("b"))
    three.path("b").write_bytes(whole)
    with pytest.raises(BadInput, match="scene 'a'"):
        three.times_ns("b")
    foreign = bytearray(whole[: HEADER_BYTES - 4])
    foreign[12:28] = b"0123456789abcdef"
    three.path("b").write_bytes(foreign + struct.pack("<I", crc32(foreign)))
    with pytest.raises(BadInput, match="another list of classes"):
        three.times_ns("b")


def test_labels_of_an_earlier_class_list_are_read_and_not_continued(three: LabelFolder) -> None:
    earlier = next(iter(KNOWN_HASHES)).encode()
    data = bytearray(three.path("a").read_bytes())
    data[12:28] = earlier
    data[HEADER_BYTES - 4 : HEADER_BYTES] = struct.pack("<I", crc32(data[: HEADER_BYTES - 4]))
    overwrite(three.path("a"), data)
    assert three.occupancy("a", 100, GRID).same_as(some_label(1))
    with pytest.raises(BadInput, match="earlier, shorter list"):
        three.add("a", 300, some_label(3))
    assert three.path("a").read_bytes() == data


def test_a_file_that_was_exchanged_is_read_anew(three: LabelFolder) -> None:
    assert three.occupancy("a", 0, GRID).same_as(some_label(0))
    three.path("a").unlink()
    assert three.times_ns("a") == ()
    for n in range(4):
        three.add("a", 1000 + n, some_label(n + 9))
    assert three.times_ns("a") == (1000, 1001, 1002, 1003)
    assert three.occupancy("a", 1003, GRID).same_as(some_label(12))


WRITE = """
import sys, time
from roadloom.scene.labels import LabelFolder
from tests.scene.test_store import some_label
with LabelFolder.open(sys.argv[1]).writer("a") as writer:
    for n in range(int(sys.argv[2])):
        if (100 * n, 0) not in writer.keys:
            writer.add(100 * n, some_label(n))
        if n == 2:
            print("begun", flush=True)
    sys.stdin.read()
"""


def start_writer(folder: LabelFolder, count: int) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(folder.folder), str(count)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    return process


def test_a_reader_sees_what_another_process_appends(folder: LabelFolder) -> None:
    process = start_writer(folder, 400)
    seen = [0]
    try:
        while seen[-1] < 400:
            times = folder.times_ns("a")
            assert times == tuple(100 * n for n in range(len(times)))
            if times and len(times) != seen[-1]:
                n = len(times) - 1
                assert folder.occupancy("a", times[n], GRID).same_as(some_label(n))
            seen.append(len(times))
    finally:
        process.communicate("")
    assert process.returncode == 0 and len(set(seen)) > 2, "it was read while it grew"


def test_two_never_write_one_scene(folder: LabelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    process = start_writer(folder, 3)
    monkeypatch.setattr(store_write, "PATIENCE_S", 0.2)
    with pytest.raises(RoadloomError, match="another process is writing"):
        folder.add("a", 1, some_label(1))
    folder.add("b", 1, some_label(1))  # other scenes are free
    monkeypatch.setattr(store_write, "PATIENCE_S", 20.0)
    timer = threading.Timer(0.3, process.send_signal, [signal.SIGKILL])  # its lock goes with it
    timer.start()
    folder.add("a", 1, some_label(1))
    assert process.wait() == -signal.SIGKILL and not process.communicate()[0]
    assert folder.times_ns("a") == (0, 1, 100, 200)


def test_writers_wait_for_each_other(folder: LabelFolder) -> None:
    """Many at once, each adding what is not there: nothing lost, nothing doubled."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(4, mp_context=context) as pool:  # fails where a Pool would hang
        list(pool.map(add_some, [(folder, seed) for seed in range(8)]))
    assert folder.times_ns("a") == tuple(range(40)) and list(folder.problems()) == []
    for n in range(40):
        assert folder.occupancy("a", n, GRID).same_as(some_label(n))


def add_some(work: tuple[LabelFolder, int]) -> None:
    folder, seed = work
    for n in range(seed, 40, 8):
        folder.add("a", n, some_label(n))


def test_a_full_disk_leaves_whole_labels(
    folder: LabelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite

    def half_then_full(file: int, data: bytes, at: int) -> int:
        if at > 1000:
            raise OSError(28, "No space left on device")
        return real(file, data[: len(data) // 2 + 1], at)

    monkeypatch.setattr(os, "pwrite", half_then_full)
    with folder.writer("a") as writer:
        added = 0
        with pytest.raises(BadInput, match="No space left"):
            for n in range(50):
                writer.add(n, some_label(n))
                added += 1
        monkeypatch.undo()
        assert 0 < added < 50
        writer.add(added, some_label(added))
    assert folder.times_ns("a") == tuple(range(added + 1)) and list(folder.problems()) == []


def test_an_untouched_scene_leaves_no_file(folder: LabelFolder) -> None:
    with folder.writer("a") as writer:
        assert writer.keys == () and writer.size == 0
    assert not folder.path("a").exists()


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be written"):
        LabelFolder(tmp_path / "nowhere").add("a", 0, some_label(0))


def test_a_pickled_folder_reads_the_same(three: LabelFolder) -> None:
    copy = pickle.loads(pickle.dumps(three))
    assert copy == three and copy.occupancy("a", 200, GRID).same_as(some_label(2))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
def test_no_file_stays_open(three: LabelFolder) -> None:
    three.occupancy("a", 0, GRID)
    with pytest.raises(BadInput):
        three.add("a", 0, some_label(0))
    links = []
    for link in Path("/proc/self/fd").iterdir():
        if link.is_symlink():
            links.append(os.path.realpath(link))
    assert str(three.path("a")) not in links
