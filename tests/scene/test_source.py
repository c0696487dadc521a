"""Names of sources: only a last part without a slash is a scene, and a name reads back."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import roadloom
from roadloom.errors import BadInput, MissingInput
from roadloom.scene.registry import KINDS
from roadloom.scene.source import SourceName, summary

EXAMPLES = {
    "town-v1:val:3": ("town-v1", "val", "3"),
    "town-v1:val": ("town-v1", "val", None),
    "nuscenes:/data/n": ("nuscenes", "/data/n", None),
    "nuscenes:ROOT@v1.0-mini": ("nuscenes", "ROOT@v1.0-mini", None),
    "nuscenes:ROOT@v1.0-mini:scene-0061": ("nuscenes", "ROOT@v1.0-mini", "scene-0061"),
    "nuscenes:/data/n:scene-0061": ("nuscenes", "/data/n", "scene-0061"),
    "nuscenes:/data/n:x/y": ("nuscenes", "/data/n:x/y", None),
    "av2:LOG": ("av2", "LOG", None),
    "folder:C:/drives": ("folder", "C:/drives", None),
    r"folder:C:\drives": ("folder", r"C:\drives", None),
    "folder:C:/drives:a": ("folder", "C:/drives", "a"),
    "folder:../x:y": ("folder", "../x", "y"),
    "folder:a:b:c": ("folder", "a:b", "c"),
    "folder:.": ("folder", ".", None),
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples(text: str) -> None:
    assert SourceName.parse(text) == SourceName(*EXAMPLES[text])


word = st.text("ab/:.@-\\ 3", min_size=1, max_size=8)


@settings(derandomize=True, max_examples=400)
@given(st.sampled_from([*KINDS, "x"]), word)
def test_every_name_reads_back_and_no_scene_has_a_slash(kind: str, rest: str) -> None:
    text = f"{kind}:{rest}"
    try:
        name = SourceName.parse(text)
    except BadInput as error:
        assert rest.endswith(":") or rest.startswith(":")
        assert error.field == "SOURCE" and error.remedy
        return
    assert str(name) == text and SourceName.parse(str(name)) == name
    assert name.place
    if name.scene is None:
        assert ":" not in rest or re.search(r"[/\\]", rest.rpartition(":")[2])
    else:
        assert name.scene and not re.search(r"[/\\:]", name.scene)


@pytest.mark.parametrize(
    "text", ["", "town-v1", ":val", "town-v1:", "folder:a:", "folder:a/b:", "folder::b"]
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        SourceName.parse(text)
    assert caught.value.field == "SOURCE" and caught.value.remedy


def test_an_unknown_kind_is_told_which_there_are() -> None:
    with pytest.raises(BadInput, match="town-v1.*nuscenes.*av2.*folder"):
        roadloom.open("waymo:/data")


def test_a_scene_that_is_not_there_is_told_which_are() -> None:
    with pytest.raises(MissingInput, match="no scene 'x'; there are 0, 1, 2, 3, 4, 5 and 144 more"):
        roadloom.open("town-v1:val:x")


def test_a_scene_narrows_a_source_and_does_not_renumber_it() -> None:
    source = roadloom.open("town-v1:val:3")
    assert len(source) == 1 and source.scenes == ("3",)
    assert repr(source) == "Source('town-v1:val:3', 1 scene)"
    assert repr(roadloom.open("town-v1:val")) == "Source('town-v1:val', 150 scenes)"
    with pytest.raises(MissingInput):
        source.clip("4")


def test_summaries() -> None:
    assert summary([]) == "there are none"
    assert summary(["a", "b"]) == "there are a, b"
    assert summary(["a", "b", "c"], most=2) == "there are a, b and 1 more"
