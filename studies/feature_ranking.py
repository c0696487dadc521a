"""Do the feature networks see damage? Frechet distances of damaged real windows to real ones.

    python studies/feature_ranking.py --data DIR/val --scene MODEL --view MODEL --out FOLDER

Of every clip 12 windows of 16 frames are taken from its first half and 12 from its second. Some
are the reference; others are held against it, clean and damaged:
- noise P: each voxel, free ones too, is given a class drawn evenly from all, with P per cent;
- relabel P: the same of filled voxels alone, among filled classes;
- vehicles removed: their voxels become free;
- time shuffled: the 16 frames of a window in random order. Views look at single frames, so the
  view network cannot see this and is not asked.

Two settings, for the distance is made of damage and of what clips differ among themselves:
- same clips: one half of every clip is the reference, the other half is tested (by turns the
  first and the second), so that no frame is on both sides. Clips are drawn with the windows of
  both, so that what is left is the damage and how much a scene changes in ten seconds.
- other clips: the windows of every second clip are the reference, half of those of the clips
  between are tested. This is how generated windows are scored; with few clips intervals are wide.

Damage must lie apart from clean, and more noise further away: by intervals of 95 % that do not
touch, and by the difference of two distances in every draw, whose interval must lie above 0.
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
FRAMES, PER_HALF, STEP = 16, 12, 7
"""Of a window; windows in half a clip; frames from one to the next."""


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
    """``NET/NAME`` of every window (NaN where no setting asks for it), its clip and its turn."""
    windows = OccupancyWindows(args.data, frames=1, partial=True)
    nets = {net: load_model(getattr(args, net))[0] for net in args.nets}
    x, y, z = windows.scenes[0].drive.grid.cell_m
    sight, colors = oblique_view(windows.shape, (x, y, z)), view_colors("dynamiccity12")
    told: dict[str, list] = {}
    last = min(args.clips, len(windows.scenes))
    chosen = [(c, n) for c in range(args.part, last, args.of) for n in range(2 * PER_HALF)]
    for clip, number in chosen:
        half, place = divmod(number, PER_HALF)
        start = half * (len(windows.scenes[clip].numbers) // 2) + STEP * place
        labels = np.stack([windows.frame(clip, start + t)[0] for t in range(FRAMES)])
        turn = (half + clip) % 2
        shown = damaged(labels, np.random.default_rng((args.seed, clip, number)))
        told.setdefault("clip", []).append(np.array(clip))
        told.setdefault("turn", []).append(np.array(turn))
        for name, ids in shown.items():
            asked = name == CLEAN or turn == 1
            for net in nets:
                if (net, name) == ("view", SHUFFLED):
                    continue
                given = torch.from_numpy(np.ascontiguousarray(ids))[None]
                if net == "view":
                    picture = sight.draw(ids[8:9], colors).transpose(0, 3, 1, 2).copy()
                    given = torch.from_numpy(picture)
                found = nets[net](given)[0] if asked else torch.full_like(nets[net].center, np.nan)
                told.setdefault(f"{net}/{name}", []).append(found.numpy())
        if number == 0:
            print(f"clip {clip} of {last}", flush=True)
    return {name: np.stack(values) for name, values in told.items()}


class Setting:
    """Which windows are held against which, and how they are drawn."""

    def __init__(self, told: dict[str, np.ndarray], net: str, same: bool, args) -> None:
        self.net, self.told, self.same, self.draws = net, told, same, args.draws
        kept = told["clip"] >= args.skip_clips
        turn, odd = told["turn"] == 1, told["clip"] % 2 == 1
        reference = kept & (~turn if same else ~odd)
        self.tested = kept & (turn if same else turn & odd)
        self.real = told[f"{net}/{CLEAN}"][reference]
        self.clips = [told["clip"][reference], told["clip"][self.tested]]

    @property
    def names(self) -> list[str]:
        start = f"{self.net}/"
        return [name.removeprefix(start) for name in self.told if name.startswith(start)]

    def values(self, name: str) -> np.ndarray:
        return self.told[f"{self.net}/{name}"][self.tested]

    def interval(self, statistic, values: np.ndarray) -> Interval:
        return interval(
            statistic, [self.real, values], groups=self.clips, kind="centered",
            paired=self.same, rounds=self.draws,
        )  # fmt: skip

    def distance(self, name: str) -> Interval:
        return self.interval(frechet_distance, self.values(name))

    def difference(self, nearer: str, further: str) -> Interval:
        """Of the two distances, both over the same clips in every draw."""

        def statistic(real: np.ndarray, both: np.ndarray) -> float:
            return frechet_distance(real, both[:, 1]) - frechet_distance(real, both[:, 0])

        both = np.stack([self.values(nearer), self.values(further)], axis=1)
        return self.interval(statistic, both)


def claims() -> list[tuple[str, str]]:
    """(what lies nearer to real, what lies further away)."""
    told = []
    for kind in ("noise", "relabel"):
        levels = [CLEAN, *(f"{kind} {percent} %" for percent in NOISE)]
        told += list(zip(levels[:-1], levels[1:], strict=True))
    return [*told, (CLEAN, VEHICLES), (CLEAN, SHUFFLED)]


def report(setting: Setting) -> dict:
    """Print and return distances and claims."""
    found = {name: setting.distance(name) for name in setting.names}
    for name, span in sorted(found.items(), key=lambda item: item[1].value):
        print(f"  {name:18} {span.value:9.3f}  [{span.low:.3f}, {span.high:.3f}]")
    rows = []
    for nearer, further in claims():
        if further not in found:
            continue
        apart = found[further].low > found[nearer].high
        span = setting.difference(nearer, further)
        rows.append(
            {
                "nearer": nearer, "further": further, "apart": apart,
                "difference": [span.value, span.low, span.high],
            }
        )  # fmt: skip
        print(f"  {further} beyond {nearer}: intervals {'apart' if apart else 'TOUCH'}, "
              f"difference {span.value:.3f} [{span.low:.3f}, {span.high:.3f}] "
              f"{'above 0' if span.low > 0 else 'NOT above 0'}", flush=True)  # fmt: skip
    return {
        "windows": len(setting.clips[1]), "reference windows": len(setting.clips[0]),
        "clips": len(set(setting.clips[1].tolist()) | set(setting.clips[0].tolist())),
        "frechet": {name: [s.value, s.low, s.high] for name, s in found.items()},
        "claims": rows,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="prepared folder; not with --again")
    parser.add_argument("--scene", default="features_scene_v1")
    parser.add_argument("--view", default="features_view_v1")
    parser.add_argument("--clips", type=int, default=10**6, help="the first N only")
    parser.add_argument("--skip-clips", type=int, default=0, help="leave the first N out of scores")
    parser.add_argument("--part", type=int, default=0, help="of --of, by clip; join with --again")
    parser.add_argument("--of", type=int, default=1)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="read features*.npz of OUT")
    parser.add_argument("--nets", nargs="+", default=["scene", "view"], choices=["scene", "view"])
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.again:
        parts = [dict(np.load(file)) for file in sorted(args.out.glob("features*.npz"))]
        told = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    else:
        told = features(args)
        np.savez_compressed(args.out / f"features-{args.part}-of-{args.of}.npz", **told)
        if args.of > 1:
            return
    found: dict = {"skipped clips": args.skip_clips, "draws": args.draws}
    for net in args.nets:
        for same in (True, False):
            name = f"{net}, {'same' if same else 'other'} clips"
            setting = Setting(told, net, same, args)
            print(f"{name}: {len(setting.clips[1])} windows of "
                  f"{len(set(setting.clips[1].tolist()))} clips")  # fmt: skip
            found[name] = report(setting)
    name = f"ranking-skip{args.skip_clips}.json"
    (args.out / name).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
