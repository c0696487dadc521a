"""A folder of small latents whose planes follow the command: cells are normal around a mean."""

from pathlib import Path

import torch

from roadloom.datasets.encode_latents import LatentWriter
from roadloom.datasets.windows import OccupancyWindows
from roadloom.models.hexplane.dit_config import DitConfig
from roadloom.models.hexplane.planes import NAMES, PlaneSize
from roadloom.prepare import Request
from roadloom.prepare.run import prepare
from roadloom.scene.registry import KINDS

HASH = "0123456789abcdef" * 4
SIZE, CHANNELS, FRAMES = PlaneSize(2, 4, 4, 2), 2, 8
MEANS = {"forward": 2.0, "left": -2.0, "static": 0.0}
"""Of every cell, by the command of the window."""
SPREAD = 0.5
DRIVEN = ("forward", "left", "static")
"""Commands of the scenes a, b and c."""
MICRO = DitConfig(
    width=32, depth=2, heads=2, patch=2, token_rank=4, mlp_ratio=2.0, size=SIZE, channels=CHANNELS,
    frames=FRAMES, conditions=("command",),
)  # fmt: skip


def made_drives(place: Path, frames: int = 30) -> Path:
    """Drives on CarlaSC's grid: straight, round a circle, standing still."""
    KINDS["made"] = "tests.datasets.made_drive:MadeSource"
    try:
        prepare(Request(source=f"made:{frames}", occupancy=("carla_sc",)), place)
    finally:
        del KINDS["made"]
    return place


def toy_latents(prepared: Path, place: Path, seed: int, encoder: str = HASH) -> Path:
    """23 windows of each drive."""
    windows = OccupancyWindows(prepared, frames=FRAMES)
    writer = LatentWriter(windows, place, encoder=encoder)
    source = torch.Generator().manual_seed(seed)
    for number, command in enumerate(DRIVEN):
        count = len(windows.scenes[number].starts)
        writer.write(number, {
            name: MEANS[command]
            + SPREAD * torch.randn(count, CHANNELS, *shape, generator=source)
            for name, shape in zip(NAMES, SIZE.shapes(), strict=True)
        })  # fmt: skip
    return place
