"""Archives of arrays: equal after the round trip, equal bytes every time, damage named."""

import io
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

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


@pytest.mark.parametrize("header", ["(4000000000000, 3)", "(-1, 3)", "(4, 3", "__import__('os')"])
def test_a_header_is_not_believed(path: Path, header: str) -> None:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {header}, }}\n"
    body = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(48)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("points.npy", body)
    with pytest.raises(BadInput) as caught:
        read_npz(path, {"points": FIELDS["points"]})
    assert caught.value.field == "points"


def test_no_such_file(path: Path) -> None:
    with pytest.raises(MissingInput):
        read_npz(path, FIELDS)
