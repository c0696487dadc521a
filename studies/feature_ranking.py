"""Do the feature networks see damage? Frechet distances of damaged real windows to real ones.

    python studies/feature_ranking.py --data DIR/val --scene MODEL --view MODEL --out FOLDER

Every other clip is the reference; the clips between are held against it, clean and damaged:
- noise P: each voxel, free ones too, is given a class drawn evenly from all, with P per cent;
- relabel P: the same of filled voxels alone, among filled classes;
- vehicles removed: their voxels become free;
- time shuffled: the 16 frames of a window in random order. Views look at single frames, so the
  view network cannot see this and is not asked.

Intervals draw whole clips. Damage must lie apart from clean, and more noise further away: first
by intervals that do not touch, which also hold what clips differ among themselves; then by the
difference of two distances over the same clips in every draw, whose interval must lie above 0.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from roadloom.datasets.windows import OccupancyWindows
from roadloom.metrics.bootstrap import Interval, interval
from roadloom.metrics.frechet import frechet_distance
from roadloom.metrics.oblique import oblique_view
from roadloom.models.store import load_model
from roadloom.scene.palette import view_colors

NOISE = (5, 10, 20)
CLEAN, VEHICLES, SHUFFLED = "clean", "vehicles removed", "time shuffled"
VEHICLE = 10
"""Its id in the view dynamiccity12."""
CLASSES = 12


def damaged(labels: np.ndarray, random: np.random.Generator) -> dict[str, np.ndarray]:
    """The window as it is, and in every way that it is damaged."""
    found = {CLEAN: labels}
    chance = random.random(labels.shape, dtype=np.float32)
    any_class = random.integers(CLASSES, size=labels.shape, dtype=np.uint8)
    filled_class = random.integers(1, CLASSES, size=labels.shape, dtype=np.uint8)
    for percent in NOISE:
        hit = chance < percent / 100
        found[f"noise {percent} %"] = np.where(hit, any_class, labels)
        found[f"relabel {percent} %"] = np.where(hit & (labels != 0), filled_class, labels)
    found[VEHICLES] = np.where(labels == VEHICLE, np.uint8(0), labels)
    found[SHUFFLED] = labels[random.permutation(len(labels))]
    return found


@torch.no_grad()
def features(args: argparse.Namespace) -> dict[str, np.ndarray]:
    """Of every window: ``scene/NAME`` and ``view/NAME``, and its clip and half."""
    windows = OccupancyWindows(args.data, frames=16, stride=args.stride, partial=True)
    nets = {"scene": load_model(args.scene)[0], "view": load_model(args.view)[0]}
    x, y, z = windows.scenes[0].drive.grid.cell_m
    sight, colors = oblique_view(windows.shape, (x, y, z)), view_colors("dynamiccity12")
    told: dict[str, list] = {}
    for number in range(len(windows)):
        clip = windows.locate(number)[0]
        if args.clips and clip >= args.clips:
            break
        labels = windows.read(number, 0)["voxels"].numpy()
        random = np.random.default_rng((args.seed, number))
        shown = damaged(labels, random) if clip % 2 else {CLEAN: labels}
        told.setdefault("clip" if clip % 2 else "reference clip", []).append(clip)
        side = "" if clip % 2 else "reference "
        for name, ids in shown.items():
            batch = torch.from_numpy(np.ascontiguousarray(ids))[None]
            told.setdefault(f"{side}scene/{name}", []).append(nets["scene"](batch)[0].numpy())
            if name != SHUFFLED:
                picture = sight.draw(ids[8:9], colors).transpose(0, 3, 1, 2).copy()
                feature = nets["view"](torch.from_numpy(picture))[0].numpy()
                told.setdefault(f"{side}view/{name}", []).append(feature)
        if number % 50 == 0:
            print(f"window {number} of {len(windows)}", flush=True)
    return {name: np.stack(values) for name, values in told.items()}


def ranking(told: dict[str, np.ndarray], net: str, draws: int) -> dict[str, Interval]:
    real, groups = told[f"reference {net}/{CLEAN}"], [told["reference clip"], told["clip"]]
    found = {}
    for name, values in told.items():
        if name.startswith(f"{net}/"):
            found[name.partition("/")[2]] = interval(
                frechet_distance, [real, values], groups=groups, kind="centered", rounds=draws
            )
    return found


def claims() -> list[tuple[str, str]]:
    """(what lies nearer to real, what lies further away)."""
    told = []
    for kind in ("noise", "relabel"):
        levels = [CLEAN, *(f"{kind} {percent} %" for percent in NOISE)]
        told += list(zip(levels[:-1], levels[1:], strict=True))
    return [*told, (CLEAN, VEHICLES), (CLEAN, SHUFFLED)]


def difference(
    told: dict[str, np.ndarray], net: str, nearer: str, further: str, draws: int
) -> Interval:
    """Of the two distances, both over the same clips in every draw."""

    def statistic(real: np.ndarray, both: np.ndarray) -> float:
        return frechet_distance(real, both[:, 1]) - frechet_distance(real, both[:, 0])

    both = np.stack([told[f"{net}/{nearer}"], told[f"{net}/{further}"]], axis=1)
    return interval(
        statistic, [told[f"reference {net}/{CLEAN}"], both],
        groups=[told["reference clip"], told["clip"]], kind="centered", rounds=draws,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--scene", default="features_scene_tiny")
    parser.add_argument("--view", default="features_view_tiny")
    parser.add_argument("--stride", type=int, default=8, help="frames between windows")
    parser.add_argument("--clips", type=int, default=0, help="the first N only")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="read features.npz of OUT")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    store = args.out / "features.npz"
    if args.again:
        with np.load(store) as file:
            told = dict(file)
    else:
        told = features(args)
        np.savez_compressed(store, **told)
    report: dict = {
        "windows": len(told["clip"]), "clips": len(set(told["clip"].tolist())),
        "reference windows": len(told["reference clip"]),
    }  # fmt: skip
    print(report)
    for net in ("scene", "view"):
        found = ranking(told, net, args.draws)
        for name, span in sorted(found.items(), key=lambda item: item[1].value):
            print(f"{net:6} {name:18} {span.value:9.3f}  [{span.low:.3f}, {span.high:.3f}]")
        rows = []
        for nearer, further in claims():
            if further not in found:
                continue
            apart = found[further].low > found[nearer].high
            span = difference(told, net, nearer, further, args.draws)
            rows.append([nearer, further, apart, span.value, span.low, span.high])
            print(f"  {further} beyond {nearer}: intervals {'apart' if apart else 'TOUCH'}, "
                  f"difference {span.value:.3f} [{span.low:.3f}, {span.high:.3f}] "
                  f"{'above 0' if span.low > 0 else 'NOT above 0'}", flush=True)  # fmt: skip
        spans = {name: [s.value, s.low, s.high] for name, s in found.items()}
        report[net] = {"frechet": spans, "claims": rows}
    (args.out / "ranking.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
