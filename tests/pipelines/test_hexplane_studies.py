"""Parts of the studies that a wrong figure could come from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from studies.hexplane_ablation import CORNERS, Crops, config_of
from studies.hexplane_common import Kept
from studies.hexplane_curve import Way
from studies.hexplane_gallery import way_labels
from studies.hexplane_plot import Line, chart
from tests.datasets.made_drive import made_clip
from tests.pipelines.micro import micro_world

from roadloom.datasets.windows import OccupancyWindows
from roadloom.models.hexplane.motion import OUTSIDE, carry_labels, motion_of


def test_a_crop_is_carried_as_its_window_is() -> None:
    """Carried by the crop's own motion, a crop holds what the carried window holds there."""
    windows = OccupancyWindows(made_clip("b", 12, "circle"), frames=4, mask="none")
    crops, (x, y, _) = Crops(windows, 64), windows.scenes[0].drive.grid.cell_m
    for index in (0, 5):
        found = crops.read(index, seed=index)
        along, across = crops.crops.offset(index)[1:]
        motion = torch.from_numpy(motion_of(windows.poses(index), (x, y)))[None]
        assert motion.abs().amax() > 0.05
        whole = carry_labels(windows.read(index, index)["voxels"][None], motion)[0]
        whole = whole[:, along : along + 64, across : across + 64]
        crop = carry_labels(found["voxels"][None], found["motion"][None])[0]
        held = (crop != OUTSIDE) & (whole != OUTSIDE)
        assert held.float().mean() > 0.5
        assert torch.equal(crop[held], whole[held])


def test_corners_differ_in_projection_and_decoder_alone() -> None:
    built = {name: config_of(name, 4, (32, 32, 8)) for name in CORNERS}
    first = built["query, squeeze"]
    assert len(set(built.values())) == 4
    for config in built.values():
        assert replace(config, projection=first.projection, decoder=first.decoder) == first


def test_windows_are_kept_with_what_made_them(tmp_path: Path) -> None:
    labels = torch.randint(0, 12, (2, 3, 4, 5), dtype=torch.uint8)
    kept = Kept.of(tmp_path, (2, 3, 4, 5), {"seed": 0, "steps": 4})
    kept.put(7, labels)
    again = Kept.of(tmp_path, (2, 3, 4, 5), {"steps": 4, "seed": 0})
    assert torch.equal(again.get(7), labels)
    assert again.missing([6, 7, 8]) == [6, 8]
    with pytest.raises(SystemExit, match="made otherwise"):
        Kept.of(tmp_path, (2, 3, 4, 5), {"seed": 0, "steps": 10})


def test_ways_are_read() -> None:
    assert Way.read("1000:128", 4) == Way("steps-1000", 1000, 128, False)
    assert Way.read("student:500", 4) == Way("student-4", 4, 500, True)


def test_chart_puts_higher_values_higher() -> None:
    line = Line("one", [4.0, 1000.0], [2.0, 20.0], [1.5, 15.0], [2.5, 25.0])
    picture = chart("title", [line], {"floor": 1.0}, "steps").astype(int)
    blue = (picture[..., 2] > 150) & (picture[..., 0] < 60)
    blue[:60, -100:] = False  # the line's name
    rows, columns = np.nonzero(blue)
    left, right = rows[columns < 150], rows[columns > 500]
    assert len(left) and len(right)
    assert right.mean() + 50 < left.mean()


def test_a_way_lies_ahead_and_to_the_left() -> None:
    world = micro_world()
    rows = torch.tensor([[0.1, 0.1, 0.0], [5.1, 0.1, 0.0], [10.1, 4.1, 0.3]])
    drawn = way_labels(world, rows)
    cells = [drawn[frame, :, :, 1].nonzero().float() for frame in range(3)]
    assert [len(c) for c in cells] == [3, 6, 9]
    assert (cells[2].amax(dim=0) - cells[0].amax(dim=0) == torch.tensor([25.0, 10.0])).all()
