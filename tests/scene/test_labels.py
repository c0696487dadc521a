"""Labels beside a recording: what was added is read, everything else is absent or refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.scene.rich_clip import GRID, rich_clip

import roadloom
from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.io.read import RESTORE
from roadloom.scene.classes import CLASS_HASH
from roadloom.scene.clip import Clip
from roadloom.scene.labels import LabelFolder
from roadloom.scene.occupancy import Occupancy

LABEL = Occupancy(grid=GRID, labels=np.full(GRID.shape, 53, np.uint8))


@pytest.fixture
def labels(tmp_path: Path) -> LabelFolder:
    made = LabelFolder.create(tmp_path / "labels", {"source": "here", "licence": "CC0-1.0"})
    made.add("rich-1", 20, LABEL)
    made.add("rich-1", -7, replace(LABEL, labels=np.zeros(GRID.shape, np.uint8)))
    return made


def test_what_was_added_is_read(labels: LabelFolder) -> None:
    opened = LabelFolder.open(labels.folder)
    assert opened == labels
    assert opened.facts["licence"] == "CC0-1.0" and opened.facts["class_hash"] == CLASS_HASH
    assert opened.occupancy("rich-1", 20, GRID).same_as(LABEL)
    assert opened.times_ns("rich-1") == (-7, 20)
    assert opened.grids("rich-1") == (GRID,)
    assert opened.times_ns("other") == opened.grids("other") == ()


def test_a_label_is_never_replaced(labels: LabelFolder) -> None:
    before = labels.path("rich-1").read_bytes()
    with pytest.raises(BadInput, match="there is a label of scene rich-1 at 20 ns"):
        labels.add("rich-1", 20, replace(LABEL, labels=np.full(GRID.shape, 1, np.uint8)))
    assert labels.path("rich-1").read_bytes() == before


def test_labels_of_one_moment_by_offset(labels: LabelFolder) -> None:
    ahead = replace(LABEL, labels=np.full(GRID.shape, 1, np.uint8))
    labels.add("rich-1", 20, ahead, offset=2)
    assert labels.occupancy("rich-1", 20, GRID, offset=2).same_as(ahead)
    assert labels.occupancy("rich-1", 20, GRID).same_as(LABEL)
    assert labels.times_ns("rich-1") == (-7, 20) and labels.times_ns("rich-1", 2) == (20,)
    assert labels.keys("rich-1") == ((20, 0), (-7, 0), (20, 2))
    with pytest.raises(NotRecorded, match="offset 1"):
        labels.occupancy("rich-1", 20, GRID, offset=1)
    for time, offset in ((2**63, 0), (0, -1), (0, 2**32)):
        with pytest.raises(BadInput, match="no key"):
            labels.add("rich-1", time, LABEL, offset=offset)


def test_a_scene_has_one_grid_and_frame(labels: LabelFolder) -> None:
    other = replace(GRID, cell_m=(0.4, 0.4, 0.5))
    with pytest.raises(BadInput, match="scene's other labels") as caught:
        labels.add("rich-1", 1, replace(LABEL, grid=other))
    assert caught.value.field == "grid"
    with pytest.raises(BadInput, match="scene's other labels") as caught:
        labels.add("rich-1", 1, replace(LABEL, frame="lidar"))
    assert caught.value.field == "frame"
    labels.add("b", 1, replace(LABEL, frame="lidar"))
    assert labels.scenes == ("b", "rich-1")
    assert [labels.frame(scene) for scene in ("rich-1", "b", "c")] == ["ego", "lidar", None]


def test_what_is_not_there_was_not_recorded(labels: LabelFolder) -> None:
    for scene, time, grid in (("rich-1", 21, GRID), ("other", 20, GRID), ("rich-1", 20, OCC3D)):
        with pytest.raises(NotRecorded):
            labels.occupancy(scene, time, grid)


def test_attached_labels_go_before_the_clip_s_own(labels: LabelFolder, tmp_path: Path) -> None:
    clip = Clip(rich_clip(tmp_path).reader, labels)
    assert clip.occupancy_grids == (GRID,)
    labels.add("rich-1", int(clip.times_ns[0]), LABEL)
    assert clip[0].occupancy(GRID).same_as(LABEL)
    with pytest.raises(NotRecorded):
        clip[2].occupancy(GRID)
    with pytest.raises(NotRecorded, match="interiors"):
        clip[0].occupancy(GRID, solid=True)


def test_labels_in_the_lidar_s_frame_are_no_ego_occupancy(tmp_path: Path) -> None:
    clip = rich_clip(tmp_path)
    labels = LabelFolder.create(tmp_path / "labels", {})
    lidar = replace(LABEL, frame="lidar")
    labels.add(clip.scene_id, int(clip.times_ns[0]), lidar)
    assert labels.occupancy(clip.scene_id, int(clip.times_ns[0]), GRID).same_as(lidar)
    with pytest.raises(BadInput, match="lie in the lidar frame") as caught:
        Clip(clip.reader, labels)[0].occupancy(GRID)
    assert caught.value.field == "frame" and caught.value.remedy


def test_a_folder_is_gone_on_with_by_the_same_facts_only(tmp_path: Path) -> None:
    facts = {"source": "a", "recipe": {"window": {"after_s": 1.0}, "offsets": (0, 1)}}
    first = LabelFolder.open_or_create(tmp_path / "labels", facts)
    first.add("a", 1, LABEL)
    again = LabelFolder.open_or_create(tmp_path / "labels", facts)
    assert again == first and again.times_ns("a") == (1,)
    changes: tuple[tuple[dict, str], ...] = (
        (facts | {"source": "b"}, "SOURCE"),
        (facts | {"recipe": {"window": {"after_s": 2.0}, "offsets": (0, 1)}}, "--window"),
        (facts | {"recipe": {"window": {"after_s": 1.0}, "offsets": (0,)}}, "--offsets"),
        (facts | {"more": 1}, "--more"),
        ({"source": "a"}, "--window"),
    )
    for other, field in changes:
        with pytest.raises(BadInput, match="was begun with") as caught:
            LabelFolder.open_or_create(tmp_path / "labels", other)
        assert (caught.value.field or "").startswith(field)
    manifest = first.folder / "labels.json"
    manifest.write_text(json.dumps(first.facts | {"roadloom": "0.0.1"}))
    with pytest.raises(BadInput, match="0.0.1") as caught:
        LabelFolder.open_or_create(tmp_path / "labels", facts)
    assert caught.value.field == "roadloom"


def test_a_folder_without_a_label_may_be_begun_anew(tmp_path: Path) -> None:
    LabelFolder.open_or_create(tmp_path / "labels", {"source": "a"})
    labels = LabelFolder.open_or_create(tmp_path / "labels", {"source": "b"})
    assert labels.facts["source"] == "b"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(BadInput, match="holds no labels"):
        LabelFolder.open_or_create(tmp_path / "full", {"source": "a"})


def test_a_folder_that_is_being_written_is_not_begun_anew(tmp_path: Path) -> None:
    """Between a scene's beginning and its first label there is nothing to see but its lock."""
    labels = LabelFolder.open_or_create(tmp_path / "labels", {"source": "a"})
    with labels.writer("s") as writer:
        labels.check_facts({"source": "a"})
        with pytest.raises(BadInput, match="was begun with"):
            LabelFolder.open_or_create(labels.folder, {"source": "b"})
        writer.add(1, LABEL)
    assert labels.facts["source"] == "a"
    assert {p.name for p in labels.folder.iterdir()} == {"labels.json", "s.labels"}


def test_what_a_killed_run_left_empty_does_not_hold_a_folder(tmp_path: Path) -> None:
    labels = LabelFolder.open_or_create(tmp_path / "labels", {"source": "a"})
    labels.path("s").touch()
    (labels.folder / ".labels.lock").touch()
    LabelFolder.open_or_create(labels.folder, {"source": "b"}).add("s", 1, LABEL)
    assert labels.facts["source"] == "b" and labels.times_ns("s") == (1,)


def test_a_finished_scene_is_checked_when_opened(labels: LabelFolder) -> None:
    assert not labels.finished("rich-1")
    labels.finish("rich-1", {"licence": "CC0-1.0"})
    record = json.loads(labels.record_path("rich-1").read_text())
    assert record["labels"] == 2 and record["bytes"] == labels.path("rich-1").stat().st_size
    assert LabelFolder.open(labels.folder).finished("rich-1") and not list(labels.problems())
    with pytest.raises(BadInput, match="is finished"):
        labels.add("rich-1", 30, LABEL)
    whole = labels.path("rich-1").read_bytes()
    labels.path("rich-1").write_bytes(whole[:-1])  # to every reader a torn tail, but not so here
    with pytest.raises(BadInput, match="of the finished scene") as caught:
        LabelFolder.open(labels.folder)
    assert caught.value.file == str(labels.path("rich-1"))
    labels.path("rich-1").unlink()
    with pytest.raises(BadInput, match="0 bytes"):
        LabelFolder.open(labels.folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": 3}, "is 2, not 3"),
        ({"sha256": "00"}, "not '00'"),
        ({"scene": "b"}, "not 'b'"),
        ({"bytes": -1}, "whole number"),
        ({"bytes": None}, "whole number"),
    ],
)
def test_problems_compare_a_finished_scene(labels: LabelFolder, change: dict, words: str) -> None:
    labels.finish("rich-1")
    path = labels.record_path("rich-1")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    (problem,) = labels.problems()
    assert words in str(problem) and problem.remedy
    path.write_text("{")
    (problem,) = labels.problems()
    assert "label this scene again" in str(problem)


def test_labels_come_in_through_open(labels: LabelFolder) -> None:
    labels.add("0", 0, LABEL)
    source = roadloom.open("town-v1:val:0", labels=str(labels.folder))
    assert source.labels == labels and source[0].labels == labels


def test_labels_of_other_scenes_are_refused(labels: LabelFolder) -> None:
    with pytest.raises(NotRecorded, match="no label of scene 0; of scenes there are rich-1") as e:
        roadloom.open("town-v1:val:0", labels=str(labels.folder))
    assert (e.value.file, e.value.field) == (str(labels.folder), "labels")
    assert "'here'" in (e.value.remedy or "")


@pytest.mark.parametrize(
    ("maker", "fits"),
    [
        ("nuscenes:/data", False),
        ("town-v1:train", True),  # such as data that was moved
        ("folder:/copy", True),
        ("my network", True),
        ("my: network", True),
        (None, True),
    ],
)
def test_labels_of_another_kind_of_source_are_refused(
    tmp_path: Path, maker: str | None, fits: bool
) -> None:
    made = LabelFolder.create(tmp_path / "labels", {"source": maker})
    made.add("0", 0, LABEL)
    if fits:
        assert roadloom.open("town-v1:val:0", labels=str(made.folder)).labels == made
        return
    with pytest.raises(BadInput, match="not of a source of the kind town-v1") as caught:
        roadloom.open("town-v1:val:0", labels=str(made.folder))
    assert caught.value.field == "source" and caught.value.remedy


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"roadloom_labels": 1}, "roadloom_labels"),
        ({"roadloom_labels": True}, "roadloom_labels"),
        ({"roadloom_labels": None}, "roadloom_labels"),
        ({"class_hash": "0123"}, "class_hash"),
        ({"class_hash": None}, "class_hash"),
        ({"class_hash": 5}, "class_hash"),
    ],
)
def test_another_schema_or_class_list_is_refused(
    labels: LabelFolder, change: dict, field: str
) -> None:
    manifest = labels.folder / "labels.json"
    manifest.write_text(json.dumps(labels.facts | change))
    with pytest.raises(BadInput) as caught:
        LabelFolder.open(labels.folder)
    assert (caught.value.file, caught.value.field) == (str(manifest), field)


def test_damaged_folders_are_refused(labels: LabelFolder, tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        LabelFolder.open(tmp_path / "none")
    labels.path("rich-1").write_bytes(b"PK\x03\x04")
    with pytest.raises(BadInput):
        labels.occupancy("rich-1", 20, GRID)
    with pytest.raises(BadInput, match="no file of labels"):
        labels.times_ns("rich-1")
    for text in ("[]", "{", ""):
        (labels.folder / "labels.json").write_text(text)
        with pytest.raises(BadInput):
            LabelFolder.open(labels.folder)


def test_labels_of_two_makings_do_not_mix(labels: LabelFolder, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not empty"):
        LabelFolder.create(labels.folder, {})
    with pytest.raises(BadInput, match="class_hash"):
        LabelFolder.create(tmp_path / "new", {"class_hash": "mine"})


@pytest.mark.parametrize(
    "scene",
    [
        "..",
        ".",
        "../../x",
        "/etc",
        "a/b",
        "a\\b",
        "a:b",
        "a b",
        "a\0b",
        "\x1b[31m",
        "\ud800",
        "",
        "x" * 121,
    ],
    ids=ascii,
)
def test_a_scene_cannot_lead_out_of_the_folder(
    labels: LabelFolder, tmp_path: Path, scene: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    for use in (
        lambda: labels.path(scene),
        lambda: labels.record_path(scene),
        lambda: labels.add(scene, 20, LABEL),
        lambda: labels.occupancy(scene, 20, GRID),
        lambda: labels.times_ns(scene),
    ):
        with pytest.raises(BadInput) as caught:
            use()
        assert caught.value.field == "scene_id" and caught.value.remedy
        assert str(caught.value).isprintable()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["none", "empty", "file", "x" * 5000, "a\0b"], ids=ascii)
def test_what_are_no_labels_is_said_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(BadInput) as caught:
        LabelFolder.open(tmp_path / name)
    assert caught.value.remedy and RESTORE not in str(caught.value)
    if len(name) < 6 and "\0" not in name:
        assert isinstance(caught.value, MissingInput) and "labels were written" in str(caught.value)


def test_a_damaged_manifest_is_written_again(labels: LabelFolder) -> None:
    (labels.folder / "labels.json").write_text("{")
    with pytest.raises(BadInput, match="write the labels again"):
        LabelFolder.open(labels.folder)
