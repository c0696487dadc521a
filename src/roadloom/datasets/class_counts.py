"""How many cells each class has over a set of windows, and the weights that follow for a loss.

    OccupancyWindows -> class_counts -> class_weights -> cross-entropy

Every frame counts once, however many windows it is in; so do cells that were not observed, as in
the published counts (DynamicCity, arXiv 2410.18084).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from roadloom.datasets.windows import OccupancyWindows
from roadloom.errors import BadInput
from roadloom.io.atomic import write_json
from roadloom.io.progress import show_progress
from roadloom.io.read import exists, read_json

SCHEMA = 1
SMALLEST_SHARE = 1e-10
"""Added to each share by the published weights, so that an absent class gets a finite one."""


@dataclass(frozen=True, kw_only=True)
class ClassCounts:
    names: tuple[str, ...]
    """Of the view's classes."""
    cells: tuple[int, ...]
    """Of each class; ignored cells are not counted."""

    def __post_init__(self) -> None:
        if len(self.names) != len(self.cells) or min(self.cells) < 0 or not sum(self.cells):
            raise ValueError(f"no counts of {len(self.names)} classes: {self.cells}")

    @property
    def shares(self) -> tuple[float, ...]:
        return tuple(n / sum(self.cells) for n in self.cells)

    def weights(
        self, absent: Literal["largest", "published"] = "largest"
    ) -> Float32[Tensor, " view"]:
        """(largest share / share) ** (1/3) of each class.

        Args:
            absent: what a class gets that no cell has. ``largest``: as much as the rarest class
                that is there; ``published``: what a share of ``SMALLEST_SHARE`` gets. A class
                without cells has no part in a loss on the data that was counted, but may have on
                other data.
        """
        shares = np.array(self.shares)
        weights = np.cbrt(shares.max() / (shares + SMALLEST_SHARE))
        if absent == "largest":
            weights[shares == 0] = weights[shares > 0].max()
        return torch.from_numpy(weights.astype(np.float32))


def class_counts(windows: OccupancyWindows, cache: str | Path | None = None) -> ClassCounts:
    """Count every frame of the windows' scenes, thinned as the windows are.

    Args:
        cache: a JSON file. If it holds the counts of this very data and view they are taken from
            it; else it is written anew.

    Raises:
        BadInput: the file holds something else than counts.
    """
    identity = windows.identity()
    if cache is not None and exists(cache):
        found = read_json(cache)
        if not isinstance(found, dict) or found.get("roadloom_class_counts") != SCHEMA:
            raise BadInput(
                "holds no counts of classes", file=cache, field="roadloom_class_counts",
                remedy="name another file",
            )  # fmt: skip
        if found.get("identity") == identity:
            return _read(found, windows, cache)
    cells = np.zeros(256, np.int64)
    every = [(s, f) for s, scene in enumerate(windows.scenes) for f in range(len(scene.numbers))]
    for scene, frame in show_progress(every, desc="counting classes", unit="frame"):
        cells += np.bincount(windows.frame(scene, frame)[0].ravel(), minlength=256)
    names = windows.view.names
    if not cells[: len(names)].sum():
        raise BadInput("no cell has a class", field="windows", remedy="name data with labels")
    counts = ClassCounts(names=names, cells=tuple(cells[: len(names)].tolist()))
    if cache is not None:
        told = {"roadloom_class_counts": SCHEMA, "identity": identity}
        write_json(cache, told | {"names": list(names), "cells": list(counts.cells)})
    return counts


def _read(found: dict, windows: OccupancyWindows, cache: str | Path) -> ClassCounts:
    cells = found.get("cells")
    if not isinstance(cells, list) or not all(type(n) is int for n in cells):
        raise BadInput("are no numbers", file=cache, field="cells", remedy="delete the file")
    try:
        return ClassCounts(names=windows.view.names, cells=tuple(cells))
    except ValueError as error:
        raise BadInput(str(error), file=cache, field="cells", remedy="delete the file") from error
