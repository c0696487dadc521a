"""Official names: as many as published, none in two splits, the devkit's own where it is there."""

import pytest

from roadloom.errors import BadInput
from roadloom.export.nuscenes.official import scene_names


def test_names_are_as_many_as_published_and_of_one_split() -> None:
    train, val = scene_names("train"), scene_names("val")
    assert (len(train), len(val)) == (700, 150)
    assert len({*train, *val}) == 850
    assert val[0] == "scene-0003" and list(val) == sorted(val)
    assert "scene-0061" in train and "scene-0103" in val


def test_the_devkit_has_the_same() -> None:
    splits = pytest.importorskip(
        "nuscenes.utils.splits", reason="needs nuscenes-devkit 1.2.0 (docs/export_nuscenes.md)"
    )
    for name in ("train", "val"):
        assert set(scene_names(name)) == set(getattr(splits, name))


def test_other_splits_are_refused() -> None:
    with pytest.raises(BadInput, match=r"'test' has no published .* train, val"):
        scene_names("test")
