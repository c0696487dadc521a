"""Samplers: which scheduler of diffusers takes the steps, and exactly where they fall.

diffusers computes the steps; the places where they fall are ours, because several of its
schedulers choose other ones than their papers or than training had:

========== ========= ======================================================== ==================
name       objective grid                                                     network calls
========== ========= ======================================================== ==================
ddpm       epsilon   indices from 999 to 0, both included, equally spaced     steps
ddim       epsilon   ``trailing_grid``: 999, ..., 1000/steps - 1, then data;  steps
                     steps must divide 1000
dpm++      epsilon   ``trailing_grid``, then data                             steps
dpm++      flow      ``flow_grid``                                            steps
flow_euler flow      ``flow_grid``: t = 1 to 0 in equal steps, then the shift steps
flow_heun  flow      ``flow_grid``; the step to 0 is an Euler step            2 steps - 1
========== ========= ======================================================== ==================

``ddpm`` adds noise with the learned variance (Nichol & Dhariwal 2021, arXiv 2102.09672), ``ddim``
as much as ``eta`` says (Song et al. 2021, arXiv 2010.02502), the others none. ``dpm++`` is the
second-order multistep solver of Lu et al. 2022 (arXiv 2211.01095).
"""

from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal

import torch

from roadloom.diffusion.schedules import (
    DATA,
    LEVELS,
    Level,
    LinearSchedule,
    flow_grid,
    spanning_grid,
    trailing_grid,
)
from roadloom.io.extras import need

_OBJECTIVES: dict[str, tuple[str, ...]] = {
    "ddpm": ("epsilon",),
    "ddim": ("epsilon",),
    "dpm++": ("epsilon", "flow"),
    "flow_euler": ("flow",),
    "flow_heun": ("flow",),
}
MOST_STEPS = 10_000


@dataclass(frozen=True, kw_only=True)
class SamplerConfig:
    """The way from noise to data."""

    name: Literal["ddpm", "ddim", "dpm++", "flow_euler", "flow_heun"] = "flow_euler"
    steps: int = 50
    objective: Literal["epsilon", "flow"] = "flow"
    """What the denoiser predicts."""
    shift: float = 1.0
    """Of the times of a flow (``schedules.shifted``); above 1: more steps at high noise."""
    eta: float = 0.0
    """Noise that ``ddim`` adds: 0 none, 1 as much as ``ddpm`` with the smallest variance."""
    variance: Literal["learned", "small", "large"] = "learned"
    """Of ``ddpm``. ``learned`` needs variance channels; ``small`` and ``large`` are its bounds."""
    schedule: LinearSchedule = field(default_factory=LinearSchedule)
    """Of the ``epsilon`` samplers."""

    def __post_init__(self) -> None:
        if self.objective not in _OBJECTIVES.get(self.name, ()):
            raise ValueError(f"sampler {self.name!r} does not solve objective {self.objective!r}")
        least = 2 if self.name == "ddpm" else 1
        if type(self.steps) is not int or not least <= self.steps <= MOST_STEPS:
            raise ValueError(
                f"{self.name} needs {least} to {MOST_STEPS} whole steps, got {self.steps!r}"
            )
        if self.objective == "epsilon" and self.steps > LEVELS:
            raise ValueError(f"the schedule has {LEVELS} levels, got {self.steps} steps")
        if self.name == "ddim" and LEVELS % self.steps:
            raise ValueError(f"steps of ddim must divide {LEVELS}, got {self.steps}")
        if not 0 < self.shift < inf or not 0 <= self.eta <= 1:
            raise ValueError(
                f"need finite shift > 0 and eta in [0, 1], got {self.shift}, {self.eta}"
            )


@dataclass(frozen=True)
class Course:
    """A scheduler and the levels that ``x`` has before its first and after each of its steps.

    The scheduler keeps state: one course is good for one pass.
    """

    scheduler: Any
    levels: tuple[Level, ...]
    times: tuple[float, ...]
    """What the network sees in each step. With two calls a step it is not the level of ``x``."""
    keywords: tuple[str, ...] = ()
    """Of ``generator`` and ``eta``: what the scheduler's ``step`` takes."""
    takes_variance: bool = False
    repeatable: bool = True
    """A step depends on ``x`` and its place alone, so that it may be taken again."""

    def __len__(self) -> int:
        return len(self.times)

    def rewind(self, place: int) -> None:
        """Make ``place`` the next step. Schedulers without a counter find it by the time."""
        if hasattr(self.scheduler, "set_begin_index"):
            self.scheduler._step_index = None  # else the beginning is not looked at again
            self.scheduler.set_begin_index(place)


def course(config: SamplerConfig) -> Course:
    """A fresh scheduler of diffusers, set to this sampler's grid.

    Raises:
        MissingExtra: diffusers is not installed.
    """
    return _COURSES[config.name](config)


def _ddpm(config: SamplerConfig) -> Course:
    kinds = {"learned": "learned_range", "small": "fixed_small", "large": "fixed_large"}
    scheduler = _linear("ddpm.DDPMScheduler", config, variance_type=kinds[config.variance])
    grid = spanning_grid(config.steps)
    scheduler.set_timesteps(timesteps=grid)
    learned = config.variance == "learned"
    return _linear_course(scheduler, config, grid, ("generator",), takes_variance=learned)


def _ddim(config: SamplerConfig) -> Course:
    scheduler = _linear("ddim.DDIMScheduler", config, timestep_spacing="trailing")
    scheduler.set_timesteps(config.steps)
    grid = trailing_grid(config.steps)
    assert scheduler.timesteps.tolist() == grid  # it takes no list; it steps by 1000 // steps
    return _linear_course(scheduler, config, grid, ("generator", "eta"))


def _dpm(config: SamplerConfig) -> Course:
    name = "dpmsolver_multistep.DPMSolverMultistepScheduler"
    # We set what its ``set_timesteps`` would: that starts a flow below t = 1, cuts times to
    # integers, may round an equal spacing to one step too many, and warns with numpy 2.
    if config.objective == "flow":
        scheduler = _scheduler(name, prediction_type="flow_prediction", use_flow_sigmas=True)
        scheduler.sigmas = flow_grid(config.steps, config.shift)
        scheduler.timesteps = LEVELS * scheduler.sigmas[:-1]
        scheduler.num_inference_steps = config.steps
        return _flow_course(scheduler, config, repeatable=False)
    scheduler = _scheduler(name)
    grid = trailing_grid(config.steps)
    kept = config.schedule.tables().kept[grid]
    scheduler.sigmas = torch.cat([((1 - kept) / kept).sqrt(), kept.new_zeros(1)]).float()
    scheduler.timesteps = torch.tensor(grid)
    scheduler.num_inference_steps = config.steps
    return _linear_course(scheduler, config, grid, repeatable=False)


def _euler(config: SamplerConfig) -> Course:
    scheduler = _scheduler("flow_match_euler_discrete.FlowMatchEulerDiscreteScheduler")
    # Given sigmas are shifted again by the scheduler's own shift, which is 1 here.
    scheduler.set_timesteps(sigmas=flow_grid(config.steps, config.shift)[:-1].tolist())
    return _flow_course(scheduler, config)


def _heun(config: SamplerConfig) -> Course:
    scheduler = _scheduler("flow_match_heun_discrete.FlowMatchHeunDiscreteScheduler")
    scheduler.set_timesteps(config.steps)
    # It takes no grid, and its own one ends at 0.001 and is shifted twice. It wants the inner
    # places twice, for the two calls of a step.
    grid = flow_grid(config.steps, config.shift)
    doubled = [grid[:1], grid[1:-1].repeat_interleave(2), grid[-1:]]
    scheduler.sigmas = torch.cat(doubled)
    scheduler.timesteps = LEVELS * torch.cat([grid[:1], grid[1:-1].repeat_interleave(2)])
    levels = (_flow_level(grid[0]), *(_flow_level(t) for t in scheduler.sigmas[1:]))
    times = tuple(scheduler.timesteps.tolist())
    return Course(scheduler, levels, times, repeatable=False)


_COURSES = {
    "ddpm": _ddpm, "ddim": _ddim, "dpm++": _dpm, "flow_euler": _euler, "flow_heun": _heun,
}  # fmt: skip


def _scheduler(name: str, **settings: object) -> Any:
    module, _, kind = name.partition(".")
    return getattr(need(f"diffusers.schedulers.scheduling_{module}"), kind)(**settings)


def _linear(name: str, config: SamplerConfig, **settings: object) -> Any:
    """A scheduler with our own table of the linear schedule, and without clipping of the data."""
    scheduler = _scheduler(name, clip_sample=False, num_train_timesteps=LEVELS, **settings)
    # Its own table is a product of 1000 numbers in 32 bits.
    scheduler.alphas_cumprod = config.schedule.tables().kept
    return scheduler


def _linear_course(
    scheduler: Any,
    config: SamplerConfig,
    grid: list[int],
    keywords: tuple[str, ...] = (),
    *,
    takes_variance: bool = False,
    repeatable: bool = True,
) -> Course:
    levels = (*(config.schedule.level(index) for index in grid), DATA)
    times = tuple(float(index) for index in grid)
    return Course(scheduler, levels, times, keywords, takes_variance, repeatable)


def _flow_course(scheduler: Any, config: SamplerConfig, *, repeatable: bool = True) -> Course:
    levels = tuple(_flow_level(t) for t in flow_grid(config.steps, config.shift))
    return Course(
        scheduler, levels, tuple(level.time for level in levels[:-1]), (), False, repeatable
    )


def _flow_level(t: torch.Tensor) -> Level:
    return Level(time=float(LEVELS * t), signal=1 - float(t), noise=float(t))
