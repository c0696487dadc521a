"""Is every condition followed? Each alone: held against its own window, and against another's.

    python -m studies.hexplane_following --data DIR/val --model DIT --vae VAE --steps 10 \\
        --count 200 --guidance 2 --out OUT

For each of layout, trajectory, command and previous, the same real windows: the generator gets
this condition of theirs and nothing else. ``true`` holds what was made against what was asked,
``shuffled`` against what a window of another clip was asked, ``real`` is what the recorded
window itself scores, so what reading costs. A condition is followed if the intervals of true and
shuffled lie apart, on the better side. Windows are taken in equal parts from the commands that
were driven, as most driving is straight and chance would be right too often; all have a window
before them. Made windows stay in OUT/windows: a study that was cut off goes on.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from roadloom.datasets.drive_conditions import COMMANDS, command_of, trajectory_of
from roadloom.datasets.windows import OccupancyWindows
from roadloom.io.progress import show_progress
from roadloom.metrics.protocol import Protocol, Score, hash_samples
from roadloom.models.hexplane.generator import join_all
from roadloom.pipelines.evaluate_following import Asked, evaluate_following
from roadloom.pipelines.hexplane import HexPlaneWorld
from studies.hexplane_common import (
    Kept,
    asked,
    conditions_of,
    facts_of,
    in_bf16,
    markdown,
    options,
    report,
    window_shape,
    windows_of,
    world_of,
)

CHANCE = ", others' conditions"


def balanced(windows: OccupancyWindows, count: int, seed: int) -> tuple[list[int], dict[str, int]]:
    """Windows that have one before them, as far as there are equally many of each command."""
    of: dict[int, list[int]] = {number: [] for number in range(len(COMMANDS))}
    for number in range(len(windows)):
        if windows.previous(number) is not None:
            of[command_of(trajectory_of(windows.poses(number)))].append(number)
    random, chosen = np.random.default_rng(seed), []
    left = {name: random.permutation(numbers).tolist() for name, numbers in of.items()}
    while len(chosen) < count and any(left.values()):
        chosen += [numbers.pop() for numbers in left.values() if numbers]
    chosen = sorted(chosen[:count])
    shares = {COMMANDS[name]: len(set(chosen) & set(numbers)) for name, numbers in of.items()}
    return chosen, shares


def asked_of(world: HexPlaneWorld, windows: OccupancyWindows, number: int, name: str) -> Asked:
    """What the score of a condition needs to know."""
    if name == "layout":
        own = conditions_of(world, windows, number, [name])
        names = world.class_view.names
        ids = tuple(names.index(kind) for kind in world.config.layout)
        assert own.layout is not None
        return Asked(layout=own.layout[0].bool(), layout_classes=ids)
    rows = trajectory_of(windows.poses(number))
    if name == "trajectory":
        return Asked(trajectory=rows)
    if name == "command":
        return Asked(command=command_of(rows))
    before = windows.previous(number)
    assert before is not None
    return Asked(past=windows.read(before, 0)["voxels"])


def make(
    world: HexPlaneWorld, windows: OccupancyWindows, numbers: Sequence[int], name: str, args: Any
) -> Kept:
    sampler = world.sampler(args.steps)
    facts = facts_of(
        world, args, steps=sampler.steps, guidance=args.guidance, use=name,
        data=windows.identity(), windows=list(numbers),
    )  # fmt: skip
    kept = Kept.of(args.out / "windows" / name, window_shape(world), facts)
    left = kept.missing(numbers)
    bar = show_progress(total=len(numbers), initial=len(numbers) - len(left), desc=name)
    with bar:
        for first in range(0, len(left), args.batch):
            some = left[first : first + args.batch]
            given = join_all([conditions_of(world, windows, n, [name]) for n in some])
            with in_bf16(world, args.bf16):
                planes = world.sample(
                    [args.seed + n for n in some], given, sampler=sampler, guidance=args.guidance
                )
            for number, labels in zip(some, world.labels(planes.map(torch.Tensor.float)),
                                      strict=True):  # fmt: skip
                kept.put(number, labels)
                bar.update(1)
    return kept


def pairs(scores: Sequence[Score]) -> list[tuple[Score, Score, bool]]:
    """True, shuffled, and whether true is better with intervals apart."""
    named = {score.name: score for score in scores}
    found = []
    for score in scores:
        other = named.get(score.name + CHANCE)
        if other is None or None in (score.low, score.high, other.low, other.high):
            continue
        better, worse = (score, other) if score.better == "higher" else (other, score)
        found.append((score, other, float(better.low or 0) > float(worse.high or 0)))
    return found


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--conditions", nargs="+")
    parser.add_argument("--count", type=int, default=200, help="windows of each condition")
    parser.add_argument("--steps", type=int, help="of the sampler; the generator's own if left out")
    parser.add_argument("--stride", type=int, default=8, help="frames between real windows")
    args = asked(parser)
    if args.quick:
        args.count, args.steps, args.stride = 6, None if args.model is None else 4, 16
    world = world_of(args, "model" if args.model else "student")
    names = args.conditions or list(world.config.dit.conditions)
    windows = windows_of(args, world, args.stride)
    numbers, shares = balanced(windows, args.count, args.seed)
    print(f"{len(numbers)} windows: {shares}", flush=True)
    clips = [windows.locate(n)[0] for n in numbers]
    at = [windows.window_name(n) for n in numbers]
    protocol = Protocol(
        system="follow", samples_sha256=hash_samples((n.scene, n.frame) for n in at),
        count=len(numbers), real_count=len(numbers), seed=args.seed, grid=windows.grid,
        view=windows.view.name, frames=windows.frames, hz=world.config.hz,
        settings=(("data", windows.identity()),),
    )  # fmt: skip
    rows, told = [], {}
    for name in names:
        kept = make(world, windows, numbers, name, args)
        scores = evaluate_following(
            kept.all(numbers), (windows.read(n, 0)["voxels"] for n in numbers),
            [asked_of(world, windows, n, name) for n in numbers], clips,
            windows.scenes[0].drive.grid, protocol,
        )  # fmt: skip
        told[name] = [asdict(score) for score in scores]
        for score, other, apart in pairs(scores):
            rows.append([name, score.name, _cell(score), _cell(other), score.floor, apart])
    head = ["condition", "score", "true", "shuffled", "real", "apart"]
    facts = {
        "protocol_id": protocol.protocol_id, "protocol": asdict(protocol), "commands": shares,
        "steps": world.sampler(args.steps).steps, "guidance": args.guidance,
        "models": dict(world.names), "scores": told,
    }  # fmt: skip
    table = f"{markdown(head, rows)}\n{len(numbers)} windows, {protocol.protocol_id}"
    report(args.out, "following", table, facts)


def _cell(score: Score) -> str:
    return f"{score.value:.4g} [{score.low:.4g}, {score.high:.4g}]"


if __name__ == "__main__":
    main()
