"""Which cells of the six planes an edit of a region may regenerate, and what it can change.

    region [X Y] -> where it lies in every frame [T X Y] -> cells to regenerate, as planes
    cells -> reach -> columns of the decoded window whose labels may change [T X Y]

A cell of XZ stands for all y, one of TX for all y and z, and so on, and the decoder multiplies
the planes. So by the rule "all" a cell is regenerated only if everything that it stands for lies
in the region: then whatever lies out of reach is decoded exactly as before. For most regions that
is XY alone. By the rule "any" every cell that touches the region is regenerated, which is freer
and changes the rest of the window too (DynamicCity, arXiv 2410.18084, does not say which it does).

Where the autoencoder holds the world still (see ``models.hexplane.motion``), XY, XZ and YZ lie in
the middle frame, and so does the region: it stands in the world, and each frame sees it from
where the vehicle is. Otherwise it moves along with the vehicle.
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from roadloom.errors import BadInput
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.motion import carry_map
from roadloom.models.hexplane.planes import Planes

Rule = Literal["all", "any"]
Region = Bool[Tensor, "x y"]


def region_of(grid: VoxelGrid, rectangle: tuple[float, float, float, float]) -> Region:
    """Cells whose centre lies in a rectangle x0, y0, x1, y1 [m]; infinite sides are allowed.

    Raises:
        BadInput: it holds no cell.
    """
    x0, y0, x1, y1 = rectangle
    along, across = (
        grid.lower_m[axis] + (torch.arange(grid.shape[axis]) + 0.5) * grid.cell_m[axis]
        for axis in (0, 1)
    )
    inside = ((along >= x0) & (along < x1))[:, None] & ((across >= y0) & (across < y1))
    if not inside.any():
        raise BadInput(
            f"{x0:g},{y0:g},{x1:g},{y1:g} holds no cell of the grid", field="region",
            remedy=f"name x0,y0,x1,y1 in metres within {grid.lower_m[:2]} and {grid.upper_m[:2]}, "
            "x forward and y left of the vehicle",
        )  # fmt: skip
    return inside


def region_in_frames(
    config: HexPlaneConfig, region: Region, motion: Float[Tensor, "time 3"] | None
) -> Bool[Tensor, "time x y"]:
    """Where the region lies in every frame; beyond the middle frame's grid its rim goes on."""
    if motion is None or not config.carries:
        return region.expand(config.frames, -1, -1)
    x, y = region.shape
    along = (torch.arange(x) - (x - 1) / 2)[:, None]
    across = torch.arange(y) - (y - 1) / 2
    dx, dy, yaw = (part[:, None, None] for part in motion.cpu().unbind(-1))  # [T 1 1]
    cos, sin = yaw.cos(), yaw.sin()
    column = (cos * along - sin * across + dx + (x - 1) / 2).round().long().clamp(0, x - 1)
    row = (sin * along + cos * across + dy + (y - 1) / 2).round().long().clamp(0, y - 1)
    return region[column, row]


def cells_of(
    config: HexPlaneConfig,
    region: Region,
    motion: Float[Tensor, "time 3"] | None,
    rule: Rule = "all",
) -> Planes:
    """Cells to regenerate, one boolean map per plane [first second].

    Raises:
        BadInput: the region is of another size, or by the rule there is no such cell.
    """
    if tuple(region.shape) != config.shape[:2]:
        raise BadInput(
            f"{tuple(region.shape)} cells, the model has {config.shape[:2]}", field="region",
            remedy="give a region on the model's own grid",
        )  # fmt: skip
    size, steps = config.size, 2 ** config.halvings[0]
    still = _pooled(region[None], config, rule)[0]  # [X' Y']
    frames = _pooled(region_in_frames(config, region, motion), config, rule)  # [T X' Y']
    moving = _over(frames.unflatten(0, (-1, steps)), 1, rule)  # [T' X' Y']
    x, y = _over(still, 1, rule), _over(still, 0, rule)
    whole = _over(moving.flatten(1), 1, rule)  # [T']
    cells = Planes(
        xy=still,
        xz=x[:, None].expand(-1, size.z),
        yz=y[:, None].expand(-1, size.z),
        tx=_over(moving, 2, rule),
        ty=_over(moving, 1, rule),
        tz=whole[:, None].expand(-1, size.z),
    )
    if not any(bool(plane.any()) for plane in cells):
        raise BadInput(
            "no cell of the planes lies in the region as a whole", field="region",
            remedy="name a larger region, or take the rule 'any'",
        )  # fmt: skip
    return cells


def _pooled(maps: Bool[Tensor, "map x y"], config: HexPlaneConfig, rule: Rule) -> Tensor:
    """Columns of the planes' resolution: all of their columns, or any."""
    px, py = (2**k for k in config.halvings[1:3])
    blocks = maps.unflatten(2, (-1, py)).unflatten(1, (-1, px)).transpose(2, 3)
    return _over(blocks.flatten(3), 3, rule)


def _over(values: Tensor, axis: int, rule: Rule) -> Tensor:
    return values.all(axis) if rule == "all" else values.any(axis)


class ReceptiveField(NamedTuple):
    """How far the decoder looks, in cells of the planes to each side."""

    ground: int
    """Of the net of XY."""
    plane: int
    """Of the nets of the other planes, along both of their axes."""
    head: int
    """Of the head, along x and y, after the planes have met."""


def receptive_field(config: HexPlaneConfig) -> ReceptiveField:
    """Of the folded decoder, whose norms see one cell each.

    Raises:
        BadInput: another decoder. The published head normalises over whole frames, so that each
            of its labels depends on all cells; that of single points is not worked out.
    """
    if config.decoder != "squeeze" or config.head != "folded":
        raise BadInput(
            "this decoder has no bounded receptive field", field=f"{config.decoder}, {config.head}",
            remedy="use an autoencoder with decoder 'squeeze' and head 'folded', or paste",
        )  # fmt: skip
    # Two 3 x 3 convolutions in a residual block, one before the blocks of a plane.
    return ReceptiveField(
        ground=1 + 2 * config.ground_blocks,
        plane=1 + 2 * config.plane_blocks,
        head=2 * config.head_blocks,
    )


def reach(
    config: HexPlaneConfig, cells: Planes, motion: Float[Tensor, "time 3"] | None = None
) -> Bool[Tensor, "time x y"]:
    """Columns whose labels may change if these cells do, the motion in TZ left as it is.

    Args:
        cells: boolean, [first second] per plane.
        motion: of the window [cells], for an autoencoder that holds the world still.

    Raises:
        BadInput: as ``receptive_field``, or such an autoencoder without motion.
    """
    field = receptive_field(config)
    if config.carries and motion is None:
        raise BadInput("is not given", field="motion", remedy="read it from the planes")
    xy, xz, yz, tx, ty, tz = (
        _grown(plane, field.ground if place == 0 else field.plane)
        for place, plane in enumerate(cells)
    )
    still = xy | xz.any(1)[:, None] | yz.any(1)  # [X' Y']
    if config.carries and motion is not None:
        fine = _fine(still[None].float(), config)  # read between cells, as the decoder does
        carried = carry_map(fine[None], motion.cpu()[None])[:, 0] > 0  # [T X Y]
        frames = _pooled(carried, config, "any")
    else:
        frames = still.expand(config.frames, -1, -1)
    steps = 2 ** config.halvings[0]
    tx, ty, tz = (plane.repeat_interleave(steps, dim=0) for plane in (tx, ty, tz))
    frames = frames | tx[:, :, None] | ty[:, None] | tz.any(1)[:, None, None]
    return _fine(_grown(frames, field.head), config)


def _grown(maps: Bool[Tensor, "*map first second"], by: int) -> Tensor:
    side = 2 * by + 1
    flat = maps.reshape(1, -1, *maps.shape[-2:]).float()
    return (F.max_pool2d(flat, side, stride=1, padding=by) > 0).reshape(maps.shape)


def _fine(maps: Tensor, config: HexPlaneConfig) -> Tensor:
    px, py = (2**k for k in config.halvings[1:3])
    return maps.repeat_interleave(px, dim=-2).repeat_interleave(py, dim=-1)
