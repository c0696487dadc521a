"""Crops: the very cells that the offset names, drawn evenly, the same for the same seed."""

from pathlib import Path

import pytest
import torch

from roadloom.datasets.crops import CropWindows
from roadloom.datasets.windows import OccupancyWindows


def test_a_crop_is_the_window_from_its_offset_on(prepared: Path) -> None:
    windows = OccupancyWindows(prepared, frames=8, flips=True)
    crops = CropWindows(windows, size=(48, 32), frames=4)
    assert len(crops) == len(windows) and (crops.frames, crops.shape) == (4, (48, 32, 8))
    for seed in range(6):
        example, whole = crops.read(3, seed), windows.read(3, seed)
        t, x, y = example["offset"].tolist()
        assert crops.offset(seed) == (t, x, y)
        for key in ("voxels", "valid"):
            expected = whole[key][t : t + 4, x : x + 48, y : y + 32]
            assert torch.equal(example[key], expected) and example[key].is_contiguous()
    assert crops.window_name(3) == windows.window_name(3)
    assert crops.previous(10) == windows.previous(10)


def test_every_offset_is_drawn_and_none_other(prepared: Path) -> None:
    crops = CropWindows(OccupancyWindows(prepared, frames=3), size=(124, 126), frames=2)
    assert {crops.offset(seed) for seed in range(600)} == {
        (t, x, y) for t in range(2) for x in range(5) for y in range(3)
    }
    even = CropWindows(OccupancyWindows(prepared, frames=2), size=(123, 128), multiple=2)
    assert {even.offset(seed) for seed in range(100)} == {(0, x, 0) for x in (0, 2, 4)}


@pytest.mark.parametrize("size", [(129, 8), (0, 8)])
def test_what_is_no_crop(prepared: Path, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no crop"):
        CropWindows(OccupancyWindows(prepared, frames=2), size=size)
    with pytest.raises(ValueError, match="no crop"):
        CropWindows(OccupancyWindows(prepared, frames=2), size=(8, 8), frames=3)
