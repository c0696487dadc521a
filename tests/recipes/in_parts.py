"""Training that is stopped and goes on, for any task."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.training.toys import ends
from torch import Tensor, nn

from roadloom.training.config import TrainConfig
from roadloom.training.loop import train
from roadloom.training.task import Step

SETTINGS = TrainConfig(
    steps=6, batch=4, learning_rate=1e-2, save_every=2, log_every=1, validate_every=3,
    validate_limit=6, ema_decay=0.9, cycles=2, warmup_steps=1,
)  # fmt: skip


class Stopped:
    """A task that is told to stop in a step, counted from 1."""

    def __init__(self, task: Any, stop_at: int) -> None:
        self.task, self.stop_at = task, stop_at

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)

    def loss(
        self, module: nn.Module, batch: Mapping[str, Tensor], step: Step
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if step.number + 1 == self.stop_at:
            signal.raise_signal(signal.SIGTERM)
        return self.task.loss(module, batch, step)  # type: ignore[no-any-return]


def train_in_parts(task: Any, stops: tuple[int, ...], save: Any, out: Path) -> None:
    """Once whole, once stopped in these steps; both must end with the same bits."""
    done = train("toy", task, SETTINGS, out / "whole", device="cpu", save=save)
    assert done.finished
    for stop_at in stops:
        part = train("toy", Stopped(task, stop_at), SETTINGS, out / "parts", device="cpu")
        assert not part.finished and part.step == stop_at
    train("toy", task, SETTINGS, out / "parts", device="cpu", save=save)
    assert ends(out / "parts") == ends(out / "whole")
