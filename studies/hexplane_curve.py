"""Scores of generated windows over the number of steps, the student's beside them.

    python -m studies.hexplane_curve --data DIR/val --model DIT --student STUDENT --vae VAE \\
        --ways 1000:128 50:1000 10:1000 4:1000 student:1000 --counts 128 1000 --out OUT

Each way is STEPS:WINDOWS or student:WINDOWS. Window n has seed SEED + n in every way, so ways are
compared on the same noise. Scores are told once for each of ``--counts``, of all ways that have
as many windows: distances depend on how many there are, so only those of one count, and one
protocol id, may be compared. Real against real at that count is the floor.

``ratio`` holds each way against the one of most steps: both distances in every draw of the same
real clips and the same seeds. Sampled windows stay in OUT/windows, features in OUT/features; a
study that was cut off goes on.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from roadloom.datasets.windows import OccupancyWindows
from roadloom.io.atomic import atomic_file
from roadloom.io.progress import show_progress
from roadloom.metrics.bootstrap import Interval, interval
from roadloom.metrics.frechet import frechet_distance
from roadloom.metrics.protocol import Score, hash_samples
from roadloom.models.hexplane.conditions import Conditions
from roadloom.models.hexplane.generator import join_all
from roadloom.pipelines.evaluate import (
    Described,
    Networks,
    describe,
    protocol_of,
    real_halves,
    score_generation,
)
from roadloom.pipelines.hexplane import HexPlaneWorld
from roadloom.scene.class_views import IGNORE
from studies.hexplane_common import (
    Kept,
    asked,
    conditions_of,
    facts_of,
    in_bf16,
    markdown,
    networks_of,
    options,
    report,
    window_shape,
    windows_of,
    world_of,
)
from studies.hexplane_plot import Line, chart, write_charts

FEATURES = ("scene", "view")


@dataclass(frozen=True)
class Way:
    name: str
    steps: int
    count: int
    student: bool

    @classmethod
    def read(cls, text: str, student_steps: int) -> "Way":
        steps, _, count = text.partition(":")
        if steps == "student":
            return cls(f"student-{student_steps}", student_steps, int(count), True)
        return cls(f"steps-{steps}", int(steps), int(count), False)


def sample_windows(
    kept: Kept, world: HexPlaneWorld, way: Way, args: Any, given: Sequence[Conditions]
) -> None:
    """Make the windows that are not there yet."""
    sampler = world.sampler(None if way.student else way.steps)
    guidance = 1.0 if way.student or not args.use else args.guidance
    left = kept.missing(range(way.count))
    bar = show_progress(total=way.count, initial=way.count - len(left), desc=way.name)
    with bar:
        for first in range(0, len(left), args.batch):
            numbers = left[first : first + args.batch]
            own = join_all([given[n % len(given)] for n in numbers]) if given else None
            with in_bf16(world, args.bf16):
                seeds = [args.seed + n for n in numbers]
                planes = world.sample(seeds, own, sampler=sampler, guidance=guidance)
            planes = planes.map(torch.Tensor.float)
            for number, labels in zip(numbers, world.labels(planes), strict=True):
                kept.put(number, labels)
                bar.update(1)


def stored(file: Path, hashes: str, make: Any) -> Described:
    """Features from a file, or made and written; ``hashes``: of what they depend on."""
    names = ("scene", "view", "blinks", "clips")
    if file.exists():
        with np.load(file) as found:
            if str(found["hashes"]) == hashes:
                return Described(*(found[name] for name in names))
    told: Described = make()
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as temporary, temporary.open("wb") as stream:
        np.savez(stream, hashes=hashes, **{name: getattr(told, name) for name in names})
    return told


def rows_of(told: Described, rows: Sequence[int] | np.ndarray) -> Described:
    at = np.asarray(rows)
    return Described(told.scene[at], told.view[at], told.blinks[at], told.clips[at])


def real_features(
    out: Path, windows: OccupancyWindows, numbers: Sequence[int], networks: Networks
) -> Described:
    def voxels(number: int) -> torch.Tensor:
        example = windows.read(number, 0)
        return example["voxels"].masked_fill(~example["valid"], IGNORE)

    names = [windows.window_name(i) for i in numbers]
    known = f"{networks.hashes} {windows.identity()} {hash_samples((n[0], n[1]) for n in names)}"
    return stored(
        out / "features" / "real.npz", known,
        lambda: describe(
            map(voxels, numbers), networks, windows.scenes[0].drive.grid, windows.view.name,
            [windows.locate(i)[0] for i in numbers], progress=len(numbers),
        ),
    )  # fmt: skip


def made_features(
    out: Path, way: Way, kept: Kept, windows: OccupancyWindows, networks: Networks
) -> Described:
    numbers = range(way.count)
    return stored(
        out / "features" / f"{way.name}.npz",
        f"{networks.hashes} {way.count} {(kept.folder / 'made.json').read_text()}",
        lambda: describe(
            kept.all(numbers), networks, windows.scenes[0].drive.grid, windows.view.name,
            progress=way.count,
        ),
    )  # fmt: skip


def ratio(
    real: Described, made: Described, most: Described, feature: str, draws: int, seed: int
) -> Interval:
    """Distance of one way over that of another, whose windows have the same seeds."""

    def statistic(reference: np.ndarray, both: np.ndarray) -> float:
        return frechet_distance(reference, both[:, 0]) / frechet_distance(reference, both[:, 1])

    both = np.stack([getattr(made, feature), getattr(most, feature)], axis=1)
    return interval(
        statistic, [getattr(real, feature), both], groups=[real.clips, made.clips],
        kind="centered", rounds=draws, seed=seed,
    )  # fmt: skip


def draw(path: Path, rows: dict[Way, list[Score]], count: int) -> None:
    charts = []
    for feature in FEATURES:
        name = f"frechet, {feature}"
        points = {way: next(s for s in scores if s.name == name) for way, scores in rows.items()}
        lines = []
        for title, student in (("generator", False), ("student", True)):
            own = sorted((w.steps, s) for w, s in points.items() if w.student == student)
            if own:
                lines.append(
                    Line(
                        title, [float(steps) for steps, _ in own], [s.value for _, s in own],
                        [float(s.low or 0) for _, s in own], [float(s.high or 0) for _, s in own],
                    )
                )  # fmt: skip
        floor = next(iter(points.values())).floor
        charts.append(
            chart(
                f"Frechet distance, {feature} features, {count} windows", lines,
                {"real against real": float(floor or 0)}, "steps of the sampler",
            )
        )  # fmt: skip
    write_charts(path, charts)


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--ways", nargs="+", metavar="STEPS:WINDOWS")
    parser.add_argument("--counts", nargs="+", type=int)
    parser.add_argument("--reference", type=int, default=1000, help="real windows, at most")
    parser.add_argument("--stride", type=int, default=8, help="frames between real windows")
    parser.add_argument(
        "--use", nargs="*", default=(), help="conditions, of real windows; none if left out"
    )
    args = asked(parser)
    if args.quick:
        args.ways = args.ways or ["8:12", "4:12", "student:12"]
        args.counts, args.reference = args.counts or [12], min(args.reference, 24)
        args.stride = max(args.stride, 64)
    texts = args.ways or ["1000:128", "50:1000", "10:1000", "4:1000", "student:1000"]
    counts = args.counts or [128, 1000]
    worlds = {s: world_of(args, "student" if s else "model") for s in (False, True)
              if (args.student if s else args.model)}  # fmt: skip
    any_world = next(iter(worlds.values()))
    student = worlds[True].config.student if True in worlds else None
    ways = [Way.read(text, student.steps if student else 0) for text in texts]
    ways = [way for way in ways if way.student in worlds]
    windows, networks = windows_of(args, any_world, args.stride), networks_of(args)
    given: list[Conditions] = []
    if args.use:
        odd = [i for i in range(len(windows)) if windows.locate(i)[0] % 2
               and ("previous" not in args.use or windows.previous(i) is not None)]  # fmt: skip
        order = np.random.default_rng(args.seed).permutation(odd)[: max(w.count for w in ways)]
        given = [conditions_of(any_world, windows, int(i), args.use) for i in order]
    made: dict[Way, Described] = {}
    for way in ways:
        world = worlds[way.student]
        facts = facts_of(
            world, args, steps=way.steps, use=sorted(args.use), guidance=args.guidance,
            data=windows.identity() if args.use else None, stride=args.stride,
        )  # fmt: skip
        kept = Kept.of(args.out / "windows" / way.name, window_shape(world), facts)
        sample_windows(kept, world, way, args, given)
        made[way] = made_features(args.out, way, kept, windows, networks)
    score_counts(args, windows, networks, made, counts, any_world.config.hz)


def score_counts(
    args: Any,
    windows: OccupancyWindows,
    networks: Networks,
    made: dict[Way, Described],
    counts: Sequence[int],
    hz: float,
) -> None:
    parity = np.array([windows.locate(i)[0] % 2 for i in range(len(windows))])
    most = min(args.reference, int((parity == 0).sum()))
    halves = {
        n: real_halves(windows, most, min(n, int((parity == 1).sum())))
        for n in counts
        if any(way.count >= n for way in made)
    }
    every = sorted({i for half in halves.values() for i in (*half.reference, *half.floor)})
    real = real_features(args.out, windows, every, networks)
    place = {number: row for row, number in enumerate(every)}
    told: dict[str, Any] = {"use": list(args.use), "guidance": args.guidance, "counts": {}}
    lines = []
    for count, half in halves.items():
        protocol = protocol_of(windows, half, networks, hz=hz, seed=args.seed)
        reference, floor = (
            rows_of(real, [place[i] for i in part]) for part in (half.reference, half.floor)
        )
        own = {way: rows_of(d, range(count)) for way, d in made.items() if way.count >= count}
        rows = {way: score_generation(d, reference, floor, protocol) for way, d in own.items()}
        longest = max((w for w in own if not w.student), key=lambda w: w.steps, default=None)
        ratios = {
            (way, name): ratio(reference, d, own[longest], name, protocol.draws, args.seed)
            for way, d in own.items() for name in FEATURES
            if longest is not None and way != longest
        }  # fmt: skip
        lines += _lines(count, rows, ratios, longest)
        told["counts"][count] = {
            "protocol_id": protocol.protocol_id,
            "protocol": asdict(protocol),
            "scores": {way.name: [asdict(s) for s in scores] for way, scores in rows.items()},
            "ratio_to": longest.name if longest else None,
            "ratios": {f"{w.name}, {name}": asdict(span) for (w, name), span in ratios.items()},
        }
        draw(args.out / f"curve-{count}.png", rows, count)
    report(args.out, "curve", "\n".join(lines), told)


def _lines(
    count: int, rows: dict[Way, list[Score]], ratios: dict[Any, Interval], longest: Way | None
) -> list[str]:
    first = next(iter(rows.values()))
    head = ["way", *(s.name for s in first)]

    def cell(s: Score) -> str:
        return f"{s.value:.4g} [{s.low:.4g}, {s.high:.4g}]"

    table: list[list[Any]] = [[way.name, *map(cell, scores)] for way, scores in rows.items()]
    table.append(["real against real", *(s.floor for s in first)])
    lines = [f"\n{count} windows, {first[0].protocol}, 95 % intervals\n", markdown(head, table)]
    for (way, name), span in ratios.items():
        lines.append(
            f"frechet, {name}: {way.name} is {span.value:.3g} [{span.low:.3g}, {span.high:.3g}] "
            f"times {longest.name if longest else ''}"
        )
    return lines


if __name__ == "__main__":
    main()
