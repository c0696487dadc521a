"""How fast town-v0 makes a key frame: ``python benchmarks/town_v0.py [--scene 0]``.

One JSON line per figure: seconds of processor time of one thread, best of three.
"""

import argparse
import json
import time
from collections.abc import Callable

import roadloom
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.scene.clip import Frame
from roadloom.street0.camera_view import View
from roadloom.street0.lidar_view import see
from roadloom.street0.source import TownReader
from roadloom.street0.surfaces import occupancy


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
    tell("open a scene", wall_s=time.perf_counter() - start)
    start = time.perf_counter()
    whole_frame(clip[0])
    tell("first key frame, kernels compiled or loaded", wall_s=time.perf_counter() - start)

    reader = clip.reader
    assert isinstance(reader, TownReader)
    world, rig = reader.world, reader.rig
    stamp = int(clip.times_ns[5])
    camera, lidar = rig.cameras[0], rig.lidars[0]
    view = View.of(world, camera, stamp)
    size = f"{camera.camera.width} x {camera.camera.height}"
    casting = seconds(lambda: View.of(world, camera, stamp))
    tell(f"rays of one image, {size}", cpu_s=casting, mrays_per_s=len(view.origins) / casting / 1e6)
    tell(f"colours of one image, {size}", cpu_s=seconds(lambda: view.pixels(3)))
    tell(
        "one sweep, rolling time", cpu_s=seconds(lambda: see(world, lidar, stamp)),
        points=len(clip[5].lidar()),
    )  # fmt: skip
    tell("occupancy 200 x 200 x 16", cpu_s=seconds(lambda: occupancy(world, stamp, OCC3D)))
    keys = iter(range(6, 12))
    tell("whole key frame", cpu_s=seconds(lambda: whole_frame(clip[next(keys)])))


def tell(case: str, **figures: float) -> None:
    rounded = {name: round(value, 4) for name, value in figures.items()}
    print(json.dumps({"benchmark": "town_v0", "case": case, **rounded}), flush=True)


if __name__ == "__main__":
    main()
