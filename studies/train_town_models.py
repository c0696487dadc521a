"""What ``train_town`` made, as the folders that ship: cards, one budget, half precision."""

import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import torch
from safetensors.torch import load_file

from roadloom.io.atomic import atomic_folder, write_json, write_text
from roadloom.io.read import read_json
from roadloom.models.store import BASE, CARD, CONFIG, README, WEIGHTS, load_model, readme

MODELS = {
    "hexplane_vae_v1": "vae",
    "hexplane_dit_v1": "drive",
    "hexplane_student_v1": "student",
    "features_scene_v1": "features_scene",
    "features_view_v1": "features_view",
}
"""Name that ships -> stage that trains it."""
TEACHER = "hexplane_dit_v1"
BUDGET = 10_000_000
"""Bytes of all that ships, cards included."""
LICENCE = "Apache-2.0"
"""Of the town, so of what learned from it."""


def collect(out: Path, commands: Mapping[str, list[str]], licence: str = LICENCE) -> None:
    """Copy what is trained to ``out/models``, with cards that say how each was made."""
    for name, stage in MODELS.items():
        source = out / stage / "model"
        if not source.exists():
            print(f"{name}: not trained yet")
            continue
        target = out / "models" / name
        shutil.rmtree(target, ignore_errors=True)
        with atomic_folder(target) as folder:
            for file in (WEIGHTS, CONFIG, CARD):
                shutil.copyfile(source / file, folder / file)
            card = {**read_json(source / CARD), "commands": commands[name]}
            if card.get("licence") != licence:
                raise SystemExit(f"{name} learned from data under {card.get('licence')!r}")
            if stage == "vae" and (out / "vae.json").exists():
                card["reconstruction"] = read_json(out / "vae.json")
            write_json(folder / CARD, card)
            write_text(folder / README, readme(name, card))
            config = read_json(source / CONFIG)
            if BASE in config:
                config[BASE]["place"] = f"../{TEACHER}"
                write_json(folder / CONFIG, config)


def install(models: Path, shelf: Path | None = None) -> str:
    """Copy the folders into the package if all that then ships is within the budget.

    Returns:
        Sizes, as lines to read.

    Raises:
        SystemExit: too large, or weights that are no half precision.
    """
    shelf = shelf or Path(str(files("roadloom"))) / "weights"
    new = {name: models / name for name in MODELS if (models / name).exists()}
    stays = {path.name: path for path in shelf.iterdir() if path.is_dir()} if shelf.exists() else {}
    sizes = {name: _size(path) for name, path in (stays | new).items()}
    lines = [f"{name:<24}{size:>12,}" for name, size in sorted(sizes.items())]
    lines.append(f"{'all':<24}{sum(sizes.values()):>12,} of {BUDGET:,} bytes")
    text = "\n".join(lines)
    if sum(sizes.values()) > BUDGET:
        raise SystemExit(f"{text}\nthat is too much, nothing was installed")
    for name, path in new.items():
        load_model(path)  # refuses what is damaged or lacks its base
        kinds = {t.dtype for t in load_file(path / WEIGHTS).values() if t.is_floating_point()}
        if kinds != {torch.float16}:
            raise SystemExit(f"{name} holds {kinds}, not half precision alone")
    for name, path in new.items():
        shutil.rmtree(shelf / name, ignore_errors=True)
        with atomic_folder(shelf / name) as folder:
            for file in (WEIGHTS, CONFIG, CARD, README):
                shutil.copyfile(path / file, folder / file)
    return text


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
