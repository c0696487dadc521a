"""How fast cameras see the town: ``python benchmarks/town_camera.py [--scene 0] [--threads 2]``.

One JSON line per figure: seconds on the clock, best of three, kernels compiled.
"""

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from roadloom.sensors.presets import preset
from roadloom.sensors.rig import MountedCamera
from roadloom.town.camera.view import View
from roadloom.town.world import World, build_world

SECOND = 5
"""Of the clip."""


def seconds(action: Callable[[], object], repeats: int = 3) -> float:
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return min(taken)


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
    start = time.perf_counter()
    world = build_world("val", options.scene)
    triangles = len(world.tables)
    tell("build the world", seconds=time.perf_counter() - start, triangles=triangles)
    start = time.perf_counter()
    see(world, six(32, 32), 4, 1)
    tell("first picture, kernels compiled or loaded", seconds=time.perf_counter() - start)
    for width, height, rays, threads in (
        (256, 256, 0, options.threads),
        (256, 256, 1, options.threads),
        (256, 256, 4, 1),
        (256, 256, 4, options.threads),
        (1600, 900, 1, options.threads),
        (1600, 900, 4, options.threads),
    ):
        mounts = six(width, height)
        see(world, mounts, min(rays, 1), threads)
        taken = seconds(lambda: see(world, mounts, rays, threads), 3 if width < 1000 else 1)  # noqa: B023
        tell(
            f"six {width} x {height}, depth and classes"
            + (f", colour of {rays} rays a pixel" if rays else ""),
            seconds=taken, threads=threads,
        )  # fmt: skip


def tell(case: str, **figures: float) -> None:
    rounded = {name: round(value, 4) for name, value in figures.items()}
    print(json.dumps({"benchmark": "town_camera", "case": case, **rounded}), flush=True)


if __name__ == "__main__":
    main()
