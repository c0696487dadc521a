"""Long drives: does memory stay, and does quality?

    python -m studies.hexplane_drive --data DIR/val --model DIT --vae VAE --steps 10 \\
        --drives 100 --chunks 8 --out OUT

Drives begin with nothing; each window follows the one before, 16 frames at a time. With ``--use``
each window is also told these conditions of a recorded clip, another clip for each drive, none of
them in the reference. Windows number k of all drives are held against real windows as any set of
generated ones; ``ratio`` is the distance of window k over that of the first, both of the same
drives in every draw. Memory is of one drive in a process of its own: the most held during each
window, the system's mark being reset between them (Linux). Made windows stay in OUT/windows: a
study that was cut off goes on.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from roadloom.datasets.windows import OccupancyWindows
from roadloom.io.progress import show_progress
from roadloom.metrics.frechet import frechet_distance
from roadloom.metrics.protocol import Score
from roadloom.models.hexplane.conditions import Conditions
from roadloom.pipelines.evaluate import (
    Described,
    describe,
    protocol_of,
    real_halves,
    score_generation,
)
from roadloom.pipelines.hexplane import HexPlaneWorld
from roadloom.pipelines.uses import How, drive, follow_gain
from roadloom.training.machine import peak_memory
from studies.hexplane_common import (
    Kept,
    asked,
    conditions_of,
    facts_of,
    markdown,
    networks_of,
    options,
    report,
    window_shape,
    windows_of,
    world_of,
)
from studies.hexplane_curve import FEATURES, ratio, real_features, rows_of, stored
from studies.hexplane_plot import Line, chart, write_charts

APART = 1000
"""Between the seeds of two drives; also how windows are numbered in the folder."""
CALM = 1.05
"""Growth of memory that is taken for none."""


def how_of(world: HexPlaneWorld, args: Any) -> How:
    return How(sampler=world.sampler(args.steps), guidance=args.guidance)


def recorded_drives(windows: OccupancyWindows, args: Any) -> list[list[int]]:
    """Windows of the recorded clip that each drive follows: of every other clip in turn."""
    odd: dict[int, list[int]] = {}
    for i in range(len(windows)):
        clip, _ = windows.locate(i)
        if clip % 2:
            odd.setdefault(clip, []).append(i)
    if min(map(len, odd.values())) < args.chunks:
        raise SystemExit(f"some clips are too short to tell a drive of {args.chunks} windows")
    clips = list(odd.values())
    return [clips[d % len(clips)][: args.chunks] for d in range(args.drives)]


def told_of(world: HexPlaneWorld, number: int, args: Any) -> Iterator[Conditions]:
    """Recorded conditions of a drive's windows."""
    if not args.use:
        return
    windows = windows_of(args, world, world.frames)
    for i in recorded_drives(windows, args)[number]:
        yield conditions_of(world, windows, i, args.use)


def recorded_rows(
    world: HexPlaneWorld, args: Any, networks: Any, reference: Described, seed: int
) -> dict[str, dict[str, Any]]:
    """The same for the recorded windows that were followed, the first and the last: clips begin
    otherwise than they go on, and no drive along them can be more alike than they are."""
    windows = windows_of(args, world, world.frames)
    drives, sets = recorded_drives(windows, args), []
    for k in (0, args.chunks - 1):
        voxels = (windows.read(own[k], 0)["voxels"] for own in drives)
        grid = windows.scenes[0].drive.grid
        sets.append(describe(voxels, networks, grid, windows.view.name, progress=len(drives)))
    rows = {}
    for name in FEATURES:
        first, last = (
            frechet_distance(getattr(reference, name), getattr(one, name)) for one in sets
        )
        span = ratio(reference, sets[1], sets[0], name, 200, seed)
        rows[name] = {"first": first, "last": last, "ratio": asdict(span)}
    return rows


def make(world: HexPlaneWorld, args: Any) -> Kept:
    """All windows of all drives; window k of drive d is number 1000 d + k."""
    how = how_of(world, args)
    facts = facts_of(
        world, args, steps=world.sampler(args.steps).steps, guidance=args.guidance,
        chunks=args.chunks, use=args.use, follow_gain=follow_gain(world, how),
    )  # fmt: skip
    kept = Kept.of(args.out / "windows", window_shape(world), facts)
    last = args.chunks - 1
    left = [d for d in range(args.drives) if kept.missing([APART * d + last])]
    done = args.drives - len(left)
    for d in show_progress(left, total=args.drives, initial=done, desc="drives"):
        # The last window is written last, so a drive that has it is whole.
        known = told_of(world, d, args)
        made = drive(world, args.chunks, args.seed + APART * d, known, how)
        for k, window in enumerate(made):
            kept.put(APART * d + k, window.labels)
    return kept


def memory(world: HexPlaneWorld, args: Any) -> list[float]:
    """MiB held at most during each window of one drive, in this process."""
    mark = Path("/proc/self/clear_refs")
    if not mark.exists():
        raise SystemExit("memory by window is measured on Linux only")
    peaks = []
    for _ in drive(world, args.chunks, args.seed, told_of(world, 0, args), how_of(world, args)):
        peaks.append(peak_memory(torch.device("cpu")) / 2**20)
        mark.write_text("5\n")  # the mark begins anew at what is held now
    return peaks


def draw(path: Path, rows: list[list[Score]]) -> None:
    charts = []
    for feature in FEATURES:
        points = [next(s for s in scores if s.name == f"frechet, {feature}") for scores in rows]
        line = Line(
            "windows of drives", [float(k + 1) for k in range(len(points))],
            [s.value for s in points], [float(s.low or 0) for s in points],
            [float(s.high or 0) for s in points],
        )  # fmt: skip
        levels = {"real against real": float(points[0].floor or 0)}
        title = f"Frechet distance, {feature} features"
        charts.append(chart(title, [line], levels, "number of the window in its drive"))
    write_charts(path, charts)


def score(
    world: HexPlaneWorld, windows: OccupancyWindows, kept: Kept, args: Any
) -> tuple[list[str], dict[str, Any]]:
    networks, grid = networks_of(args), windows.scenes[0].drive.grid
    parity = [windows.locate(i)[0] % 2 for i in range(len(windows))]
    most = min(args.reference, parity.count(0))
    halves = real_halves(windows, most, min(args.drives, parity.count(1)))
    protocol = protocol_of(windows, halves, networks, hz=world.config.hz, seed=args.seed)
    every = sorted({*halves.reference, *halves.floor})
    real = real_features(args.out, windows, every, networks)
    reference, floor = (
        rows_of(real, [every.index(i) for i in part])
        for part in (halves.reference, halves.floor)
    )  # fmt: skip
    told = (kept.folder / "made.json").read_text()
    sets = []
    for k in range(args.chunks):
        numbers = [APART * d + k for d in range(args.drives)]

        def described(numbers: list[int] = numbers) -> Any:
            return describe(
                kept.all(numbers), networks, grid, windows.view.name, progress=len(numbers)
            )

        file = args.out / "features" / f"window-{k}.npz"
        sets.append(stored(file, f"{networks.hashes} {args.drives} {told}", described))
    rows = [score_generation(one, reference, floor, protocol) for one in sets]
    ratios = {
        f"{k + 1}, {name}": ratio(reference, sets[k], sets[0], name, protocol.draws, args.seed)
        for k in range(1, args.chunks) for name in FEATURES
    }  # fmt: skip
    head = ["window", *(s.name for s in rows[0])]
    table: list[list[Any]] = [
        [k + 1, *(f"{s.value:.4g} [{s.low:.4g}, {s.high:.4g}]" for s in scores)]
        for k, scores in enumerate(rows)
    ]
    table.append(["real", *(s.floor for s in rows[0])])
    lines = [f"{args.drives} drives, {protocol.protocol_id}\n", markdown(head, table)]
    for name in FEATURES:
        span = ratios[f"{args.chunks}, {name}"]
        lines.append(
            f"frechet, {name}: window {args.chunks} is {span.value:.3g} "
            f"[{span.low:.3g}, {span.high:.3g}] times the first"
        )
    recorded = recorded_rows(world, args, networks, reference, args.seed) if args.use else {}
    for name, row in recorded.items():
        lines.append(
            f"recorded, frechet, {name}: window 1 {row['first']:.3g}, window {args.chunks} "
            f"{row['last']:.3g}, {row['ratio']['value']:.3g} [{row['ratio']['low']:.3g}, "
            f"{row['ratio']['high']:.3g}] times the first"
        )
    draw(args.out / "drive.png", rows)
    facts = {
        "protocol_id": protocol.protocol_id, "protocol": asdict(protocol),
        "scores": [[asdict(s) for s in scores] for scores in rows],
        "ratios": {name: asdict(span) for name, span in ratios.items()},
        "recorded": recorded,
    }  # fmt: skip
    return lines, facts


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--drives", type=int, default=100)
    parser.add_argument("--chunks", type=int, default=8, help="windows of each drive")
    parser.add_argument("--steps", type=int, help="of the sampler; the generator's own if left out")
    parser.add_argument(
        "--use", nargs="+", default=[], choices=("layout", "command", "trajectory"),
        help="conditions of recorded clips; none: drives from nothing",
    )  # fmt: skip
    parser.add_argument("--reference", type=int, default=1000, help="real windows, at most")
    parser.add_argument("--stride", type=int, default=8, help="frames between real windows")
    parser.add_argument("--memory", action="store_true", help="only this, in this process")
    args = asked(parser)
    if args.bf16 or args.batch != parser.get_default("batch"):
        parser.error("drives are made one by one, in 32 bits")
    if args.quick:
        args.drives, args.chunks, args.reference = min(args.drives, 12), 3, 16
        args.steps, args.stride = None if args.model is None else 4, 64
    world = world_of(args, "model" if args.model else "student")
    if args.memory:
        print(json.dumps(memory(world, args)))
        return
    command = [sys.executable, "-m", "studies.hexplane_drive", *sys.argv[1:], "--memory"]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    peaks = json.loads(told)
    windows = windows_of(args, world, args.stride)
    lines, facts = score(world, windows, make(world, args), args)
    growth = peaks[-1] / max(peaks[:2])
    lines.append(f"memory by window, MiB: {', '.join(f'{p:.0f}' for p in peaks)}")
    lines.append(f"last over the most of the first two: {growth:.3f}, constant: {growth <= CALM}")
    facts |= {
        "peak_mib": peaks, "growth": growth, "steps": world.sampler(args.steps).steps,
        "guidance": args.guidance, "follow_gain": follow_gain(world, how_of(world, args)),
        "use": args.use, "models": dict(world.names),
    }  # fmt: skip
    report(args.out, "drive", "\n".join(lines), facts)


if __name__ == "__main__":
    main()
