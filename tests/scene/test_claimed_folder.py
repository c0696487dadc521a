"""A folder of results keeps to what it was begun with."""

import json
from pathlib import Path

import pytest

from roadloom.errors import BadInput
from roadloom.scene.claimed_folder import ClaimedFolder, flag_of

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
    FOLDER.check(tmp_path, manifest(hz=2))
    with pytest.raises(BadInput, match="meanwhile"):
        FOLDER.check(tmp_path, manifest(hz=1))


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
