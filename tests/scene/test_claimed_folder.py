"""A folder of results keeps to what it was begun with."""

import json
import time
from pathlib import Path
from threading import Barrier, Thread, get_ident

import pytest

from roadloom.errors import BadInput
from roadloom.scene import claimed_folder
from roadloom.scene.claimed_folder import ClaimedFolder, check_free, flag_of

FOLDER = ClaimedFolder(
    manifest="made.json",
    schema="roadloom_made",
    command="roadloom make",
    whole=("scenes/*.json",),
    parts=("*/*.zip",),
)


def manifest(**flags: object) -> dict[str, object]:
    return {"roadloom_made": 1, "version": "1", "source": "toy:a", "flags": flags}


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def test_the_same_manifest_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    for _ in range(2):
        FOLDER.claim(out, manifest(min_hits=1))
    assert names(out) == ["made.json"]
    assert json.loads((out / "made.json").read_text()) == manifest(min_hits=1)


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (manifest(min_hits=2, boxes=True), "--min-hits"),
        (manifest(min_hits=1), "--boxes"),
        (manifest(min_hits=1, boxes=True, more=3), "--more"),
        (manifest(min_hits=1, boxes=True) | {"source": "toy:b"}, "SOURCE"),
        (manifest(min_hits=1, boxes=True) | {"version": "2"}, "version"),
        (manifest(min_hits=1, boxes=True) | {"labels": "there"}, "--labels"),
    ],
)
def test_another_manifest_is_refused_by_its_flag(
    tmp_path: Path, other: dict[str, object], field: str
) -> None:
    FOLDER.claim(tmp_path, manifest(min_hits=1, boxes=True))
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "a.json").write_text("{}")
    before = (tmp_path / "made.json").read_bytes()
    with pytest.raises(BadInput, match="was begun with") as caught:
        FOLDER.claim(tmp_path, other)
    assert caught.value.field == field and "the same flags" in (caught.value.remedy or "")
    assert (tmp_path / "made.json").read_bytes() == before


def test_without_anything_whole_a_folder_is_free_again(tmp_path: Path) -> None:
    FOLDER.claim(tmp_path, manifest(hz=1))
    for name in ("boxes/a.zip", "boxes/b.zip", "kept/a.zip", "kept/mine.txt", "scenes/.a.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    FOLDER.claim(tmp_path, manifest(hz=2))
    assert json.loads((tmp_path / "made.json").read_text()) == manifest(hz=2)
    assert names(tmp_path) == ["kept", "kept/mine.txt", "made.json", "scenes", "scenes/.a.json"]
    with FOLDER.writing(tmp_path, manifest(hz=2)):
        pass
    with (
        pytest.raises(BadInput, match="meanwhile"),
        FOLDER.writing(tmp_path, manifest(hz=1)),
    ):
        pass


def test_a_folder_into_which_somebody_writes_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claimed_folder, "_PATIENCE_S", 0.05)
    FOLDER.claim(tmp_path, manifest(hz=1))
    with FOLDER.writing(tmp_path, manifest(hz=1)), FOLDER.writing(tmp_path, manifest(hz=1)):
        FOLDER.claim(tmp_path, manifest(hz=1))
        with pytest.raises(BadInput, match="--hz: the folder was begun with 1, now 2"):
            FOLDER.claim(tmp_path, manifest(hz=2))
        assert json.loads((tmp_path / "made.json").read_text()) == manifest(hz=1)
    assert names(tmp_path) == ["made.json"]
    FOLDER.claim(tmp_path, manifest(hz=2))
    assert json.loads((tmp_path / "made.json").read_text()) == manifest(hz=2)


def test_of_runs_that_begin_at_once_only_one_kind_writes(tmp_path: Path) -> None:
    """Whoever gets to write finds the folder its own until the end, however many claim it."""
    begin, wrote = Barrier(6), []

    def run(hz: int) -> None:
        begin.wait()
        try:
            FOLDER.claim(tmp_path / "out", manifest(hz=hz))
            with FOLDER.writing(tmp_path / "out", manifest(hz=hz)):
                there = json.loads((tmp_path / "out/made.json").read_text())["flags"]["hz"]
                (tmp_path / "out/scenes").mkdir(exist_ok=True)
                (tmp_path / f"out/scenes/{get_ident()}.json").write_text(str(hz))
                time.sleep(0.02)
                wrote.append((hz, there))
        except BadInput as error:
            assert "meanwhile" in str(error) or "was begun with" in str(error)

    threads = [Thread(target=run, args=(n % 3,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrote and {hz for hz, _ in wrote} == {there for _, there in wrote}
    assert len({hz for hz, _ in wrote}) == 1
    assert {f.read_text() for f in (tmp_path / "out/scenes").iterdir()} == {str(wrote[0][0])}


def test_a_folder_that_was_begun_while_one_looked_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look for the manifest and the look for other things another run writes both."""

    def late(folder: Path, *names: str) -> None:
        (folder / "scenes").mkdir(parents=True)
        (folder / "scenes/a.json").write_text("{}")
        (folder / "made.json").write_text(json.dumps(manifest(hz=2)))
        check_free(folder, *names)

    monkeypatch.setattr("roadloom.scene.claimed_folder.check_free", late)
    FOLDER.claim(tmp_path / "same", manifest(hz=2))
    with pytest.raises(BadInput, match="was begun with"):
        FOLDER.claim(tmp_path / "other", manifest(hz=3))


def test_other_things_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"sun")
    with pytest.raises(BadInput, match=r"holds no made\.json.*roadloom make"):
        FOLDER.claim(tmp_path, manifest())
    with pytest.raises(BadInput, match="--out: is no folder"):
        FOLDER.claim(tmp_path / "holiday.jpg", manifest())
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "made.json").write_text('{"name": "another program"}')
    with pytest.raises(BadInput, match="was begun with None"):
        FOLDER.claim(foreign, manifest())
    assert (foreign / "made.json").read_text() == '{"name": "another program"}'


def test_flags_are_told_as_they_are_written() -> None:
    told = {name: flag_of(name) for name in ("hz", "future_offsets", "tile_m", "source")}
    assert told == {
        "hz": "--hz", "future_offsets": "--future", "tile_m": "--tile-m", "source": "SOURCE",
    }  # fmt: skip
