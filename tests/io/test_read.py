"""Reading damaged files: always a typed error that names the file."""

from pathlib import Path

import numpy as np
import pytest

from roadloom.errors import BadInput, MissingInput
from roadloom.io.read import read_array, read_bytes, read_json, read_text


@pytest.mark.parametrize("read", [read_bytes, read_text, read_json])
def test_missing_and_empty(tmp_path: Path, read: object) -> None:
    assert callable(read)
    with pytest.raises(MissingInput, match="no such file"):
        read(tmp_path / "absent")
    (tmp_path / "empty").touch()
    with pytest.raises(BadInput, match="empty"):
        read(tmp_path / "empty")
    with pytest.raises(BadInput, match="cannot be read"):
        read(tmp_path)
    with pytest.raises(BadInput):
        read(tmp_path / "empty" / "below a file")


def test_text_must_be_utf8(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("ä".encode("latin-1"))
    with pytest.raises(BadInput, match="UTF-8"):
        read_text(tmp_path / "a")


@pytest.mark.parametrize("text", ['{"a": NaN}', "[Infinity]", "[1,", "[" * 100_000, "'a'"])
def test_what_is_not_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BadInput, match="not JSON"):
        read_json(tmp_path / "a.json")


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"b": {"a": 1, "c": 2, "a": 1}}')
    with pytest.raises(BadInput, match="twice") as caught:
        read_json(tmp_path / "a.json")
    assert caught.value.field == "a"


def test_json_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [1, 2.5, null, "x"]}')
    assert read_json(tmp_path / "a.json") == {"a": [1, 2.5, None, "x"]}


def test_array_of_rows(tmp_path: Path) -> None:
    table = np.arange(10, dtype="<f4").reshape(2, 5)
    (tmp_path / "a.bin").write_bytes(table.tobytes())
    assert np.array_equal(read_array(tmp_path / "a.bin", "<f4", 5), table)
    (tmp_path / "a.bin").write_bytes(table.tobytes()[:-1])
    with pytest.raises(BadInput, match="cut off"):
        read_array(tmp_path / "a.bin", "<f4", 5)
