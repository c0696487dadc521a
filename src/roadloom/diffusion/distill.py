"""A student that needs few steps: progressive distillation, for the velocity of a flow.

Salimans & Ho 2022 (arXiv 2202.00512): where the teacher takes two steps, the student learns to
take one that ends at the same place; then the student is the teacher of the next, and the number
of steps halves. Meng et al. 2023 (arXiv 2210.03142): the first teacher is the guided network, so
that the students need no second evaluation. Here a step is an Euler step of rectified flow, and
what the student must say is the teacher's mean velocity over its two steps.

A student knows only the times of its own grid. Sample it with ``flow_euler``, with exactly the
number of steps and the shift of its ``StudentGrid``: both take their times from ``flow_grid``.

One round, for a batch with seeds ``seeds``:

    step = draw_steps(grid, seeds)
    noisy = FlowObjective().corrupt(x, noise, grid.times(step))
    target = target_velocity(teacher, noisy, step, grid)
    loss = masked_mean((student(noisy, grid.times(step)) - target) ** 2, mask)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from roadloom.diffusion.courses import SamplerConfig
from roadloom.diffusion.denoiser import Denoiser
from roadloom.diffusion.schedules import LEVELS, flow_grid, per_sample
from roadloom.diffusion.seeds import generators


@dataclass(frozen=True, kw_only=True)
class StudentGrid:
    """The times at which a student of so many steps is trained and sampled."""

    steps: int = 4
    shift: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.shift <= 0:
            raise ValueError(f"need at least one step and a positive shift, got {self}")

    def times(self, step: Int64[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """What the network sees at the beginning of each step; 0 is the first, from pure noise."""
        return LEVELS * flow_grid(self.steps, self.shift).to(step.device)[step]

    def sampler(self) -> SamplerConfig:
        """The sampler that fits."""
        return SamplerConfig(name="flow_euler", steps=self.steps, shift=self.shift)


def plan(teacher_steps: int, student_steps: int = 4) -> tuple[int, ...]:
    """Steps of each student in turn: half of the teacher's, and so on down to ``student_steps``.

    Raises:
        ValueError: halving does not lead from one to the other.
    """
    rounds = []
    steps = teacher_steps
    while steps > student_steps and steps % 2 == 0:
        steps //= 2
        rounds.append(steps)
    if steps != student_steps or student_steps < 1:
        raise ValueError(f"halving {teacher_steps} steps does not lead to {student_steps}")
    return tuple(rounds)


def draw_steps(
    grid: StudentGrid, seeds: Sequence[int], device: torch.device | str | None = None
) -> Int64[Tensor, " batch"]:
    """Which step of the student each sample trains, from its own seed, all equally often."""
    drawn = [torch.randint(grid.steps, (), generator=g) for g in generators(seeds, "time")]
    return torch.stack(drawn).to(device)


@torch.no_grad()
def target_velocity(
    teacher: Denoiser,
    noisy: Float[Tensor, "batch channel *cells"],
    step: Int64[Tensor, " batch"],
    grid: StudentGrid,
    *,
    teacher_steps: int = 2,
) -> Float[Tensor, "batch channel *cells"]:
    """What the student must say at ``noisy`` for its step to end where the teacher's steps end.

    Args:
        teacher: gives velocities; it may be guided.
        noisy: at the beginning of each sample's student step.
        teacher_steps: Euler steps of the teacher per student step; two in the paper. They fall on
            the grid of ``teacher_steps * grid.steps`` steps.
    """
    if teacher_steps < 1:
        raise ValueError(f"teacher_steps must be at least 1, got {teacher_steps}")
    fine = flow_grid(teacher_steps * grid.steps, grid.shift).to(noisy.device)
    x = noisy
    for place in range(teacher_steps):
        now, after = (fine[teacher_steps * step + place + k] for k in (0, 1))
        x = x + per_sample(after - now, x) * teacher(x, LEVELS * now).to(x)
    begin, end = fine[teacher_steps * step], fine[teacher_steps * (step + 1)]
    return (x - noisy) / per_sample(end - begin, x)
