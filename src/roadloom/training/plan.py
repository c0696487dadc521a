"""What a run will take - parameters, memory, time, disk - before it runs.

Parameters are counted without memory. The rest is measured: a few steps of the real task in a
fresh process, some validation, one checkpoint, then scaled to the whole run on one process. Where
the machine cannot try the task, operations are counted instead, and the plan says so.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from roadloom.training.config import TrainConfig
from roadloom.training.export import SaveModel
from roadloom.training.flops import REACHED, count_parameters, step_flops_apart, throughput
from roadloom.training.machine import MIB
from roadloom.training.probe import Measured, TooCostly, probe
from roadloom.training.spread import pick_device
from roadloom.training.task import Task

_LINE_BYTES = 250
"""Of the log, about."""
_KEPT = 2
"""Checkpoints."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    parameters: int
    trained: int
    """Parameters that are not frozen."""
    device: str
    how: Literal["measured", "counted"]
    seconds: float | None
    """Of the whole run; None where nothing tells."""
    parts: dict[str, float]
    """Seconds by what they are spent on, as in the facts of a run."""
    step_s: float | None
    memory_bytes: int | None
    """Most that the training process holds: tensors on a GPU, everything on a CPU."""
    disk_bytes: int
    """Of the run's folder at its end."""
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def table(self) -> str:
        """Lines to read."""
        share = {k: v for k, v in self.parts.items() if v >= 1}
        rows = [
            ("parameters", f"{self.parameters:,}" + self._frozen()),
            ("device", f"{self.device} ({self.how})"),
            ("a step", "unknown" if self.step_s is None else f"{self.step_s:.3g} s"),
            ("time", "unknown" if self.seconds is None else told_time(self.seconds)),
            *((f"  {name}", told_time(seconds)) for name, seconds in share.items()),
            ("memory", "unknown" if self.memory_bytes is None else told_size(self.memory_bytes)),
            ("disk", told_size(self.disk_bytes)),
        ]
        lines = [f"{name:<12}{value}" for name, value in rows]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _frozen(self) -> str:
        frozen = self.parameters - self.trained
        return f", {frozen:,} of them frozen" if frozen else ""


def plan(
    task: Task,
    config: TrainConfig,
    device: str = "auto",
    *,
    save: SaveModel | None = None,
    budget_s: float = 60.0,
) -> Plan:
    """Foresee a run on one process of this machine.

    Args:
        task, config, device, save: as for ``train``; task and ``save`` must be picklable.
        budget_s: about how long the steps may be timed.
    """
    on = pick_device(device)
    parameters, trained = count_parameters(task)
    try:
        measured = probe(task, config, str(on), save=save, budget_s=budget_s)
    except TooCostly as error:
        return _counted(task, config, device, parameters, trained, str(error))
    parts = _seconds(config, measured)
    return Plan(
        parameters=parameters,
        trained=trained,
        device=str(on),
        how="measured",
        seconds=sum(parts.values()),
        parts=parts,
        step_s=measured.step_s,
        memory_bytes=measured.memory_bytes,
        disk_bytes=_disk(config, measured.checkpoint_bytes, measured.model_bytes),
        notes=(f"scaled up from {measured.steps} steps on one process of this machine",),
    )


def _seconds(config: TrainConfig, measured: Measured) -> dict[str, float]:
    return {
        "start": measured.start_s,
        "steps": measured.first_step_s + (config.steps - 1) * measured.step_s,
        "validate": _times(config.steps, config.validate_every) * measured.validate_s,
        "save": _times(config.steps, config.save_every) * measured.save_s,
        "export": measured.export_s,
    }


def _times(steps: int, every: int) -> int:
    """How often something happens that is due every so many steps and at the end."""
    return -(-steps // every) if every else 1


def _disk(config: TrainConfig, checkpoint_bytes: int, model_bytes: int) -> int:
    kept = min(_KEPT, _times(config.steps, config.save_every))
    lines = 1 + _times(config.steps, config.log_every)
    return kept * checkpoint_bytes + model_bytes + lines * _LINE_BYTES


def _counted(
    task: Task, config: TrainConfig, device: str, parameters: int, trained: int, why: str
) -> Plan:
    """From the number of operations, where nothing could be measured."""
    on = pick_device(device)
    notes = [f"the task could not be tried here: {why}"]
    seconds = step_s = None
    try:
        flops, exact = step_flops_apart(task, config)
    except (RuntimeError, NotImplementedError) as error:
        notes.append(f"its operations cannot be counted: {error}")
    else:
        speed = throughput(on) * REACHED
        step_s = flops / speed
        seconds = config.steps * step_s
        notes.append(
            f"{'' if exact else 'about '}{flops / 1e9:.1f} GFLOP a step at "
            f"{speed / 1e9:.1f} GFLOP/s, which is {REACHED:.0%} of a matrix product's; without "
            "validation and saving"
        )
    copies = 4 + bool(config.ema_decay)  # weights, gradients, two moments, average
    checkpoint = 4 * (parameters + (copies - 2) * trained)
    notes.append(f"memory is more than {told_size(4 * copies * trained)}, by the activations")
    return Plan(
        parameters=parameters,
        trained=trained,
        device=str(on),
        how="counted",
        seconds=seconds,
        parts={} if seconds is None else {"steps": seconds},
        step_s=step_s,
        memory_bytes=None,
        disk_bytes=_disk(config, checkpoint, 4 * parameters),
        notes=tuple(notes),
    )


def told_time(seconds: float) -> str:
    """Such as ``2 h 05 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def told_size(size: int) -> str:
    """Such as ``1.25 GiB``."""
    return f"{size / MIB:.1f} MiB" if size < 1024 * MIB else f"{size / 1024 / MIB:.2f} GiB"
