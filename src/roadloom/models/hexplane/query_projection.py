"""Planes by learned queries: a reduced axis is looked at once, at linear cost.

    volume -> softmax along the axis of (query . key + position) -> weighted means -> plane

A head is one learned query. As queries are fixed, query . key is one linear form of a cell's
features, so a head costs one number per cell; its answer is the mean of whole cells under its
weights. Where the paper's transformers compare all pairs of the 4,096 positions behind TZ, this
looks at each once, one axis after the other. Positions enter by sines of the distance from the
axis' middle in cells.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.folded import Residual
from roadloom.models.hexplane.parts import Volume
from roadloom.models.hexplane.planes import Planes

WAVES = 6
"""Of the position code: periods of 4, 8, ... 128 cells."""


class Look(nn.Module):
    """Squeeze one axis: ``heads`` weighted means of its cells, side by side."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.score = nn.Linear(channels, heads, bias=False)
        self.position = nn.Linear(2 * WAVES, heads, bias=False)
        nn.init.normal_(self.position.weight)  # heads that look at different places from the start

    def forward(
        self, cells: Float[Tensor, "*kept position channel"]
    ) -> Float[Tensor, "*kept heads_channel"]:
        scores = self.score(cells) + self.position(position_code(cells))
        weights = scores.float().softmax(dim=-2).to(cells.dtype)
        return (weights.transpose(-1, -2) @ cells).flatten(-2)


def position_code(
    cells: Float[Tensor, "*kept position channel"],
) -> Float[Tensor, "position code"]:
    """Sines and cosines of the distance from the middle of the positions."""
    count = cells.shape[-2]
    steps = torch.arange(count, device=cells.device, dtype=torch.float32) - (count - 1) / 2
    periods = 4 * 2 ** torch.arange(WAVES, device=cells.device, dtype=torch.float32)
    angles = steps[:, None] * (2 * torch.pi / periods)
    return torch.cat((angles.sin(), angles.cos()), dim=-1)


class QueryProjection(nn.Module):
    """XY, XZ, YZ from the volume squeezed in time; TX, TY, TZ frame by frame.

    The height is short and lies in the channels: XY, TX and TY hold all of it. Each plane then has
    residual convolutions of its own, at little cost, for a plane is one map where the volume was
    one per frame.
    """

    def __init__(self, config: HexPlaneConfig) -> None:
        super().__init__()
        one, folded = config.volume_channels, config.volume_channels * config.size.z
        many, few, narrow = config.heads, config.heads // 2, config.plane_width
        self.along_t = Look(folded, many)
        self.thin = nn.Linear(one * many, narrow)
        self.along_y, self.along_x = Look(narrow, few), Look(narrow, few)
        self.frame_y, self.frame_x = Look(folded, few), Look(folded, few)
        self.thin_frame = nn.Linear(one * few, narrow)
        self.frame_yx = Look(narrow, few)
        inputs = (folded * many, narrow * few, narrow * few, folded * few, folded * few)
        self.widths = (config.ground_width, *[narrow] * 5)
        blocks = (config.ground_blocks, *[config.plane_blocks] * 5)
        self.nets = nn.ModuleList(
            nn.Sequential(nn.Conv2d(inward, width, 1), *(Residual(width) for _ in range(count)))
            for inward, width, count in zip(
                (*inputs, narrow * few), self.widths, blocks, strict=True
            )
        )

    def forward(
        self, spatial: Float[Tensor, "batch channel still x y z"], temporal: Volume
    ) -> Planes:
        still = spatial.permute(0, 3, 4, 2, 5, 1)  # [B X Y T Z C]
        heights = spatial.shape[-1]
        ground = self.along_t(still.flatten(-2))  # [B X Y heads*Z*C]
        stack = ground.unflatten(-1, (-1, heights, spatial.shape[1])).transpose(-2, -3)
        thin = self.thin(stack.flatten(-2))  # [B X Y Z narrow]
        moving = temporal.permute(0, 2, 3, 4, 5, 1)  # [B T X Y Z C]
        sides = self.frame_y(moving.flatten(-2))  # [B T X heads*Z*C]
        rows = sides.unflatten(-1, (-1, heights, temporal.shape[1])).transpose(-2, -3)
        columns = self.thin_frame(rows.flatten(-2))  # [B T X Z narrow]
        flat = (
            ground,
            self.along_y(thin.transpose(2, 3)),  # over [B X Z Y .]
            self.along_x(thin.permute(0, 2, 3, 1, 4)),  # over [B Y Z X .]
            sides,
            self.frame_x(moving.transpose(2, 3).flatten(-2)),  # over [B T Y X .]
            self.frame_yx(columns.transpose(2, 3)),  # over [B T Z X .]
        )
        return Planes(
            *(net(plane.permute(0, 3, 1, 2)) for net, plane in zip(self.nets, flat, strict=True))
        )
