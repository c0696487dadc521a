"""Labels out of the town's LiDAR beside the town's exact occupancy, for each window.

    python -m studies.label_quality --clips 30 --frames 2

Prints one JSON line per window and way of treating movers: IoU of occupied cells and of each
class (list occ3d18, with the number of exact cells), over all cells and over the cells that some
ray crossed or hit. Unknown cells count as free where all cells are asked.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
from roadloom.label.scene import SceneLabeller

from roadloom.geometry.voxel_grid import OCC3D
from roadloom.io.progress import show_progress
from roadloom.label.recipe import WINDOWS, Recipe
from roadloom.scene.class_views import view
from roadloom.scene.classes import FREE, UNKNOWN
from roadloom.scene.clip import Clip
from roadloom.town.config import TownConfig
from roadloom.town.source import TownSource
from studies.only_sweeps import with_sweeps

WINDOWS_ASKED = ("frame", "0.5s", "1s", "scene")
MOVING = ("vehicle", "human", "two_wheeler")


def count(exact: np.ndarray, label: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Confusion matrix of occ3d18 classes, rows exact."""
    occ = view("occ3d18")
    rows = occ.apply(exact[where])
    columns = occ.apply(np.where(label == UNKNOWN, FREE, label)[where])
    size = len(occ.names)
    pairs = rows.astype(np.int64) * size + columns
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def scores(matrix: np.ndarray) -> dict[str, object]:
    """IoU of occupied cells with precision and recall, mIoU and each class with its count."""
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
        "miou": round(float((hit[held] / union[held]).mean()), 4),
        "classes": {
            names[i]: [round(float(hit[i] / union[i]), 4), int(matrix[i].sum())]
            for i in np.flatnonzero(held)
        },
    }


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--clips", type=int, default=30, help="of val, evenly spread")
    ask.add_argument("--frames", type=int, default=2, help="key frames of each clip")
    ask.add_argument("--min-hits", type=int, default=1)
    given = ask.parse_args()
    config = TownConfig(image_scale=0.1)
    source = TownSource("val", config)
    chosen = np.linspace(0, len(source.scenes) - 1, given.clips).round().astype(int)
    matrices: dict[tuple[str, bool, str], np.ndarray] = defaultdict(lambda: np.zeros(1, np.int64))
    seconds: dict[tuple[str, bool], list[float]] = defaultdict(list)
    for number in show_progress(chosen.tolist(), desc="clips"):
        clip = Clip(source.open_scene(str(number)))
        assert clip.meta.lidar is not None
        clip = with_sweeps(clip, range(len(clip.reader.records(clip.meta.lidar))))
        keys = np.linspace(0, len(clip) - 1, given.frames + 2).round().astype(int)[1:-1]
        truths = {int(key): clip[int(key)].occupancy(OCC3D).labels for key in keys}
        for window in WINDOWS_ASKED:
            for boxes in (False, True):
                recipe = Recipe(
                    window=WINDOWS[window], boxes=boxes, min_hits=given.min_hits, masks=True
                )
                labeller = SceneLabeller(clip, replace(recipe))
                for key, exact in truths.items():
                    start = time.perf_counter()
                    label = labeller.label(key)
                    seconds[window, boxes].append(time.perf_counter() - start)
                    assert label.mask_lidar is not None
                    everywhere = np.ones(exact.shape, bool)
                    for where, mask in (("all", everywhere), ("observed", label.mask_lidar)):
                        name = (window, boxes, where)
                        matrices[name] = matrices[name] + count(exact, label.labels, mask)
    for (window, boxes, where), matrix in matrices.items():
        line = {
            "study": "label_quality", "window": window, "boxes": boxes, "cells": where,
            "clips": len(chosen), "frames": len(chosen) * given.frames, "min_hits": given.min_hits,
            "seconds_a_label": round(float(np.median(seconds[window, boxes])), 2),
        }  # fmt: skip
        print(json.dumps(line | scores(matrix)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
