"""A training run killed by real SIGKILLs and resumed, compared with one that nobody touched.

    python -m studies.training_kills --kills 10
    python -m studies.training_kills --kills 10 -- \\
        roadloom train NAME --data DIR --out {out} --device cpu

Without a command a small convolution net with dropout is trained, read by a worker process. Each
kill waits for a random step and a random moment in it, and takes the whole process group. In the
end all tensors of the last checkpoint and of the model, and the log without its speeds, must be
the same bits, every checkpoint that a kill left must be whole, and nothing else may lie about.
Prints one JSON line; exits 1 if anything differs.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from roadloom.training.checkpoint import Checkpoints
from roadloom.training.config import TrainConfig
from roadloom.training.log import MEASURED, read_log
from roadloom.training.loop import train
from roadloom.training.task import Step

OUT = "{out}"
OWN = [sys.executable, "-m", "studies.training_kills", "--train", OUT]


@dataclass(frozen=True)
class Pictures:
    """Noisy pictures of a bar, whose angle is to be told."""

    def __len__(self) -> int:
        return 100

    def read(self, index: int, seed: int) -> Mapping[str, Tensor]:
        noise = torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(seed))
        angle = torch.tensor(index * 0.0314)
        x, y = torch.meshgrid(torch.arange(16.0) - 7.5, torch.arange(16.0) - 7.5, indexing="ij")
        bar = (x * angle.sin() - y * angle.cos()).abs() < 1.5
        return {"picture": bar[None] + 0.3 * noise, "angle": (2 * angle).sin()[None]}


@dataclass(frozen=True)
class Angles:
    def build(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 16, 3), nn.SiLU(), nn.Dropout(0.1), nn.Conv2d(16, 16, 3, stride=2),
            nn.BatchNorm2d(16), nn.SiLU(), nn.Flatten(),
            nn.Linear(16 * 6 * 6, 1),
        )  # fmt: skip

    def examples(self) -> Pictures:
        return Pictures()

    def loss(
        self, module: nn.Module, batch: Mapping[str, Tensor], step: Step
    ) -> tuple[Tensor, dict[str, Tensor]]:
        error = (module(batch["picture"]) - batch["angle"]).square().mean()
        return error, {"root": error.sqrt()}

    def validate(self, module: nn.Module, limit: int | None) -> dict[str, float]:
        read = [Pictures().read(index, 0) for index in range(0, 100, 10)]
        told = module(torch.stack([one["picture"] for one in read]))
        return {"error": float((told - torch.stack([one["angle"] for one in read])).abs().mean())}

    def card(self) -> dict[str, Any]:
        return {}


CONFIG = TrainConfig(
    steps=300, batch=8, micro_batch=4, save_every=7, log_every=1, validate_every=40, workers=1
)


def save_model(module: nn.Module, folder: Path, card: dict[str, Any]) -> None:
    from safetensors.torch import save_model as write

    write(module, str(folder / "model.safetensors"))


def run_own(out: Path) -> None:
    torch.set_num_threads(1)
    train("angles", Angles(), CONFIG, out, device="cpu", save=save_model)


def kill_once(command: list[str], out: Path, dice: random.Random, most: int) -> int:
    """Go on until a random step, kill; the last step in the log, 0 if the run ended before."""
    first = last_step(out)
    target = first + dice.randint(1, most)
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and last_step(out) < target:
            time.sleep(0.01)
        time.sleep(dice.random() * 0.1)
        if process.poll() is not None:
            return 0
        os.killpg(process.pid, signal.SIGKILL)
    return last_step(out)


def last_step(out: Path) -> int:
    return max((row["step"] for row in read_log(out)), default=0)


def ends(out: Path) -> dict[str, Any]:
    """What must be the same bits."""
    newest = Checkpoints(out / "checkpoints").newest()
    assert newest is not None
    files = [*newest.glob("*.safetensors"), *(out / "model").rglob("*.safetensors")]
    hashes = {str(f.relative_to(out)): sha256(f.read_bytes()).hexdigest() for f in sorted(files)}
    rows = [{k: v for k, v in row.items() if k not in MEASURED} for row in read_log(out)]
    return {"files": hashes, "log": rows}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=50, help="steps between two kills, at most")
    parser.add_argument("--train", type=Path, help="only train our own task, into this folder")
    parser.add_argument("command", nargs="*", default=OWN)
    asked = parser.parse_args()
    if asked.train is not None:
        run_own(asked.train)
        return 0
    with tempfile.TemporaryDirectory() as place:
        whole, parts = Path(place, "whole"), Path(place, "parts")
        commands = {
            out: [word.replace(OUT, str(out)) for word in asked.command] for out in (whole, parts)
        }
        subprocess.run(commands[whole], check=True)
        dice, steps, held = random.Random(asked.seed), [], 0
        for _ in range(asked.kills):
            steps.append(kill_once(commands[parts], parts, dice, asked.most))
            checkpoints = Checkpoints(parts / "checkpoints")
            for folder in checkpoints.steps().values():
                checkpoints.load(folder)
                held += 1
        subprocess.run(commands[parts], check=True)
        same = ends(whole) == ends(parts)
        left = [str(path.name) for path in (parts / "checkpoints").iterdir()]
        clean = all(name.startswith("step_") for name in left) and len(left) <= 2
        kills = [step for step in steps if step]
        told = {"kills": len(kills), "last_steps": kills, "whole_checkpoints": held}
        print(json.dumps(told | {"same_bits": same, "nothing_left": clean}))
        return 0 if same and clean and len(kills) == asked.kills else 1


if __name__ == "__main__":
    sys.exit(main())
