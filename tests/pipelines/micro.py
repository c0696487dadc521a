"""Tiny random networks on the true grid, and made-up drives, for tests of pipelines."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from roadloom.diffusion.distill import StudentGrid
from roadloom.diffusion.objectives import FlowObjective
from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.dit_config import DitConfig
from roadloom.models.hexplane.generator import (
    GeneratorConfig,
    HexPlaneGenerator,
    plain_statistics,
)
from roadloom.models.hexplane.vae import HexPlaneVae
from roadloom.models.store import save_model
from roadloom.pipelines.hexplane import HexPlaneWorld

VAE = HexPlaneConfig(
    frames=4, halvings=(1, 2, 2, 2), channels=4, width=8, query_channels=32, volume_channels=2,
    extractor_blocks=1, head_blocks=1, ground_blocks=1, plane_blocks=1, ground_width=8,
    plane_width=8, heads=2,
)  # fmt: skip


def scatter(module: nn.Module, seed: int) -> None:
    """Every weight at random, so that no part stays the identity it begins as."""
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            fan = parameter[0].numel() if parameter.ndim > 1 else 4
            parameter.copy_(torch.randn(parameter.shape, generator=source) / fan**0.5)


def statistics(channels: int = VAE.channels):  # type: ignore[no-untyped-def]
    plain = plain_statistics(channels)
    return replace(
        plain,
        mean={name: tuple(0.1 * i for i in range(channels)) for name in plain.mean},
        std={name: tuple(0.7 + 0.1 * i for i in range(channels)) for name in plain.std},
    )


def generator_config(sizes: HexPlaneConfig = VAE, **changes: object) -> GeneratorConfig:
    dit = DitConfig(
        size=sizes.size, channels=sizes.channels, frames=sizes.frames, patch=2, width=16, depth=1,
        heads=2, token_rank=4,
    )  # fmt: skip
    settings = {"dit": dit, "flow": FlowObjective(), "statistics": statistics(sizes.channels)}
    return GeneratorConfig(**(settings | changes))  # type: ignore[arg-type]


def micro_world(*, motion: bool = True, seed: int = 0, **changes: object) -> HexPlaneWorld:
    vae_config = replace(VAE, motion=motion)
    vae = HexPlaneVae(vae_config)
    known = {"carry_past": motion} | changes
    generator = HexPlaneGenerator(generator_config(vae_config, **known))
    scatter(vae, seed)
    scatter(generator, seed + 1)
    for module in (vae, generator):
        module.requires_grad_(False).eval()
    return HexPlaneWorld(vae=vae, generator=generator, licence="CC0-1.0")


def save_micro(folder: Path, *, student: bool = False) -> tuple[Path, Path]:
    """Folders of a generator and its autoencoder."""
    from roadloom.io.read import read_json

    world = micro_world()
    vae = save_model(folder / "vae", world.vae, "hexplane_vae", VAE, {"licence": "CC0-1.0"})
    card = read_json(vae / "card.json")
    assert isinstance(card, dict)
    grid = StudentGrid(steps=2) if student else None
    config = replace(world.config, vae=card["weights_sha256"], student=grid)
    model = save_model(
        folder / "dit", world.generator, "hexplane_dit", config, {"licence": "CC0-1.0"}
    )
    return model, vae


def street(seed: int = 0, step_cells: float = 1.0) -> Tensor:
    """A window of view ids [T X Y Z]: a road along x, with blocks that come nearer."""
    source = torch.Generator().manual_seed(seed)
    blocks = torch.randint(0, 12, (40, 16), generator=source).to(torch.uint8)
    world = blocks.repeat_interleave(8, 0).repeat_interleave(8, 1)  # [320 128]
    world[:, 48:80] = 6
    frames = []
    for frame in range(VAE.frames):
        first = round(64 + frame * step_cells)
        flat = world[first : first + 128]
        voxels = torch.zeros((128, 128, 8), dtype=torch.uint8)
        voxels[..., 0] = 6
        voxels[..., 1:4] = flat[..., None] * (flat[..., None] != 6)
        frames.append(voxels)
    return torch.stack(frames)


def driving(step_cells: float = 1.0, turn: float = 0.01) -> Tensor:
    """Motion of the ego in cells, in the middle frame's coordinates [T 3]."""
    steps = torch.arange(VAE.frames) - VAE.frames // 2
    return torch.stack((steps * step_cells, 0.1 * steps**2, steps * turn), dim=-1)
