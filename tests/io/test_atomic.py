"""A reader never sees half a file or folder, whatever happens to the writer."""

import json
from pathlib import Path

import pytest

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
    with pytest.raises(FileExistsError), atomic_folder(tmp_path / "a"):
        pytest.fail("a folder with files in it would have been replaced")
    write_bytes(tmp_path / "file", b"x")
    with pytest.raises(FileExistsError), atomic_folder(tmp_path / "file"):
        pytest.fail("a file would have been replaced")


def test_json_is_strict_and_keeps_its_order(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 0.1, "a": [None]})
    assert (tmp_path / "a.json").read_text() == '{\n  "b": 0.1,\n  "a": [\n    null\n  ]\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text())["b"] == 0.1
