"""Archives of arrays: equal after the round trip, equal bytes every time, damage named."""

import io
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import roadloom.io.npz
from roadloom.errors import BadInput, MissingInput
from roadloom.io.npz import Field, npz_bytes, read_npz, write_npz

ARRAYS = {
    "points": np.linspace(-5e6, 5e6, 12).astype(np.float32).reshape(4, 3),
    "time_ns": np.array([1, 2, 2**62, -3]),
    "seen": np.array([True, False, True, True]),
    "name": np.array("caf\u00e9"),
    "none": np.zeros((0, 3)),
}
FIELDS = {
    "points": Field("<f4", ("point", 3), finite=True),
    "time_ns": Field("<i8", ("point",)),
    "seen": Field("|b1", ("point",)),
    "name": Field("U"),
    "none": Field("<f8", ("nothing", 3)),
    "label": Field("|u1", ("point",), optional=True),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.npz"


@pytest.mark.parametrize("compress", [True, False])
def test_round_trip_is_exact(path: Path, compress: bool) -> None:
    write_npz(path, ARRAYS, compress=compress)
    found = read_npz(path, FIELDS)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        assert np.array_equal(found[name], array)
        assert found[name].flags.writeable


def test_numpy_reads_what_is_written_and_the_reverse(path: Path) -> None:
    write_npz(path, ARRAYS)
    with np.load(path, allow_pickle=False) as loaded:
        assert all(np.array_equal(loaded[name], array) for name, array in ARRAYS.items())
    np.savez_compressed(path, **ARRAYS)
    assert np.array_equal(read_npz(path, FIELDS)["points"], ARRAYS["points"])


def test_the_bytes_depend_on_the_arrays_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first = npz_bytes(ARRAYS)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(1.9e9))
    column_order = ARRAYS | {"points": np.asfortranarray(ARRAYS["points"])}
    big_endian = ARRAYS | {"time_ns": ARRAYS["time_ns"].astype(">i8")}
    assert npz_bytes(ARRAYS) == npz_bytes(column_order) == npz_bytes(big_endian) == first


def test_column_order_is_read(path: Path) -> None:
    np.savez(path, **ARRAYS | {"points": np.asfortranarray(ARRAYS["points"])})
    assert np.array_equal(read_npz(path, FIELDS)["points"], ARRAYS["points"])


def test_narrow_types_are_widened_and_wide_ones_refused(path: Path) -> None:
    np.savez(path, **ARRAYS | {"points": np.ones((4, 3), np.float16)})
    assert read_npz(path, FIELDS)["points"].dtype == np.float32
    np.savez(path, **ARRAYS | {"points": np.ones((4, 3))})
    with pytest.raises(BadInput, match="points: is float64, not float32.*astype"):
        read_npz(path, FIELDS)


def test_objects_are_neither_written_nor_loaded(path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return pytest.fail, ("a pickle was loaded",)

    objects = np.empty(4, object)
    objects[:] = [Bomb() for _ in range(4)]
    with pytest.raises(ValueError, match="pickle"):
        write_npz(path, {"time_ns": objects})
    np.savez(path, allow_pickle=True, **ARRAYS | {"time_ns": objects})
    with pytest.raises(BadInput, match="Python objects") as caught:
        read_npz(path, FIELDS)
    assert caught.value.field == "time_ns"


BAD_ARRAYS = {
    "missing": ("seen", None),
    "kind": ("time_ns", np.array(["a", "b", "c", "d"])),
    "number for text": ("name", np.array(3)),
    "axes": ("time_ns", np.zeros((4, 1), np.int64)),
    "length differs": ("seen", np.ones(5, bool)),
    "fixed length": ("points", np.ones((4, 2), np.float32)),
    "nan": ("points", np.full((4, 3), np.nan, np.float32)),
    "infinity": ("points", np.full((4, 3), np.inf, np.float32)),
    "complex": ("points", np.ones((4, 3), np.complex64)),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_each_wrong_field_is_named(path: Path, name: str) -> None:
    field, array = BAD_ARRAYS[name]
    arrays = {k: v for k, v in (ARRAYS | {field: array}).items() if v is not None}
    np.savez(path, **arrays)
    with pytest.raises(BadInput) as caught:
        read_npz(path, FIELDS)
    assert (caught.value.file, caught.value.field) == (str(path), field)


def test_an_unknown_field_is_refused_with_the_nearest_name(path: Path) -> None:
    np.savez(path, **ARRAYS, labl=np.zeros(4, np.uint8))
    with pytest.raises(BadInput, match="labl: is no field.*'label'"):
        read_npz(path, FIELDS)


def test_a_field_that_is_there_twice_is_refused(path: Path) -> None:
    data = npz_bytes(ARRAYS)
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("seen.npy", b"x")
    path.write_bytes(buffer.getvalue())
    with pytest.raises(BadInput, match="seen: is there twice"):
        read_npz(path, FIELDS)


def test_every_truncation_and_every_flipped_byte_is_refused_or_harmless(path: Path) -> None:
    """Dates and attributes of the zip may change unnoticed; the arrays may not."""
    data = npz_bytes(ARRAYS)
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(BadInput):
            read_npz(path, FIELDS)
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        try:
            found = read_npz(path, FIELDS)
        except BadInput as error:
            assert error.file == str(path)
        else:
            assert all(np.array_equal(found[name], array) for name, array in ARRAYS.items())


def member(shape: str, dtype: str = "<f4", body: bytes = bytes(48)) -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + body


def one_member(path: Path, data: bytes, name: str = "points.npy", packing: int = 0) -> None:
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr(name, data)


@pytest.mark.parametrize(
    "shape",
    [
        "(4000000000000, 3)", "(-1, 3)", "(4, 3", "__import__('os')", "(-5, -3)", "(0, -3)",
        f"({2**62}, 0)", f"({2**70}, 0)", f"({2**49}, 0)", "(-1, 0)", f"({'1,' * 70})", "(" * 5000,
    ],
    ids=lambda text: text[:24],
)  # fmt: skip
@pytest.mark.parametrize("asked", [("point", 3), ("a", "b"), ("a",) * 70])
@pytest.mark.parametrize("body", [b"", bytes(48)])
def test_a_header_is_not_believed(path: Path, shape: str, asked: tuple, body: bytes) -> None:
    one_member(path, member(shape, body=body))
    with pytest.raises(BadInput) as caught:
        read_npz(path, {"points": Field("<f4", asked)})
    assert (caught.value.field, caught.value.file) == ("points", str(path))
    assert caught.value.remedy
    assert "no NumPy array" not in caught.value.message or len(caught.value.message) < 250


def test_text_of_no_letters_takes_no_room(path: Path) -> None:
    one_member(path, member(f"({2**44},)", "<U0", b""))
    with pytest.raises(BadInput) as caught:
        read_npz(path, {"points": Field("U", ("many",))})
    assert caught.value.field == "points"


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("damaged", [False, True])
def test_other_packing_is_refused(path: Path, packing: int, damaged: bool) -> None:
    one_member(path, member("(4, 3)"), packing=packing)
    if damaged:
        data = bytearray(path.read_bytes())
        data[50:60] = b"\xff" * 10
        path.write_bytes(data)
    with pytest.raises(BadInput, match="points: is packed by method") as caught:
        read_npz(path, {"points": FIELDS["points"]})
    assert caught.value.remedy


def test_a_member_without_its_suffix_is_named(path: Path) -> None:
    one_member(path, member("(4, 3)"), name="points")
    with pytest.raises(BadInput, match="no suffix") as caught:
        read_npz(path, {"points": FIELDS["points"]})
    assert caught.value.field == "points" and caught.value.remedy


def bomb(path: Path, head: bytes, megabytes: int) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("points.npy", "w", force_zip64=True) as stream,
    ):
        stream.write(head)
        for _ in range(megabytes):
            stream.write(bytes(2**20))


@pytest.mark.parametrize("size", ["as it says", "more than it says"])
def test_a_bomb_is_refused_before_it_is_unpacked(
    path: Path, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 64 * 2**20 // 12 if size == "as it says" else 4
    bomb(path, member(f"({rows}, 3)", body=b"" if rows > 4 else bytes(48)), 64)
    monkeypatch.setattr(roadloom.io.npz, "LARGEST", 2**20)
    assert path.stat().st_size < 2**20
    tracemalloc.start()
    with pytest.raises(BadInput) as caught:
        read_npz(path, {"points": FIELDS["points"]})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.field == "points" and caught.value.remedy
    assert peak < 8 * 2**20


def test_an_array_beyond_the_limit_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_npz(path, ARRAYS)
    monkeypatch.setattr(roadloom.io.npz, "LARGEST", 47)
    with pytest.raises(BadInput, match="points: 48 bytes are more than the 47"):
        read_npz(path, FIELDS)


def test_truth_is_one_or_zero_and_no_number(path: Path) -> None:
    one_member(path, member("(3,)", "|b1", b"\0\1\7"))
    with pytest.raises(BadInput, match="neither true nor false"):
        read_npz(path, {"points": Field("|b1", ("point",))})
    np.savez(path, points=np.ones((4, 3), bool))
    with pytest.raises(BadInput, match="points: is bool, not float32"):
        read_npz(path, {"points": FIELDS["points"]})


def test_an_exact_field_is_not_widened(path: Path) -> None:
    np.savez(path, points=np.ones(3, np.float32))
    with pytest.raises(BadInput, match="points: is float32, not float64"):
        read_npz(path, {"points": Field("<f8", (3,), exact=True)})


def test_no_such_file(path: Path) -> None:
    with pytest.raises(MissingInput):
        read_npz(path, FIELDS)
