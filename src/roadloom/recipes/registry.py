"""All recipes by name. A new one is a function and a line here."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from roadloom.errors import BadInput
from roadloom.recipes.features import features_scene_tiny, features_view_tiny
from roadloom.recipes.hexplane_dit import (
    hexplane_dit_base,
    hexplane_dit_paper,
    hexplane_dit_small,
    hexplane_dit_tiny,
    hexplane_drive_tiny,
)
from roadloom.recipes.hexplane_student import hexplane_student_tiny
from roadloom.recipes.hexplane_vae import (
    hexplane_vae_base,
    hexplane_vae_paper,
    hexplane_vae_small,
    hexplane_vae_tiny,
)
from roadloom.recipes.recipe import Recipe

RECIPES: dict[str, Callable[..., Recipe]] = {
    "features_scene_tiny": features_scene_tiny,
    "features_view_tiny": features_view_tiny,
    "hexplane_dit_tiny": hexplane_dit_tiny,
    "hexplane_dit_small": hexplane_dit_small,
    "hexplane_dit_base": hexplane_dit_base,
    "hexplane_dit_paper": hexplane_dit_paper,
    "hexplane_drive_tiny": hexplane_drive_tiny,
    "hexplane_student_tiny": hexplane_student_tiny,
    "hexplane_vae_tiny": hexplane_vae_tiny,
    "hexplane_vae_small": hexplane_vae_small,
    "hexplane_vae_base": hexplane_vae_base,
    "hexplane_vae_paper": hexplane_vae_paper,
}
"""Name, such as ``hexplane_vae_tiny`` -> the recipe that reads a folder. Given None it stands on
made-up examples of the same shapes and count, which serve a plan and nothing else. Keywords are
choices that only some recipes have, each with a default."""


def find_recipe(name: str, data: Path | None, **choices: Any) -> Recipe:
    """The recipe of this name over a folder.

    Args:
        choices: keywords of the recipe, such as a student's ``teacher``; None: its default.

    Raises:
        BadInput: there is none of this name, it has no such choice, or it cannot read the folder.
    """
    if name not in RECIPES:
        raise BadInput(
            f"{name!r} is no recipe", field="RECIPE",
            remedy=f"choose one of {', '.join(sorted(RECIPES)) or 'none yet'}",
        )  # fmt: skip
    made = {key: value for key, value in choices.items() if value is not None}
    for key in made.keys() - inspect.signature(RECIPES[name]).parameters.keys():
        raise BadInput(
            f"{name} has no such choice", field="--" + key.replace("_", "-"),
            remedy="leave it out, or choose a recipe that has it",
        )  # fmt: skip
    return RECIPES[name](data, **made)
