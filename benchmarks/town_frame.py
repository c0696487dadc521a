"""How fast town makes everything at once: ``python benchmarks/town_frame.py [--clip 0]``.

A whole key frame is six pictures at the default scale with depth and semantics, the sweep, boxes
with points and visibility, occupancy on OCC3D and its layout. One JSON line per figure, wall time;
"key frames per second" counts those of all processes together, each with a clip of its own.
"""

import argparse
import json
import multiprocessing
import os
import time

from roadloom.geometry.voxel_grid import OCC3D
from roadloom.scene.clip import Clip, Frame
from roadloom.town.config import TownConfig
from roadloom.town.source import TownReader

FRAMES = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=int, default=0)
    index = parser.parse_args().clip
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    everything(clip_of(index)[0])  # kernels are compiled or loaded
    start = time.perf_counter()
    clip = clip_of(index + 1)
    reader = clip.reader
    assert isinstance(reader, TownReader)
    _ = reader.world
    tell("draw a clip's plan", wall_s=time.perf_counter() - start)
    start = time.perf_counter()
    triangles = len(reader.world.tables)
    tell("build its meshes", wall_s=time.perf_counter() - start, triangles=triangles)
    start = time.perf_counter()
    everything(clip[8])
    tell("its first key frame", wall_s=time.perf_counter() - start)
    walls = [timed(clip[key]) for key in range(9, 9 + FRAMES)]
    tell("a whole key frame", wall_s=min(walls), median_s=sorted(walls)[len(walls) // 2])
    cores = len(os.sched_getaffinity(0))
    for processes in [1, 2, *([16] if cores >= 16 else [])]:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            taken = pool.map(many_frames, range(processes), chunksize=1)
        rate = sum(FRAMES / wall for wall in taken)
        tell("key frames per second", processes=processes, per_s=rate)


def clip_of(index: int) -> Clip:
    return Clip(TownReader("val", index, TownConfig()))


def everything(frame: Frame) -> None:
    for name in frame.clip.rig.camera_names:
        _ = frame.image(name).pixels
        frame.extra_image("depth", name)
        frame.extra_image("semantic", name)
    frame.lidar()
    _ = frame.boxes
    frame.occupancy(OCC3D)
    frame.layout(OCC3D)


def timed(frame: Frame) -> float:
    start = time.perf_counter()
    everything(frame)
    return time.perf_counter() - start


def many_frames(index: int) -> float:
    """Seconds for ``FRAMES`` key frames of one clip, its world and kernels ready."""
    clip = clip_of(index)
    everything(clip[1])
    return sum(timed(clip[key]) for key in range(2, 2 + FRAMES))


def tell(case: str, **figures: float) -> None:
    rounded = {name: round(value, 4) for name, value in figures.items()}
    print(json.dumps({"benchmark": "town_frame", "case": case, **rounded}), flush=True)


if __name__ == "__main__":
    main()
