"""How long the six cameras of a rig take to see a town frame: one JSON line per measurement.

    python benchmarks/render_cameras.py

Occupancy on the grid occ3d, each camera resized to 512 x 256. The plain twin is timed on one camera
of 64 x 32 and scaled by pixels, as the whole would take minutes. Wall clock, best of several runs;
CPU seconds beside it, as other work on the machine only adds to the former. The last lines compare
the maps with what the town's own cameras see, within 38 m, at their own size.
"""

import json
import time
from collections.abc import Callable

import numpy as np

import roadloom
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.render.cameras import CameraOptions, render_cameras, render_frame
from roadloom.render.gaussians import gaussians_of
from roadloom.render.project import project_gaussians
from roadloom.render.splat import splat
from roadloom.render.splat_reference import splat_reference

AIM_S = 0.2
SIZE = 512, 256
SMALL = 64, 32
SEEN_M = 38.0
"""Within the grid wherever the camera looks."""


def seconds(run: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Best wall clock and best CPU time of several runs, after one that compiles."""
    run()
    wall, cpu = [], []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        run()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    return min(wall), min(cpu)


def report(**facts: object) -> None:
    rounded = {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in facts.items()}
    print(json.dumps({"benchmark": "render_cameras", **rounded}), flush=True)


def main() -> None:
    frame = roadloom.open("town-v1:val:3")[0][8]
    occupancy, rig = frame.occupancy(OCC3D), frame.clip.rig
    cells = int(occupancy.occupied.sum())
    for threads in (1, 2):
        wall, cpu = seconds(
            lambda n=threads: render_cameras(  # type: ignore[misc]
                occupancy, rig, CameraOptions(size=SIZE), num_threads=n
            ),
            15,
        )
        report(
            way=f"numba, {threads} thread{'s' * (threads > 1)}", images=len(rig.cameras),
            size=SIZE, cells=cells, seconds=wall, cpu_seconds=cpu, aim_s=AIM_S,
        )  # fmt: skip
    twin(occupancy, rig)
    for spread in (0.5, 0.35, 0.25):
        accuracy(frame, spread)


def twin(occupancy, rig) -> None:  # type: ignore[no-untyped-def]
    """Twin and kernels on the same small image, without the projection that both share."""
    mount = rig.cameras[0]
    camera = mount.camera.resize(*SMALL)
    gaussians = gaussians_of(occupancy)
    found = project_gaussians(
        gaussians.centers, gaussians.covariances, camera, mount.ego_from_camera.inverse()
    )
    classes, channels = np.unique(gaussians.classes, return_inverse=True)
    case = (found, gaussians.opacities, np.eye(len(classes))[channels], *SMALL)
    scale = SIZE[0] * SIZE[1] / (SMALL[0] * SMALL[1])
    times = {}
    for way, blend, repeats in (("numba", splat, 5), ("torch twin", splat_reference, 2)):
        times[way], _ = seconds(lambda blend=blend: blend(*case), repeats)  # type: ignore[misc]
        report(way=way, images=1, size=SMALL, ellipses=len(found.rows), seconds=times[way])
    report(
        way="torch twin, scaled by pixels", images=6, size=SIZE,
        seconds=6 * scale * times["torch twin"],
    )  # fmt: skip
    pair = zip(splat(*case), splat_reference(*case), strict=True)
    report(way="largest difference", value=max(float(abs(a - b).max()) for a, b in pair))


def accuracy(frame, spread: float) -> None:  # type: ignore[no-untyped-def]
    """Maps beside the town's own depth and class images, averaged over the cameras."""
    rows = []
    for name, maps in render_frame(frame, OCC3D, CameraOptions(spread=spread)).items():
        depth, semantic = (frame.extra_image(kind, name) for kind in ("depth", "semantic"))
        both = np.isfinite(maps.depth) & (depth < SEEN_M)
        share = (maps.depth[both] - depth[both]) / depth[both]
        same = maps.semantic[both] == semantic[both]
        rows.append(
            [both.sum() / (depth < SEEN_M).sum(), np.median(share), abs(share).mean(), same.mean()]
        )
    hit, bias, error, same = np.mean(rows, axis=0).tolist()
    report(
        way=f"beside the town's images within {SEEN_M:g} m", spread=spread, pixels_hit=hit,
        median_relative_depth_error=bias, mean_absolute_relative_depth_error=error,
        same_class=same,
    )  # fmt: skip


if __name__ == "__main__":
    main()
