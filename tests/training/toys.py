"""Small tasks for tests of the loop: a perceptron on made points."""

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from roadloom.training.config import TrainConfig
from roadloom.training.log import MEASURED, read_log
from roadloom.training.task import Step


@dataclass(frozen=True)
class Points:
    count: int = 20
    pause_s: float = 0.0
    width: int = 4

    def __len__(self) -> int:
        return self.count

    def read(self, index: int, seed: int) -> Mapping[str, Tensor]:
        time.sleep(self.pause_s)
        place = torch.Generator().manual_seed(index)
        noise = torch.Generator().manual_seed(seed)
        x = torch.randn(self.width, generator=place) + 0.1 * torch.randn(
            self.width, generator=noise
        )
        return {"x": x, "y": x.sum()[None].sin(), "index": torch.tensor(index)}


class Perceptron(nn.Module):
    def __init__(self, inside: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(inside, hidden)
        self.block = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Dropout(dropout))
        self.last = nn.Linear(hidden, 1)
        self.register_buffer("counted", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.counted += 1
        y: Tensor = self.last(self.block(self.first(x)))
        return y

    def checkpoint_blocks(self) -> list[nn.Module]:
        return [self.block]


@dataclass(frozen=True)
class Toy:
    """Learns the sine of a sum."""

    points: Points = Points()
    hidden: int = 8
    dropout: float = 0.0
    bad_index: int | None = None
    """An example whose loss is NaN."""
    root_of_zero: bool = False
    """Add a term of value 0 whose slope is infinite."""
    stop_at: int | None = None
    """Send this process SIGTERM in this step, counted from 1."""

    def build(self) -> nn.Module:
        return Perceptron(self.points.width, self.hidden, self.dropout)

    def examples(self) -> Points:
        return self.points

    def loss(
        self, module: nn.Module, batch: Mapping[str, Tensor], step: Step
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if step.number + 1 == self.stop_at:
            signal.raise_signal(signal.SIGTERM)
        loss = (module(batch["x"]) - batch["y"]).square().mean()
        if self.bad_index is not None and bool((batch["index"] == self.bad_index).any()):
            loss = loss * float("nan")
        if self.root_of_zero:
            loss = loss + (module(batch["x"]) * 0).square().sum().sqrt()
        return loss, {"seed": torch.tensor(step.seeds[0] % 1000)}

    def validate(self, module: nn.Module, limit: int | None) -> dict[str, float]:
        read = [self.points.read(i, 0) for i in range(limit or 4)]
        x, y = (torch.stack([one[name] for one in read]) for name in "xy")
        device = next(module.parameters()).device
        return {"error": float((module(x.to(device)) - y.to(device)).square().mean())}

    def validation_examples(self) -> int:
        return 4

    def card(self) -> dict[str, Any]:
        return {"data": "made points"}


def settings(**changes: Any) -> TrainConfig:
    chosen: dict[str, Any] = {
        "steps": 12, "batch": 4, "learning_rate": 1e-2, "save_every": 5, "log_every": 2,
        "warmup_steps": 2, "ema_decay": 0.9,
    }  # fmt: skip
    return TrainConfig(**(chosen | changes))


def save_weights(module: nn.Module, folder: Path, card: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    save_file({k: v.contiguous() for k, v in module.state_dict().items()}, folder / "m.safetensors")
    (folder / "card.json").write_text(json.dumps(card, sort_keys=True))


def ends(out: Path) -> dict[str, Any]:
    """Everything of a run that must be the same bits: tensors by hash, the log but for speed."""
    newest = max((out / "checkpoints").glob("step_*"))
    files = [*newest.glob("*.safetensors"), *(out / "model").glob("*.safetensors")]
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    rows = [{k: v for k, v in row.items() if k not in MEASURED} for row in read_log(out)]
    names = sorted(path.name for path in (out / "checkpoints").iterdir())
    return {"files": digests, "log": rows, "checkpoints": names}


def python(code: str, *words: str, **environment: str) -> list[str]:
    """A command line that runs code of the tests with one thread, as a fresh program."""
    return [sys.executable, "-W", "ignore", "-c", f"import torch; torch.set_num_threads(1); {code}",
            *words]  # fmt: skip


def environment(**more: str) -> dict[str, str]:
    root = Path(__file__).resolve().parents[2]
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'src'}", **more}
