"""Counts of classes: each frame once, the published weights, a cache that knows its data."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.datasets.made_drive import MadeReader, made_clip

from roadloom.datasets.class_counts import ClassCounts, class_counts
from roadloom.datasets.windows import OccupancyWindows
from roadloom.errors import BadInput
from roadloom.scene.class_maps import ids_from
from roadloom.scene.class_views import view

VIEW = view("dynamiccity12")
# Cells of each raw class of CarlaSC's training split, and the weights that follow: the published
# configuration, as the specification gives them.
CARLA_SC = (
    3763643297, 39644538, 8417042, 362221, 546581, 2265328, 3319457, 184640959, 105036782, 20811569,
    9942710, 18401902, 96415, 0, 6995101, 538555, 4313, 8965598, 66443, 3009867, 2982851, 234650,
    66806621,
)  # fmt: skip
WEIGHTS = (
    1.000, 4.562, 4.720, 8.081, 19.025, 11.573, 2.716, 3.708, 3.297, 5.655, 7.234, 2069.4,
)  # fmt: skip


def published() -> ClassCounts:
    target = VIEW.apply(ids_from("carla_sc", np.arange(23)))
    cells = np.bincount(target, weights=CARLA_SC, minlength=12).astype(int)
    return ClassCounts(names=VIEW.names, cells=tuple(cells.tolist()))


def test_the_published_weights() -> None:
    counts = published()
    assert sum(counts.cells) == 32_400 * 128 * 128 * 8  # frames and cells of the training split
    np.testing.assert_allclose(counts.weights("published"), WEIGHTS, rtol=3e-5, atol=5e-4)


def test_an_absent_class_weighs_as_the_rarest_that_is_there() -> None:
    weights = published().weights()
    np.testing.assert_allclose(weights[:11], WEIGHTS[:11], rtol=3e-5, atol=5e-4)
    assert weights[11] == weights[4] == weights[:11].max()


def test_every_frame_counts_once() -> None:
    windows = OccupancyWindows([made_clip("a", 12), made_clip("b", 9)], frames=4, stride=2, skip=1)
    expected = sum(
        np.bincount(VIEW.apply(MadeReader(scene, n).labels(key)).ravel(), minlength=12)
        for scene, n in (("a", 12), ("b", 9))
        for key in range(0, n, 2)
    )
    counts = class_counts(windows)
    assert counts.cells == tuple(expected) and counts.names == VIEW.names
    assert sum(counts.shares) == pytest.approx(1)


def test_the_cache_serves_its_own_data_only(tmp_path: Path) -> None:
    cache = tmp_path / "counts.json"
    windows = OccupancyWindows(made_clip("a", 12), frames=4)
    counts = class_counts(windows, cache)
    stored = json.loads(cache.read_text())
    cache.write_text(json.dumps(stored | {"cells": [5] * 12}))
    assert class_counts(windows, cache).cells == (5,) * 12  # taken from the file
    recut = OccupancyWindows(made_clip("a", 12), frames=2, stride=3)
    assert class_counts(recut, cache).cells == (5,) * 12  # the same frames
    for other in (
        OccupancyWindows(made_clip("b", 12), frames=4),
        OccupancyWindows(made_clip("a", 12), frames=4, skip=1),
        OccupancyWindows(made_clip("a", 12), frames=4, view="occ3d18"),
    ):
        assert class_counts(other, cache).cells != (5,) * 12
    assert class_counts(windows, cache) == counts


@pytest.mark.parametrize("cells", [[1, 2], ["a"] * 12, None, [0] * 12])
def test_a_damaged_cache_is_told(tmp_path: Path, cells: object) -> None:
    cache = tmp_path / "counts.json"
    windows = OccupancyWindows(made_clip("a", 5), frames=4)
    class_counts(windows, cache)
    cache.write_text(json.dumps(json.loads(cache.read_text()) | {"cells": cells}))
    with pytest.raises(BadInput, match="cells"):
        class_counts(windows, cache)
    cache.write_text("[]")
    with pytest.raises(BadInput, match="no counts of classes"):
        class_counts(windows, cache)
