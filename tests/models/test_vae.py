"""Our autoencoder and every mix of its parts: shapes, laws of its parts, frames one by one."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from roadloom.geometry.pose import Pose
from roadloom.models.hexplane.config import HexPlaneConfig, published
from roadloom.models.hexplane.folded import CellNorm, FoldedHead, fold, unfold
from roadloom.models.hexplane.folded_squeeze import FoldedSqueeze
from roadloom.models.hexplane.losses import LossConfig, divergence, segmentation_loss
from roadloom.models.hexplane.motion import (
    OUTSIDE,
    SCALES,
    carry_labels,
    carry_map,
    centred,
    middle,
    motion_of,
    read_motion,
    write_motion,
)
from roadloom.models.hexplane.planes import compression
from roadloom.models.hexplane.pooling import PoolingProjection
from roadloom.models.hexplane.query_projection import Look, QueryProjection
from roadloom.models.hexplane.vae import HexPlaneVae, draw_frames

SMALL: dict[str, Any] = {
    "frames": 4, "shape": (16, 16, 8), "width": 16, "ground_width": 16, "plane_width": 8,
    "query_channels": 8, "head_channels": (16, 8), "heads": 4,
}  # fmt: skip
MIXES = [
    {"extractor": e, "projection": p, "decoder": d, "head": h}
    for e, p, (d, h) in product(
        ("folded", "volume"),
        ("query", "attention", "pooling"),
        (("squeeze", "folded"), ("squeeze", "volume"), ("points", "folded")),
    )
]


def small(**changes: Any) -> HexPlaneConfig:
    return HexPlaneConfig(**(SMALL | changes))


def windows(seed: int = 0, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    voxels = torch.randint(0, 12, (batch, 4, 16, 16, 8), generator=generator, dtype=torch.uint8)
    return voxels * (torch.rand(voxels.shape, generator=generator) < 0.3)


def drive(batch: int = 2) -> Tensor:
    """One cell forward per frame, and a slight turn."""
    steps = torch.arange(4.0) - 2
    return torch.stack((steps, 0.1 * steps, 0.02 * steps), dim=-1).expand(batch, -1, -1)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def unsettled(module: torch.nn.Module) -> torch.nn.Module:
    """With no weight at its telling first value, such as zero."""
    with torch.no_grad():
        for weight in module.parameters():
            weight += 0.05 * torch.randn_like(weight)
    return module


@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: "-".join(mix.values()))
def test_every_mix_learns_and_decodes_frames_by_themselves(mix: dict[str, str]) -> None:
    vae = unsettled(HexPlaneVae(small(**mix)))
    voxels, motion = windows(), drive()
    found = vae(voxels, [1, 2], 2, motion)
    targets = voxels[torch.arange(2)[:, None], found.frames]
    loss = segmentation_loss(found.logits, targets, torch.ones(12), LossConfig())[0]
    (loss + divergence(*found.posterior)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in vae.parameters())

    with torch.no_grad():
        planes = vae.eval().encode(voxels, motion).mean
        assert planes.size == vae.config.size
        logits = vae.decode(planes)
        assert logits.shape == (2, 4, 16, 16, 8, 12)
        torch.testing.assert_close(vae.decode_frames(planes, 1, 3), logits[:, 1:3])
        for chunk in (1, 3):
            labels = vae.labels(planes, chunk)
            assert labels.dtype == torch.uint8
            assert torch.equal(labels, logits.argmax(-1).to(torch.uint8))


def test_default_sizes_are_the_published_ones() -> None:
    config = HexPlaneConfig()
    assert config.size == (8, 64, 64, 4)
    assert round(compression((16, *config.shape), config.size, config.channels), 2) == 23.14
    assert published().size == config.size and not published().carries and config.carries


def test_ignored_voxels_enter_as_free() -> None:
    vae, voxels = HexPlaneVae(small()), windows()
    holes = voxels.clone()
    holes[:, :, 3:7, 2:9], voxels[:, :, 3:7, 2:9] = 255, 0
    ours, twin = (vae.encode(v, drive()).mean for v in (holes, voxels))
    assert all(torch.equal(a, b) for a, b in zip(ours, twin, strict=True))


def test_same_seeds_same_planes_whatever_the_batch() -> None:
    vae = HexPlaneVae(small())
    posterior = vae.encode(windows(), drive())
    both, again = posterior.sample([5, 6]), posterior.sample([5, 6])
    other = posterior.sample([5, 7])
    assert all(torch.equal(a, b) for a, b in zip(both, again, strict=True))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(both, other, strict=True))
    assert not torch.equal(both.xy[1], other.xy[1])


def test_log_variance_is_bounded_unless_compat() -> None:
    for compat in (False, True):
        vae = HexPlaneVae(small(compat=compat))
        with torch.no_grad():
            vae.posterior[0].bias += 100
        logvar = vae.encode(windows(), drive()).logvar.xy
        assert (logvar.max() > 50) if compat else (logvar.max() == 10)


def test_drawn_frames_are_different_rising_and_fair() -> None:
    draws = draw_frames(8, 3, range(4000))
    assert (draws.diff(dim=1) > 0).all()
    shares = torch.bincount(draws.flatten(), minlength=8) / 4000
    assert ((shares - 3 / 8).abs() < 0.04).all()  # five deviations of a share
    assert torch.equal(draw_frames(4, None, [1, 2]), torch.arange(4).expand(2, -1))


def test_fold_and_unfold_are_inverse_and_height_major() -> None:
    volume = torch.randn(2, 3, 4, 5, 6, 2)
    maps = fold(volume)
    assert maps.shape == (8, 6, 5, 6)
    assert torch.equal(maps[5, 3 + 1], volume[1, 1, 1, :, :, 1])  # example 1, frame 1, height 1
    assert torch.equal(unfold(maps, 4, 2), volume)


def test_cell_norm_is_of_each_cell() -> None:
    maps = torch.randn(2, 6, 3, 4)
    norm = CellNorm(6)
    with torch.no_grad():
        norm.weight.uniform_(), norm.bias.uniform_()
    mean, deviation = maps.mean(1, keepdim=True), maps.var(1, keepdim=True, correction=0)
    scale, shift = norm.weight[:, None, None], norm.bias[:, None, None]
    wanted = (maps - mean) / (deviation + 1e-5).sqrt() * scale + shift
    torch.testing.assert_close(norm(maps), wanted)


def test_head_sees_no_farther_than_its_convolutions() -> None:
    """Two blocks of two 3x3 convolutions reach four cells: no norm leaks from farther away."""
    config = small(shape=(32, 32, 8), head_blocks=2)
    head = unsettled(FoldedHead(config))
    volume = torch.randn(1, 8, 1, 16, 16, 4)
    changed = volume.clone()
    changed[..., 3, 3, :] += 1
    differ = (head(volume) != head(changed)).flatten(4).any(-1)[0, 0]  # [X Y] at full resolution
    reach = differ.nonzero().amax(0)
    assert reach.tolist() == [15, 15]  # cells 0..7 of the low map, voxels 0..15


def test_head_puts_every_voxel_in_its_place() -> None:
    """A head that is all zero but for one output's bias lights up that voxel of every cell."""
    config = small()
    head = FoldedHead(config)
    with torch.no_grad():
        head.out.weight.zero_(), head.out.bias.zero_()
        place = ((1 * 2 + 0) * 8 + 5) * 12 + 7  # x odd, y even, z 5, class 7
        head.out.bias[place] = 1.0
    logits = head(torch.randn(1, 8, 1, 8, 8, 4))[0, 0]
    wanted = torch.zeros(16, 16, 8, 12)
    wanted[1::2, 0::2, 5, 7] = 1
    assert torch.equal(logits, wanted)


def test_lookup_is_the_sum_over_a_columns_voxels() -> None:
    vae, voxels = HexPlaneVae(small()), windows(batch=1)
    maps = vae.extractor.look_up(voxels)
    table = vae.extractor.table.unflatten(0, (2, 2, 8, 12))
    wanted = torch.zeros(16)
    for px, py, z in product(range(2), range(2), range(8)):
        wanted += table[px, py, z, int(voxels[0, 1, 6 + px, 10 + py, z])]
    torch.testing.assert_close(maps[1, :, 3, 5], wanted)


def test_look_is_a_softmax_over_one_axis() -> None:
    look, cells = Look(3, 2), torch.randn(4, 5, 3)
    found = look(cells)
    with torch.no_grad():
        look.position.weight.zero_(), look.score.weight.zero_()
    torch.testing.assert_close(look(cells), cells.mean(1).repeat(1, 2))  # no wish: the mean
    assert found.shape == (4, 6)
    assert ((found[:, :3] >= cells.amin(1)) & (found[:, :3] <= cells.amax(1))).all()


def test_a_sharp_query_picks_out_its_cell() -> None:
    look, cells = Look(3, 1), torch.zeros(1, 7, 3)
    cells[0, 4] = torch.tensor([1.0, 2.0, 3.0])
    with torch.no_grad():
        look.position.weight.zero_()
        look.score.weight[:] = torch.tensor([[100.0, 0.0, 0.0]])
    torch.testing.assert_close(look(cells)[0], cells[0, 4])


def test_pooling_is_the_mean_of_what_a_plane_lacks() -> None:
    volume = torch.randn(1, 2, 3, 4, 5, 6)
    planes = PoolingProjection()(volume, volume)
    torch.testing.assert_close(planes.xz[0, 1, 2, 5], volume[0, 1, :, 2, :, 5].mean())
    torch.testing.assert_close(planes.ty[0, 0, 1, 3], volume[0, 0, 1, :, 3].mean())


def test_query_planes_keep_their_axes() -> None:
    """A change in one place moves nothing but the rows and columns that see it."""
    config = small(shape=(32, 32, 8), plane_blocks=0, ground_blocks=0)
    projection = QueryProjection(config)
    volume = torch.randn(1, 16, 4, 16, 16, 4)
    changed = volume.clone()
    changed[0, :, 2, 7, 11, 3] += 1
    differ = [
        (a != b).any(1)[0].nonzero()
        for a, b in zip(projection(volume, volume), projection(changed, changed), strict=True)
    ]
    # The height lies in the channels: its weights are shared, so all heights may move with one.
    assert differ[0].tolist() == [[7, 11]]
    assert set(differ[1][:, 0].tolist()) == {7} and set(differ[2][:, 0].tolist()) == {11}
    assert differ[3].tolist() == [[2, 7]] and differ[4].tolist() == [[2, 11]]
    assert set(differ[5][:, 0].tolist()) == {2}


def test_motion_from_poses_and_back_through_tz() -> None:
    yaw = torch.tensor([0.0, 0.1, 0.2, 0.3]).double()
    zero, one = torch.zeros(4).double(), torch.ones(4).double()
    rows = (yaw.cos(), -yaw.sin(), zero, yaw.sin(), yaw.cos(), zero, zero, zero, one)
    rotation = torch.stack(rows, -1).view(4, 3, 3).numpy()
    place = torch.tensor([[5.0, 7, 0], [6, 7.1, 0], [7, 7.3, 0], [8, 7.6, 0]]).double().numpy()
    motion = torch.from_numpy(motion_of(Pose(rotation, place), (0.4, 0.4)))
    torch.testing.assert_close(motion[middle(4)], torch.zeros(3))
    flat = torch.from_numpy(place[:, :2] / 0.4).float()
    from_flat = centred(torch.cat((flat, yaw[:, None].float()), dim=1)[None])[0]
    torch.testing.assert_close(motion, from_flat)
    # Straight lines come back exactly, also past the first and last step.
    even = (torch.arange(8.0) - 4)[:, None] * torch.tensor([1.0, 0.2, 0.01])
    mean = write_motion(torch.randn(1, 16, 4, 2), even[None])
    torch.testing.assert_close(read_motion(mean, 8), even[None])
    torch.testing.assert_close(mean[0, 0, 1, 0], (even[2, 0] + even[3, 0]) / (2 * SCALES[0]))


def test_carried_labels_stand_still() -> None:
    """A world of columns, seen from a vehicle that drives and turns right angles."""
    world = torch.randint(1, 12, (8, 8, 2), dtype=torch.uint8)
    ahead = torch.full((8, 8, 2), OUTSIDE, dtype=torch.uint8)
    ahead[2:] = world[:-2]  # two cells back: the frame shows less of what lies ahead
    frames = torch.stack((world, world, world.rot90(-1)))[None]
    turn = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, torch.pi / 2]])[None]
    carried = carry_labels(frames, turn)[0]
    assert torch.equal(carried[0], ahead)
    assert torch.equal(carried[1], world)
    # A vehicle that looks left (yaw 90 degrees) sees the world turned right.
    assert torch.equal(carried[2], world)


def test_slots_of_a_frame_speak_of_that_frame_alone() -> None:
    squeeze = unsettled(FoldedSqueeze(small()))
    planes = HexPlaneVae(small()).encode(windows(), drive()).mean
    factors = squeeze.expand(planes)
    assert factors.slots is not None
    other = factors.slots.clone()
    other[:, :, :, 2] += 1
    frames = torch.tensor([[0, 1, 2, 3], [2, 0, 3, 1]])
    ours, twin = (
        squeeze.product(factors._replace(slots=s), frames) for s in (factors.slots, other)
    )
    differ = (ours != twin).flatten(3).any(-1).any(1)  # [B F]
    assert torch.equal(differ, frames == 2)


def test_carrying_a_map_undoes_carrying_labels() -> None:
    world = torch.randint(1, 12, (1, 1, 12, 12, 1), dtype=torch.uint8)
    for motion in ([3.0, -2.0, 0.0], [0.0, 0.0, torch.pi / 2], [1.0, 2.0, -torch.pi / 2]):
        where = torch.tensor([[motion]])
        there = carry_labels(world, where)[0, 0, :, :, 0]
        held = there.masked_fill(there == OUTSIDE, 0)[None, None].float()
        back = carry_map(held, where)[0, 0]
        seen = back > 0.5
        assert seen.float().mean() > 0.5
        torch.testing.assert_close(back[seen].round().to(torch.uint8), world[0, 0, :, :, 0][seen])


def test_still_world_is_held_still_in_the_map() -> None:
    """XY of a moving vehicle in a standing world is that of a standing one, where all see it."""
    config = small(shape=(32, 32, 8), still_every=1, ground_blocks=0, extractor_blocks=0)
    vae = HexPlaneVae(config)
    world = torch.randint(0, 12, (64, 32, 8), dtype=torch.uint8)
    moving = torch.stack([world[16 + 2 * (t - 2) : 48 + 2 * (t - 2)] for t in range(4)])[None]
    standing = moving[:, 2:3].expand(-1, 4, -1, -1, -1)
    steps = torch.zeros(1, 4, 3)
    steps[0, :, 0] = 2 * (torch.arange(4) - 2)
    ours = vae.encode(moving, steps).mean.xy
    twin = vae.encode(standing, torch.zeros(1, 4, 3)).mean.xy
    torch.testing.assert_close(ours[:, :, 2:-2], twin[:, :, 2:-2])


def test_motion_is_read_from_voxels_where_poses_are_unknown() -> None:
    config = small(shape=(64, 64, 8))
    vae = HexPlaneVae(config)
    world = torch.zeros(96, 64, 8, dtype=torch.uint8)
    generator = torch.Generator().manual_seed(3)
    for _ in range(12):  # houses
        x, y = (int(torch.randint(0, n, (), generator=generator)) for n in (90, 58))
        world[x : x + 6, y : y + 6] = 1
    voxels = torch.stack([world[16 + t : 80 + t] for t in range(4)])[None]
    told = read_motion(vae.encode(voxels).mean.tz, 4)[0]
    torch.testing.assert_close(told[:, 0], torch.arange(4.0) - 2, atol=0.3, rtol=0)
    assert told[:, 1:].abs().max() < 0.2
