"""``roadloom plan``: what a training run will take, before it runs."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from roadloom.cli.command import Command
from roadloom.errors import BadInput

if TYPE_CHECKING:
    from roadloom.recipes.recipe import Recipe
    from roadloom.training.config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class OfRecipe(Command):
    """What planning and training share."""

    recipe: Annotated[str, tyro.conf.Positional]
    """Name of a recipe, such as hexplane_vae_tiny."""
    steps: int | None = None
    """Optimiser steps, in place of the recipe's; the learning rate's course is spread over them."""
    micro_batch: int | None = None
    """Examples that go through the network at once: fewer take less memory, and give the same where
    a loss is a mean over examples."""
    workers: int | None = None
    """Processes that read examples ahead; 0 reads in the loop."""
    device: str = "auto"
    """cpu or cuda; the GPU if there is one."""
    partial: bool = False
    """Take prepared folders that are still being written, or hold a part, with what is there."""
    teacher: str | None = None
    """Model folder, or name of a model that ships, that a student learns from."""
    start: str | None = None
    """Model folder, or name of a model that ships, whose weights a recipe of a transformer begins
    with; its network must be the recipe's."""
    student_steps: int | None = None
    """That a student takes in the end."""
    student_rank: int | None = None
    """Of the matrices by which a student differs from its teacher, whose folder it then needs; 0:
    it has all weights of its own."""
    guidance: float | None = None
    """Scale of the guidance that a student has built in."""

    def find(self, data: Path | None) -> "Recipe":
        """The recipe, with the choices that the flags name."""
        from roadloom.recipes.registry import find_recipe

        return find_recipe(
            self.recipe, data, partial=self.partial or None, teacher=self.teacher,
            start=self.start, student_steps=self.student_steps, student_rank=self.student_rank,
            guidance=self.guidance,
        )  # fmt: skip

    def settings(self, config: "TrainConfig") -> "TrainConfig":
        """The recipe's settings with those that the flags name."""
        named = {name: getattr(self, name) for name in ("steps", "micro_batch", "workers")}
        try:
            return replace(config, **{k: v for k, v in named.items() if v is not None})
        except ValueError as error:
            raise BadInput(str(error), remedy="give another number") from error


@dataclass(frozen=True, kw_only=True)
class Plan(OfRecipe):
    """Say what a run will take on this machine: parameters, memory, time and disk.

    A few steps are really run, in a process of their own, and scaled up.
    Example: roadloom plan hexplane_vae_tiny --data cache
    """

    data: Path | None = None
    """Folder that the run will read; made-up examples if left out."""
    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        from roadloom.training.plan import plan

        recipe = self.find(self.data)
        made = plan(recipe.task, self.settings(recipe.train), self.device, save=recipe.save)
        text = json.dumps(made.as_json(), indent=2) if self.json else made.table()
        sys.stdout.write(f"{text}\n")
        return 0
