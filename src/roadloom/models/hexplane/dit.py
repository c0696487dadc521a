"""Diffusion transformer over the six planes of a window.

    map [B C H W] -> tokens [B N D] -> blocks, modulated by noise level and conditions -> map

After Peebles and Xie (arXiv 2212.09748) and DynamicCity (arXiv 2410.18084, section 3.3). Latents
come and go as padded rollouts whatever the layout of tokens; the padding is never read and comes
out as zero. Gates and the last layer start at zero, so an untrained network returns zero.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from roadloom.models.hexplane.condition_embeddings import (
    ConditionEmbedding,
    PublishedConditionEmbedding,
)
from roadloom.models.hexplane.conditions import Conditions
from roadloom.models.hexplane.dit_block import Block, ReadOut
from roadloom.models.hexplane.dit_config import DitConfig
from roadloom.models.hexplane.embeddings import PatchEmbed, TimeEmbed, wave_table
from roadloom.models.hexplane.layouts import layout
from roadloom.models.hexplane.rollout import roll_out, unroll


class HexPlaneDit(nn.Module):
    """Predicts noise, velocity or whatever it is trained to predict."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.config = config
        self.layout = layout(config.tokens, config.size, config.patch)
        width, grid = config.width, self.layout.grid
        table = wave_table(grid, width)[None]
        self.register_buffer("position", table, persistent=config.compat)
        index = self.layout.positions[:, 0]
        if len(grid) == 2:
            index = index * grid[1] + self.layout.positions[:, 1]
        self.register_buffer("cell", index, persistent=False)
        self.embed = PatchEmbed(config.channels, config.patch, width)
        self.time = TimeEmbed(width)
        kind = PublishedConditionEmbedding if config.compat else ConditionEmbedding
        self.conditions = kind(config, self.layout)
        self.modulation: nn.Module | None = None
        if config.modulation == "shared":
            self.modulation = nn.Linear(width, 6 * width)
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.readout = ReadOut(config)

    def forward(
        self,
        latent: Float[Tensor, "batch channel height width"],
        time: Tensor,
        conditions: Conditions | Mapping[str, Tensor] | None = None,
    ) -> Float[Tensor, "batch out_channel height width"]:
        """
        Args:
            latent: noisy padded rollouts; what the padding holds does not matter.
            time: noise level of each sample [B], 0 (clean) to 1000.
            conditions: of the batch; wrappers that know tensors only may pass
                ``conditions.tensors()``.
        """
        if not isinstance(conditions, Conditions):
            conditions = Conditions.from_tensors(conditions or {})
        position = self.position[0, self.cell]  # [N D]
        patches = self.layout.tokens(unroll(latent, self.config.size))
        tokens = self.embed(patches) + position
        influence = self.conditions(self.time(time), conditions, position)
        if influence.stream is not None:
            tokens = tokens + influence.stream
        vector = F.silu(influence.vector)  # [B 1 D], compat with image conditions: [B N D]
        shared = influence.modulation
        if self.modulation is not None:
            once = self.modulation(vector)
            shared = once if shared is None else once + shared
        for block in self.blocks:
            tokens = block(tokens, vector, shared, influence.image)
        past = self._past(conditions, patches) if self.config.hold_past else None
        cells = self.readout(tokens, vector, influence.readout, patches, past)
        return roll_out(self.layout.planes(cells)).to(latent.dtype)

    def _past(self, conditions: Conditions, patches: Tensor) -> Tensor:
        """Patches of the window before, zero for samples that have none."""
        if conditions.previous is None:
            return torch.zeros_like(patches)
        past = self.layout.tokens(unroll(conditions.previous, self.config.size))
        return torch.where(conditions.mask("previous")[:, None, None], past, torch.zeros_like(past))

    def checkpoint_blocks(self) -> Sequence[nn.Module]:
        """The modules whose activations training may forget and compute again."""
        return list(self.blocks)

    def parameter_count(self) -> int:
        """Trained numbers."""
        return sum(parameter.numel() for parameter in self.parameters())


def untrained(config: DitConfig, seed: int) -> HexPlaneDit:
    """A fresh network whose weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HexPlaneDit(config)
