"""A reader never sees half a file or folder, whatever happens to the writer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from roadloom.errors import BadInput
from roadloom.io.atomic import atomic_file, atomic_folder, write_bytes, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_appears_at_the_end(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "deep" / "a.png") as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".png"
        assert not (tmp_path / "deep" / "a.png").exists()
    assert (tmp_path / "deep" / "a.png").read_text() == "new"
    assert names(tmp_path / "deep") == ["a.png"]


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_a_writer_that_stops_leaves_the_old_file(tmp_path: Path, stop: type[BaseException]) -> None:
    write_text(tmp_path / "a", "old")
    with pytest.raises(stop), atomic_file(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise stop
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_a_writer_that_stops_leaves_no_folder(tmp_path: Path, stop: type[BaseException]) -> None:
    with pytest.raises(stop), atomic_folder(tmp_path / "a") as temporary:
        (temporary / "half").write_text("half")
        raise stop
    assert names(tmp_path) == []


def test_a_folder_appears_at_the_end_and_only_where_nothing_was(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()  # empty: nothing is lost
    with atomic_folder(tmp_path / "a") as temporary:
        (temporary / "b").write_text("whole")
        assert names(tmp_path / "a") == []
    assert names(tmp_path) == ["a"] and names(tmp_path / "a") == ["b"]
    with pytest.raises(BadInput, match="not empty"), atomic_folder(tmp_path / "a"):
        pytest.fail("a folder with files in it would have been replaced")
    write_bytes(tmp_path / "file", b"x")
    with pytest.raises(BadInput, match="not empty"), atomic_folder(tmp_path / "file"):
        pytest.fail("a file would have been replaced")


def test_json_is_strict_and_keeps_its_order(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 0.1, "a": [None]})
    assert (tmp_path / "a.json").read_text() == '{\n  "b": 0.1,\n  "a": [\n    null\n  ]\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text())["b"] == 0.1


def unwritable(folder: Path) -> dict[str, Path]:
    """Names at which nothing can be made."""
    (folder / "file").write_text("x")
    (folder / "dangling").symlink_to(folder / "nowhere")
    return {
        "below a file": folder / "file" / "a",
        "in /proc": Path("/proc/a"),
        "long": folder / ("a" * 400),
        "long part": folder / ("a" * 400) / "b",
        "NUL": folder / "a\0b",
        "surrogate": folder / "\udfff\ud800",
    }


@pytest.mark.parametrize("which", range(6))
@pytest.mark.parametrize("atomic", [atomic_file, atomic_folder])
def test_what_cannot_be_written_is_one_line(tmp_path: Path, which: int, atomic: object) -> None:
    assert callable(atomic)
    path = list(unwritable(tmp_path).values())[which]
    with pytest.raises(BadInput) as caught, atomic(path) as temporary:
        temporary.write_text("x")
    assert caught.value.remedy and caught.value.file and "\n" not in str(caught.value)
    assert names(tmp_path) == ["dangling", "file"]


def test_a_link_is_no_new_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for target in ("empty", "nowhere"):
        link = tmp_path / f"to {target}"
        link.symlink_to(tmp_path / target)
        with pytest.raises(BadInput, match="is a link") as caught, atomic_folder(link):
            pytest.fail("it was begun")
        assert caught.value.file == str(link) and caught.value.remedy


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a folder"), atomic_file(tmp_path):
        pytest.fail("it was begun")


def test_errors_of_other_files_pass(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "a"):
        (tmp_path / "elsewhere" / "b").read_bytes()
    with pytest.raises(BadInput, match="cannot be written"), atomic_folder(tmp_path / "a") as new:
        (new / "absent" / "b").write_bytes(b"")


def test_the_first_of_two_writers_wins_whole(tmp_path: Path) -> None:
    with (
        pytest.raises(BadInput, match="is there already") as caught,
        atomic_folder(tmp_path / "a") as late,
    ):
        (late / "late").touch()
        with atomic_folder(tmp_path / "a") as early:
            (early / "early").touch()
    assert names(tmp_path / "a") == ["early"] and names(tmp_path) == ["a"]
    assert caught.value.file == str(tmp_path / "a") and caught.value.remedy


KILLED = """
import os, sys
from roadloom.io.atomic import atomic_file, atomic_folder
file, folder = sys.argv[1:]
with atomic_file(file) as a, atomic_folder(folder) as b:
    a.write_text("half"); (b / "half").write_text("half")
    os._exit(9)
"""


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    file, folder = tmp_path / "a.png", tmp_path / "b"
    subprocess.run([sys.executable, "-c", KILLED, str(file), str(folder)], check=False)
    assert len(names(tmp_path)) == 2
    write_text(file, "whole")
    with atomic_folder(folder) as ours, pytest.raises(BadInput), atomic_folder(folder) as other:
        assert names(tmp_path) == sorted([ours.name, other.name, "a.png"])
        raise BadInput("so that only one of them ends")
    assert names(tmp_path) == ["a.png", "b"]


def test_what_another_machine_writes_is_left_for_a_day(tmp_path: Path) -> None:
    other = tmp_path / ".a.00000000-1.0123456789ab.tmp"
    other.mkdir()
    with atomic_folder(tmp_path / "a"):
        assert other.exists()
    (tmp_path / "a").rmdir()
    os.utime(other, (0, 0))
    with atomic_folder(tmp_path / "a"):
        assert not other.exists()
