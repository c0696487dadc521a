"""How like its next window is the window before, as it lay and moved ahead?

    python -m studies.hexplane_past --data LATENTS --out OUT

LATENTS holds latents as ``train`` and ``val``; those of val are taken, normalised. For each plane:
the correlation of its numbers with those of the next window, over all windows that follow one.
"""

import argparse
from pathlib import Path

import torch

from roadloom.models.hexplane.planes import NAMES
from roadloom.models.hexplane.rollout import unroll
from roadloom.recipes.hexplane_dit import DitTask
from roadloom.recipes.latents import chosen_windows, conditions_of, read_batch, windows_of
from studies.hexplane_common import markdown, report

BATCH = 64


def correlation(a: torch.Tensor, b: torch.Tensor, sums: list[float]) -> None:
    """Adds a'b, a'a and b'b."""
    for place, product in enumerate((a * b, a * a, b * b)):
        sums[place] += float(product.double().sum())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, help="windows of val; all if left out")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    task = DitTask(data=args.data)
    if task.val_folder is None:
        parser.error(f"{args.data} holds no val")
    windows, config = windows_of(task.val_folder, task.config), task.config
    ways = ("as it lay", "moved ahead")
    sums = {name: {way: [0.0] * 3 for way in ways} for name in NAMES}
    chosen, followed = chosen_windows(len(windows), args.count), 0
    for first in range(0, len(chosen), BATCH):
        batch = read_batch(windows, chosen[first : first + BATCH])
        known, lay = conditions_of(batch, config), batch["previous"]
        assert known.previous is not None
        has = known.mask("previous")
        followed += int(has.sum())
        own, plain, moved = (
            unroll(canvas[has], config.dit.size)
            for canvas in (batch["latent"], lay, known.previous)
        )
        for name, now, *past in zip(NAMES, own, plain, moved, strict=True):
            for way, plane in zip(ways, past, strict=True):
                correlation(now, plane, sums[name][way])
    found = {
        name: {way: ab / (aa * bb) ** 0.5 for way, (ab, aa, bb) in of.items()}
        for name, of in sums.items()
    }
    table = markdown(["plane", *ways], [[name, *of.values()] for name, of in found.items()])
    facts = {"windows": followed, "carry_past": config.carry_past, "correlation": found}
    report(args.out, "past", f"{table}\n{followed} windows", facts)


if __name__ == "__main__":
    main()
