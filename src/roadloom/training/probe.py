"""A few real steps of a task in a fresh process: what they take in time, memory and disk."""

import multiprocessing
import time
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import torch

from roadloom.errors import RoadloomError
from roadloom.training.config import TrainConfig
from roadloom.training.export import SaveModel, export_model
from roadloom.training.loop import Run
from roadloom.training.machine import MIB, folder_bytes, free_memory, peak_memory
from roadloom.training.optimise import cycle_of
from roadloom.training.task import CountsValidation, Task

_FEWEST, _MOST = 4, 200
"""Steps that are timed after the first one."""
_ENOUGH = 0.25
"""Share of the budget that steps are timed for, once there are the fewest."""
_SOME = 8
"""Validation examples that are timed, and twice as many, to tell the cost of each."""
_RESERVE = 512 * MIB
"""Memory that a probe must leave to the machine."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds and bytes of the parts of a run."""

    start_s: float
    first_step_s: float
    step_s: float
    """Mean of the steps after the first, every cycle counting alike."""
    steps: int
    """That were timed."""
    validate_s: float
    save_s: float
    export_s: float
    memory_bytes: int
    """Most that the process held, validation and saving included."""
    checkpoint_bytes: int
    model_bytes: int


class TooCostly(RoadloomError):
    """The machine has not the time or memory to try the task."""


def probe(
    task: Task,
    config: TrainConfig,
    device: str,
    *,
    save: SaveModel | None = None,
    budget_s: float = 60.0,
) -> Measured:
    """Run a few steps, a little validation, a checkpoint and an export, in a new process.

    Args:
        task, config, device: as for training; task and ``save`` must be picklable.
        save: writes the model folder; none is written without it.
        budget_s: steps are timed for about a quarter of this; ten times this is the limit.

    Raises:
        TooCostly: memory ran short, or the limit was reached.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    arguments = (theirs, task, config, device, save, budget_s, torch.get_num_threads())
    worker = context.Process(target=_work, args=arguments)
    worker.start()
    theirs.close()
    end = time.monotonic() + 10 * budget_s
    try:
        while not ours.poll(0.1):
            free = free_memory()
            if free is not None and free < _RESERVE:
                raise TooCostly(f"only {free // MIB} MiB of memory were left")
            if time.monotonic() > end:
                raise TooCostly(f"it was not done after {10 * budget_s:.0f} seconds")
        told = ours.recv()
    except EOFError as error:
        worker.join()
        if worker.exitcode == -9:
            raise TooCostly("the system killed it, perhaps for want of memory") from error
        raise RuntimeError(f"the probe ended with status {worker.exitcode}") from error
    finally:
        if worker.is_alive() and not ours.poll(0):
            worker.join(1.0)
            worker.kill()
        worker.join()
        ours.close()
    if isinstance(told, Exception):
        raise told
    assert isinstance(told, Measured)
    return told


def _work(
    pipe: Connection, task: Task, config: TrainConfig, device: str, save: SaveModel | None,
    budget_s: float, threads: int,
) -> None:  # fmt: skip
    torch.set_num_threads(threads)
    try:
        pipe.send(measure(task, config, device, save=save, budget_s=budget_s))
    except torch.OutOfMemoryError as error:
        pipe.send(TooCostly(f"the device has too little memory: {error}"))
    except (RoadloomError, OSError) as error:
        pipe.send(error)


def measure(
    task: Task, config: TrainConfig, device: str, *, save: SaveModel | None, budget_s: float
) -> Measured:
    """As ``probe``, in this process."""
    with TemporaryDirectory(prefix="roadloom-plan-") as place:
        run = Run("plan", task, config, Path(place), device)
        cycles = _timed_cycles(run, budget_s)
        validate_s = _validation(run)
        run.clock.lap("other")
        run.save()
        save_s = run.clock.seconds["save"]
        checkpoint_bytes = folder_bytes(Path(place))
        if save is not None:
            export_model(task, run.trainer.tensors(), {}, save, Path(place))
        return Measured(
            start_s=run.clock.seconds["start"],
            first_step_s=cycles[0][0],
            step_s=fmean(fmean(times[1:] or times) for times in cycles),
            steps=sum(map(len, cycles)),
            validate_s=validate_s,
            save_s=save_s,
            export_s=run.clock.lap("export"),
            memory_bytes=peak_memory(run.spread.device),
            checkpoint_bytes=checkpoint_bytes,
            model_bytes=folder_bytes(Path(place)) - checkpoint_bytes,
        )


def _timed_cycles(run: Run, budget_s: float) -> list[list[float]]:
    """Seconds of some steps from the beginning of each cycle on, as a task may do other work in
    each."""
    steps, cycles = run.config.steps, run.config.cycles
    parts = {cycle_of(step, steps, cycles) for step in {n * steps // cycles for n in range(cycles)}}
    times = []
    for _, first, end in sorted(parts):
        run.trainer.step = first
        times.append(_timed_steps(run, end - first, budget_s / len(parts)))
    return times


def _timed_steps(run: Run, most: int, budget_s: float) -> list[float]:
    batches = run.batches()
    times: list[float] = []
    while len(times) < min(_MOST, most):
        run.trainer.advance(list(islice(batches, run.trainer.split.rounds)))
        times.append(run.clock.lap("steps"))
        spent = sum(times[1:])
        if (len(times) > _FEWEST and spent > _ENOUGH * budget_s) or spent > budget_s:
            break
    return times


def _validation(run: Run) -> float:
    """Seconds of one validation, by a line through two short ones where it is long."""

    def timed(limit: int | None) -> float:
        run.clock.lap("other")
        run.trainer.validate(limit)
        return run.clock.lap("validate")

    task, count = run.trainer.task, run.config.validate_limit
    if isinstance(task, CountsValidation):
        held = task.validation_examples()
        count = held if count is None else min(count, held)
    if count is None or count <= 2 * _SOME:
        return timed(count)
    timed(1)
    few, more = timed(_SOME), timed(2 * _SOME)
    return few + max(0.0, more - few) / _SOME * (count - _SOME)
