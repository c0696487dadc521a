"""What the studies of the HexPlane generator share: options, windows kept on disk, real windows.

``--quick`` puts small untrained networks in the place of those that are not named: the program
runs through in a minute or two, and its figures mean nothing.
"""

import argparse
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from roadloom.datasets.drive_conditions import command_of, trajectory_of
from roadloom.datasets.windows import OccupancyWindows
from roadloom.diffusion.distill import StudentGrid
from roadloom.diffusion.objectives import FlowObjective
from roadloom.io.atomic import write_bytes, write_json
from roadloom.models.features.scene_net import SceneFeatureConfig, SceneFeatures
from roadloom.models.features.view_net import ViewFeatureConfig, ViewFeatures
from roadloom.models.hexplane.conditions import Conditions
from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.dit_config import DitConfig
from roadloom.models.hexplane.generator import (
    GeneratorConfig,
    HexPlaneGenerator,
    plain_statistics,
)
from roadloom.models.hexplane.motion import motion_of
from roadloom.models.hexplane.vae import HexPlaneVae
from roadloom.models.store import CARD, save_model
from roadloom.pipelines.evaluate import Networks, load_networks
from roadloom.pipelines.hexplane import HexPlaneWorld, load_world
from roadloom.training.spread import pick_device

SMALL = HexPlaneConfig(
    channels=8, halvings=(1, 2, 2, 1), width=16, query_channels=8, volume_channels=4,
    head_blocks=1, ground_blocks=1, ground_width=16, plane_width=16, heads=2, slot_width=8,
)  # fmt: skip
"""The autoencoder of ``--quick``: quick to decode, on the true grid."""


def options(about: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="prepared clips of val")
    parser.add_argument("--model", help="generator: a folder, or the name of one that ships")
    parser.add_argument("--student", help="the same of few steps")
    parser.add_argument("--vae", help="autoencoder; left out: the one that ships and fits")
    parser.add_argument("--scene", default="features_scene_v1", help="feature network in 3-D")
    parser.add_argument("--view", default="features_view_v1", help="feature network of views")
    parser.add_argument("--guidance", type=float, default=1.0, help="of the generator")
    parser.add_argument("--batch", type=int, default=8, help="windows sampled together")
    parser.add_argument("--bf16", action="store_true", help="sample in bfloat16")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="few windows, untrained networks")
    parser.add_argument("--out", type=Path, required=True)
    return parser


def asked(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> Any:
    """What was typed, with the stand-ins of ``--quick``."""
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.quick and args.model is None:
        places = untrained(args.out / "untrained")
        for name, place in places.items():
            setattr(args, name, str(place))
    if args.model is None and args.student is None:
        parser.error("name --model or --student")
    return args


def untrained(folder: Path) -> dict[str, Path]:
    """Model folders of small networks with random weights: vae, model, student, scene, view."""
    torch.manual_seed(0)
    told = {"about": "Untrained, to try programs with.", "licence": "CC0-1.0"}
    folder = folder / sha256(repr(SMALL).encode()).hexdigest()[:8]
    places = {name: folder / name for name in ("vae", "model", "student", "scene", "view")}
    if all((place / CARD).exists() for place in places.values()):
        return places
    save_model(places["vae"], _scattered(HexPlaneVae(SMALL)), "hexplane_vae", SMALL, told)
    vae = json.loads((places["vae"] / CARD).read_text())["weights_sha256"]
    dit = DitConfig(
        size=SMALL.size, channels=SMALL.channels, frames=SMALL.frames, patch=2, width=32, depth=1,
        heads=2, token_rank=4,
    )  # fmt: skip
    config = GeneratorConfig(
        dit=dit, flow=FlowObjective(), statistics=plain_statistics(SMALL.channels), vae=vae
    )
    student = replace(config, student=StudentGrid(steps=4))
    for name, own in (("model", config), ("student", student)):
        net = _scattered(HexPlaneGenerator(own))
        save_model(places[name], net, "hexplane_dit", own, told)
    scene, view = SceneFeatureConfig(), ViewFeatureConfig()
    save_model(places["scene"], SceneFeatures(scene), "features_scene", scene, told)
    save_model(places["view"], ViewFeatures(view), "features_view", view, told)
    return places


def _scattered(module: nn.Module) -> nn.Module:
    """Every weight at random, so that no part stays the identity that it begins as."""
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            fan = parameter[0].numel() if parameter.ndim > 1 else 4
            parameter.copy_(torch.randn(parameter.shape, generator=source) / fan**0.5)
    return module


def world_of(args: Any, name: str = "model") -> HexPlaneWorld:
    """Of the generator that an option names."""
    world = load_world(getattr(args, name), args.vae)
    return world.to(pick_device(args.device))


def networks_of(args: Any) -> Networks:
    found = load_networks(args.scene, args.view)
    device = pick_device(args.device)
    found.scene.to(device)
    found.view.to(device)
    return found


def windows_of(args: Any, world: HexPlaneWorld, stride: int) -> OccupancyWindows:
    return OccupancyWindows(
        args.data, grid=world.config.grid, view=world.config.class_view, frames=world.frames,
        stride=stride, partial=True,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Kept:
    """Windows of labels in a folder, one compressed file each, bound to what made them."""

    folder: Path
    shape: tuple[int, ...]

    @classmethod
    def of(cls, folder: Path, shape: tuple[int, ...], facts: dict[str, Any]) -> "Kept":
        """Open or begin; a folder of other facts ends the program."""
        file, told = folder / "made.json", json.loads(json.dumps(facts))
        if file.exists() and json.loads(file.read_text()) != told:
            raise SystemExit(f"{folder} was made otherwise: delete it, or name another --out")
        write_json(file, told)
        return cls(folder, shape)

    def path(self, number: int) -> Path:
        return self.folder / f"{number:05d}.z"

    def missing(self, numbers: Sequence[int]) -> list[int]:
        return [number for number in numbers if not self.path(number).exists()]

    def put(self, number: int, labels: Tensor) -> None:
        write_bytes(self.path(number), zlib.compress(labels.numpy().tobytes(), 6))

    def get(self, number: int) -> Tensor:
        data = np.frombuffer(zlib.decompress(self.path(number).read_bytes()), np.uint8)
        return torch.from_numpy(data.reshape(self.shape).copy())

    def all(self, numbers: Sequence[int]) -> Iterator[Tensor]:
        return map(self.get, numbers)


def window_shape(world: HexPlaneWorld) -> tuple[int, ...]:
    return (world.frames, *world.vae.config.shape)


def facts_of(world: HexPlaneWorld, args: Any, **more: Any) -> dict[str, Any]:
    """What the labels of a seed depend on."""
    return {
        "models": dict(world.names), "bf16": args.bf16, "seed": args.seed,
        "device": world.device.type, **more,
    }  # fmt: skip


def in_bf16(world: HexPlaneWorld, wanted: bool) -> AbstractContextManager[Any]:
    """For the sampling only; windows are decoded in 32 bits."""
    return torch.autocast(world.device.type, torch.bfloat16, enabled=wanted)


@torch.no_grad()
def conditions_of(
    world: HexPlaneWorld, windows: OccupancyWindows, number: int, use: Sequence[str]
) -> Conditions:
    """Of a real window, the named ones; ``previous`` is the window before it."""
    values: dict[str, Tensor] = {}
    if "layout" in use:
        values["layout"] = world.layout(windows.read(number, 0)["voxels"][None])
    if {"trajectory", "command"} & set(use):
        rows = trajectory_of(windows.poses(number))
        if "trajectory" in use:
            values["trajectory"] = rows[None]
        if "command" in use:
            values["command"] = torch.tensor([command_of(rows)])
    if "previous" in use:
        before = windows.previous(number)
        if before is None:
            raise SystemExit(f"window {number} has none before it")
        planes = world.encode(windows.read(before, 0)["voxels"][None], motion(windows, before))
        values["previous"] = world.generator.past_of(planes).cpu()
    return Conditions(**values)


def motion(windows: OccupancyWindows, number: int) -> Tensor:
    """Of the ego through a window, as the autoencoder takes it, [1 T 3]."""
    scene, _ = windows.locate(number)
    x, y, _ = windows.scenes[scene].drive.grid.cell_m
    return torch.from_numpy(motion_of(windows.poses(number), (x, y)))[None]


def markdown(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    def cell(value: Any) -> str:
        return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)

    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def report(out: Path, name: str, table: str, facts: dict[str, Any]) -> None:
    """Print a table and keep it beside its figures: OUT/NAME.md, OUT/NAME.json."""
    print(table, flush=True)
    (out / f"{name}.md").write_text(table + "\n")
    write_json(out / f"{name}.json", facts, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    return asdict(value)
