"""At the end of a run: its averaged weights as a model folder, ``OUT/model``."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from roadloom.io.atomic import atomic_folder
from roadloom.training.task import Task

SaveModel = Callable[[nn.Module, Path, dict[str, Any]], None]
"""Writes a module (on the CPU, evaluation mode) and what its card must say into a folder that is
there and empty; the models bring it, as they know their own layout."""


def export_model(
    task: Task,
    parts: Mapping[str, Mapping[str, Tensor]],
    facts: Mapping[str, Any],
    save: SaveModel,
    out: Path,
) -> Path:
    """Write ``out/model``, whole or not at all.

    Args:
        task: builds the module anew, and tells of its data.
        parts: all state, as a checkpoint has it.
        facts: about the training, for the card.
        save: writes the folder.
        out: folder of the run.
    """
    module = task.build()
    module.load_state_dict({**parts["model"], **parts.get("ema", {})})
    module.requires_grad_(False).eval()
    target = out / "model"
    with atomic_folder(target) as temporary, torch.no_grad():
        save(module, temporary, {**task.card(), **facts})
    return target
