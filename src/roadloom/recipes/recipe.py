"""A recipe: everything that one training run needs to know, under one name."""

from dataclasses import dataclass

from roadloom.training.config import TrainConfig
from roadloom.training.export import SaveModel
from roadloom.training.task import Task


@dataclass(frozen=True, kw_only=True)
class Recipe:
    name: str
    about: str
    """One line: what is trained, on what machine, in what time."""
    task: Task
    train: TrainConfig
    save: SaveModel | None = None
    """Writes the trained model's folder; a function of a module, so that a plan can try it."""
