"""How fast town-v0 makes a key frame: ``python benchmarks/town_v0.py [--scene 0]``.

Prints seconds of processor time, best of three, and of the wall clock for a whole key frame.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

import roadloom
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.scene.clip import Frame
from roadloom.town.camera_view import View
from roadloom.town.lidar_view import see
from roadloom.town.source import TownReader
from roadloom.town.surfaces import occupancy


def seconds(action: Callable[[], object], repeats: int = 3) -> float:
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        taken.append(time.process_time() - start)
    return min(taken)


def whole_frame(frame: Frame) -> None:
    for camera in frame.clip.rig.camera_names:
        _ = frame.image(camera).pixels
    frame.lidar()
    _ = frame.boxes
    frame.occupancy(OCC3D)
    frame.layout(OCC3D)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", type=int, default=0)
    scene = parser.parse_args().scene

    start = time.perf_counter()
    clip = roadloom.open("town-v0:val")[scene]
    print(f"open a scene: {time.perf_counter() - start:.3f} s")
    start = time.perf_counter()
    whole_frame(clip[0])
    print(f"first key frame, compiling or loading kernels: {time.perf_counter() - start:.2f} s")

    reader = clip.reader
    assert isinstance(reader, TownReader)
    world, rig = reader.world, reader.rig
    stamp = int(clip.times_ns[5])
    camera, lidar = rig.cameras[0], rig.lidars[0]
    view = View.of(world, camera, stamp)
    rays = len(view.origins)
    print(f"{len(world.plan.things)} objects, {len(world.tables.boxes)} boxes; one thread")
    rows = {
        f"rays of one image, {camera.camera.width} x {camera.camera.height}": lambda: View.of(
            world, camera, stamp
        ),
        "its colours, edges with 9 rays": lambda: view.pixels(3),
        "one sweep, rolling time": lambda: see(world, lidar, stamp),
        "occupancy 200 x 200 x 16": lambda: occupancy(world, stamp, OCC3D),
    }
    for name, action in rows.items():
        print(f"{name}: {seconds(action):.3f} s")
    print(f"rays a second: {rays / seconds(lambda: View.of(world, camera, stamp)) / 1e6:.2f} M")
    keys = iter(range(6, 12))
    print(f"whole key frame: {seconds(lambda: whole_frame(clip[next(keys)])):.2f} s")
    points = np.array([len(clip[k].lidar()) for k in range(4)])
    print(f"points a sweep: {points.mean():.0f}")


if __name__ == "__main__":
    main()
