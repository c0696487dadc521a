"""Which gain keeps the windows of a drive nearest to recorded ones?

    python -m studies.hexplane_gain --data LATENTS --model DIT --steps 10 --out OUT

LATENTS holds latents as ``train`` and ``val``; only train is read, so that scores on val have not
seen the choice. For each of ``--gains`` drives are made twice: told the layouts and trajectories of
recorded clips, a clip each, and told nothing. Their windows 2 to the last, all together, are held
by the scene network against ``--reference`` recorded windows, which are decoded from their latents
as generated ones are. Chosen is the gain of the least sum of both Fréchet distances. ``--write``
puts it as ``follow_gain`` into the configuration of the model, and into its card.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from roadloom.datasets.latent_windows import LatentWindows
from roadloom.io.atomic import write_json, write_text
from roadloom.io.read import read_json
from roadloom.metrics.frechet import frechet_distance
from roadloom.models.hexplane.conditions import Conditions
from roadloom.models.hexplane.planes import Planes
from roadloom.models.store import CARD, CONFIG, README, find_model, readme
from roadloom.pipelines.evaluate import load_networks
from roadloom.pipelines.hexplane import HexPlaneWorld, load_world
from roadloom.recipes.latents import (
    chosen_windows,
    conditions_of,
    open_latents,
    read_batch,
    windows_of,
)
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


def told(world: HexPlaneWorld, windows: LatentWindows, places: list[int]) -> Conditions:
    return conditions_of(read_batch(windows, places), world.config).only(*USE)


def drives_of(
    world: HexPlaneWorld,
    windows: LatentWindows,
    places: list[list[int]],
    gain: float,
    args: Any,
    *,
    alone: bool = False,
) -> Iterator[Planes]:
    """All drives' windows of one number after the other, but the first; ``alone``: told nothing."""
    way, past = world.sampler(args.steps), None
    for k in range(args.chunks):
        own = Conditions() if alone else told(world, windows, [place[k] for place in places])
        if past is not None:
            own = replace(own, previous=past)
        seeds = [args.seed + APART * drive + k for drive in range(len(places))]
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            planes = world.sample(seeds, own, sampler=way, gain=gain if k else 1.0)
        planes = planes.map(torch.Tensor.float)
        past = world.generator.past_of(planes)
        if k:
            yield planes


def recorded(world: HexPlaneWorld, windows: LatentWindows, count: int) -> Iterator[Planes]:
    """Evenly spread."""
    for index in chosen_windows(len(windows), count):
        yield world.generator.planes(read_batch(windows, [index])["latent"])


@torch.no_grad()
def features(world: HexPlaneWorld, network: nn.Module, windows: Iterable[Planes]) -> np.ndarray:
    """Of the scene network [window feature]."""
    found = []
    for planes in windows:
        for row in range(len(planes.xy)):
            labels = world.labels(planes.map(lambda plane: plane[row : row + 1]))  # noqa: B023
            found.append(network(labels).float())
    return torch.cat(found).numpy()


def best(distances: Mapping[float, Sequence[float]]) -> float:
    """The gain of the least sum."""
    return min(distances, key=lambda gain: sum(distances[gain]))


def write(model: str, gain: float, words: str) -> None:
    """Into the model's folder, and among the commands that made it, if its card tells them.

    Args:
        words: the options that it was found with.
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
    parser.add_argument("--gains", type=float, nargs="+", default=[1.05, 1.07, 1.09])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--drives", type=int, default=24)
    parser.add_argument("--chunks", type=int, default=8)
    parser.add_argument("--reference", type=int, default=500)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="into the model's folder")
    args = parser.parse_args()
    if not all(0.5 <= gain <= 2 for gain in args.gains):
        parser.error("--gains: give gains from 0.5 to 2")
    if args.drives < 1 or args.chunks < 2:
        parser.error("give one drive or more, of two --chunks or more")
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    world = load_world(args.model, args.vae)
    folder = open_latents(args.data, "train")
    assert folder is not None
    windows = windows_of(folder, world.config)
    places = followed(windows, args.drives, args.chunks)
    network = load_networks().scene
    reference = features(world, network, recorded(world, windows, args.reference))
    rows: dict[float, list[float]] = {}
    for gain in args.gains:
        sets = (drives_of(world, windows, places, gain, args, alone=a) for a in (False, True))
        rows[gain] = [frechet_distance(reference, features(world, network, one)) for one in sets]
        print(f"{gain:g}: {rows[gain]}", flush=True)
    chosen = best(rows)
    head = ["gain", "told layouts and ways", "told nothing"]
    table = markdown(head, [[gain, *distances] for gain, distances in rows.items()])
    end = chosen in (min(args.gains), max(args.gains))
    said = f"follow_gain: {chosen:g}{', at the end of the tried ones' * end}"
    report(args.out, "gain", f"{table}\n\n{said}", {
        "distances": [[gain, *found] for gain, found in rows.items()], "follow_gain": chosen,
        "steps": world.sampler(args.steps).steps, "models": world.names,
    })  # fmt: skip
    if args.write:
        words = f"--gains {' '.join(f'{gain:g}' for gain in args.gains)} --drives {args.drives}"
        words += f" --chunks {args.chunks} --seed {args.seed}" + " --bf16" * args.bf16
        words += "" if args.steps is None else f" --steps {args.steps}"
        write(args.model, chosen, words)


if __name__ == "__main__":
    main()
