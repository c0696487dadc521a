"""The four parts of a HexPlane autoencoder, as calls that any of their variants answers.

    voxels -> Extractor -> spatial and temporal volume -> Projection -> planes
    planes -> Squeeze -> volume -> Head -> logits

A variant is an ``nn.Module`` with this ``forward``, so that a configuration may mix them. Around
them the autoencoder halves the time axis of the planes, makes means and log-variances, and cuts
the decoding into frames. T, X', Y', Z' are frames and cells after the spatial halvings.
"""

from typing import Protocol

from jaxtyping import Float, UInt8
from torch import Tensor

from roadloom.models.hexplane.planes import Planes

Volume = Float[Tensor, "batch channel time x y z"]


class Extractor(Protocol):
    """Labels to features, frame by frame; the spatial axes are halved, time is not."""

    def __call__(
        self, voxels: UInt8[Tensor, "batch time x_full y_full z_full"]
    ) -> tuple[Volume, Volume]:
        """The spatial volume (for XY, XZ, YZ) and the temporal one (for TX, TY, TZ).

        Both [B C T X' Y' Z']; they may be one tensor.
        """
        ...


class Projection(Protocol):
    """Volumes to planes by reducing axes; T is whole still, its halving comes after."""

    def __call__(self, spatial: Volume, temporal: Volume) -> Planes: ...


class Squeeze(Protocol):
    """Planes of the latent to the product (or sum) of their expansions."""

    def __call__(self, planes: Planes) -> Volume:
        """[B C T X' Y' Z'], at the resolution of the extractor's volumes."""
        ...


class Head(Protocol):
    """Frames of the squeezed volume to logits at full resolution, each frame by itself."""

    def __call__(
        self, volume: Volume, first: int = 0
    ) -> Float[Tensor, "batch time x_full y_full z_full class"]:
        """``first``: index in the window of the volume's first frame, for the position code."""
        ...
