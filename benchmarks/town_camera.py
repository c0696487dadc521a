"""How fast cameras see the town: ``python benchmarks/town_camera.py [--scene 0] [--threads 2]``.

One JSON line per figure, kernels compiled: seconds on the clock and of all processors, best of
three (of one for large pictures). Pictures have sun shadows, surroundings and mirrors.
"""

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from roadloom.sensors.presets import preset
from roadloom.sensors.rig import MountedCamera
from roadloom.town.camera.view import View
from roadloom.town.world import World, build_world

SECOND = 5
"""Of the clip."""


def seconds(action: Callable[[], object], repeats: int = 3) -> dict[str, float]:
    """The least of wall and of processor time."""
    walls, processors = [], []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        action()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return {"wall_s": min(walls), "cpu_s": min(processors)}


def six(width: int, height: int) -> list[MountedCamera]:
    return [
        replace(mounted, camera=mounted.camera.resize(width, height))
        for mounted in preset("nuscenes").cameras
    ]


def see(world: World, mounts: list[MountedCamera], rays_per_pixel: int, threads: int) -> None:
    """Depth and classes, and with rays the picture, of all cameras, one camera a thread."""

    def one(mounted: MountedCamera) -> None:
        view = View.of(world, mounted, world.start_ns + SECOND * 10**9)
        _ = view.depth, view.semantic
        if rays_per_pixel:
            view.pixels(rays_per_pixel)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, mounts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    start = time.process_time()
    world = build_world("val", options.scene)
    tell("draw the plan", cpu_s=time.process_time() - start)
    start = time.process_time()
    standing, triangles = len(world.standing_mesh), len(world.tables)
    tell(
        "build its meshes", cpu_s=time.process_time() - start, standing=standing,
        triangles=triangles,
    )  # fmt: skip
    start = time.perf_counter()
    see(world, six(32, 32), 4, 1)
    tell("first picture, kernels compiled or loaded", wall_s=time.perf_counter() - start)
    counts = sorted({1, options.threads})
    cases = [(256, 256, 0, 1), (256, 256, 1, 1), *((256, 256, 4, count) for count in counts)]
    cases += [(1600, 900, 1, counts[-1]), *((1600, 900, 4, count) for count in counts)]
    for width, height, rays, threads in cases:
        mounts = six(width, height)
        see(world, mounts if width < 1000 else mounts[:1], min(rays, 1), threads)
        taken = seconds(partial(see, world, mounts, rays, threads), 3 if width < 1000 else 1)
        tell(
            f"six {width} x {height}, depth and classes"
            + (f", colour of {rays} rays a pixel" if rays else ""),
            threads=threads, **taken,
        )  # fmt: skip


def tell(case: str, **figures: float) -> None:
    rounded = {name: round(value, 4) for name, value in figures.items()}
    print(json.dumps({"benchmark": "town_camera", "case": case, **rounded}), flush=True)


if __name__ == "__main__":
    main()
