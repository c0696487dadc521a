"""What ``roadloom plan`` foresaw, beside what then happened: time, memory and disk.

    python -m studies.plan_against_fact --data DIR --out OUT [--times 1] [RECIPE ...]
    python -m studies.plan_against_fact --runs RUN [RUN ...] --out OUT

The first trains every ``tiny`` recipe by ``roadloom train``, which plans and then trains, for as
many steps as take some minutes on two cores (``STEPS``, times ``--times``). DIR holds prepared
clips as ``train`` and ``val``. Recipes over latents read ``--latents``; without it an untrained
autoencoder encodes a few clips into OUT/latents. The student learns from what the transformer's
run left, and drives start there. A run that is done is not done again.

The second reads folders of finished runs of any length (``run.json``). Figures are only as good
as the machine is quiet: the plan and the run are minutes apart.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from roadloom.io.read import read_json
from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.vae import HexPlaneVae
from roadloom.models.store import CARD, save_model
from roadloom.pipelines.encode import encode_prepared
from studies.hexplane_common import markdown, report

STEPS = {
    "features_view_tiny": 150, "features_scene_tiny": 80, "hexplane_vae_tiny": 150,
    "hexplane_dit_tiny": 150, "hexplane_drive_tiny": 100, "hexplane_student_tiny": 100,
}  # fmt: skip
LATENT = ("hexplane_dit_tiny", "hexplane_drive_tiny", "hexplane_student_tiny")
GOAL = 0.2
MIB = 2**20


def roadloom(*words: str | Path) -> str:
    command = [sys.executable, "-m", "roadloom", *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode()


def latents(args: argparse.Namespace) -> Path:
    """A folder of latents for the transformer: named, or made by an untrained autoencoder."""
    if args.latents is not None:
        return Path(args.latents)
    folder: Path = args.out / "latents"
    vae = folder / "vae"
    if not (vae / CARD).exists():
        torch.manual_seed(args.seed)
        config = HexPlaneConfig(query_channels=32)
        told = {"about": "Untrained.", "licence": "CC0-1.0"}
        save_model(vae, HexPlaneVae(config), "hexplane_vae", config, told)
    for part, clips in (("train", args.clips), ("val", max(1, args.clips // 2))):
        encode_prepared(
            args.data / part, vae, folder / part, stride=16, clips=clips, partial=True, device="cpu"
        )
    return folder


def run(name: str, args: argparse.Namespace) -> Path:
    """Train a recipe for about as long as is asked; the folder of the run."""
    folder: Path = args.out / name
    if (folder / "run.json").exists():
        return folder
    data = latents(args) if name in LATENT else args.data
    steps = max(4, round(STEPS[name] * args.times))
    words: list[str | Path] = ["--data", data, "--out", folder, "--device", "cpu"]
    words += ["--steps", str(steps), *(["--partial"] if name == "hexplane_vae_tiny" else [])]
    if name == "hexplane_student_tiny":
        words += ["--teacher", args.teacher or args.out / "hexplane_dit_tiny" / "model"]
    if name == "hexplane_drive_tiny":
        words += ["--start", args.teacher or args.out / "hexplane_dit_tiny" / "model"]
    print(roadloom("train", name, *words), flush=True)
    return folder


def row_of(folder: Path) -> dict[str, Any]:
    """Of a finished run, in seconds and MiB."""
    found = read_json(folder / "run.json")
    plan, fact = found["plan"], found["fact"]
    if plan is None:
        raise SystemExit(f"{folder}: this run was not planned")
    if plan["how"] != "measured":
        raise SystemExit(f"{folder}: this plan was counted, not measured: {plan['notes']}")
    pairs = {
        "seconds": (plan["seconds"], sum(fact["seconds"].values())),
        "memory MiB": (plan["memory_bytes"] / MIB, fact["memory_bytes"] / MIB),
        "disk MiB": (plan["disk_bytes"] / MIB, fact["disk_bytes"] / MIB),
    }
    return {
        "recipe": found["recipe"], "steps": found["settings"]["steps"],
        "parameters": plan["parameters"], "how": plan["how"],
        "parts": {"plan": plan["parts"], "fact": fact["seconds"]},
        "pairs": {name: [*pair, pair[0] / pair[1]] for name, pair in pairs.items()},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="*", help=f"of {', '.join(STEPS)}; all if none")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--latents", type=Path, help="with train and val")
    parser.add_argument(
        "--teacher",
        help="of the student, and where drives start; else the transformer of this study",
    )
    parser.add_argument("--clips", type=int, default=4, help="of train, encoded without --latents")
    parser.add_argument("--times", type=float, default=1.0, help="of the usual steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", nargs="+", type=Path, help="finished runs; none is started")
    parser.add_argument("--quick", action="store_true", help="a few steps, two clips")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.quick:
        args.times, args.clips = min(args.times, 0.06), min(args.clips, 2)
    if not args.runs and args.data is None:
        parser.error("name --data, or --runs")
    names = args.recipes or list(STEPS)
    folders = args.runs or [run(name, args) for name in names]
    rows = [row_of(folder) for folder in folders]
    head = ["recipe", "parameters", "steps"]
    for name in rows[0]["pairs"]:
        head += [f"{name}: plan", "fact", "ratio"]
    table = markdown(
        head,
        [
            [row["recipe"], f"{row['parameters']:,}", row["steps"],
             *(value for pair in row["pairs"].values() for value in pair)]
            for row in rows
        ],
    )  # fmt: skip
    worst = max(abs(pair[2] - 1) for row in rows for pair in row["pairs"].values())
    table += f"\nfurthest from 1: {worst:.0%}; within {GOAL:.0%}: {worst <= GOAL}"
    report(args.out, "plan_against_fact", table, {"rows": rows, "worst": worst, "goal": GOAL})


if __name__ == "__main__":
    main()
