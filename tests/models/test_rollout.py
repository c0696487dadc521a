"""Padded rollout: exact both ways, every band shares an axis, the padding is never data."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from roadloom.errors import BadInput
from roadloom.models.hexplane.planes import NAMES, Planes, PlaneSize, random_planes
from roadloom.models.hexplane.rollout import (
    check_patch,
    corners,
    live_cells,
    map_shape,
    roll_out,
    turned,
    unroll,
)

CARLASC, WAYMO = PlaneSize(8, 64, 64, 4), PlaneSize(8, 100, 100, 8)
UNEVEN = PlaneSize(3, 7, 5, 2)
sizes = st.builds(PlaneSize, *(st.integers(1, 6),) * 4)


def planes_of(size: PlaneSize, batch: int = 2, channels: int = 3) -> Planes:
    return random_planes(batch, channels, size, torch.Generator().manual_seed(1))


@given(sizes)
def test_round_trip_is_exact(size: PlaneSize) -> None:
    planes = planes_of(size)
    back = unroll(roll_out(planes), size)
    assert all(torch.equal(a, b) for a, b in zip(planes, back, strict=True))


@given(sizes)
def test_a_map_comes_back_with_zero_padding(size: PlaneSize) -> None:
    canvas = torch.randn(1, 2, *map_shape(size), generator=torch.Generator().manual_seed(2))
    assert torch.equal(roll_out(unroll(canvas, size)), canvas * live_cells(size))
    assert int(live_cells(size).sum()) == size.cells()


def test_padding_is_not_read() -> None:
    canvas = roll_out(planes_of(UNEVEN))
    spoiled = canvas.masked_fill(~live_cells(UNEVEN), torch.nan)
    assert all(
        torch.equal(a, b)
        for a, b in zip(unroll(canvas, UNEVEN), unroll(spoiled, UNEVEN), strict=True)
    )


def test_rows_and_columns_of_a_band_are_one_coordinate() -> None:
    """Each plane holds its own coordinates as channels: bands agree with them."""
    t, x, y, z = UNEVEN
    axes = {"t": torch.arange(t), "x": torch.arange(x), "y": torch.arange(y), "z": torch.arange(z)}
    made = []
    for name in NAMES:
        first, second = torch.meshgrid(axes[name[0]], axes[name[1]], indexing="ij")
        channels = {name[0]: first, name[1]: second}
        blank = torch.full_like(first, -1)
        made.append(torch.stack([channels.get(axis, blank) for axis in "txyz"])[None].float())
    canvas = roll_out(Planes(*made))[0]
    live = live_cells(UNEVEN)
    bands_down = [("x", 0, x), ("t", x, t), ("z", x + t, z)]
    bands_across = [("y", 0, y), ("z", y, z), ("t", y + z, t)]
    for axis, start, count in bands_down:
        band = canvas["txyz".index(axis), start : start + count]
        expected = torch.arange(count).float()[:, None].expand_as(band)
        assert torch.equal(band[live[start : start + count]], expected[live[start : start + count]])
    for axis, start, count in bands_across:
        band = canvas["txyz".index(axis), :, start : start + count]
        expected = torch.arange(count).float().expand_as(band)
        seen = live[:, start : start + count]
        assert torch.equal(band[seen], expected[seen])


@pytest.mark.parametrize(
    ("size", "shape", "patches", "cells"),
    [
        (CARLASC, (76, 76), (1416, 1444), (5664, 5776)),
        (WAYMO, (116, 116), (3316, 3364), (13264, 13456)),
    ],
)
def test_live_counts_of_the_paper(
    size: PlaneSize, shape: tuple[int, int], patches: tuple[int, int], cells: tuple[int, int]
) -> None:
    """DynamicCity, specification section 3: cells used and tokens processed."""
    assert map_shape(size) == shape
    for live, (used, every) in ((live_cells(size, 2), patches), (live_cells(size), cells)):
        assert (int(live.sum()), live.numel()) == (used, every)


def test_live_patches_hold_live_cells_only() -> None:
    live = live_cells(CARLASC, 4)
    grown = live.repeat_interleave(4, 0).repeat_interleave(4, 1)
    assert torch.equal(grown, live_cells(CARLASC))
    assert int(live.sum()) == 354


def test_corners_and_turned_place_the_planes() -> None:
    planes = planes_of(UNEVEN)
    canvas = roll_out(planes)
    for (row, column), plane in zip(corners(UNEVEN), turned(planes), strict=True):
        height, width = plane.shape[-2:]
        assert torch.equal(canvas[..., row : row + height, column : column + width], plane)


def test_gradients_go_through() -> None:
    planes = planes_of(UNEVEN).map(lambda plane: plane.requires_grad_())
    (roll_out(planes) ** 2).sum().backward()
    assert all(torch.equal(plane.grad, 2 * plane) for plane in planes)  # type: ignore[arg-type]


@pytest.mark.parametrize("patch", [0, 3, 8])
def test_patches_that_straddle_planes_are_refused(patch: int) -> None:
    with pytest.raises(BadInput, match="patch"):
        check_patch(CARLASC, patch)
    with pytest.raises(BadInput):
        live_cells(CARLASC, patch)
    check_patch(CARLASC, 4)


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(BadInput, match="latent"):
        unroll(torch.zeros(1, 2, 75, 76), CARLASC)
