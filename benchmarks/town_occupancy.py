"""How fast town makes occupancy: ``python benchmarks/town_occupancy.py [--clips 2]``.

One JSON line per figure, wall time. "frames per second" counts whole 200 x 200 x 16 frames of all
processes together, each with a world of its own; "prepare" runs `roadloom prepare` on some clips
of train (occupancy and layouts at 10 Hz, two processes) and scales hours and gigabytes to all.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import roadloom
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.prepare import Prepared, Request
from roadloom.prepare.run import prepare
from roadloom.town.occupancy.labels import occupancy
from roadloom.town.world import build_world

FRAMES, TRAIN = 60, 700


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=2, help="prepared, to be scaled up")
    clips = parser.parse_args().clips
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    start = time.perf_counter()
    frame = roadloom.open("town-v1:val")[0][8]
    frame.occupancy(OCC3D)
    tell("open a clip, first occupancy", wall_s=time.perf_counter() - start)
    tell("occupancy", wall_s=seconds(lambda: frame.occupancy(OCC3D)))
    tell("occupancy, interiors filled", wall_s=seconds(lambda: frame.occupancy(OCC3D, solid=True)))
    tell("occupancy with masks", wall_s=seconds(lambda: frame.occupancy(OCC3D, masks=True)))
    tell("flow", wall_s=seconds(lambda: frame.occupancy_flow(OCC3D)))
    _ = frame.clip.map
    tell("layout", wall_s=seconds(lambda: frame.layout(OCC3D)))
    context = multiprocessing.get_context("spawn")
    for processes in (1, 2):
        with context.Pool(processes) as pool:
            walls = pool.map(many_frames, range(processes), chunksize=1)
        tell(
            "frames per second of occupancy", processes=processes,
            per_s=sum(FRAMES / wall for wall in walls),
        )  # fmt: skip
    prepare_some(clips)


def prepare_some(clips: int) -> None:
    """Time and size of a part, scaled to all of train."""
    request = Request(source="town-v1:train", occupancy=("occ3d",), layouts=("occ3d",), hz=10)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = prepare(request, folder, workers=2, shard=(0, TRAIN // clips))
        wall = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.zip"))
        share = done.written / TRAIN
        tell(
            "prepare occupancy and layouts of train, 10 Hz, 2 processes", clips=done.written,
            wall_s=wall, hours_for_train=wall / share / 3600, gb_for_train=size / share / 1e9,
        )  # fmt: skip
        clip = Prepared(folder, partial=True)[0]
        tell("read a frame: occupancy", wall_s=seconds(lambda: clip.occupancy(70)))
        tell("read a frame: layout", wall_s=seconds(lambda: clip.layout(70)))


def many_frames(index: int) -> float:
    """Seconds for ``FRAMES`` frames of one clip, its world and kernels ready."""
    world = build_world("val", index)
    times = [world.start_ns + number * 300_000_000 for number in range(FRAMES)]
    occupancy(world, times[0], OCC3D)
    start = time.perf_counter()
    for time_ns in times:
        occupancy(world, time_ns, OCC3D)
    return time.perf_counter() - start


def seconds(action: Callable[[], object], repeats: int = 5) -> float:
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return min(taken)


def tell(case: str, **figures: float) -> None:
    rounded = {name: round(value, 4) for name, value in figures.items()}
    print(json.dumps({"benchmark": "town_occupancy", "case": case, **rounded}), flush=True)


if __name__ == "__main__":
    main()
