"""Reading damaged files: always a typed error that names the file."""

import os
from pathlib import Path

import numpy as np
import pytest

from roadloom.errors import BadInput, MissingInput
from roadloom.io.read import (
    exists,
    is_dir,
    is_file,
    read_array,
    read_bytes,
    read_json,
    read_text,
    regular_file,
)


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


@pytest.mark.parametrize(
    "text",
    ['{"a": NaN}', "[Infinity]", "[1,", "[" * 100_000, "'a'", "[1e999]", f"[-{'9' * 400}.0]"],
)
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


def test_large_numbers_that_float64_holds_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[1e308, -1e-400, "1e999", 1e0100]')
    assert read_json(tmp_path / "a.json") == [1e308, 0.0, "1e999", 1e100]


def test_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    found = {
        name: (exists(tmp_path / name), is_file(tmp_path / name), is_dir(tmp_path / name))
        for name in ("file", "link", "dangling", "pipe", "file/below", "none")
    }
    nothing = (False, False, False)
    assert found == {
        "file": (True, True, False), "link": (True, False, True), "dangling": nothing,
        "pipe": (True, False, False), "file/below": nothing, "none": nothing,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["a" * 400, "a/" * 4000, "a\0b", "\ud800"])
@pytest.mark.parametrize("ask", [exists, is_file, is_dir, regular_file, read_bytes])
def test_a_name_that_no_file_can_have(tmp_path: Path, ask: object, name: str) -> None:
    assert callable(ask)
    with pytest.raises(BadInput, match="cannot be looked up") as caught:
        ask(tmp_path / name)
    assert caught.value.remedy and len(str(caught.value)) < 500
    assert str(caught.value).isprintable()


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # to open it would wait for ever
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(BadInput, match="is a pipe, socket or device") as caught:
            read_bytes(path)
        assert caught.value.file == str(path) and caught.value.remedy
