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


def test_a_label_is_replaced_as_a_whole(labels: LabelFolder) -> None:
    other = replace(LABEL, labels=np.full(GRID.shape, 1, np.uint8))
    labels.add("rich-1", 20, other)
    assert labels.occupancy("rich-1", 20, GRID).same_as(other)
    assert len(list(labels.path("rich-1", 20).parent.iterdir())) == 2


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


def test_labels_come_in_through_open(labels: LabelFolder) -> None:
    source = roadloom.open("town-v1:val:0", labels=str(labels.folder))
    assert source.labels == labels and source[0].labels == labels


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"roadloom_labels": 2}, "roadloom_labels"),
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
    labels.path("rich-1", 20).write_bytes(b"PK\x03\x04")
    with pytest.raises(BadInput):
        labels.occupancy("rich-1", 20, GRID)
    (labels.path("rich-1", 20).parent / "noon.npz").touch()
    with pytest.raises(BadInput, match="no time"):
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
        lambda: labels.path(scene, 20),
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
    assert caught.value.remedy and "original data set" not in str(caught.value)
    if len(name) < 6 and "\0" not in name:
        assert isinstance(caught.value, MissingInput) and "labels were written" in str(caught.value)


def test_a_damaged_manifest_is_written_again(labels: LabelFolder) -> None:
    (labels.folder / "labels.json").write_text("{")
    with pytest.raises(BadInput, match="write the labels again"):
        LabelFolder.open(labels.folder)
