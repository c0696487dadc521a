"""What a generator of 4-D occupancy is for: plain functions over a ``HexPlaneWorld``.

    generate   windows from nothing, or from a layout, a command, a trajectory, the past
    drive      windows one after another, each conditioned on the one before
    forecast   the same after recorded frames
    inpaint    a region of a recorded window made anew
    outpaint   a recorded window moved half its length on, the new half made

Nothing here sees a recording unless it is passed in.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain, repeat
from typing import Literal

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from roadloom.diffusion.courses import SamplerConfig
from roadloom.diffusion.gain import check_gain
from roadloom.diffusion.masked import MaskedConfig
from roadloom.diffusion.sample import Callback
from roadloom.errors import BadInput
from roadloom.models.hexplane.conditions import Conditions
from roadloom.models.hexplane.motion import CHANNELS, SCALES
from roadloom.models.hexplane.planes import NAMES, Planes
from roadloom.pipelines.ego import shifted_motion
from roadloom.pipelines.hexplane import Guidance, HexPlaneWorld, Known
from roadloom.pipelines.regions import Region, Rule, cells_of, region_in_frames

Direction = Literal["front", "back", "left", "right"]


@dataclass(frozen=True, kw_only=True)
class How:
    """How to sample; the same for every use."""

    sampler: SamplerConfig | None = None
    """None: the generator's own."""
    guidance: Guidance = 1.0
    follow_gain: float | None = None
    """Of windows that follow a generated one; None: the generator's own, 1 with guidance."""
    masked: MaskedConfig = field(default_factory=MaskedConfig)
    """Of in- and out-painting."""
    callback: Callback | None = None
    """Told of every step."""

    def __post_init__(self) -> None:
        if self.follow_gain is not None:
            check_gain(self.follow_gain, "follow_gain")


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """One generated window, on the CPU."""

    labels: UInt8[Tensor, "time x y z"]
    """View ids."""
    planes: Planes
    """[1 C . .] each; the motion of the ego among them, see ``HexPlaneWorld.motion``."""
    seed: int
    conditions: Conditions | None = None
    """What it was conditioned on."""
    made: Bool[Tensor, "time x y"] | None = None
    """Columns that were asked to be made anew; None: all. More than these may have changed, see
    ``regions.reach``."""


def generate(
    world: HexPlaneWorld,
    seeds: Sequence[int],
    conditions: Conditions | None = None,
    how: How | None = None,
    *,
    batch: int = 1,
) -> Iterator[Window]:
    """One window per seed, in order.

    Args:
        conditions: of as many windows as there are seeds.
        batch: windows that go through the networks together.
    """
    for start in range(0, len(seeds), batch):
        some = list(seeds[start : start + batch])
        rows = torch.arange(start, start + len(some))
        given = None if conditions is None else conditions.select(rows)
        yield from _made(world, some, given, _sampled(world, some, given, how))


def drive(
    world: HexPlaneWorld,
    chunks: int,
    seed: int,
    conditions: Iterable[Conditions | None] = (),
    how: How | None = None,
    *,
    past: Planes | None = None,
) -> Iterator[Window]:
    """Windows that follow each other, made one at a time; memory does not grow with their number.

    The first is what ``generate`` makes of this seed, unless there is a past.

    Args:
        conditions: of each window in turn (batches of one); None, or the end of them: none.
        past: planes of the window before the first.

    Raises:
        BadInput: the generator was not trained to follow the past, or conditions hold a past.
    """
    if "previous" not in world.config.dit.conditions and (chunks > 1 or past is not None):
        raise BadInput(
            "this generator cannot follow the window before", field="conditions",
            remedy=f"ask for {world.frames} frames, or use one that was trained for it",
        )  # fmt: skip
    given = chain(conditions, repeat(None))
    for number, own in zip(range(chunks), given, strict=False):
        asked = _with_past(world, own, past)
        seeds = [chunk_seed(seed, number)]
        gain = follow_gain(world, how) if number else 1.0
        (window,) = _made(world, seeds, asked, _sampled(world, seeds, asked, how, gain=gain))
        past = window.planes
        yield window


def follow_gain(world: HexPlaneWorld, how: How | None) -> float:
    """Gain of windows that follow a generated one; guidance makes them vary more by itself."""
    how = How() if how is None else how
    if how.follow_gain is not None:
        return how.follow_gain
    return world.config.follow_gain if how.guidance == 1.0 else 1.0


def forecast(
    world: HexPlaneWorld,
    voxels: UInt8[Tensor, "time x y z"],
    chunks: int,
    seed: int,
    conditions: Iterable[Conditions | None] = (),
    how: How | None = None,
    *,
    motion: Float[Tensor, "time 3"] | None = None,
) -> Iterator[Window]:
    """What may come after these frames; arguments as of ``drive`` and ``HexPlaneWorld.encode``."""
    past = world.encode(voxels[None], None if motion is None else motion[None])
    return drive(world, chunks, seed, conditions, how, past=past)


def inpaint(
    world: HexPlaneWorld,
    voxels: UInt8[Tensor, "time x y z"],
    region: Region,
    seed: int,
    conditions: Conditions | None = None,
    how: How | None = None,
    *,
    motion: Float[Tensor, "time 3"] | None = None,
    rule: Rule = "all",
    paste: bool = False,
) -> Window:
    """A window whose region is made anew.

    Out of the region's reach (``regions.reach``) the labels equal the autoencoder's own
    reconstruction. The ego's motion is kept.

    Args:
        region: columns to make anew; see ``regions`` for where it lies in each frame.
        motion: of the ego, see ``HexPlaneWorld.encode``.
        rule: which cells of the planes are made anew, see ``regions``.
        paste: put the given voxels back outside the region, a seam that no network saw.
    """
    planes = world.encode(voxels[None], None if motion is None else motion[None])
    told = _first(world.motion(planes))
    cells = cells_of(world.vae.config, region, told, rule)
    made = region_in_frames(world.vae.config, region, told)
    known = Known(planes, _kept(world, cells))
    (window,) = _made(
        world, [seed], conditions, _sampled(world, [seed], conditions, how, known), made
    )
    if not paste:
        return window
    return replace(window, labels=torch.where(made[..., None], window.labels, voxels))


def outpaint(
    world: HexPlaneWorld,
    voxels: UInt8[Tensor, "time x y z"],
    direction: Direction,
    seed: int,
    conditions: Conditions | None = None,
    how: How | None = None,
    *,
    motion: Float[Tensor, "time 3"] | None = None,
) -> Window:
    """The window half a grid further on: the half that stays in sight is kept, the rest is made.

    The latent is moved, not the voxels. The kept half's labels are the reconstruction's, but for
    what lies in reach of the made half and of the border that is new to it.
    """
    planes = world.encode(voxels[None], None if motion is None else motion[None])
    moved, region = shifted(world, planes, direction)
    told = _first(world.motion(moved))
    cells = cells_of(world.vae.config, region, told)
    fresh = _fresh(world, direction)
    cells = Planes(*(a | b for a, b in zip(cells, fresh, strict=True)))
    known = Known(moved, _kept(world, cells))
    made = region_in_frames(world.vae.config, region, told)
    (window,) = _made(
        world, [seed], conditions, _sampled(world, [seed], conditions, how, known), made
    )
    return window


def shifted(world: HexPlaneWorld, planes: Planes, direction: Direction) -> tuple[Planes, Region]:
    """Planes of the window half a grid further on, and the half of it that they do not know.

    Cells that moved in are zero. The motion is that of the grid's new middle.

    Raises:
        BadInput: half of the grid is no whole number of cells of the planes.
    """
    axis, sign = _axis(direction)
    config = world.vae.config
    cells, halvings = config.shape[axis], config.halvings[1 + axis]
    if cells % (2 * 2**halvings):
        raise BadInput(f"{cells} cells cannot be halved in whole cells", field=direction)
    low = (cells >> halvings) // 2

    def move(name: str, plane: Tensor) -> Tensor:
        letter = "xy"[axis]
        if letter not in name:
            return plane
        place = 2 + name.index(letter)
        rolled = plane.roll(-sign * low, place)
        size = plane.shape[place]
        zeros = rolled.narrow(place, size - low if sign > 0 else 0, low)
        zeros.zero_()
        return rolled

    moved = Planes(*(move(name, plane) for name, plane in zip(NAMES, planes, strict=True)))
    if config.carries:
        offset = [0.0, 0.0]
        offset[axis] = sign * cells / 2
        moved = moved._replace(tz=_with_moved_motion(moved.tz, (offset[0], offset[1])))
    region = torch.zeros(config.shape[:2], dtype=torch.bool)
    _last_half(region, axis, sign).fill_(True)
    return moved, region


def chunk_seed(seed: int, number: int) -> int:
    """Of a drive's window; the first has the drive's own."""
    if number == 0:
        return seed
    return int.from_bytes(blake2b(f"drive:{seed}:{number}".encode(), digest_size=6).digest())


def _with_moved_motion(tz: Tensor, by: tuple[float, float]) -> Tensor:
    scales = torch.tensor(SCALES, device=tz.device)
    steps = tz[:, :CHANNELS].float().mean(dim=3).transpose(1, 2) * scales  # [B step 3]
    told = (shifted_motion(steps, by) / scales).transpose(1, 2)[..., None]
    return torch.cat((told.expand(-1, -1, -1, tz.shape[3]).to(tz), tz[:, CHANNELS:]), dim=1)


def _fresh(world: HexPlaneWorld, direction: Direction) -> Planes:
    """Cells that ``shifted`` knows nothing of."""
    axis, sign = _axis(direction)
    fresh = []
    for name, shape in zip(NAMES, world.config.dit.size.shapes(), strict=True):
        mask = torch.zeros(shape, dtype=torch.bool)
        if "xy"[axis] in name:
            _last_half(mask, name.index("xy"[axis]), sign).fill_(True)
        fresh.append(mask)
    return Planes(*fresh)


def _last_half(mask: Tensor, axis: int, sign: int) -> Tensor:
    """The half that lies ahead for a sign above 0."""
    half = mask.shape[axis] // 2
    return mask.narrow(axis, mask.shape[axis] - half if sign > 0 else 0, half)


def _axis(direction: Direction) -> tuple[int, int]:
    known = {"front": (0, 1), "back": (0, -1), "left": (1, 1), "right": (1, -1)}
    if direction not in known:
        raise BadInput(
            f"{direction!r} is no direction", field="direction",
            remedy=f"use one of {', '.join(known)}",
        )  # fmt: skip
    return known[direction]


def _kept(world: HexPlaneWorld, cells: Planes) -> Planes:
    """Where planes are known: all but ``cells``, and the motion of the ego everywhere."""
    keep = cells.map(lambda plane: ~plane[None])
    if not world.vae.config.carries:
        return keep
    channels = torch.arange(world.vae.config.channels) < CHANNELS
    return keep._replace(tz=keep.tz | channels[:, None, None])


def _with_past(
    world: HexPlaneWorld, own: Conditions | None, past: Planes | None
) -> Conditions | None:
    own = Conditions() if own is None else own
    if own.previous is not None:
        raise BadInput(
            "hold a past of their own", field="conditions", remedy="give it as the drive's past"
        )
    if past is not None:
        own = replace(own, previous=world.generator.past_of(past).cpu())
    return own if own.values() else None


def _sampled(
    world: HexPlaneWorld,
    seeds: Sequence[int],
    conditions: Conditions | None,
    how: How | None,
    known: Known | None = None,
    gain: float = 1.0,
) -> Planes:
    how = How() if how is None else how
    return world.sample(
        seeds, conditions, sampler=how.sampler, guidance=how.guidance, gain=gain,
        known=known, masked=how.masked, callback=how.callback,
    )  # fmt: skip


def _made(
    world: HexPlaneWorld,
    seeds: Sequence[int],
    conditions: Conditions | None,
    planes: Planes,
    made: Bool[Tensor, "time x y"] | None = None,
) -> Iterator[Window]:
    for row, (labels, seed) in enumerate(zip(world.labels(planes), seeds, strict=True)):
        place = torch.tensor([row])
        yield Window(
            labels=labels,
            planes=planes.map(lambda plane, row=row: plane[row : row + 1].cpu()),  # type: ignore[misc]
            seed=seed,
            conditions=None if conditions is None else conditions.select(place),
            made=made,
        )


def _first(motion: Tensor | None) -> Tensor | None:
    return None if motion is None else motion[0]
