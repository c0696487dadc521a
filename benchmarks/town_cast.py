"""How fast town-v1 casts rays: ``python benchmarks/town_cast.py [--scene 0] [--processes 2]``.

One JSON line per figure. Rays: seconds of processor time of one thread, best of three. Sweeps and
boxes: also sweeps a second of several processes together, by the wall.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.synchronize import Barrier

import numpy as np

from roadloom.sensors.presets import preset
from roadloom.town.annotations import annotate
from roadloom.town.camera.view import View
from roadloom.town.cast.caster import caster_of
from roadloom.town.lidar.see import hits_of, see
from roadloom.town.rays import camera_rays
from roadloom.town.world import World, build_world

TURN_NS = 50_000_000
SWEEPS = 60
SUN = np.array([0.48, 0.6, 0.64])


def seconds(action: Callable[[], object], repeats: int = 3) -> float:
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()

    start = time.perf_counter()
    world = build_world("val", options.scene)
    triangles = len(world.tables)
    tell("draw and build a world", wall_s=time.perf_counter() - start)
    start = time.perf_counter()
    caster_of(world)
    tell(
        "build the standing BVH", wall_s=time.perf_counter() - start,
        standing=len(world.standing_mesh), triangles=triangles, movers=len(world.tracks),
    )  # fmt: skip
    rays_of_cameras(world)
    sweeps_of_one(world)
    for processes in sorted({1, options.processes}):
        many(options.scene, processes)


def rays_of_cameras(world: World) -> None:
    """Six cameras of 256 x 256, one ray a pixel, then a shadow ray from every hit."""
    caster, stamp = caster_of(world), world.start_ns + 5 * 10**9
    first = shadow = rays = shadows = 0.0
    for mount in preset("nuscenes").cameras:
        directions, valid = mount.camera.resize(256, 256).rays()
        cast = camera_rays(
            world, mount, stamp, directions[valid], np.zeros(int(valid.sum()), np.int64)
        )
        time_s = float(cast.time_s[0])
        hits = caster.cast(cast.origins, cast.directions, time_s)
        hit = np.isfinite(hits.distance)
        reach = hits.distance[hit, None] - 2e-3
        points = cast.origins[hit] + cast.directions[hit] * reach
        first += seconds(partial(caster.cast, cast.origins, cast.directions, time_s))
        shadow += seconds(partial(caster.blocked, points, SUN, time_s))
        rays, shadows = rays + len(hit), shadows + len(points)
    tell("first hits, six cameras 256 x 256", cpu_s=first, mrays_per_s=rays / first / 1e6)
    tell("shadows of their hits", cpu_s=shadow, mrays_per_s=shadows / shadow / 1e6)


def sweeps_of_one(world: World) -> None:
    rig, stamp = preset("nuscenes"), world.start_ns + 5 * 10**9
    lidar = rig.lidars[0]
    shots = hits_of(world, lidar, stamp)
    rays = shots.rays
    casting = seconds(lambda: caster_of(world).cast(*rays))
    tell(
        "first hits of a turn, rolling", cpu_s=casting, mrays_per_s=len(shots.fate) / casting / 1e6
    )
    points = len(see(world, lidar, stamp))
    tell("one sweep, rolling", cpu_s=seconds(lambda: see(world, lidar, stamp)), points=points)
    tell("one sweep, frozen", cpu_s=seconds(lambda: see(world, lidar, stamp, frozen=True)))
    sweep = see(world, lidar, stamp)
    views = [View.of(world, mount, stamp) for mount in rig.cameras]
    tell(
        "boxes without cameras",
        cpu_s=seconds(lambda: annotate(world, stamp, 80.0, 10, (sweep,), ())),
    )
    annotate(world, stamp, 80.0, 10, (sweep,), views)  # casts their instance images
    boxes = seconds(lambda: annotate(world, stamp, 80.0, 10, (sweep,), views))
    tell("boxes and visibility in six cameras 1600 x 900, their instances known", cpu_s=boxes)


def many(scene: int, processes: int) -> None:
    """Sweeps one after the other in each process, of different seconds of one clip."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes + 1)
    workers = [
        context.Process(target=work, args=(scene, number, ready)) for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    while ready.n_waiting < processes:
        if not all(worker.is_alive() for worker in workers):
            raise SystemExit("a process ended before it was ready")
        time.sleep(0.01)
    ready.wait()
    start = time.perf_counter()
    for worker in workers:
        worker.join()
    rate = processes * SWEEPS / (time.perf_counter() - start)
    tell("sweeps one after the other", processes=processes, sweeps_per_s=rate)


def work(scene: int, number: int, ready: Barrier) -> None:
    world, lidar = build_world("val", scene), preset("nuscenes").lidars[0]
    first = world.start_ns + (1 + number) * 4 * 10**9
    see(world, lidar, first)
    ready.wait()
    for turn in range(SWEEPS):
        see(world, lidar, first + turn * TURN_NS)


def tell(case: str, **figures: float) -> None:
    rounded = {name: round(value, 4) for name, value in figures.items()}
    print(json.dumps({"benchmark": "town_cast", "case": case, **rounded}), flush=True)


if __name__ == "__main__":
    main()
