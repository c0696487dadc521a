"""Which ``follow_gain`` keeps the windows of a drive as varied as recorded ones?

    python -m studies.hexplane_gain --data LATENTS --model DIT --steps 10 --out OUT
    python -m studies.hexplane_gain --data LATENTS --model STUDENT --gains 0.95 1 --out OUT

LATENTS holds latents as ``train`` and ``val``; only train is read, so that scores on val have not
seen the choice. Drives are told the layouts and trajectories of recorded clips, a clip each, for
each of ``--gains``. A window's spread is the deviation of its normalised XY, over that of the
recorded windows that were followed. Chosen is the gain at which the mean of windows 2 to the last
is 1, between the tried ones in a straight line. ``--write`` puts it as ``follow_gain`` into the
configuration of the model, and into its card.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from roadloom.datasets.latent_windows import LatentWindows
from roadloom.io.atomic import write_json, write_text
from roadloom.io.read import read_json
from roadloom.models.hexplane.conditions import Conditions
from roadloom.models.hexplane.planes import Planes
from roadloom.models.hexplane.rollout import unroll
from roadloom.models.store import CARD, CONFIG, README, find_model, readme
from roadloom.pipelines.hexplane import HexPlaneWorld, load_world
from roadloom.recipes.latents import conditions_of, open_latents, read_batch, windows_of
from studies.hexplane_common import markdown, report

USE = ("layout", "trajectory")
APART = 1000
"""Between the seeds of two drives."""


def followed(windows: LatentWindows, drives: int, chunks: int) -> list[list[int]]:
    """Windows that follow each other without a gap, the first of as many clips, evenly spread."""
    clips: dict[str, list[int]] = {}
    for index in range(len(windows)):
        chain = [index]
        while len(chain) < chunks and (earlier := windows.previous(chain[0])) is not None:
            chain.insert(0, earlier)
        if len(chain) == chunks:
            clips.setdefault(windows.locate(index)[0], chain)
    found = list(clips.values())
    if len(found) < drives:
        raise SystemExit(f"only {len(found)} clips hold {chunks} windows one after another")
    return [found[int(i)] for i in np.linspace(0, len(found) - 1, drives).round()]


def spread(world: HexPlaneWorld, planes: Planes) -> float:
    canvas = world.generator.map_of(planes.map(torch.Tensor.float))
    return float(unroll(canvas, world.config.dit.size).xy.std())


def told(world: HexPlaneWorld, windows: LatentWindows, places: list[int]) -> Conditions:
    return conditions_of(read_batch(windows, places), world.config).only(*USE)


def drives_of(
    world: HexPlaneWorld, windows: LatentWindows, places: list[list[int]], gain: float, args: Any
) -> list[float]:
    """Spread of each window of all drives."""
    way, past, found = world.sampler(args.steps), None, []
    for k in range(args.chunks):
        own = told(world, windows, [place[k] for place in places])
        if past is not None:
            own = replace(own, previous=past)
        seeds = [args.seed + APART * drive + k for drive in range(len(places))]
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            planes = world.sample(seeds, own, sampler=way, gain=gain if k else 1.0)
        planes = planes.map(torch.Tensor.float)
        past = world.generator.past_of(planes)
        found.append(spread(world, planes))
    return found


def best(ratios: dict[float, float]) -> float:
    """Gain of ratio 1 on the line through the tried ones, to hundredths."""
    gains = sorted(ratios)
    values = [ratios[gain] for gain in gains]
    if values != sorted(values):
        raise SystemExit(f"ratios do not rise with the gain: {ratios}; take more drives")
    if not min(ratios.values()) <= 1 <= max(ratios.values()):
        raise SystemExit(f"no ratio of 1 between the tried gains: {ratios}; try others")
    return round(float(np.interp(1.0, values, gains)), 2)


def write(model: str, gain: float, words: str) -> None:
    """Into the model's folder, and among the commands that made it, if its card tells them.

    Args:
        words: the options that the gain was found with.
    """
    folder = find_model(model)
    made = (
        f"python -m studies.hexplane_gain --data latents --model {folder.name} {words} "
        "--out runs/gain --write"
    )
    config, card = read_json(folder / CONFIG), read_json(folder / CARD)
    config["config"]["follow_gain"] = card["follow_gain"] = gain
    if made not in card.get("commands", [made]):
        card["commands"].append(made)
    write_json(folder / CONFIG, config)
    write_json(folder / CARD, card)
    write_text(folder / README, readme(folder.resolve().name, card))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--vae")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--gains", type=float, nargs="+", default=[1.0, 1.05, 1.1])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--drives", type=int, default=24)
    parser.add_argument("--chunks", type=int, default=8)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="into the model's folder")
    args = parser.parse_args()
    if len(set(args.gains)) < 2 or not all(0.5 <= gain <= 2 for gain in args.gains):
        parser.error("--gains: give two or more, from 0.5 to 2")
    if args.drives < 1 or args.chunks < 2:
        parser.error("give one drive or more, of two --chunks or more")
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    world = load_world(args.model, args.vae)
    folder = open_latents(args.data, "train")
    assert folder is not None
    windows = windows_of(folder, world.config)
    places = followed(windows, args.drives, args.chunks)
    recorded = []
    for k in range(args.chunks):
        batch = read_batch(windows, [place[k] for place in places])
        recorded.append(spread(world, world.generator.planes(batch["latent"])))
    rows, ratios, table = {}, {}, []
    for gain in args.gains:
        made = drives_of(world, windows, places, gain, args)
        rows[gain] = [a / b for a, b in zip(made, recorded, strict=True)]
        ratios[gain] = float(np.mean(rows[gain][1:]))
        table.append([gain, *rows[gain], ratios[gain]])
        print(f"gain {gain}: {ratios[gain]:.3f}", flush=True)
    head = ["gain", *(f"window {k + 1}" for k in range(args.chunks)), "mean of 2 and on"]
    chosen = best(ratios)
    text = f"{markdown(head, table)}\n\nfollow_gain: {chosen:.2f}"
    facts = {
        "gains": {str(gain): row for gain, row in rows.items()}, "recorded": recorded,
        "follow_gain": chosen, "steps": world.sampler(args.steps).steps, "models": world.names,
    }  # fmt: skip
    report(args.out, "gain", text, facts)
    if args.write:
        words = f"--gains {' '.join(f'{gain:g}' for gain in args.gains)} --drives {args.drives}"
        words += f" --chunks {args.chunks} --seed {args.seed}" + " --bf16" * args.bf16
        words += "" if args.steps is None else f" --steps {args.steps}"
        write(args.model, chosen, words)


if __name__ == "__main__":
    main()
