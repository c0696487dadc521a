"""What in- and out-painting leave alone, to the last label, for decoders of random weights."""

from dataclasses import replace

import pytest
import torch
from tests.pipelines.micro import VAE, driving, micro_world, street
from torch import Tensor

from roadloom.diffusion.courses import SamplerConfig
from roadloom.errors import BadInput
from roadloom.geometry.voxel_grid import CARLA_SC
from roadloom.models.hexplane.config import HexPlaneConfig, published
from roadloom.models.hexplane.planes import Planes
from roadloom.pipelines.hexplane import HexPlaneWorld
from roadloom.pipelines.regions import (
    cells_of,
    reach,
    receptive_field,
    region_in_frames,
    region_of,
)
from roadloom.pipelines.uses import How, inpaint, outpaint, shifted

HOW = How(sampler=SamplerConfig(steps=2))
REGION = torch.zeros(128, 128, dtype=torch.bool)
REGION[40:64, 72:104] = True
HALF = torch.zeros(128, 128, dtype=torch.bool)
HALF[64:] = True


@pytest.fixture(scope="module", params=[True, False], ids=["held still", "plain"])
def world(request: pytest.FixtureRequest) -> HexPlaneWorld:
    return micro_world(motion=request.param)


def rebuilt(world: HexPlaneWorld, motion: Tensor) -> Tensor:
    return world.labels(world.encode(street()[None], motion[None]))[0]


@pytest.mark.parametrize("region", [REGION, HALF], ids=["patch", "half"])
@pytest.mark.parametrize("motion", [driving(), driving(6.0, 0.1)], ids=["slow", "turning"])
def test_out_of_reach_inpainting_leaves_the_reconstruction(
    world: HexPlaneWorld, region: Tensor, motion: Tensor
) -> None:
    window = inpaint(world, street(), region, 3, how=HOW, motion=motion)
    told = world.motion(window.planes)
    told = None if told is None else told[0]
    cells = cells_of(world.vae.config, region, told)
    near = reach(world.vae.config, cells, told)
    changed = (window.labels != rebuilt(world, motion)).any(-1)
    assert not (changed & ~near).any()
    assert changed.any() and not near.all()
    assert window.made is not None and changed[window.made].float().mean() > 0.1


def test_reach_is_no_wider_than_what_random_weights_touch(world: HexPlaneWorld) -> None:
    """Close to tight: over many redrawn cells, nearly all columns in reach do change."""
    source = torch.Generator().manual_seed(0)
    planes = world.encode(street()[None], driving()[None]).map(Tensor.contiguous)
    told = world.motion(planes)
    told = None if told is None else told[0]
    cells = cells_of(world.vae.config, REGION, told)
    near = reach(world.vae.config, cells, told)
    before = world.vae.decode(planes)
    touched = torch.zeros_like(near)
    for _ in range(2):
        other = Planes(
            *(torch.where(c, 5 * torch.randn(p.shape, generator=source), p)
              for p, c in zip(planes, cells, strict=True))
        )  # fmt: skip
        touched |= (world.vae.decode(other) != before).any(-1).any(-1)[0]
    assert not (touched & ~near).any()
    assert (touched & near).sum() > 0.98 * near.sum()


def test_without_motion_reach_is_the_region_grown() -> None:
    config = replace(VAE, motion=False)
    field = receptive_field(config)
    cells = cells_of(config, REGION, None)
    assert not any(bool(plane.any()) for plane in cells[1:])
    by = 4 * (field.ground + field.head)  # cells of 4 x 4 columns
    grown = torch.zeros(128, 128, dtype=torch.bool)
    grown[max(0, 40 - by) : 64 + by, max(0, 72 - by) : 104 + by] = True
    assert torch.equal(reach(config, cells), grown.expand(4, -1, -1))


def test_a_cell_is_made_anew_only_if_all_that_it_stands_for_is() -> None:
    config = replace(VAE, motion=False)
    every = torch.ones(128, 128, dtype=torch.bool)
    assert all(bool(plane.all()) for plane in cells_of(config, every, None))
    half = cells_of(config, HALF, None)
    assert half.xy[16:].all() and not half.xy[:16].any()
    assert half.xz[16:].all() and not half.xz[:16].any() and not half.yz.any()
    assert half.tx[:, 16:].all() and not half.tx[:, :16].any()
    assert not half.ty.any() and not half.tz.any()
    odd = REGION.clone()
    odd[40, 72] = False  # one column of a cell
    assert cells_of(config, REGION, None).xy.sum() - cells_of(config, odd, None).xy.sum() == 1
    touching = cells_of(config, odd, None, "any")
    assert touching.xy.sum() == 48 and touching.xz.sum() == 6 * 2 and touching.tz.all()


def test_a_region_stands_in_the_world_where_the_world_is_held_still() -> None:
    motion = torch.zeros(VAE.frames, 3)
    motion[:, 0] = torch.arange(VAE.frames) - 2.0  # a cell ahead each frame
    frames = region_in_frames(VAE, REGION, motion)
    for frame, by in enumerate((2, 1, 0, -1)):
        assert torch.equal(frames[frame, 10:118], REGION.roll(by, 0)[10:118])
    still = region_in_frames(replace(VAE, motion=False), REGION, motion)
    assert torch.equal(still, REGION.expand(4, -1, -1))
    ahead = region_in_frames(VAE, HALF, motion)
    assert ahead[:, 70:].all(), "past the middle frame's grid the rim goes on"


def test_pasting_is_asked_for_and_exact(world: HexPlaneWorld) -> None:
    voxels = street()
    plain = inpaint(world, voxels, REGION, 3, how=HOW, motion=driving())
    pasted = inpaint(world, voxels, REGION, 3, how=HOW, motion=driving(), paste=True)
    assert plain.made is not None
    assert torch.equal(pasted.labels[~plain.made], voxels[~plain.made])
    assert torch.equal(pasted.labels[plain.made], plain.labels[plain.made])
    assert not torch.equal(plain.labels, pasted.labels)


def test_the_rule_any_makes_more_anew(world: HexPlaneWorld) -> None:
    strict, free = (
        inpaint(world, street(), REGION, 3, how=HOW, motion=driving(), rule=rule)  # type: ignore[arg-type]
        for rule in ("all", "any")
    )
    before = world.encode(street()[None], driving()[None])
    assert torch.equal(strict.planes.tx, before.tx) and torch.equal(strict.planes.yz, before.yz)
    assert not torch.equal(free.planes.tx, before.tx)
    motion = world.motion(before)
    if motion is not None:
        assert torch.equal(world.motion(free.planes), motion)  # type: ignore[arg-type]


@pytest.mark.parametrize("direction", ["front", "back", "left", "right"])
def test_outpainting_keeps_the_half_that_stays_in_sight(
    world: HexPlaneWorld, direction: str
) -> None:
    motion = torch.zeros(VAE.frames, 3)  # nothing is read between cells
    window = outpaint(world, street(), direction, 5, how=HOW, motion=motion)  # type: ignore[arg-type]
    assert window.made is not None
    axis, sign = {"front": (1, 1), "back": (1, -1), "left": (2, 1), "right": (2, -1)}[direction]
    moved = rebuilt(world, motion).roll(-sign * 64, axis)  # the kept half at its new place
    field = receptive_field(world.vae.config)
    edge = 4 * (max(field.ground, field.plane) + field.head)  # either edge of the kept half
    kept = slice(edge, 64 - edge) if sign > 0 else slice(64 + edge, 128 - edge)
    near = (slice(None), kept) if axis == 1 else (slice(None), slice(None), kept)
    assert window.labels[near].numel() > 0
    assert torch.equal(window.labels[near], moved[near])
    assert not window.made[near].any() and window.made.float().mean() == 0.5
    assert (window.labels[window.made] != moved[window.made]).float().mean() > 0.1


def test_known_cells_of_outpainting_are_the_moved_ones(world: HexPlaneWorld) -> None:
    planes = world.encode(street()[None], driving(4.0)[None])
    moved, region = shifted(world, planes, "front")
    assert torch.equal(moved.xy[..., :16, :], planes.xy[..., 16:, :]) and region[64:].all()
    assert torch.equal(moved.tx[..., :16], planes.tx[..., 16:]) and not moved.tx[..., 16:].any()
    assert torch.equal(moved.ty, planes.ty) and torch.equal(moved.yz, planes.yz)
    window = outpaint(world, street(), "front", 5, how=HOW, motion=driving(4.0))
    told = world.motion(moved)
    cells = cells_of(world.vae.config, region, None if told is None else told[0])
    kept = ~cells.xy
    kept[16:] = False
    assert torch.equal(window.planes.xy[0][:, kept], moved.xy[0][:, kept])
    assert torch.equal(window.planes.ty, moved.ty)


def test_the_moved_grids_motion_is_that_of_its_middle() -> None:
    """A point carried by both motions ends in the same place of the world."""
    world = micro_world(motion=True)
    motion = driving(3.0, 0.05)
    planes = world.encode(street()[None], motion[None])
    moved, _ = shifted(world, planes, "left")
    before, after = world.motion(planes), world.motion(moved)
    assert before is not None and after is not None
    # At the latent's own steps; between them both go in straight lines.
    for old, new in zip(*(m[0].unflatten(0, (2, 2)).mean(1) for m in (before, after)), strict=True):
        cos, sin = old[2].cos(), old[2].sin()
        turn = torch.stack([torch.stack([cos, -sin]), torch.stack([sin, cos])])
        offset = torch.tensor([0.0, 64.0])
        assert torch.allclose(new[:2], old[:2] + turn @ offset - offset, atol=1e-3)
        assert torch.allclose(new[2], old[2], atol=1e-5)


def test_regions_in_metres() -> None:
    region = region_of(CARLA_SC, (0.0, -4.0, 8.0, 4.0))
    assert region.nonzero().amin(0).tolist() == [64, 54]
    assert region.sum() == 20 * 20
    endless = region_of(CARLA_SC, (0.0, float("-inf"), float("inf"), float("inf")))
    assert torch.equal(endless, HALF)
    with pytest.raises(BadInput, match="holds no cell"):
        region_of(CARLA_SC, (90.0, 0.0, 99.0, 9.0))


def test_what_cannot_be_painted_is_refused(world: HexPlaneWorld) -> None:
    dot = torch.zeros(128, 128, dtype=torch.bool)
    dot[5, 5] = True
    with pytest.raises(BadInput, match="as a whole"):
        inpaint(world, street(), dot, 0, how=HOW, motion=driving())
    with pytest.raises(BadInput, match="the model has"):
        cells_of(world.vae.config, REGION[:64], driving())


def test_decoders_that_look_everywhere_have_no_field() -> None:
    for config in (published(), HexPlaneConfig(decoder="points")):
        with pytest.raises(BadInput, match="no bounded receptive field"):
            receptive_field(config)
    with pytest.raises(BadInput, match="motion"):
        reach(VAE, cells_of(VAE, REGION, driving()))
