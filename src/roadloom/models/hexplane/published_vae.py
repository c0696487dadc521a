"""The autoencoder of the paper's code: 3-D nets, attention projection, squeeze, volume head.

    voxels [B T X Y Z] -> six planes' means and log-variances -> logits [B T X Y Z K]

1,699,288 parameters at CarlaSC sizes. Two ways compute the same numbers: ``reference`` does what
the published program does, and the default leaves out what cannot change the result.
"""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from roadloom.models.hexplane.attention_projection import AttentionProjection, TransformerConfig
from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.planes import Planes
from roadloom.models.hexplane.squeeze import Squeeze
from roadloom.models.hexplane.volume_extractor import VolumeExtractor
from roadloom.models.hexplane.volume_head import VolumeHead

Logits = Float[Tensor, "batch time x y z class"]


class PublishedVae(nn.Module):
    """Built of the ``volume``, ``attention`` and ``squeeze`` parts, whatever ``config`` names."""

    checkpointing = False
    frames_at_once = 2
    """Decoded together while checkpointing, and for labels."""

    def __init__(
        self, config: HexPlaneConfig, *, reference: bool = False, product: bool = True,
        transformer: TransformerConfig | None = None,
    ) -> None:  # fmt: skip
        """``product``: of the squeeze, else its sum."""
        super().__init__()
        self.config, width = config, config.volume_channels
        self.extractor = VolumeExtractor(config, reference=reference)
        self.projection = AttentionProjection(config, reference=reference, transformer=transformer)
        step = (2 ** config.halvings[0], 1)
        self.halve = nn.ModuleList(
            nn.Conv2d(width, width, step, stride=step) if step[0] > 1 else nn.Identity()
            for _ in ("tx", "ty", "tz")
        )
        self.posterior = nn.ModuleList(
            nn.Linear(width, 2 * config.channels) for _ in Planes._fields
        )
        self.squeeze = Squeeze(config, product=product, reference=reference)
        self.head = VolumeHead(config, reference=reference)

    def encode(self, voxels: UInt8[Tensor, "batch time x y z"]) -> tuple[Planes, Planes]:
        """Means and log-variances of the planes."""
        planes = self.projection(*self.extractor(voxels))
        late = (halve(plane) for halve, plane in zip(self.halve, planes[3:], strict=True))
        halved = Planes(*planes[:3], *late)
        both = [
            linear(plane.movedim(1, -1)).movedim(-1, 1).chunk(2, dim=1)
            for linear, plane in zip(self.posterior, halved, strict=True)
        ]
        means, logvars = zip(*both, strict=True)
        return Planes(*means), Planes(*logvars)

    def decode(self, planes: Planes) -> Logits:
        if torch.is_grad_enabled() and not self.checkpointing:
            return self.head(self.squeeze(planes))
        features = self.squeeze.features(planes)
        frames, step = self.config.frames, self.frames_at_once
        return torch.cat(
            [self._decoded(features, n, min(n + step, frames)) for n in range(0, frames, step)],
            dim=1,
        )

    def decode_frames(self, planes: Planes, start: int, stop: int) -> Logits:
        """Logits of frames ``start`` to ``stop`` only."""
        return self._frames(self.squeeze.features(planes), start, stop)

    @torch.no_grad()
    def labels(self, planes: Planes) -> UInt8[Tensor, "batch time x y z"]:
        """The likeliest class of every voxel, a few frames at a time."""
        features = self.squeeze.features(planes)
        frames, step = self.config.frames, self.frames_at_once
        return torch.cat(
            [
                self._frames(features, n, min(n + step, frames)).argmax(dim=-1).to(torch.uint8)
                for n in range(0, frames, step)
            ],
            dim=1,
        )

    def checkpoint_blocks(self) -> None:
        """From now on, keep few activations and compute them again in the backward pass."""
        self.checkpointing = True
        self.extractor.checkpointing = self.projection.checkpointing = True

    def _decoded(self, features: Planes, start: int, stop: int) -> Tensor:
        if not torch.is_grad_enabled():
            return self._frames(features, start, stop)
        out: Tensor = checkpoint(self._frames, features, start, stop, use_reentrant=False)
        return out

    def _frames(self, features: Planes, start: int, stop: int) -> Logits:
        return self.head(self.squeeze.volume(features, start, stop), start)
