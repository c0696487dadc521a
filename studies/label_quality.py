"""Labels out of the town's LiDAR beside the town's exact occupancy, for each window.

    python -m studies.label_quality --clips 30 --frames 2 --workers 2 --out label_quality.jsonl

Prints one JSON line per window and way of treating movers: IoU of occupied cells and of each
class (list occ3d18, with the number of exact cells), over all cells and over those that the label
knows. Where all cells are asked, unknown ones count as free. Exact is what surfaces fill
(``solid=False``): what lies inside a car or a house no LiDAR can say, so it is not asked.

``--out`` is written anew after each clip, with the clips so far; lines go to standard output at
the end. ``seconds_a_label`` is processor time with the sweeps at hand, the median of the labels;
``ready_ms`` that of making one sweep ready, which is done once for all labels.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from roadloom.geometry.voxel_grid import OCC3D
from roadloom.io.atomic import write_text
from roadloom.io.workers import each_shown
from roadloom.label.recipe import WINDOWS, Recipe
from roadloom.label.scene import SceneLabeller
from roadloom.label.window import sweeps_within
from roadloom.scene.class_views import view
from roadloom.scene.classes import FREE, UNKNOWN
from roadloom.scene.clip import Clip
from roadloom.town.config import TownConfig
from roadloom.town.source import TownSource
from studies.only_sweeps import with_sweeps

WINDOWS_ASKED = ("frame", "0.5s", "1s", "scene")
Name = tuple[str, bool]
"""Window, and whether movers are carried with their boxes."""


@dataclass
class Tally:
    """What is counted, of one clip or of several."""

    clips: int = 0
    matrices: dict[tuple[Name, str], np.ndarray] = field(default_factory=dict)
    seconds: dict[Name, list[float]] = field(default_factory=lambda: defaultdict(list))
    ready_s: dict[bool, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, other: "Tally") -> None:
        self.clips += other.clips
        for name, matrix in other.matrices.items():
            self.matrices[name] = self.matrices.get(name, 0) + matrix
        for key, seconds in other.seconds.items():
            self.seconds[key] += seconds
        for boxes, ready in other.ready_s.items():
            self.ready_s[boxes] += ready


def count(exact: np.ndarray, label: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Confusion matrix of occ3d18 classes, rows exact."""
    occ = view("occ3d18")
    rows = occ.apply(exact[where])
    columns = occ.apply(np.where(label == UNKNOWN, FREE, label)[where])
    size = len(occ.names)
    pairs = rows.astype(np.int64) * size + columns
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def tally_of(number: int, frames: int, recipe: Recipe) -> Tally:
    """Labels of some key frames of one clip. Sweeps are made ready once for all windows: those of
    the whole drive, which the other windows share."""
    clip = Clip(TownSource("val", TownConfig(image_scale=0.1)).open_scene(str(number)))
    lidar = clip.rig.lidar_names[0]
    every = range(len(clip.reader.records(lidar)))
    clip = with_sweeps(clip, every)
    for record in every:
        clip.sweeps[lidar][record]  # drawn, and kept
    keys = np.linspace(0, len(clip) - 1, frames + 2).round().astype(int)[1:-1].tolist()
    truths = {key: clip[key].occupancy(OCC3D).labels for key in keys}
    found = Tally(clips=1)
    for boxes in (False, True):
        labeller = SceneLabeller(clip, replace(recipe, boxes=boxes))
        start = time.process_time()
        labeller._sweeps(sweeps_within(clip, keys[0], WINDOWS["scene"]))
        found.ready_s[boxes].append((time.process_time() - start) / len(every))
        for window in WINDOWS_ASKED:
            labeller.recipe = replace(recipe, boxes=boxes, window=WINDOWS[window])
            for key, exact in truths.items():
                start = time.process_time()
                label = labeller.label(key).labels
                found.seconds[window, boxes].append(time.process_time() - start)
                known = {"all": np.ones(exact.shape, bool), "observed": label != UNKNOWN}
                for where, mask in known.items():
                    name = ((window, boxes), where)
                    matrix = count(exact, label, mask)
                    found.matrices[name] = found.matrices.get(name, 0) + matrix
    return found


def scores(matrix: np.ndarray) -> dict[str, object]:
    """IoU of occupied cells with precision and recall, the share of free cells that are occupied
    in truth, mIoU and each class with its count."""
    names = view("occ3d18").names
    free = names.index("free")
    solid = np.arange(len(names)) != free
    both = matrix[np.ix_(solid, solid)].sum()
    labelled, exact = matrix[:, solid].sum(), matrix[solid].sum()
    hit = np.diag(matrix)
    union = matrix.sum(0) + matrix.sum(1) - hit
    held = solid & (matrix.sum(1) > 0)
    return {
        "iou": round(float(both / (labelled + exact - both)), 4),
        "precision": round(float(both / max(labelled, 1)), 4),
        "recall": round(float(both / exact), 4),
        "free_wrong": round(float(matrix[solid, free].sum() / max(matrix[:, free].sum(), 1)), 4),
        "miou": round(float((hit[held] / union[held]).mean()), 4),
        "classes": {
            names[i]: [round(float(hit[i] / union[i]), 4), int(matrix[i].sum())]
            for i in np.flatnonzero(held)
        },
    }


def lines(found: Tally, frames: int, recipe: Recipe) -> list[str]:
    """One JSON line for each window, treatment of movers and set of cells."""
    out = []
    for ((window, boxes), where), matrix in found.matrices.items():
        line = {
            "study": "label_quality", "window": window, "boxes": boxes, "cells": where,
            "clips": found.clips, "frames": found.clips * frames, "min_hits": recipe.min_hits,
            "carve_ground": recipe.carve_ground,
            "seconds_a_label": round(float(np.median(found.seconds[window, boxes])), 3),
            "ready_ms": round(1e3 * float(np.median(found.ready_s[boxes])), 1),
        }  # fmt: skip
        out.append(json.dumps(line | scores(matrix)))
    return out


def main() -> None:
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ask.add_argument("--clips", type=int, default=30, help="of val, evenly spread")
    ask.add_argument("--frames", type=int, default=2, help="key frames of each clip")
    ask.add_argument("--min-hits", type=int, default=Recipe().min_hits)
    ask.add_argument(
        "--carve-ground", action=argparse.BooleanOptionalAction, default=Recipe().carve_ground
    )
    ask.add_argument("--workers", type=int, default=1)
    ask.add_argument("--out", type=Path, help="file for the lines")
    given = ask.parse_args()
    recipe = Recipe(min_hits=given.min_hits, carve_ground=given.carve_ground, masks=False)
    last = len(TownSource("val", TownConfig()).scenes) - 1
    chosen = np.linspace(0, last, given.clips).round().astype(int).tolist()
    task = partial(tally_of, frames=given.frames, recipe=recipe)
    whole = Tally()
    for one in each_shown(task, chosen, given.workers, what="labels", unit="clip"):
        whole.add(one)
        if given.out:
            write_text(given.out, "\n".join(lines(whole, given.frames, recipe)) + "\n")
    sys.stdout.write("\n".join(lines(whole, given.frames, recipe)) + "\n")


if __name__ == "__main__":
    main()
