"""What changes while a run goes on - weights, their average, the optimiser - and one step of it."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from roadloom.errors import RoadloomError
from roadloom.training.batches import Batch
from roadloom.training.config import TrainConfig
from roadloom.training.optimise import Ema, build_optimizer, learning_rate, local, trained
from roadloom.training.order import NETWORK, Order, Split, hash64
from roadloom.training.reduce import all_gather
from roadloom.training.spread import Spread, recompute_blocks
from roadloom.training.task import Step, Task

_LEAST_SCALE = 2.0**-14
"""Of the loss in 16 bits; below it gradients overflow however small they are made."""
_NAMED = 16
"""Example numbers that an error names."""


class Diverged(RoadloomError):
    """A loss or gradient is NaN or infinite; nothing of that step went into the weights."""


@dataclass(frozen=True, kw_only=True)
class Advance:
    """What one optimiser step tells."""

    loss: float
    """Mean over the batch."""
    rate: float
    norm: float
    """Of all gradients together, before clipping; infinite where 16 bits overflowed."""
    values: dict[str, Tensor]
    """What the task logs, of this process only."""
    stop: bool
    """Some process was told to stop."""

    def mean_values(self) -> dict[str, float]:
        """What the task logs, over all processes: each of them must ask."""
        if not self.values:
            return {}
        names = sorted(self.values)
        stacked = torch.stack([self.values[name].double() for name in names])
        return dict(zip(names, all_gather(stacked).mean(0).tolist(), strict=True))


class Trainer:
    """The state of a run, the same on one process and on many."""

    def __init__(self, task: Task, config: TrainConfig, order: Order, spread: Spread) -> None:
        torch.manual_seed(config.seed)
        self.task, self.config, self.order, self.spread = task, config, order, spread
        self.split = Split(
            batch=config.batch, processes=spread.processes, micro_batch=config.micro_batch
        )
        self.module = task.build()
        if config.checkpoint_activations:
            recompute_blocks(self.module)
        if config.compile:
            self.module.compile()
        self.wrapped = spread.wrap(self.module)
        self.optimizer = build_optimizer(self.module, config)
        self.ema = Ema(self.module, config.ema_decay) if config.ema_decay else None
        self.scaler = torch.amp.GradScaler(spread.device.type, enabled=config.precision == "16")
        self.step = 0
        """Optimiser steps done."""

    def advance(
        self, batches: Sequence[Batch], told: Callable[[], bool] = lambda: False
    ) -> Advance:
        """One optimiser step.

        Args:
            batches: this process's micro batches of the step.
            told: whether this process was told to stop, asked near the end of the step.

        Raises:
            Diverged: a loss or the gradient is NaN or infinite; the weights are as before.
        """
        self.wrapped.train()
        rate = learning_rate(self.step, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        done = [self._accumulate(turn, batch) for turn, batch in enumerate(batches)]
        losses = torch.stack([loss.detach().double() for loss, _ in done])
        report = all_gather(torch.cat([losses, losses.new_tensor([float(told())])])).tolist()
        self._check_losses([row[:-1] for row in report])
        norm = self._descend()
        self.step += 1
        if self.ema is not None:
            self.ema.update(self.step)
        names = done[0][1]
        return Advance(
            loss=math.fsum(loss for row in report for loss in row[:-1]) / len(report) / len(done),
            rate=rate,
            norm=norm,
            values={n: torch.stack([v[n].detach().float() for _, v in done]).mean() for n in names},
            stop=any(row[-1] for row in report),
        )

    def _accumulate(self, turn: int, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Add a micro batch's gradients, for the mean over all of the step."""
        seed = hash64(NETWORK, self.config.seed, self.step, self.spread.rank, turn)
        torch.manual_seed(seed >> 1)
        batch = batch.to(self.spread.device)
        rounds = self.split.rounds
        step = Step(
            number=self.step, seeds=batch.seeds, micro_batches=rounds * self.spread.processes,
            total=self.config.steps,
        )  # fmt: skip
        with self.spread.gradients(self.wrapped, turn == rounds - 1):
            with self._autocast():
                loss, values = self.task.loss(self.wrapped, batch.tensors, step)
            if loss.shape != ():
                raise ValueError(f"the loss must be a scalar, got shape {tuple(loss.shape)}")
            self.scaler.scale(loss / rounds).backward()
        return loss, values

    def _descend(self) -> float:
        """Clip, then let the optimiser step. Returns the norm before clipping."""
        self.scaler.unscale_(self.optimizer)
        parameters = list(trained(self.module).values())
        total = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        norm = float(total.full_tensor() if hasattr(total, "full_tensor") else total)
        if not math.isfinite(norm) and not self._overflow_is_normal():
            every = range(self.config.batch)
            raise self._diverged(f"the gradient's norm is {norm}, the loss is not", every)
        if math.isfinite(norm) and self.config.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(parameters, self.config.clip_norm, total)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return norm

    def _overflow_is_normal(self) -> bool:
        """In 16 bits the scaler leaves such a step out and scales the next one down."""
        return self.scaler.is_enabled() and self.scaler.get_scale() > _LEAST_SCALE

    def _check_losses(self, losses: Sequence[Sequence[float]]) -> None:
        """Of all processes and micro batches, so that all processes raise, and the same."""
        bad = [
            (rank, turn)
            for rank, row in enumerate(losses)
            for turn, loss in enumerate(row)
            if not math.isfinite(loss)
        ]
        if bad:
            positions = [p for where in bad for p in self.split.positions(*where)]
            rank, turn = bad[0]
            raise self._diverged(f"the loss is {losses[rank][turn]}", positions)

    def _diverged(self, what: str, positions: Sequence[int]) -> Diverged:
        shown = ", ".join(str(self.order.index(self.step, p)) for p in positions[:_NAMED])
        more = f" and {len(positions) - _NAMED} more" if len(positions) > _NAMED else ""
        return Diverged(
            f"{what}, in step {self.step + 1} on examples {shown}{more}", field="loss",
            remedy="look at these examples; lower learning_rate, or train with precision 32",
        )  # fmt: skip

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.config.precision == "32":
            return nullcontext()
        dtype = torch.bfloat16 if self.config.precision == "bf16" else torch.float16
        return torch.autocast(self.spread.device.type, dtype=dtype)

    def averaged(self) -> AbstractContextManager[None]:
        """Inside, the module has the weights that are validated and saved."""
        return nullcontext() if self.ema is None else self.ema.in_place()

    def validate(self, limit: int | None) -> dict[str, float]:
        """The task's scores of the averaged weights, in 32 bits; every process computes them."""
        self.module.eval()
        torch.manual_seed(hash64(NETWORK, self.config.seed, self.step) >> 1)
        with self.averaged(), torch.no_grad():
            return {k: float(v) for k, v in self.task.validate(self.module, limit).items()}

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """All state as whole tensors on the CPU, by file and name. Every process must ask; those
        but the first get empty ones."""
        parts: dict[str, dict[str, Tensor]] = {
            "model": dict(self.module.state_dict()),
            "optimizer": {
                f"{name}.{key}": value
                for name, weights in trained(self.module).items()
                for key, value in self.optimizer.state.get(weights, {}).items()
            },
        }
        if self.ema is not None:
            parts["ema"] = self.ema.average
        return {part: _whole(held, self.spread.rank == 0) for part, held in parts.items()}

    def restore(self, parts: Mapping[str, Mapping[str, Tensor]], step: int, scaler: Any) -> None:
        """Take over what ``tensors`` gave, on any number of processes.

        Raises:
            KeyError, RuntimeError: names or shapes are not those of this module.
        """
        self.step = step
        _put(self.module.state_dict(), parts["model"])
        if self.ema is not None:
            _put(self.ema.average, parts["ema"])
        weights = trained(self.module)
        for full_name, value in parts["optimizer"].items():
            name, _, key = full_name.rpartition(".")
            like = weights[name]
            state = self.optimizer.state[like]
            if value.shape == like.shape and key != "step":
                state[key] = torch.zeros_like(like, requires_grad=False)
                _put({key: state[key]}, {key: value})
            else:
                state[key] = value.clone()  # Adam counts its steps on the CPU
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(scaler)


def _whole(held: Mapping[str, Tensor], keep: bool) -> dict[str, Tensor]:
    made = {}
    for name, tensor in held.items():
        full = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
        if keep:
            made[name] = full.detach().to("cpu", copy=True).contiguous()
    return made


@torch.no_grad()
def _put(targets: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    if odd := sorted(targets.keys() ^ values.keys()):
        raise KeyError(f"tensors {', '.join(odd[:8])} are not on both sides")
    for name, target in targets.items():
        value = values[name]
        if value.shape != target.shape:
            raise RuntimeError(f"{name} is {tuple(value.shape)}, not {tuple(target.shape)}")
        if hasattr(target, "device_mesh"):
            from torch.distributed.tensor import distribute_tensor

            value = distribute_tensor(
                value.to(target.device), target.device_mesh, target.placements, src_data_rank=None
            )
        local(target).copy_(local(value))
