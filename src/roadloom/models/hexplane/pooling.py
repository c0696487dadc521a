"""Planes by plain means over the reduced axes: the encoder that the paper compares with."""

from torch import nn

from roadloom.models.hexplane.parts import Volume
from roadloom.models.hexplane.planes import Planes


class PoolingProjection(nn.Module):
    """No weights ("averaged pooling" in table 3 of DynamicCity)."""

    def forward(self, spatial: Volume, temporal: Volume) -> Planes:
        still = spatial.mean(dim=2)  # [B C X Y Z]
        return Planes(
            xy=still.mean(dim=4), xz=still.mean(dim=3), yz=still.mean(dim=2),
            tx=temporal.mean(dim=(4, 5)), ty=temporal.mean(dim=(3, 5)),
            tz=temporal.mean(dim=(3, 4)),
        )  # fmt: skip
