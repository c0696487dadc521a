"""Cut-down recordings: refused, or labelled as far as their sweeps go."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.scene.rich_clip import rich_clip

import roadloom
from roadloom.cli.main import main
from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.voxel_grid import CARLA_SC
from roadloom.label.recipe import WINDOWS, Recipe
from roadloom.label.run import label_source
from roadloom.label.scene import SceneLabeller
from roadloom.scene.labels import LabelFolder

FRAME = Recipe(grid=CARLA_SC, window=WINDOWS["frame"], boxes=False, masks=False)
WIDE = Recipe(grid=CARLA_SC, window=WINDOWS["0.5s"], boxes=False, masks=False)
MIDDLE = 2
"""The record of TOP that belongs to the second of three key frames."""


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    rich_clip(tmp_path).save(tmp_path / "whole")
    return tmp_path / "whole"


def _cut(whole: Path, how: str) -> str:
    """The clip without the sweep of its middle key frame: only its file is gone, or its row too."""
    folder = whole.with_name(how)
    shutil.copytree(whole, folder)
    (folder / f"lidars/TOP/{MIDDLE:06d}.npz").unlink()
    if how == "row":
        rows = (folder / "lidars/TOP.csv").read_text().splitlines()
        (folder / "lidars/TOP.csv").write_text(
            "\n".join(rows[: MIDDLE + 1] + rows[MIDDLE + 2 :]) + "\n"
        )
        keys = [line.split(",") for line in (folder / "keys.csv").read_text().splitlines()]
        top = keys[0].index("TOP")
        keys[2][top], keys[3][top] = "", "3"
        (folder / "keys.csv").write_text("\n".join(",".join(line) for line in keys) + "\n")
    return f"folder:{folder}"


@pytest.mark.parametrize("how", ["file", "row"])
def test_only_on_request(whole: Path, tmp_path: Path, how: str) -> None:
    source, out = _cut(whole, how), tmp_path / "out"
    with pytest.raises(MissingInput) as caught:
        label_source(source, FRAME, out)
    assert how == "file" or "--partial" in (caught.value.remedy or "")
    done = label_source(source, FRAME, out, partial=True)
    clip = roadloom.open(source)[0]
    labels = LabelFolder.open(out)
    assert labels.times_ns(clip.scene_id) == tuple(int(clip.times_ns[key]) for key in (0, 2))
    assert done.written + done.kept == 2
    again = label_source(source, FRAME, out, partial=True)
    assert again == (0, 2, 1, 0)
    with pytest.raises(NotRecorded):
        roadloom.open(source, labels=str(out))[0][1].occupancy(CARLA_SC)


@pytest.mark.parametrize("how", ["file", "row"])
def test_the_other_sweeps_are_used(whole: Path, tmp_path: Path, how: str) -> None:
    source, out = _cut(whole, how), tmp_path / "out"
    assert label_source(source, WIDE, out, partial=True).written == 3
    clip = roadloom.open(source, labels=str(out))[0]
    made = SceneLabeller(clip, WIDE, partial=True)
    for key in range(3):
        assert clip[key].occupancy(CARLA_SC).same_as(made.label(key))
    complete = SceneLabeller(roadloom.open(f"folder:{whole}")[0], WIDE).label(1)
    assert 0 < made.label(1).occupied.sum() <= complete.occupied.sum()
    assert not np.array_equal(made.label(1).labels, complete.labels)


def test_goes_on_behind_a_gap(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = _cut(whole, "row")
    label_source(source, FRAME, tmp_path / "once", partial=True)
    real = SceneLabeller.label

    def stopped(labeller: SceneLabeller, key: int, offset: int = 0):
        if key == 2:
            raise KeyboardInterrupt
        return real(labeller, key, offset)

    with monkeypatch.context() as patch:
        patch.setattr(SceneLabeller, "label", stopped)
        with pytest.raises(KeyboardInterrupt):
            label_source(source, FRAME, tmp_path / "twice", partial=True)
    assert label_source(source, FRAME, tmp_path / "twice", partial=True) == (1, 1, 1, 0)
    for file in (tmp_path / "once").rglob("*"):
        other = tmp_path / "twice" / file.relative_to(tmp_path / "once")
        assert file.is_dir() or file.read_bytes() == other.read_bytes()


def test_whole_recordings_are_the_same_either_way(whole: Path, tmp_path: Path) -> None:
    for name, partial in (("strict", False), ("partial", True)):
        label_source(f"folder:{whole}", WIDE, tmp_path / name, partial=partial)
    (file,) = (tmp_path / "strict").glob("*.labels")
    assert file.read_bytes() == (tmp_path / "partial" / file.name).read_bytes()


def test_what_is_partial_does_not_pass_for_whole(whole: Path, tmp_path: Path) -> None:
    source, out = _cut(whole, "row"), tmp_path / "out"
    label_source(source, FRAME, out, partial=True)
    assert LabelFolder.open(out).finished_facts("rich-1")["partial"] is True
    with pytest.raises(BadInput, match=r"rich-1\.labels: --partial: .*sweeps that were there"):
        label_source(source, FRAME, out)
    assert label_source(source, FRAME, out, partial=True).kept == 2
    label_source(f"folder:{whole}", FRAME, tmp_path / "strict")
    assert "partial" not in LabelFolder.open(tmp_path / "strict").finished_facts("rich-1")
    assert label_source(f"folder:{whole}", FRAME, tmp_path / "strict").kept == 3


def test_nothing_labelled_is_an_error(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["label", f"folder:{whole}", "--out", str(tmp_path / "out"), "--grid", "carla_sc"]
    with pytest.raises(SystemExit) as caught:
        main([*words, "--future", "9"])
    assert caught.value.code == 2 and "no key frame could be labelled" in capsys.readouterr().err


def test_a_real_log_of_two_sweeps(real_data: Path, tmp_path: Path) -> None:
    (log,) = (real_data / "av2/sensor/val").iterdir()
    recipe = Recipe(grid=CARLA_SC, window=WINDOWS["frame"], masks=False)
    with pytest.raises(MissingInput, match="154 of 156 key frames .* the first is 0"):
        label_source(f"av2:{log}", recipe, tmp_path)
    assert label_source(f"av2:{log}", recipe, tmp_path, partial=True) == (2, 0, 1, 0)
