"""Labelling with a labeller that is slow and simple: ``python -m tests.label.slow_run SOURCE OUT``.

For tests that kill or interrupt a run at any moment. It stands in worker processes too, as they
import this module again.
"""

import sys
import time

import numpy as np

import roadloom.label.scene
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.label.recipe import Recipe
from roadloom.label.run import label_source
from roadloom.scene.clip import Clip
from roadloom.scene.occupancy import Occupancy

SMALL = VoxelGrid(lower_m=(-4.0, -4.0, -1.0), cell_m=(0.5, 0.5, 0.5), shape=(16, 16, 5))
RECIPE = Recipe(grid=SMALL, future_offsets=(0, 1))


class SlowLabeller:
    """Noise that depends on scene, key frame and offset."""

    seconds = 0.03
    made: list[tuple[str, int, int]] = []

    def __init__(self, clip: Clip, recipe: Recipe, *, partial: bool = False) -> None:
        self.clip, self.recipe = clip, recipe

    def label(self, key: int, offset: int = 0) -> Occupancy:
        self.made.append((self.clip.scene_id, key, offset))
        time.sleep(self.seconds)
        rng = np.random.default_rng([*self.clip.scene_id.encode(), key, offset])
        labels = rng.choice(np.array([0, 19, 255], np.uint8), self.recipe.grid.shape)
        return Occupancy(grid=self.recipe.grid, labels=labels, frame=self.recipe.frame)


if __name__ in ("__main__", "__mp_main__"):
    roadloom.label.scene.SceneLabeller = SlowLabeller  # type: ignore[misc,assignment]
if __name__ == "__main__":
    print(label_source(sys.argv[1], RECIPE, sys.argv[2], workers=2))
