"""From a configuration to the parts of the autoencoder, ours and the published ones mixed."""

from jaxtyping import Float, Int64
from torch import Tensor, nn

from roadloom.models.hexplane.attention_projection import AttentionProjection
from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.folded import FoldedExtractor, FoldedHead
from roadloom.models.hexplane.folded_squeeze import Factors, FoldedSqueeze
from roadloom.models.hexplane.planes import Planes
from roadloom.models.hexplane.points import PointsDecoder
from roadloom.models.hexplane.pooling import PoolingProjection
from roadloom.models.hexplane.query_projection import QueryProjection
from roadloom.models.hexplane.squeeze import Squeeze
from roadloom.models.hexplane.volume_extractor import VolumeExtractor
from roadloom.models.hexplane.volume_head import VolumeHead


def build_extractor(config: HexPlaneConfig) -> nn.Module:
    return {"folded": FoldedExtractor, "volume": VolumeExtractor}[config.extractor](config)


def build_projection(config: HexPlaneConfig) -> tuple[nn.Module, tuple[int, ...]]:
    """The module and the channels of each plane that it gives."""
    if config.projection == "query":
        query = QueryProjection(config)
        return query, query.widths
    same = (config.volume_channels,) * 6
    if config.projection == "pooling":
        return PoolingProjection(), same
    return AttentionProjection(config), same


def build_decoder(config: HexPlaneConfig) -> nn.Module:
    """A module with ``expand(planes)``, the part that all frames share, and
    ``forward(expanded, frames)``, the logits of some."""
    if config.decoder == "points":
        return PointsDecoder(config)
    return FoldedDecoder(config) if config.head == "folded" else VolumeDecoder(config)


class FoldedDecoder(nn.Module):
    """Planes to logits by the folded squeeze and head."""

    def __init__(self, config: HexPlaneConfig) -> None:
        super().__init__()
        self.squeeze, self.head = FoldedSqueeze(config), FoldedHead(config)

    def expand(self, planes: Planes) -> Factors:
        return self.squeeze.expand(planes)

    def forward(
        self, expanded: Factors, frames: Int64[Tensor, "batch frame"]
    ) -> Float[Tensor, "batch frame x y z class"]:
        return self.head(self.squeeze.product(expanded, frames))


class VolumeDecoder(nn.Module):
    """Planes to logits by the published squeeze and head."""

    def __init__(self, config: HexPlaneConfig) -> None:
        super().__init__()
        self.squeeze, self.head = Squeeze(config), VolumeHead(config)

    def expand(self, planes: Planes) -> Planes:
        return self.squeeze.features(planes)

    def forward(
        self, expanded: Planes, frames: Int64[Tensor, "batch frame"]
    ) -> Float[Tensor, "batch frame x y z class"]:
        tx, ty, tz = (take_frames(plane, frames) for plane in expanded[3:])
        return self.head(self.squeeze.volume(Planes(*expanded[:3], tx, ty, tz)))


def take_frames(
    plane: Float[Tensor, "batch channel time second"], frames: Int64[Tensor, "batch frame"]
) -> Float[Tensor, "batch channel frame second"]:
    """Rows of a temporal plane, other ones of each example."""
    chosen = frames[:, None, :, None].expand(-1, plane.shape[1], -1, plane.shape[3])
    return plane.gather(2, chosen)
