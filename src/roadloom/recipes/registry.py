"""All recipes by name. A new one is a function and a line here."""

from collections.abc import Callable
from pathlib import Path

from roadloom.errors import BadInput
from roadloom.recipes.features import features_scene_tiny, features_view_tiny
from roadloom.recipes.hexplane_vae import (
    hexplane_vae_base,
    hexplane_vae_paper,
    hexplane_vae_small,
    hexplane_vae_tiny,
)
from roadloom.recipes.recipe import Recipe

RECIPES: dict[str, Callable[[Path | None], Recipe]] = {
    "features_scene_tiny": features_scene_tiny,
    "features_view_tiny": features_view_tiny,
    "hexplane_vae_tiny": hexplane_vae_tiny,
    "hexplane_vae_small": hexplane_vae_small,
    "hexplane_vae_base": hexplane_vae_base,
    "hexplane_vae_paper": hexplane_vae_paper,
}
"""Name, such as ``hexplane_vae_tiny`` -> the recipe that reads a folder. Given None it stands on
made-up examples of the same shapes and count, which serve a plan and nothing else."""


def find_recipe(name: str, data: Path | None) -> Recipe:
    """The recipe of this name over a folder.

    Raises:
        BadInput: there is none of this name, or it cannot read the folder.
    """
    if name not in RECIPES:
        raise BadInput(
            f"{name!r} is no recipe", field="RECIPE",
            remedy=f"choose one of {', '.join(sorted(RECIPES)) or 'none yet'}",
        )  # fmt: skip
    return RECIPES[name](data)
