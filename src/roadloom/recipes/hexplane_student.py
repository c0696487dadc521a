"""Recipe of a student that generates in a few steps what its teacher does in many.

Progressive distillation (see ``diffusion.distill``) in one run: with 4 steps at the end and 4
rounds, students of 32, 16, 8 and 4 steps follow each other, each for an equal part of the run
with its own course of the learning rate. The first imitates the teacher, guided or not, at 64
steps; at the beginning of each later round the student as it then is becomes the teacher.

A student may be trained, and stored, as a low-rank difference from its teacher.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.func import functional_call

from roadloom.datasets.latents import LatentFolder
from roadloom.diffusion.distill import StudentGrid, draw_steps, plan, target_velocity
from roadloom.diffusion.objectives import FlowObjective, masked_mean
from roadloom.diffusion.sample import sample
from roadloom.diffusion.seeds import noise_like
from roadloom.errors import BadInput
from roadloom.models.hexplane.conditions import Conditions
from roadloom.models.hexplane.dit_config import DitConfig, dit_tiny
from roadloom.models.hexplane.generator import (
    GeneratorConfig,
    HexPlaneGenerator,
    copy_weights,
    plain_statistics,
)
from roadloom.models.low_rank import LowRankDifference
from roadloom.models.store import load_model
from roadloom.recipes.hexplane_dit import card_of, flow_generator, save_generator
from roadloom.recipes.latents import (
    BALANCE,
    DROPS,
    MOTION,
    PAST_NOISE,
    Drops,
    MadeLatents,
    chosen_windows,
    conditions_of,
    loss_weights,
    open_latents,
    read_batch,
    training_conditions,
    windows_of,
)
from roadloom.recipes.recipe import Recipe
from roadloom.training.config import TrainConfig
from roadloom.training.optimise import cycle_of
from roadloom.training.task import Examples, Step

_SAMPLED = 8
"""Windows that a validation without a limit samples."""


class Distillation(nn.Module):
    """The student and its frozen teacher. All of it is in a checkpoint, so a run goes on exactly.

    Args:
        student: the network that is trained; the teacher begins as its copy.
        teacher: as it was trained, without a grid.
        grids: of the students, round by round.
        guidance: scale by which the first teacher is guided.
        rank: train low-rank differences from the student's first weights, which are frozen; 0:
            all weights.
    """

    stage: Tensor

    def __init__(
        self,
        student: HexPlaneGenerator,
        teacher: HexPlaneGenerator,
        grids: Sequence[StudentGrid],
        guidance: float,
        rank: int = 0,
    ) -> None:
        super().__init__()
        self.student = student.requires_grad_(not rank)
        self.difference = LowRankDifference(student, rank) if rank else None
        self.teacher = teacher.requires_grad_(False)
        self.grids, self.guidance = tuple(grids), guidance
        self.register_buffer("stage", torch.zeros((), dtype=torch.int64))

    def forward(
        self,
        x: Float[Tensor, "batch channel height width"],
        noise: Float[Tensor, "batch channel height width"],
        place: Int64[Tensor, " batch"],
        conditions: Mapping[str, Tensor],
        stage: int,
    ) -> tuple[
        Float[Tensor, "batch channel height width"], Float[Tensor, "batch channel height width"]
    ]:
        """Velocities of the student and of its teacher, at a place of the student's grid.

        Args:
            x: normalised maps.
            place: number of each sample's step, counted from 0 at pure noise.
            stage: number of the round.

        Raises:
            BadInput: the round lies before one that was begun already, or weights are sharded.
        """
        self.enter(stage)
        grid, known = self.grids[stage], Conditions.from_tensors(conditions)
        times = grid.times(place)
        noisy = FlowObjective().corrupt(x, noise, times)
        scale = self.guidance if stage == 0 else 1.0
        target = target_velocity(self.teacher.guided(known, scale), noisy, place, grid)
        if self.difference is None:
            return self.student(noisy, times, known), target
        changed = self.difference(self.student)
        return functional_call(self.student, changed, (noisy, times, known)), target

    def enter(self, stage: int) -> None:
        """Make the student its own teacher where a round begins."""
        if any(hasattr(weights, "device_mesh") for weights in self.student.parameters()):
            raise BadInput(
                "distilling needs all weights in each process", field="--strategy",
                remedy="choose ddp",
            )  # fmt: skip
        begun = int(self.stage)
        if stage < begun:
            raise BadInput(
                f"round {begun + 1} had begun, this would be round {stage + 1}", field="steps",
                remedy="go on with the number of steps that the run was begun with",
            )  # fmt: skip
        if stage > begun:
            copy_weights(self.merged(), self.teacher)
            self.stage.fill_(stage)

    @torch.no_grad()
    def merged(self) -> HexPlaneGenerator:
        """The student as a plain network; itself where all weights are trained."""
        if self.difference is None:
            return self.student
        whole = deepcopy(self.student)
        whole.load_state_dict(self.difference(self.student), strict=False)
        return whole

    def checkpoint_blocks(self) -> Sequence[nn.Module]:
        # computed again, a block would have the weights without the difference
        return [] if self.difference is not None else self.student.checkpoint_blocks()


@dataclass(frozen=True, kw_only=True)
class StudentTask:
    """``validate``: how far samples are from the teacher's own in many steps, see there."""

    data: Path | None
    """As ``recipes.latents`` says; None: made-up latents."""
    teacher: str | Path | None
    """Model folder or name of a model that ships; None: an untrained one, for a plan."""
    steps: int = 4
    """That the last student takes."""
    rounds: int = 4
    """How often the number of steps halves."""
    guidance: float = 1.0
    """By which the first teacher is guided; 1 is none."""
    shift: float = 1.0
    """Of the grids of times; above 1 more steps lie near the noise."""
    drops: Drops = DROPS
    past_noise: float = PAST_NOISE
    """See ``disturb_past``."""
    balance: float = BALANCE
    motion: float = MOTION
    """As of ``hexplane_dit.DitTask``."""
    rank: int = 0
    """Of the student's difference from its teacher; 0: all its weights are its own."""
    dit: DitConfig = field(default_factory=dit_tiny)
    """Of the untrained teacher."""
    made: int = 4_600
    partial: bool = False

    def build(self) -> nn.Module:
        last = StudentGrid(steps=self.steps, shift=self.shift)
        student = HexPlaneGenerator(
            replace(self.config, student=last, guidance=self.guidance, follow_gain=1.0)
        )
        teacher = HexPlaneGenerator(self.config)
        if self.teacher is not None and not student.dit.position.is_meta:
            trained = self._teacher()
            copy_weights(trained, student)
            copy_weights(trained, teacher)
        return Distillation(student, teacher, self.grids, self.guidance, self.rank)

    def examples(self) -> Examples:
        if self.train_folder is None:
            return MadeLatents(config=self.config, count=self.made)
        if self.val_folder is not None:
            windows_of(self.val_folder, self.config)  # refuses now what it would refuse later
        return windows_of(self.train_folder, self.config)

    def loss(
        self, module: nn.Module, batch: Mapping[str, Tensor], step: Step
    ) -> tuple[Tensor, dict[str, Tensor]]:
        latent, stage = batch["latent"], self.stage_of(step)
        conditions = training_conditions(
            batch, self.config, step.seeds, self.drops, self.past_noise
        )
        place = draw_steps(self.grids[stage], step.seeds, latent.device)
        noise = noise_like(step.seeds, latent.shape[1:], device=latent.device)
        said, target = module(latent, noise, place, conditions.tensors(), stage)
        mask = self.config.mask.to(latent.device)
        weights = None if self.weights is None else self.weights.to(latent.device)
        loss = masked_mean((said.float() - target.float()) ** 2, mask, weights).mean()
        return loss, {"student_steps": torch.tensor(float(self.grids[stage].steps))}

    def stage_of(self, step: Step) -> int:
        """The round that an optimiser step belongs to."""
        return cycle_of(step.number, step.total, self.rounds)[0] if step.total else 0

    @torch.no_grad()
    def validate(self, module: nn.Module, limit: int | None) -> dict[str, float]:
        """Mean squared distance to the samples that the first teacher, guided, takes most steps
        for, from the same noise: of the student of this round, ``distance``, and of the first
        teacher at as few steps, ``distance_undistilled``.
        """
        if self.val_folder is None:
            return {}
        assert isinstance(module, Distillation)
        windows = windows_of(self.val_folder, self.config)
        chosen = chosen_windows(len(windows), limit or _SAMPLED)
        batch = read_batch(windows, chosen)
        device = module.stage.device
        conditions = conditions_of(batch, self.config).to(device)
        noise = noise_like(range(len(chosen)), self.config.shape, device=device)
        grid = self.grids[int(module.stage)]
        first = self._teacher().to(device).guided(conditions, self.guidance)
        most = StudentGrid(steps=2 * self.grids[0].steps, shift=self.shift)
        goal = sample(first, noise, most.sampler())
        few = sample(first, noise, grid.sampler())
        own = sample(module.merged().guided(conditions), noise, grid.sampler())
        mask = self.config.mask.to(device)
        return {
            "student_steps": float(grid.steps),
            "distance": float(masked_mean((own - goal) ** 2, mask).mean()),
            "distance_undistilled": float(masked_mean((few - goal) ** 2, mask).mean()),
        }

    def card(self) -> dict[str, Any]:
        told = {
            "about": f"Student that generates 16 frames of 4-D occupancy in {self.steps} steps.",
            "student_steps": self.steps, "rounds": self.rounds, "guidance": self.guidance,
            "rank": self.rank, "shift": self.shift, "drops": self.drops,
            "past_noise": self.past_noise, "balance": self.balance, "motion": self.motion,
        }  # fmt: skip
        if self.teacher is not None:
            told["teacher"] = load_model(self.teacher)[1]["weights_sha256"]
        return told | card_of(self.train_folder)

    @cached_property
    def grids(self) -> tuple[StudentGrid, ...]:
        """Of the rounds."""
        counts = plan(self.steps << self.rounds, self.steps)
        return tuple(StudentGrid(steps=count, shift=self.shift) for count in counts)

    @cached_property
    def weights(self) -> Tensor | None:
        return loss_weights(self.config, self.balance, self.motion)

    @cached_property
    def config(self) -> GeneratorConfig:
        """Of the teacher."""
        if self.teacher is None:
            return GeneratorConfig(
                dit=self.dit, flow=FlowObjective(),
                statistics=plain_statistics(self.dit.channels), carry_past=self.dit.hold_past,
            )  # fmt: skip
        return self._teacher().config

    @cached_property
    def train_folder(self) -> LatentFolder | None:
        return self._folder("train")

    @cached_property
    def val_folder(self) -> LatentFolder | None:
        return self._folder("val")

    def _folder(self, part: str) -> LatentFolder | None:
        return None if self.data is None else open_latents(self.data, part, partial=self.partial)

    def _teacher(self) -> HexPlaneGenerator:
        if self.teacher is None:
            return HexPlaneGenerator(self.config).eval()
        return flow_generator(self.teacher, "--teacher")


def save_student(
    module: nn.Module, folder: Path, card: dict[str, Any], *, teacher: str | Path | None = None
) -> None:
    """The student alone, as a generator's folder; or what it differs by from its ``teacher``."""
    assert isinstance(module, Distillation)
    if module.difference is None:
        return save_generator(module.student, folder, card)
    save_generator(
        module.merged(), folder, card, base=teacher, difference=module.difference.tensors()
    )


def hexplane_student_tiny(
    data: Path | None,
    *,
    teacher: str | Path | None = None,
    student_steps: int = 4,
    student_rank: int = 16,
    guidance: float = 1.0,
) -> Recipe:
    """A student of ``hexplane_dit_tiny``, or of any other that was trained on the flow.

    Raises:
        BadInput: data without a teacher, or numbers out of range.
    """
    if data is not None and teacher is None:
        raise BadInput(
            "a student needs a teacher", field="--teacher",
            remedy="name the model folder of a hexplane_dit run",
        )  # fmt: skip
    if student_steps < 1:
        raise BadInput("a student takes 1 step or more", field="--student-steps")
    if student_rank < 0:
        raise BadInput("a rank is 0 (all weights) or more", field="--student-rank")
    if not isfinite(guidance):
        raise BadInput(
            f"must be finite, got {guidance}", field="--guidance", remedy="leave it out, or take 2"
        )
    rounds = 3
    return Recipe(
        name="hexplane_student_tiny",
        about="student of a transformer over latents, few steps; 2 CPU cores",
        task=StudentTask(
            data=data, teacher=teacher, steps=student_steps, rounds=rounds, guidance=guidance,
            rank=student_rank, shift=3.0,
        ),
        train=TrainConfig(
            steps=4_000, batch=8, learning_rate=1e-3, cycles=rounds, warmup_steps=20,
            ema_decay=0.99, precision="bf16", save_every=100,
        ),
        save=partial(save_student, teacher=teacher),
    )  # fmt: skip
