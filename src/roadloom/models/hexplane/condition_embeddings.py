"""How conditions enter the transformer: ours, and as the published code does it.

    command, trajectory -> vector      one per sample, joined with the noise level
    previous, layout    -> tokens      ours: added to the tokens and, through few channels, to
                                       their modulation; published: added to the vector

A condition that is not given is replaced by a learned vector (ours) or by zero (published).
Parameters of an absent condition still take part, times zero: every forward uses all of them.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from roadloom.errors import BadInput
from roadloom.models.hexplane.conditions import COMMANDS, Conditions
from roadloom.models.hexplane.dit_config import DitConfig
from roadloom.models.hexplane.embeddings import PatchEmbed
from roadloom.models.hexplane.layouts import Layout, cut
from roadloom.models.hexplane.rollout import map_shape, unroll


class Influence(NamedTuple):
    """What the conditions do; a token axis of 1 means the same for all tokens."""

    vector: Float[Tensor, "batch #token width"]
    """Noise level and conditions, for the modulation."""
    stream: Tensor | None = None
    """Added to the tokens [B or 1, N or 1, D]."""
    modulation: Tensor | None = None
    """Added to the modulation of all blocks [B or 1, N or 1, 6D]."""
    readout: Tensor | None = None
    """Added to the modulation of the last layer [B or 1, N or 1, 2D]."""
    image: Tensor | None = None
    """Tokens that cross-attention looks at [B or 1, N, D]."""


class Given(nn.Module):
    """An embedding, and a learned vector where its input is not given."""

    def __init__(self, embed: nn.Module, blank: Tensor, width: int) -> None:
        super().__init__()
        self.embed = embed
        self.null = nn.Parameter(torch.zeros(width))
        self.register_buffer("blank", blank, persistent=False)

    def forward(self, value: Tensor | None, given: Bool[Tensor, " batch"] | None) -> Tensor:
        if value is None or given is None:
            return self.null + 0 * self.embed(self.blank)
        embedded = self.embed(torch.where(_spread(given, value), value, torch.zeros_like(value)))
        return torch.where(_spread(given, embedded), embedded, self.null.to(embedded.dtype))


class ConditionEmbedding(nn.Module):
    """Ours."""

    def __init__(self, config: DitConfig, layout: Layout) -> None:
        super().__init__()
        self.config, self.layout = config, layout
        width, patch = config.width, config.patch
        makers = {
            "previous": lambda: _patches(config.channels, patch, width),
            "layout": lambda: _patches(config.frames * config.layout_kinds, patch, width),
            "command": lambda: Given(_table(width), torch.zeros(1, dtype=torch.int64), width),
            "trajectory": lambda: Given(
                _perceptron(3 * config.frames, width), torch.zeros(1, 3 * config.frames), width
            ),
        }
        self.parts = nn.ModuleDict({name: makers[name]() for name in config.conditions})
        self.to_modulation: nn.Module | None = None
        if config.token_rank and config.token_conditions:
            self.to_modulation = nn.Sequential(
                nn.SiLU(), nn.Linear(width, config.token_rank),
                nn.SiLU(), nn.Linear(config.token_rank, 8 * width),
            )  # fmt: skip
            nn.init.zeros_(self.to_modulation[3].weight)
            nn.init.zeros_(self.to_modulation[3].bias)
        scale = torch.tensor(config.trajectory_scale)
        self.register_buffer("trajectory_scale", scale, persistent=False)

    def forward(
        self, time: Float[Tensor, "batch width"], conditions: Conditions, position: Tensor
    ) -> Influence:
        check_shapes(conditions, self.config)
        vector, stream = time[:, None], None
        for name, part in self.parts.items():
            value, given = getattr(conditions, name), None
            if value is not None:
                value, given = self._prepare(name, value), conditions.mask(name)
            embedded = part(value, given)
            if name in self.config.token_conditions:
                stream = embedded if stream is None else stream + embedded
            else:
                vector = vector + embedded[:, None]
        if stream is None or self.to_modulation is None:
            return Influence(vector, stream)
        width = self.config.width
        blocks, readout = self.to_modulation(stream).split((6 * width, 2 * width), dim=-1)
        return Influence(vector, stream, blocks, readout)

    def _prepare(self, name: str, value: Tensor) -> Tensor:
        config = self.config
        if name == "previous":
            return self.layout.tokens(unroll(value, config.size))
        if name == "layout":
            ground = value.flatten(1, 2).to(torch.float32)
            shape = config.size.x, config.size.y
            return layout_tokens(F.interpolate(ground, shape, mode="area"), self.layout)
        if name == "trajectory":
            return (value / self.trajectory_scale).flatten(1)
        return value


class PublishedConditionEmbedding(nn.Module):
    """The published code's (section 4.2 of its description): sums, and zero for what is absent."""

    def __init__(self, config: DitConfig, layout: Layout) -> None:
        super().__init__()
        self.config, self.layout = config, layout
        width, frames = config.width, config.frames
        makers = {
            "previous": lambda: PatchEmbed(config.channels, config.patch, width),
            "layout": lambda: PatchEmbed(frames, config.patch, 1),
            "command": lambda: _table(width),
            "trajectory": lambda: nn.Sequential(
                nn.Linear(3 * frames, width), nn.ReLU(),
                nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width),
            ),
        }  # fmt: skip
        self.parts = nn.ModuleDict({name: makers[name]() for name in config.conditions})

    def forward(
        self, time: Float[Tensor, "batch width"], conditions: Conditions, position: Tensor
    ) -> Influence:
        check_shapes(conditions, self.config)
        vector, image = time[:, None], None
        for name, part in self.parts.items():
            value = getattr(conditions, name)
            if value is None:
                value = self._blank(name, time.device)
                given = torch.zeros(1, dtype=torch.bool, device=time.device)
            else:
                given = conditions.mask(name)
                value = torch.where(_spread(given, value), value, torch.zeros_like(value))
            embedded = part(self._prepare(name, value))
            embedded = torch.where(_spread(given, embedded), embedded, torch.zeros_like(embedded))
            if name in self.config.token_conditions:
                embedded = embedded + position
                image = embedded if image is None else image + embedded
            else:
                vector = vector + embedded[:, None]
        if image is None:
            return Influence(vector)
        return Influence(vector + image, image=image if self.config.cross_attention else None)

    def _blank(self, name: str, device: torch.device) -> Tensor:
        """One sample of a condition, in place of one that is absent."""
        config = self.config
        if name == "command":
            return torch.zeros(1, dtype=torch.int64, device=device)
        shapes = {
            "previous": (config.channels, *map_shape(config.size)),
            "layout": (config.frames, 1, config.size.x, config.size.y),
            "trajectory": (config.frames, 3),
        }
        return torch.zeros(1, *shapes[name], device=device)

    def _prepare(self, name: str, value: Tensor) -> Tensor:
        size = self.config.size
        if name == "previous":
            return self.layout.tokens(unroll(value, size))
        if name == "layout":
            ground = value.flatten(1, 2).to(torch.float32)
            return layout_tokens(nearest(ground, (size.x, size.y)), self.layout)
        return value.flatten(1) if name == "trajectory" else value


def layout_tokens(
    ground: Float[Tensor, "batch channel x y"], layout: Layout
) -> Float[Tensor, "batch token cell"]:
    """Tokens of planes of which XY holds ``ground`` and the others zero."""
    tokens = cut(ground, layout.patch)  # XY is the first plane and never transposed
    return F.pad(tokens, (0, 0, 0, len(layout.positions) - tokens.shape[1]))


def nearest(
    image: Float[Tensor, "batch channel x y"], shape: tuple[int, int]
) -> Float[Tensor, "batch channel height width"]:
    """Resize: cell i of ``out`` cells takes cell floor(i * in / out), in whole numbers."""
    rows, columns = (
        torch.arange(cells, device=image.device) * have // cells
        for cells, have in zip(shape, image.shape[-2:], strict=True)
    )
    return image[..., rows[:, None], columns]


def check_shapes(conditions: Conditions, config: DitConfig) -> None:
    """Refuse conditions that the network does not know, or of other sizes than its own."""
    expected = {
        "previous": (config.channels, *map_shape(config.size)),
        "layout": (config.frames, config.layout_kinds),
        "command": (),
        "trajectory": (config.frames, 3),
    }
    for name, value in conditions.values().items():
        if name not in config.conditions:
            raise BadInput(
                f"this network is not conditioned on {name}", field=name,
                remedy=f"it knows: {', '.join(config.conditions) or 'no condition'}",
            )  # fmt: skip
        shape = tuple(value.shape[1:3] if name == "layout" else value.shape[1:])
        if shape != expected[name]:
            raise BadInput(f"{shape} per sample, expected {expected[name]}", field=name)


def _spread(given: Tensor, like: Tensor) -> Tensor:
    """``given`` with axes of 1 up to as many as ``like`` has."""
    return given.view(-1, *(1,) * (like.ndim - 1))


def _patches(channels: int, patch: int, width: int) -> Given:
    embed = PatchEmbed(channels, patch, width)
    return Given(embed, torch.zeros(1, 1, channels * patch * patch), width)


def _table(width: int) -> nn.Embedding:
    table = nn.Embedding(len(COMMANDS), width)
    nn.init.normal_(table.weight, std=0.02)
    return table


def _perceptron(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width))
