"""Token layouts: the same patches every time, told different places."""

import pytest
import torch
import torch.nn.functional as F

from roadloom.errors import BadInput
from roadloom.models.hexplane.embeddings import PatchEmbed, wave_table
from roadloom.models.hexplane.layouts import NAMES, cut, layout
from roadloom.models.hexplane.planes import PlaneSize, random_planes
from roadloom.models.hexplane.rollout import live_cells, roll_out

SIZE = PlaneSize(4, 12, 8, 4)
CARLASC = PlaneSize(8, 64, 64, 4)


@pytest.mark.parametrize("patch", [1, 2, 4])
@pytest.mark.parametrize("name", NAMES)
def test_tokens_and_back_is_exact(name: str, patch: int) -> None:
    planes = random_planes(2, 3, SIZE, torch.Generator().manual_seed(1))
    arranged = layout(name, SIZE, patch)
    tokens = arranged.tokens(planes)
    assert tokens.shape == (2, len(arranged.positions), 3 * patch**2)
    assert tokens.shape[1] * patch**2 == SIZE.cells()
    back = arranged.planes(tokens)
    assert all(torch.equal(a, b) for a, b in zip(planes, back, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_every_token_has_a_place_of_its_own(name: str) -> None:
    arranged = layout(name, SIZE, 2)
    places = {tuple(place) for place in arranged.positions.tolist()}
    assert len(places) == len(arranged.positions)
    assert (arranged.positions >= 0).all()
    assert (arranged.positions < torch.tensor(arranged.grid)).all()


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_rollout_tokens_are_the_patches_of_the_map(patch: int) -> None:
    """A slow twin: cut each live patch out of the map where the position says."""
    planes = random_planes(1, 3, SIZE, torch.Generator().manual_seed(1))
    canvas, arranged = roll_out(planes), layout("rollout", SIZE, patch)
    tokens = arranged.tokens(planes)[0]
    for token, (row, column) in zip(tokens, arranged.positions.tolist(), strict=True):
        rows = slice(row * patch, (row + 1) * patch)
        columns = slice(column * patch, (column + 1) * patch)
        assert torch.equal(token, canvas[0, :, rows, columns].movedim(0, -1).flatten())
    live = live_cells(SIZE, patch)
    assert live[tuple(arranged.positions.T)].all() and len(tokens) == live.sum()
    assert arranged.grid == tuple(live.shape)


def test_vertical_stacks_planes_and_unfold_counts() -> None:
    stacked = layout("vertical", SIZE, 4)
    assert stacked.shapes == ((3, 2), (3, 1), (2, 1), (1, 3), (1, 2), (1, 1))
    assert stacked.grid == (11, 3)
    rows = [place[0] for place in stacked.positions.tolist()]
    assert rows == [0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 8, 8, 9, 9, 10]
    line = layout("unfold", SIZE, 4)
    assert line.grid == (17,) and line.positions.flatten().tolist() == list(range(17))


def test_paper_sizes() -> None:
    assert len(layout("rollout", CARLASC, 2).positions) == 1416
    assert len(layout("rollout", PlaneSize(8, 100, 100, 8), 2).positions) == 3316
    assert {len(layout(name, CARLASC, 4).positions) for name in NAMES} == {354}


def test_embedding_tokens_equals_a_strided_convolution() -> None:
    planes = random_planes(2, 3, SIZE, torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    embed, arranged = PatchEmbed(3, 2, 5), layout("rollout", SIZE, 2)
    torch.nn.init.normal_(embed.bias)
    grid = F.conv2d(roll_out(planes), embed.weight, embed.bias, stride=2)
    expected = grid[:, :, *arranged.positions.T].mT
    torch.testing.assert_close(embed(arranged.tokens(planes)), expected)


def test_cells_of_a_patch_run_row_by_row_with_the_channel_fastest() -> None:
    plane = torch.arange(2 * 2 * 4).reshape(1, 2, 2, 4)
    assert cut(plane.float(), 2)[0, 1].tolist() == [2, 10, 3, 11, 6, 14, 7, 15]


def test_waves_of_two_axes() -> None:
    """The column's sines and cosines come first, then the row's."""
    table = wave_table((3, 5), 8).reshape(3, 5, 8)
    rate = torch.tensor([1.0, 0.01])
    for row in range(3):
        for column in range(5):
            across, down = column * rate, row * rate
            expected = torch.cat([across.sin(), across.cos(), down.sin(), down.cos()])
            torch.testing.assert_close(table[row, column], expected)


def test_refusals() -> None:
    with pytest.raises(BadInput, match="spiral"):
        layout("spiral", SIZE, 2)
    with pytest.raises(BadInput, match="patch"):
        layout("rollout", SIZE, 3)
    arranged = layout("rollout", SIZE, 2)
    with pytest.raises(BadInput, match="tokens"):
        arranged.planes(torch.zeros(1, 3, 4))
    with pytest.raises(BadInput, match="size"):
        arranged.tokens(random_planes(1, 1, CARLASC, torch.Generator()))
