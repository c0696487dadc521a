"""Runs over a source: every label once and in order, resumed anywhere to the same bytes."""

import json
import multiprocessing
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from studies.kills import differing, kill_and_resume
from tests.label.slow_run import RECIPE, SMALL, SlowLabeller
from tests.scene.rich_clip import rich_clip

import roadloom
from roadloom.cli.main import main
from roadloom.errors import BadInput, NotRecorded, RoadloomError
from roadloom.geometry.voxel_grid import CARLA_SC, GRIDS, OCC3D
from roadloom.label.recipe import WINDOWS, Recipe
from roadloom.label.run import Summary, label_source
from roadloom.label.scene import SceneLabeller
from roadloom.scene.classes import FREE, UNKNOWN, class_id
from roadloom.scene.labels import LabelFolder

SCENES = "abcd"
OF_SCENE = 5
"""Three key frames, two offsets, and one past the end."""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A source of four scenes, a to d."""
    folder = tmp_path_factory.mktemp("clips")
    for name in SCENES:
        rich_clip(folder).save(folder / "all" / name)
        facts = folder / "all" / name / "clip.json"
        facts.write_text(json.dumps(json.loads(facts.read_text()) | {"scene_id": name}))
    return f"folder:{folder}/all"


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> type[SlowLabeller]:
    """The stand-in, not slow at all."""
    monkeypatch.setattr("roadloom.label.scene.SceneLabeller", SlowLabeller)
    monkeypatch.setattr(SlowLabeller, "seconds", 0.0)
    monkeypatch.setattr(SlowLabeller, "made", [])
    return SlowLabeller


@pytest.fixture
def whole(many: str, tmp_path: Path, slow: type[SlowLabeller]) -> Path:
    """A run that nobody touched."""
    label_source(many, RECIPE, tmp_path / "whole")
    slow.made.clear()
    return tmp_path / "whole"


def test_the_store_holds_what_the_labeller_says(many: str, tmp_path: Path) -> None:
    recipe = Recipe(grid=CARLA_SC, window=WINDOWS["0.5s"], future_offsets=(0, 1))
    done = label_source(f"{many}:b", recipe, tmp_path / "out")
    assert done == Summary(OF_SCENE, 0, 1)
    labels, clip = LabelFolder.open(tmp_path / "out"), roadloom.open(f"{many}:b")[0]
    labeller = SceneLabeller(clip, recipe)
    for key, offset in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0)):
        stored = labels.occupancy("b", int(clip.times_ns[key]), CARLA_SC, offset)
        assert stored.same_as(labeller.label(key, offset)) and stored.occupied.any()
    in_order = ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0))
    assert labels.keys("b") == tuple((int(clip.times_ns[key]), ahead) for key, ahead in in_order)
    assert labels.facts["recipe"] == json.loads(json.dumps(recipe.to_json()))
    assert labels.facts["source"] == many and labels.facts["licence"] == clip.licence
    attached = roadloom.open(f"{many}:b", labels=str(tmp_path / "out"))[0]
    assert attached[1].occupancy(CARLA_SC).same_as(labeller.label(1))


def test_every_label_is_made_once(many: str, tmp_path: Path, slow: type[SlowLabeller]) -> None:
    done = label_source(many, RECIPE, tmp_path / "out")
    assert done == Summary(OF_SCENE * len(SCENES), 0, len(SCENES))
    assert len(slow.made) == len(set(slow.made)) == OF_SCENE * len(SCENES)
    slow.made.clear()
    again = label_source(many, RECIPE, tmp_path / "out")
    assert again == Summary(0, OF_SCENE * len(SCENES), len(SCENES)) and not slow.made
    labels = LabelFolder.open(tmp_path / "out")
    assert labels.scenes == tuple(SCENES) and not list(labels.problems())
    record = json.loads(labels.record_path("a").read_text())
    assert record["labels"] == OF_SCENE and record["licence"].startswith("CC0")


@pytest.mark.parametrize("stop", range(OF_SCENE * 2 + 1))
def test_a_run_goes_on_amid_a_scene(
    many: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    def interrupted(labeller: SlowLabeller, key: int, offset: int = 0):
        if len(SlowLabeller.made) == stop:
            raise KeyboardInterrupt
        return real(labeller, key, offset)

    real = SlowLabeller.label
    with monkeypatch.context() as patch:
        patch.setattr(SlowLabeller, "label", interrupted)
        with pytest.raises(KeyboardInterrupt):
            label_source(many, RECIPE, tmp_path / "out")
    done = label_source(many, RECIPE, tmp_path / "out")
    assert done.kept == stop and done.written == OF_SCENE * len(SCENES) - stop
    assert len(SlowLabeller.made) == len(set(SlowLabeller.made)) == OF_SCENE * len(SCENES)
    assert differing(tmp_path / "out", whole) == []


def test_shards_and_single_scenes_make_the_same_folder(
    many: str, whole: Path, tmp_path: Path
) -> None:
    for part in (2, 0, 1):
        label_source(many, RECIPE, tmp_path / "shards", shard=(part, 3))
    assert differing(tmp_path / "shards", whole) == []
    for scene in "cbda":
        label_source(f"{many}:{scene}", RECIPE, tmp_path / "single")
    assert differing(tmp_path / "single", whole) == []


def test_another_recipe_or_source_is_refused(many: str, whole: Path, tmp_path: Path) -> None:
    for source, recipe, field in (
        (many, Recipe(grid=SMALL, future_offsets=(0,)), "--future"),
        (many, Recipe(grid=OCC3D, future_offsets=(0, 1)), "--grid"),
        (f"{many}/a", RECIPE, "SOURCE"),
    ):
        with pytest.raises(BadInput, match="was begun with") as caught:
            label_source(source, recipe, whole)
        assert caught.value.field == field
    assert not SlowLabeller.made
    for bad in ({"workers": 0}, {"shard": (2, 2)}):
        with pytest.raises(BadInput, match="--"):
            label_source(many, RECIPE, tmp_path / "out", **bad)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_labels_of_other_key_frames_are_refused(many: str, whole: Path) -> None:
    labels = LabelFolder(whole)
    (time, _), *_ = labels.keys("c")
    label = labels.occupancy("c", time, SMALL)
    for path in (labels.path("c"), labels.record_path("c")):
        path.unlink()
    labels.add("c", time + 1, label)
    with pytest.raises(BadInput, match="not those of the first 1 key frames") as caught:
        label_source(many, RECIPE, whole)
    assert "scenes/c.json" in (caught.value.remedy or "")


def test_damage_is_mended_by_its_remedy(many: str, whole: Path, tmp_path: Path) -> None:
    labels, before = LabelFolder(whole), (whole / "c.labels").read_bytes()
    (whole / "c.labels").write_bytes(before[:-7])
    with pytest.raises(BadInput, match=r"delete it and scenes/c\.json beside it"):
        label_source(many, RECIPE, whole)
    labels.path("c").unlink()
    labels.record_path("c").unlink()
    assert label_source(many, RECIPE, whole).written == OF_SCENE
    assert labels.path("c").read_bytes() == before


def test_a_worker_without_its_run_stops(
    many: str, tmp_path: Path, slow: type[SlowLabeller], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dead:
        def is_alive(self) -> bool:
            return len(slow.made) < 3

    monkeypatch.setattr(multiprocessing, "parent_process", Dead)
    with pytest.raises(RoadloomError, match="is gone"):
        label_source(many, RECIPE, tmp_path / "out")
    assert len(LabelFolder.open(tmp_path / "out").keys("a")) == 3


def test_a_source_without_sweeps_is_told(tmp_path: Path) -> None:
    from tests.prepare.toy_source import ToySource

    from roadloom.scene.registry import KINDS

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, "toy", f"{ToySource.__module__}:ToySource")
        with pytest.raises(NotRecorded):
            label_source("toy:street:0", Recipe(), tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["labels.json"]


def test_the_program_labels_and_shows(
    many: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, words = tmp_path / "my labels", ("--window", "0.5s", "--grid", "carla_sc")
    for flags, expected in (
        (("--shard", "0/4"), f"3 labels of 1 scene written to {out}\n"),
        (("--shard", "0/2"), f"3 labels of 2 scenes written to {out}; 3 were there already\n"),
    ):
        with pytest.raises(SystemExit) as caught:
            main(["label", many, "--out", str(out), *words, "--target", "geometric", *flags])
        said = capsys.readouterr().out
        assert caught.value.code == 0 and expected in said
        assert f"roadloom view {many} --labels '{out}' --out view\n" in said
    labels = LabelFolder.open(out)
    grid = labels.grids("a")[0]
    found = labels.occupancy("a", labels.times_ns("a")[0], grid)
    assert set(np.unique(found.labels)) == {FREE, UNKNOWN, class_id("other.occupied")}
    view = ["view", f"{many}:a", "--no-film", "--out", str(tmp_path / "view"), "--labels"]
    with pytest.raises(SystemExit) as caught:
        main([*view, str(out)])
    assert caught.value.code == 0 and (tmp_path / "view" / "occupancy.png").is_file()
    data = bytearray(labels.path("c").read_bytes())
    for status, words in ((0, "is sound"), (1, "the label at ")):
        with pytest.raises(SystemExit) as caught:
            main(["validate", f"labels:{out}"])
        assert caught.value.code == status and words in capsys.readouterr().out
        data[-1] ^= 1
        labels.path("c").write_bytes(data)


def test_pages_of_made_sources_are_kept_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every photograph on them would be drawn."""
    monkeypatch.setattr("roadloom.label.run.label_source", lambda *_, **__: Summary(1, 0, 1))
    with pytest.raises(SystemExit) as caught:
        main(["label", "town-v1:val:3", "--out", str(tmp_path), "--target", "geometric"])
    said = capsys.readouterr().out
    assert caught.value.code == 0 and said.endswith("--out view --no-film --max-frames 5\n")


def test_pages_of_a_scene_without_labels_are_refused(
    many: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label_source(f"{many}:b", RECIPE, tmp_path / "out")
    for source, scene in ((many, "a"), (f"{many}:a", "a")):
        with pytest.raises(SystemExit) as caught:
            main(["view", source, "--labels", str(tmp_path / "out"), "--out", str(tmp_path / "v")])
        said = capsys.readouterr().err
        assert caught.value.code == 2 and f"holds no label of scene {scene}" in said
        assert "there are b" in said and "remedy" in said
    assert not (tmp_path / "v").exists()


def test_scenes_that_are_shown_without_labels_are_named(
    many: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    label_source(f"{many}:b", RECIPE, tmp_path / "out")
    monkeypatch.setattr("roadloom.viewer.write.write_view", lambda *_: [])
    words = ["view", many, "--all", "--labels", str(tmp_path / "out"), "--out", str(tmp_path / "v")]
    with pytest.raises(SystemExit) as caught:
        main(words)
    told = [
        f"{scene} is shown without labels: {tmp_path / 'out'} holds none of it" for scene in "acd"
    ]
    said = capsys.readouterr().err.splitlines()
    assert caught.value.code == 0
    assert [line for line in said if "without labels" in line] == told


def test_the_program_refuses_what_pages_cannot_show(
    many: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    flags = ("--window", "frame", "--grid", "carla_sc", "--frame", "lidar", "--no-masks")
    with pytest.raises(SystemExit):
        main(["label", f"{many}:a", "--out", out, *flags])
    assert "LabelFolder" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main(["view", f"{many}:a", "--labels", out, "--no-film", "--out", str(tmp_path / "view")])
    assert caught.value.code == 2 and "lidar frame" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["label", "--help"])
    helped = capsys.readouterr().out
    assert all(name in helped for name in (*GRIDS, *WINDOWS) if name != "frames1")
    for bad, field in (("--grid", "none"), ("--window", "long"), ("--future", "-1")):
        with pytest.raises(SystemExit) as caught:
            main(["label", many, "--out", out, bad, field])
        assert caught.value.code == 2


def test_killed_runs_go_on_to_the_same_bytes(many: str, tmp_path: Path) -> None:
    """Three real SIGKILLs; ``python -m studies.kills`` does twenty, of the program itself."""
    command = [sys.executable, "-m", "tests.label.slow_run", many, "{out}"]
    outcome = kill_and_resume(command, tmp_path, kills=3, seed=5, warm=False)
    assert outcome.kills == 3 and outcome.differing == []
    assert (outcome.of_group, outcome.of_parent) == (2, 1)


def test_the_program_leaves_any_vehicle_out(
    many: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What lies in the box is no surface: all but nothing is left of a vehicle as large as all."""
    words = ["label", f"{many}:a", "--grid", "carla_sc", "--window", "frame", "--out"]
    found = {}
    for name, box in (("car", "-1.5 -1.1 0 4 1.1 2.2"), ("all", "-500 -500 -500 500 500 500")):
        with pytest.raises(SystemExit) as caught:
            main([*words, str(tmp_path / name), "--ego-box", *box.split()])
        assert caught.value.code == 0
        labels = LabelFolder.open(tmp_path / name)
        time, *_ = labels.times_ns("a")
        found[name] = labels.occupancy("a", time, labels.grids("a")[0]).occupied.sum()
        assert labels.facts["recipe"]["ego_box"]["upper_m"] == [float(n) for n in box.split()[3:]]
    assert found["car"] > 0 and found["all"] == 0
    with pytest.raises(SystemExit) as caught:
        main([*words, str(tmp_path / "car")])
    assert caught.value.code == 0  # the default is that of the first
    capsys.readouterr()
    for box, said in (("0 0 0 1 1 1", "--ego-box"), ("0 0 0 1 -1 1", "no side of a box")):
        with pytest.raises(SystemExit) as caught:
            main([*words, str(tmp_path / "car"), "--ego-box", *box.split()])
        assert caught.value.code == 2 and said in capsys.readouterr().err


def test_the_program_says_that_it_knows_no_class(
    many: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A drive of points alone: no boxes, no map, no labels of points."""
    folder = tmp_path / "bare"
    shutil.copytree(Path(many.removeprefix("folder:")) / "a", folder)
    facts = json.loads((folder / "clip.json").read_text())
    (folder / "clip.json").write_text(json.dumps({k: v for k, v in facts.items() if k != "map"}))
    keys = [line.split(",") for line in (folder / "keys.csv").read_text().splitlines()]
    boxes = keys[0].index("boxes")
    rows = (",".join(line[:boxes] + line[boxes + 1 :]) for line in keys)
    (folder / "keys.csv").write_text("".join(f"{row}\n" for row in rows))
    for file in (folder / "lidars/TOP").iterdir():
        arrays = dict(np.load(file))
        np.savez(file, **{k: v for k, v in arrays.items() if k not in ("label", "class_hash")})
    said = {}
    for name, source in (("bare", f"folder:{folder}"), ("rich", f"{many}:a")):
        words = ["--grid", "carla_sc", "--window", "frame", "--no-boxes", "--no-masks"]
        with pytest.raises(SystemExit) as caught:
            main(["label", source, "--out", str(tmp_path / f"of_{name}"), *words])
        assert caught.value.code == 0
        said[name] = capsys.readouterr().out
    assert "no class is known here" in said["bare"] and "no class" not in said["rich"]
