"""How long labels of one key frame take on one core: one JSON line per measurement.

    python benchmarks/labelling.py

The clip is the built-in town (32 beams x 1,084 columns, 20 turns a second, 400 sweeps in 20 s),
the grid that of Occ3D, with boxes and classes. ``s_per_frame`` is processor time of a key frame in
the middle of the drive with its sweeps ready, the best of several; a sweep is made ready once for
all the frames that it serves, and at 2 key frames a second each frame adds ten new ones:
``s_per_frame_with_sweeps`` counts them in. Drawing the town's sweeps and the cameras' mask are
not in it; the latter is its own line.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace

import roadloom
from roadloom.label.camera_mask import camera_mask
from roadloom.label.recipe import WINDOWS, Recipe
from roadloom.label.scene import SceneLabeller
from roadloom.label.window import sweeps_within
from roadloom.scene.clip import Clip

KEY = 20
NEW_SWEEPS = 10
"""Between two key frames at 2 Hz."""


class Held:
    """Sweeps of a clip's reader, each drawn beforehand."""

    def __init__(self, clip: Clip, records: range) -> None:
        self.sweeps = {i: clip.sweeps[clip.rig.lidar_names[0]][i] for i in records}

    def __call__(self, lidar: str, record: int) -> object:
        return self.sweeps[record]


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Processor time, the best of several runs after one that compiles."""
    run()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return min(taken)


def ready_s(clip: Clip, recipe: Recipe) -> float:
    """Seconds to make one sweep ready, its points at hand."""
    first = 200
    held = Held(clip, range(first, first + NEW_SWEEPS))
    labeller = SceneLabeller(clip, recipe)
    clip.reader.sweep = held  # type: ignore[method-assign]
    del clip.__dict__["sweeps"]  # its streams hold the old one
    name = clip.rig.lidar_names[0]

    def run() -> None:
        for record in held.sweeps:
            labeller._maker.ready(name, record)

    taken = seconds(run, 3) / NEW_SWEEPS
    del clip.reader.sweep
    del clip.__dict__["sweeps"]
    return taken


def main() -> None:
    clip = roadloom.open("town-v1:val:3")[0]
    recipe = Recipe(masks=False)
    once = ready_s(clip, recipe)
    print_line(measure="one sweep made ready", ms=round(1e3 * once, 1))
    labeller = SceneLabeller(clip, recipe)
    for name in ("scene", "1s", "frame"):
        labeller.recipe = replace(recipe, window=WINDOWS[name])
        window = sweeps_within(clip, KEY, WINDOWS[name])
        taken = seconds(lambda: labeller.label(KEY), 3)
        new = min(NEW_SWEEPS, len(window))
        print_line(
            measure="labels of a key frame", window=name, sweeps=len(window),
            rays=sum(len(s.standing.ends) for s in labeller._sweeps(window)),
            s_per_frame=round(taken, 3), s_per_frame_with_sweeps=round(taken + new * once, 3),
            aim_s=2.0 if name == "scene" else None,
        )  # fmt: skip
    found = labeller.label(KEY)
    taken = seconds(lambda: camera_mask(clip.rig, found), 2)
    print_line(measure="mask of six cameras", s_per_frame=round(taken, 3))


def print_line(**facts: object) -> None:
    print(json.dumps({"benchmark": "labelling", **facts}), flush=True)


if __name__ == "__main__":
    main()
