"""The training loop: the same on a laptop, one GPU and, under ``torchrun``, many.

    read a batch -> loss, gradients, optimiser, average -> log -> validate -> save -> ... -> export

A run lives in one folder. Started again with the same settings it goes on from its newest
checkpoint; on a CPU it ends with the same bits as a run that was never interrupted.
"""

import dataclasses
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from roadloom.errors import BadInput
from roadloom.io.atomic import write_json
from roadloom.io.file_lock import locked
from roadloom.io.progress import show_progress
from roadloom.io.read import exists
from roadloom.scene.claimed_folder import make_folder
from roadloom.training.batches import Batch, read_batches
from roadloom.training.checkpoint import (
    Checkpoints,
    State,
    as_json,
    check_same_run,
    through_json,
)
from roadloom.training.config import TrainConfig
from roadloom.training.export import SaveModel, export_model
from roadloom.training.log import Log
from roadloom.training.machine import MIB, folder_bytes, peak_memory
from roadloom.training.order import Order
from roadloom.training.reduce import all_sum
from roadloom.training.spread import start
from roadloom.training.task import Task
from roadloom.training.trainer import Advance, Trainer

MODEL, FACTS, LOCK = "model", "run.json", ".training.lock"
"""What a run leaves at its end, and what keeps a second run out."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a run ended."""

    finished: bool
    """False: stopped by Ctrl-C or SIGTERM, saved, ready to go on."""
    step: int
    """Optimiser steps done."""
    scores: dict[str, float]
    """Of the last validation."""
    facts: dict[str, Any]
    """Seconds by what they were spent on, most memory [B], size of the folder [B]."""


def train(
    recipe_name: str,
    task: Task,
    config: TrainConfig,
    out: str | Path,
    *,
    device: str | torch.device = "auto",
    progress: bool = False,
    save: SaveModel | None = None,
    tensorboard: bool = False,
    plan: dict[str, Any] | None = None,
) -> Result:
    """Train, or go on training, in the folder ``out``.

    Args:
        recipe_name: kept in the checkpoints; another one is refused on a resume.
        task: what is trained.
        config: how.
        out: folder of this run.
        device: ``auto``, ``cpu``, ``cuda``.
        progress: show a bar.
        save: writes the model folder at the end; without it there is none.
        tensorboard: write curves for TensorBoard beside the JSON lines.
        plan: what was foreseen; kept in ``run.json`` beside what happened.

    Raises:
        BadInput: settings do not fit, a checkpoint is damaged or of another run, or the folder
            cannot be written or holds a model without checkpoints.
        RoadloomError: another process trains in this folder.
        Diverged: a loss became NaN or infinite.
        MissingExtra: several processes without lightning_fabric, or no tensorboard.
    """
    with _told_to_stop() as told:
        run = Run(recipe_name, task, config, Path(out), device)
        with run.alone():
            run.resume()
            run.loop(told, progress, tensorboard)
            return run.end(save, plan)


class Run:
    """One run: a trainer, its folder, and a clock."""

    def __init__(
        self, recipe: str, task: Task, config: TrainConfig, out: Path, device: str | torch.device
    ) -> None:
        self.clock = Clock()
        self.recipe, self.config, self.out = recipe, config, out
        self.spread = start(config, device)
        if self.spread.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.spread.device)
        self.examples = task.examples()
        self.about = through_json(task.card())
        self.order = Order(examples=len(self.examples), batch=config.batch, seed=config.seed)
        self.trainer = Trainer(task, config, self.order, self.spread)
        self.checkpoints = Checkpoints(out / "checkpoints")
        self.scores: dict[str, float] = {}
        self.memory = 0
        self.clock.lap("start")

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.spread.rank == 0

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other runs out of the folder, which is made if need be."""
        if not self.first:
            yield
            return
        make_folder(self.out)
        with locked(self.out / LOCK, patience_s=0.0, what="training in this folder"):
            yield

    def resume(self) -> None:
        """Take over the newest checkpoint, if there is one."""
        newest = self.checkpoints.newest()
        if newest is None:
            for name in (MODEL, FACTS):
                if exists(self.out / name):
                    raise BadInput(
                        f"holds {name}, and no checkpoint of the run that made it", file=self.out,
                        field="out", remedy="train into another folder",
                    )  # fmt: skip
            return
        state, parts = self.checkpoints.load(newest)
        check_same_run(state, self.recipe, self.config, len(self.examples), self.about, newest)
        try:
            self.trainer.restore(parts, state.step, state.scaler)
        except (KeyError, RuntimeError) as error:
            raise BadInput(
                f"is of another module: {error}", file=newest,
                remedy="train into another folder, or use the program that began this run",
            ) from error  # fmt: skip
        self.scores, self.memory = state.scores, state.memory_bytes
        self.clock.lap("start")
        for what, seconds in state.seconds.items():
            self.clock.seconds[what] = self.clock.seconds.get(what, 0.0) + seconds

    def batches(self) -> Iterator[Batch]:
        """Micro batches of this process from the coming step on."""
        return read_batches(
            self.examples,
            self.order,
            self.trainer.split,
            rank=self.spread.rank,
            steps=range(self.trainer.step, self.config.steps),
            workers=self.config.workers,
            pin=self.spread.device.type == "cuda",
        )

    def loop(self, told: threading.Event, progress: bool, tensorboard: bool) -> None:
        """Step until the end, or until told to stop; then all is saved."""
        if self.trainer.step >= self.config.steps:
            return
        with ExitStack() as open_until_end:
            log = None
            if self.first:
                log = Log(self.out, done=self.trainer.step, tensorboard=tensorboard)
                open_until_end.enter_context(log)
            bar = show_progress(
                total=self.config.steps, initial=self.trainer.step, desc=self.recipe, unit="step",
                disable=not (progress and self.first),
            )  # fmt: skip
            open_until_end.enter_context(bar)
            self._steps(told, log, bar)

    def _steps(self, told: threading.Event, log: Log | None, bar: Any) -> None:
        trainer, config = self.trainer, self.config
        batches, speed = self.batches(), Speed(config.batch)
        while trainer.step < config.steps:
            micro = list(islice(batches, trainer.split.rounds))
            advance = trainer.advance(micro, told.is_set)
            self.clock.lap("steps")
            bar.set_postfix_str(f"loss {advance.loss:.4g}", refresh=False)
            bar.update(1)
            speed.step()
            last = trainer.step == config.steps
            if trainer.step == 1 or last or trainer.step % config.log_every == 0:
                self._log(log, advance, speed)
            if last or (config.validate_every and trainer.step % config.validate_every == 0):
                self.validate(log)
            if last and self.first:
                self._forget_old_end()
            if last or advance.stop or trainer.step % config.save_every == 0:
                self.save()
            if advance.stop:
                return

    def _forget_old_end(self) -> None:
        """Remove what an earlier, shorter run left; before the last save, so that a kill
        after it cannot leave the model of fewer steps."""
        shutil.rmtree(self.out / MODEL, ignore_errors=True)
        (self.out / FACTS).unlink(missing_ok=True)

    def _log(self, log: Log | None, advance: Advance, speed: "Speed") -> None:
        values = {"loss": advance.loss, "learning_rate": advance.rate}
        if advance.norm != float("inf"):  # a step that 16 bits left out
            values["gradient_norm"] = advance.norm
        values |= advance.mean_values()
        memory = peak_memory(self.spread.device) / MIB
        values |= {"examples_per_s": speed.per_second(), "memory_mib": round(memory, 1)}
        if log is not None:
            log.write(self.trainer.step, values)

    def validate(self, log: Log | None) -> None:
        self.scores = self.trainer.validate(self.config.validate_limit)
        if log is not None and self.scores:
            named = {f"validation/{name}": score for name, score in self.scores.items()}
            log.write(self.trainer.step, named)
        self.clock.lap("validate")

    def save(self) -> None:
        """Write a checkpoint; every process must ask."""
        parts = self.trainer.tensors()
        if self.first:
            self.checkpoints.save(self.state(), parts)
        self.spread.barrier()
        self.clock.lap("save")

    def state(self) -> State:
        self.memory = max(self.memory, peak_memory(self.spread.device))
        return State(
            step=self.trainer.step,
            recipe=self.recipe,
            config=as_json(self.config),
            examples=len(self.examples),
            about=self.about,
            scaler=self.trainer.scaler.state_dict(),
            scores=self.scores,
            seconds=dict(self.clock.seconds),
            memory_bytes=self.memory,
        )

    def end(self, save: SaveModel | None, plan: dict[str, Any] | None) -> Result:
        """Write the model folder and ``run.json``, if all steps are done."""
        finished = self.trainer.step >= self.config.steps
        parts = self.trainer.tensors() if finished and save is not None else {}
        if finished and self.first and save is not None and not (self.out / MODEL).exists():
            about = {
                "recipe": self.recipe, "steps": self.trainer.step, "seed": self.config.seed,
                "scores": self.scores, "settings": as_json(self.config),
                "torch": torch.__version__,
            }  # fmt: skip
            export_model(self.trainer.task, parts, about, save, self.out)
        self.clock.lap("export")
        self.memory = max(self.memory, peak_memory(self.spread.device))
        facts = {
            "seconds": dict(self.clock.seconds),
            "memory_bytes": self.memory,
            "disk_bytes": self._disk_bytes(),
            "device": str(self.spread.device),
            "processes": self.spread.processes,
        }
        if self.first and finished and not (self.out / FACTS).exists():
            about_run = {"recipe": self.recipe, "settings": dataclasses.asdict(self.config)}
            write_json(
                self.out / FACTS,
                about_run | {"scores": self.scores, "plan": plan, "fact": facts},
            )
        self.spread.barrier()
        return Result(finished=finished, step=self.trainer.step, scores=self.scores, facts=facts)

    def _disk_bytes(self) -> int:
        """As the first process counts: others would meet files that it is just writing."""
        mine = folder_bytes(self.out) if self.first else 0
        return int(all_sum(torch.tensor(mine, device=self.spread.device)))


class Clock:
    """Seconds by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, what: str) -> float:
        """The time since the last call was spent on this."""
        now = time.perf_counter()
        spent, self._since = now - self._since, now
        self.seconds[what] = self.seconds.get(what, 0.0) + spent
        return spent


class Speed:
    """Examples a second since the last question."""

    def __init__(self, batch: int) -> None:
        self._batch, self._steps, self._since = batch, 0, time.perf_counter()

    def step(self) -> None:
        self._steps += 1

    def per_second(self) -> float:
        now = time.perf_counter()
        speed = self._steps * self._batch / (now - self._since)
        self._steps, self._since = 0, now
        return round(speed, 3)


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Set by Ctrl-C or SIGTERM; a second Ctrl-C stops at once."""
    told = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield told  # only the main thread may listen to signals
        return

    def listen(number: int, frame: object) -> None:
        if told.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        told.set()

    before = {number: signal.signal(number, listen) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
