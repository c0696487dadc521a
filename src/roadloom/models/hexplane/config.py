"""What a HexPlane autoencoder is made of. ``published()`` is the one of the paper's code."""

from dataclasses import dataclass
from typing import Literal

from roadloom.models.hexplane.planes import PlaneSize


@dataclass(frozen=True, kw_only=True)
class HexPlaneConfig:
    """Sizes and parts; the defaults are ours, cheaper than the published ones."""

    classes: int = 12
    frames: int = 16
    shape: tuple[int, int, int] = (128, 128, 8)
    """Cells of the occupancy along x, y and z."""
    halvings: tuple[int, int, int, int] = (1, 1, 1, 1)
    """How often t, x, y and z are halved between the occupancy and the planes."""
    channels: int = 16
    """Of each plane of the latent."""
    extractor: Literal["folded", "volume"] = "folded"
    """``volume``: two 3-D convolution nets (published). ``folded``: one 2-D net over the ground
    with the height in its channels."""
    projection: Literal["query", "attention", "pooling"] = "query"
    """``attention``: seven small transformers over the reduced axes (published). ``query``: one
    learned query per plane looks at them, at linear cost. ``pooling``: their mean."""
    decoder: Literal["squeeze", "points"] = "squeeze"
    """``squeeze``: planes broadcast to the volume and multiplied, then a head. ``points``: each
    voxel reads its six features, then a perceptron (ablation of the paper)."""
    head: Literal["folded", "volume"] = "folded"
    """Of the squeeze decoder: 3-D convolutions (published) or 2-D with the height in channels."""
    width: int = 64
    """Channels of the folded nets."""
    query_channels: int = 64
    """Channels of the planes in the volume decoder (published: 64)."""
    head_channels: tuple[int, int] = (128, 32)
    """Of the volume head at low and at full resolution."""
    volume_channels: int = 16
    """Of a cell of the extractor's volumes."""
    extractor_blocks: int = 1
    """Residual blocks of the folded extractor."""
    head_blocks: int = 3
    """Residual blocks of the folded head."""
    ground_blocks: int = 2
    """Residual blocks for XY, in the query projection and again in the folded squeeze."""
    plane_blocks: int = 1
    """Residual blocks for each other plane, likewise."""
    ground_width: int = 96
    """Channels of those blocks for XY."""
    plane_width: int = 48
    """Channels of those blocks for the other planes."""
    heads: int = 8
    """Learned queries of the query projection along time; half as many along other axes."""
    slot_width: int = 48
    """Channels that the folded squeeze's XY has for every frame of its own; 0: none."""
    motion: bool = True
    """Hold the standing world still: XY, XZ and YZ in the middle frame's coordinates, the ego
    motion in channels of TZ. Without effect on decoders other than the folded one."""
    still_every: int = 2
    """Of the frames that XY, XZ and YZ are made of, with ``motion``; the others are like them."""
    compat: bool = False
    """Reproduce the published code, quirks included: the read-out of position 0."""

    def __post_init__(self) -> None:
        for axis, cells, times in zip(
            "txyz", (self.frames, *self.shape), self.halvings, strict=True
        ):
            if times < 0 or cells < 1 or cells % 2**times:
                raise ValueError(f"{cells} cells along {axis} cannot be halved {times} times")
        if self.carries and self.channels <= 3:
            raise ValueError(f"{self.channels} channels do not hold motion and more")

    @property
    def carries(self) -> bool:
        """Whether ``motion`` has effect."""
        return self.motion and self.decoder == "squeeze" and self.head == "folded"

    @property
    def size(self) -> PlaneSize:
        """Cells of the planes."""
        volume = (self.frames, *self.shape)
        return PlaneSize(*(n >> k for n, k in zip(volume, self.halvings, strict=True)))


def published(**changes: object) -> HexPlaneConfig:
    """The autoencoder that the paper's code builds (section 2 of its appendix, CarlaSC sizes)."""
    settings: dict[str, object] = {
        "extractor": "volume", "projection": "attention", "head": "volume", "motion": False,
        "compat": True,
    }  # fmt: skip
    return HexPlaneConfig(**(settings | changes))  # type: ignore[arg-type]
