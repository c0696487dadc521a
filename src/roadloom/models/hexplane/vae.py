"""Autoencoder of 4-D occupancy: a window of label grids to six planes and back.

    voxels -> extractor -> projection -> time halved -> Posterior     encode
    planes -> squeeze -> head -> logits                               decode

DynamicCity (arXiv 2410.18084), section 3.1, whose parts are one choice of the configuration; the
default parts are ours and cost less. Extractor and head see one frame at a time, so decoding
takes a few frames at once, in memory that does not grow with the window.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from roadloom.models.hexplane.build import build_decoder, build_extractor, build_projection
from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.motion import (
    CHANNELS,
    OUTSIDE,
    carry_labels,
    estimated_motion,
    write_motion,
)
from roadloom.models.hexplane.motion import LOGVAR as TOLD
from roadloom.models.hexplane.planes import NAMES, Planes

LOGVAR = (-20.0, 10.0)
"""Bounds of the log-variance, so that no deviation under- or overflows."""


class Posterior(NamedTuple):
    """Of the planes given the voxels: a normal distribution per number."""

    mean: Planes
    logvar: Planes

    def sample(self, seeds: Sequence[int]) -> Planes:
        """One draw; the noise of each example comes from its own seed."""
        planes = zip(self.mean, self.logvar, _noise(self.mean, seeds), strict=True)
        return Planes(*(mean + (0.5 * logvar).exp() * noise for mean, logvar, noise in planes))


class Reconstruction(NamedTuple):
    """What the loss needs."""

    logits: Float[Tensor, "batch frame x y z class"]
    frames: Int64[Tensor, "batch frame"]
    """Numbers of the frames that were decoded."""
    posterior: Posterior


class HexPlaneVae(nn.Module):
    def __init__(self, config: HexPlaneConfig) -> None:
        super().__init__()
        self.config = config
        self.extractor = build_extractor(config)
        self.projection, widths = build_projection(config)
        step = 2 ** config.halvings[0]
        self.halve = nn.ModuleList(
            nn.Conv2d(width, width, (step, 1), stride=(step, 1))
            if "t" in name and step > 1
            else nn.Identity()
            for name, width in zip(NAMES, widths, strict=True)
        )
        self.posterior = nn.ModuleList(nn.Conv2d(width, 2 * config.channels, 1) for width in widths)
        self.decoder = build_decoder(config)

    def encode(
        self,
        voxels: UInt8[Tensor, "batch time x y z"],
        motion: Float[Tensor, "batch time 3"] | None = None,
    ) -> Posterior:
        """Ignored voxels (255) enter as free.

        Args:
            motion: of the ego, see ``motion``; where the configuration asks for it and it is not
                given, it is read from the voxels, which takes time and may err. Unused without it.
        """
        known = voxels.masked_fill(voxels >= self.config.classes, 0)
        if not self.config.carries:
            motion = None
        elif motion is None:
            motion = estimated_motion(known)
        planes = self.projection(*self._volumes(known, motion))
        pairs = [
            head(halve(plane)).float().chunk(2, dim=1)
            for halve, head, plane in zip(self.halve, self.posterior, planes, strict=True)
        ]
        means, logvars = zip(*pairs, strict=True)
        if not self.config.compat:
            logvars = tuple(logvar.clamp(*LOGVAR) for logvar in logvars)
        posterior = Posterior(Planes(*means), Planes(*logvars))
        return posterior if motion is None else _with_motion(posterior, motion)

    def _volumes(self, voxels: Tensor, motion: Tensor | None) -> tuple[Tensor, Tensor]:
        """Spatial and temporal; with motion the former is of frames carried to the middle."""
        if motion is None:
            spatial, temporal = self.extractor(voxels)
            return spatial, temporal
        # Learned positions of the attention are those of all frames.
        every = self.config.still_every if self.config.projection == "query" else 1
        chosen = slice(every // 2, None, every)
        carried = carry_labels(voxels[:, chosen], motion[:, chosen])
        if self.config.extractor == "volume":  # which knows no voxels but those of a class
            carried = carried.masked_fill(carried == OUTSIDE, 0)
        both = self.extractor(torch.cat((carried, voxels), dim=1))
        count = carried.shape[1]
        return both[0][:, :, :count], both[1][:, :, count:]

    def decode(self, planes: Planes) -> Float[Tensor, "batch time x y z class"]:
        return self.decode_frames(planes, 0, self.config.frames)

    def decode_frames(
        self, planes: Planes, start: int, stop: int
    ) -> Float[Tensor, "batch frame x y z class"]:
        """Logits of the frames from ``start`` to before ``stop``."""
        frames = torch.arange(start, stop, device=planes.xy.device)
        return self.decoder(self.decoder.expand(planes), frames.expand(len(planes.xy), -1))

    @torch.no_grad()
    def labels(self, planes: Planes, chunk: int = 1) -> UInt8[Tensor, "batch time x y z"]:
        """The most likely class of every voxel, ``chunk`` frames at a time."""
        expanded = self.decoder.expand(planes)
        batch, frames = len(planes.xy), self.config.frames
        labels = planes.xy.new_empty((batch, frames, *self.config.shape), dtype=torch.uint8)
        for numbers in torch.arange(frames, device=planes.xy.device).split(chunk):
            logits = self.decoder(expanded, numbers.expand(batch, -1))
            labels[:, numbers] = logits.argmax(dim=-1).to(torch.uint8)
        return labels

    def forward(
        self,
        voxels: UInt8[Tensor, "batch time x y z"],
        seeds: Sequence[int],
        decode: int | None = None,
        motion: Float[Tensor, "batch time 3"] | None = None,
    ) -> Reconstruction:
        """Encode, draw, decode.

        Args:
            seeds: one per example, for its noise and its frames.
            decode: how many frames of each window to decode, drawn without return; None: all.
                The loss of a draw is that of the whole window on average.
        """
        posterior = self.encode(voxels, motion)
        planes = posterior.sample(seeds)
        frames = draw_frames(self.config.frames, decode, seeds).to(voxels.device)
        return Reconstruction(self.decoder(self.decoder.expand(planes), frames), frames, posterior)


def _with_motion(posterior: Posterior, motion: Tensor) -> Posterior:
    mean, logvar = posterior
    certain = logvar.tz[:, :CHANNELS]
    certain = torch.cat((torch.full_like(certain, TOLD), logvar.tz[:, CHANNELS:]), dim=1)
    return Posterior(mean._replace(tz=write_motion(mean.tz, motion)), logvar._replace(tz=certain))


def draw_frames(
    frames: int, count: int | None, seeds: Sequence[int]
) -> Int64[Tensor, "batch frame"]:
    """``count`` different frame numbers per seed, rising; all if None."""
    if count is None or count >= frames:
        return torch.arange(frames).expand(len(seeds), -1)
    draws = [
        torch.randperm(frames, generator=torch.Generator().manual_seed(seed))[:count].sort().values
        for seed in seeds
    ]
    return torch.stack(draws)


def _noise(like: Planes, seeds: Sequence[int]) -> Planes:
    """Standard normal, drawn on the CPU: the same numbers on every device."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return like.map(
        lambda plane: torch.stack(
            [torch.randn(plane.shape[1:], generator=generator) for generator in generators]
        ).to(plane)
    )
