"""Optional packages, imported when first needed, with an error that says how to get them."""

from importlib import import_module
from typing import Any

from roadloom.errors import MissingExtra

EXTRAS = {
    "pyarrow": ("av2", "reads Argoverse 2 tables"),
    "av": ("video", "writes H.264 films"),
    "rerun": ("rerun", "writes recordings for the Rerun viewer"),
    "gsplat": ("splat", "blends Gaussians on a GPU"),
    "py123d": ("py123d", "opens logs of the 123D format"),
    "diffusers": ("diffusion", "steps through noise levels"),
    "lightning_fabric": ("train", "spreads training over devices"),
    "tensorboard": ("train", "writes training curves"),
    "msgpack": ("py123d", "opens logs of the 123D format"),
}
"""Package -> (extra of ours that installs it, what it is for)."""


def need(module: str) -> Any:
    """Import ``module``, which may be a submodule of an optional package.

    Raises:
        MissingExtra: it is not installed; the remedy is the command that installs it.
    """
    package = module.partition(".")[0]
    extra, purpose = EXTRAS[package]
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"{package}, which {purpose}, is not installed ({error})",
            remedy=f"pip install 'roadloom[{extra}]'",
        ) from error
