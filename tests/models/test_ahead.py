"""The window before, moved to where the next one is foreseen."""

import math
from dataclasses import replace

import pytest
import torch
from tests.pipelines.micro import generator_config
from torch import Tensor

from roadloom.models.hexplane.ahead import foreseen, seen_ahead
from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.generator import HexPlaneGenerator, as_past
from roadloom.models.hexplane.motion import SCALES, middle
from roadloom.models.hexplane.planes import Planes, PlaneSize, random_planes
from roadloom.models.hexplane.rollout import roll_out, unroll

FRAMES = 16
SIZE = PlaneSize(2, 8, 6, 3)


def made(batch: int, channels: int, size: PlaneSize, seed: int) -> Planes:
    return random_planes(batch, channels, size, torch.Generator().manual_seed(seed))


def on_arc(frame: Tensor, speed: float, turn: float) -> Tensor:
    """Pose [... 3] at a time of who goes round a circle and is at the origin in the middle frame;
    small steps one after another, which nobody would mistake for the formula."""
    parts, out = 4000, []
    for time in (frame - middle(FRAMES)).double().tolist():
        step = time / parts
        headings = turn * step * (torch.arange(parts, dtype=torch.float64) + 0.5)
        out.append([
            float((speed * step * headings.cos()).sum()),
            float((speed * step * headings.sin()).sum()), turn * time,
        ])  # fmt: skip
    return torch.tensor(out)


@pytest.mark.parametrize("steps", [2, 4, 8, 16])
@pytest.mark.parametrize(("speed", "turn"), [(1.5, 0.0), (2.0, 0.03), (1.0, -0.1), (0.0, 0.0)])
def test_a_steady_way_goes_on_to_the_next_middle_frame(
    steps: int, speed: float, turn: float
) -> None:
    span = FRAMES / steps
    told = on_arc(span * (torch.arange(steps) + 0.5) - 0.5, speed, turn)
    expected = on_arc(torch.tensor([FRAMES + middle(FRAMES)]), speed, turn)
    torch.testing.assert_close(foreseen(told[None], FRAMES), expected, atol=2e-4, rtol=1e-4)


def test_the_latest_speed_counts() -> None:
    rising = torch.arange(8.0).square()[None, :, None] * torch.tensor([1.0, 0.0, 0.0])
    (pose,) = foreseen(rising, FRAMES)
    assert pose[0] == pytest.approx(49 + (49 - 25) * 9.5 / 4)  # frames 10.5 to 14.5, then to 24
    assert foreseen(torch.ones(2, 1, 3), FRAMES).tolist() == [[0.0] * 3] * 2


def test_whole_cells_are_moved_and_nothing_comes_in() -> None:
    planes = made(2, 4, SIZE, seed=3)
    seen = seen_ahead(planes, torch.tensor([[2.0, 0.0, 0.0], [0.0, -1.0, 0.0]]))

    def moved(plane: Tensor, axis: int, by: int) -> Tensor:
        out = plane.roll(-by, axis)
        ends = out.narrow(axis, out.shape[axis] - by if by > 0 else 0, abs(by))
        ends.zero_()
        return out

    def close(name: str, row: int, expected: Tensor) -> None:
        torch.testing.assert_close(getattr(seen, name)[row], expected, atol=1e-5, rtol=1e-5)

    for name, axis in (("xy", 1), ("xz", 1), ("tx", 2)):
        close(name, 0, moved(getattr(planes, name)[0], axis, 2))
    for name, axis in (("xy", 2), ("yz", 1), ("ty", 2)):
        close(name, 1, moved(getattr(planes, name)[1], axis, -1))
    for name, row in (("yz", 0), ("ty", 0), ("tz", 0), ("xz", 1), ("tx", 1), ("tz", 1)):
        close(name, row, getattr(planes, name)[row])


def test_a_quarter_turn_turns_the_ground() -> None:
    """What lay ahead lies to the right of who has turned left."""
    ground = torch.zeros(1, 1, 6, 6)
    ground[0, 0, 5, 2] = 1.0  # ahead, and one cell right of the middle
    size = PlaneSize(2, 6, 6, 2)
    planes = made(1, 1, size, seed=0)._replace(xy=ground)
    (seen,) = seen_ahead(planes, torch.tensor([[0.0, 0.0, math.pi / 2]])).xy
    assert [int(place) for place in (seen[0] > 0.99).nonzero()[0]] == [2, 0]


def driving(speed: float, sizes: HexPlaneConfig) -> Planes:
    """Planes that tell of a straight way [cells a frame]."""
    size = sizes.size
    planes = made(1, sizes.channels, size, seed=1)
    span = sizes.frames / size.t
    frames = span * (torch.arange(size.t) + 0.5) - 0.5 - middle(sizes.frames)
    tz = planes.tz.clone()
    tz[:, :3] = 0.0
    tz[:, 0] = (speed * frames / SCALES[0])[:, None]
    return planes._replace(tz=tz)


def test_a_generator_moves_the_past_by_its_own_motion() -> None:
    """Two cells of the planes a window, whatever the statistics; the grid's cells are smaller."""
    sizes = HexPlaneConfig()
    config = generator_config(sizes, carry_past=True)
    module = HexPlaneGenerator(config)
    planes = driving(4.0 / sizes.frames, sizes)
    plain, past = module.map_of(planes), module.past_of(planes)
    before, after = (unroll(canvas, sizes.size) for canvas in (plain, past))
    torch.testing.assert_close(after.xy[:, :, :-2], before.xy[:, :, 2:], atol=1e-3, rtol=1e-3)
    assert not after.xy[:, :, -2:].abs().gt(1e-3).any()
    assert torch.equal(after.tz, before.tz)
    torch.testing.assert_close(as_past(config, plain), past)
    still = replace(config, carry_past=False)
    assert torch.equal(HexPlaneGenerator(still).past_of(planes), plain)


def test_padding_stays_empty() -> None:
    sizes = HexPlaneConfig()
    config = generator_config(sizes, carry_past=True)
    past = as_past(config, roll_out(driving(1.0, sizes)))
    assert not past[:, :, ~config.mask].any()
