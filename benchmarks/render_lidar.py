"""Sweeps per second of a 32 x 1084 LiDAR from 200 x 200 x 16 cells: one JSON line a measurement.

    python benchmarks/render_lidar.py

Beside ours, on the same street and rays: naive marching (NumPy, steps of 0.2 m, as published
renderers of occupancy do) and Embree on the outer faces of the same cells, with how many rays
agree on the range. The aim is 200 a second on two cores.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ray_grid import seconds, street
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.render.lidar import CastSweep, cast_sweep
from roadloom.render.moving import movers_of
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import class_id
from roadloom.scene.occupancy import Occupancy
from roadloom.sensors.presets import preset

NOW = 1_700_000_000_000_000_000
MOUNT = preset("nuscenes").lidars[0]
CAR = class_id("vehicle.car")
STEP_M, REACH_M, RAYS = 0.2, 60.0, 2048
SIDE_BY_SIDE = 8


def drive() -> PoseTrack:
    """10 m/s in a bend, a pose each 10 ms."""
    times = NOW + np.arange(-20, 20, dtype=np.int64) * 10_000_000
    s = (times - NOW) / 1e9
    place = np.stack([1000 + 10 * s, 0.4 * s, 0 * s], axis=-1)
    return PoseTrack(time_ns=times, world_from_ego=Pose(rotation_from_yaw(0.5 * s), place))


def traffic(count: int = 6) -> Boxes:
    """Cars at 10 m/s, from 30 m behind to 30 m ahead."""
    place = np.stack(
        [np.linspace(-30, 30, count), np.full(count, 5.0), np.full(count, 1.0)], axis=-1
    )
    return Boxes.make(
        NOW, np.full(count, CAR), Pose(rotation_from_yaw(np.zeros(count)), place),
        np.tile([4.5, 2.0, 1.6], (count, 1)), velocity=np.tile([10.0, 0, 0], (count, 1)),
    )  # fmt: skip


def with_cars(scene: Occupancy, boxes: Boxes) -> Occupancy:
    labels = scene.labels.copy()
    for place in boxes.pose.translation:
        low, _ = OCC3D.cell_of(place - [2.2, 0.9, 0.7])
        high, _ = OCC3D.cell_of(place + [2.2, 0.9, 0.7])
        labels[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))] = CAR
    return Occupancy(grid=OCC3D, labels=labels)


def march(origins: np.ndarray, directions: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """Range [m] of the first step that lies in an occupied cell; some rays at a time, as all
    points of a turn leave no cache unspoilt."""
    parts = range(0, len(origins), RAYS)
    return np.concatenate(
        [_march(origins[p : p + RAYS], directions[p : p + RAYS], solid) for p in parts]
    )


def _march(origins: np.ndarray, directions: np.ndarray, solid: np.ndarray) -> np.ndarray:
    at = np.arange(STEP_M, REACH_M, STEP_M)
    points = origins[:, None] + directions[:, None] * at[:, None]
    cells = np.floor((points - OCC3D.lower_m) / OCC3D.cell_m).astype(np.int32)
    inside = ((cells >= 0) & (cells < OCC3D.shape)).all(axis=-1)
    cells[~inside] = 0
    hit = inside & solid[cells[..., 0], cells[..., 1], cells[..., 2]]
    first = hit.argmax(axis=1)
    return np.where(hit.any(axis=1), at[first], np.inf)


def outer_faces(solid: np.ndarray) -> np.ndarray:
    """Triangles [triangle 3 3] between an occupied cell and one that is not."""
    padded, found = np.pad(solid, 1), []
    for axis in range(3):
        across = np.eye(3)[axis], np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
        for side in (0, 1):
            beside = np.roll(padded, 1 - 2 * side, axis)[1:-1, 1:-1, 1:-1]
            corner = np.argwhere(solid & ~beside) + side * across[0]
            a, b = corner + across[1], corner + across[2]
            c = a + across[2]
            found += [np.stack([corner, a, c], axis=1), np.stack([corner, c, b], axis=1)]
    return np.concatenate(found) * OCC3D.cell_m + OCC3D.lower_m


def tell(way: str, took: float, **facts: object) -> None:
    line = {
        "benchmark": "render_lidar",
        "way": way,
        "sweeps_per_s": float(f"{1 / took:.3g}"),
        **facts,
    }
    print(json.dumps(line), flush=True)


def ours(name: str, cast: Callable[[int, str | None], CastSweep]) -> None:
    for threads in (1, 2):
        took = seconds(lambda threads=threads: cast(threads, None), 30)
        tell(f"{name}, {threads} thread{'s' * (threads > 1)} a sweep", took)

    def pairs() -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: cast(1, None), range(SIDE_BY_SIDE)))

    tell(f"{name}, 2 sweeps side by side", seconds(pairs, 8) / SIDE_BY_SIDE)
    import torch

    if torch.cuda.is_available():
        took = seconds(lambda: cast(1, "cuda"), 30)
        tell(f"{name}, torch on the GPU", took, device=torch.cuda.get_device_name())


def others(scene: Occupancy, exact: CastSweep) -> None:
    """The two ways that are common elsewhere, on the rays of a turn at rest."""
    from roadloom.town.cast.embree import first_hits, scene_of

    origins, directions = exact.origins.reshape(-1, 3), exact.directions.reshape(-1, 3)
    known, ranges = exact.returned.ravel(), exact.range_m.ravel()

    def agreement(found: np.ndarray) -> dict[str, float]:
        both = known & np.isfinite(found)
        error = np.abs(found[both] - ranges[both])
        return {
            "same_return_share": round(float((np.isfinite(found) == known).mean()), 6),
            "within_1_mm_share": round(float((error < 1e-3).mean()), 6),
            "mean_error_m": float(f"{error.mean():.3g}"),
            "largest_error_m": float(f"{error.max():.3g}"),
        }

    solid = scene.occupied
    took = seconds(lambda: march(origins, directions, solid), 3)
    tell("naive marching, NumPy, 0.2 m", took, **agreement(march(origins, directions, solid)))
    corners = outer_faces(solid)
    build = seconds(lambda: scene_of(corners), 3)
    mesh = scene_of(corners)
    took = seconds(lambda: first_hits(mesh, origins, directions, None), 15)
    hits = first_hits(mesh, origins, directions, None)
    found = np.where(hits["primID"] >= 0, hits["tfar"].astype(np.float64), np.inf)
    tell(
        "Embree, 1 thread, mesh at hand", took, triangles=len(corners),
        build_s=round(build, 4), **agreement(found),
    )  # fmt: skip


def main() -> None:
    scene = Occupancy(grid=OCC3D, labels=np.where(street(), CAR, 0).astype(np.uint8))
    ego, boxes = drive(), traffic()
    before, after = (Boxes.empty(NOW + ns) for ns in (-50_000_000, 1))
    busy = with_cars(scene, boxes)

    def at_rest(threads: int, device: str | None) -> CastSweep:
        return cast_sweep(scene, MOUNT, time_ns=NOW, num_threads=threads, device=device)

    def rolling(threads: int, device: str | None) -> CastSweep:
        return cast_sweep(scene, MOUNT, time_ns=NOW, ego=ego, num_threads=threads, device=device)

    def in_traffic(threads: int, device: str | None) -> CastSweep:
        movers = movers_of(busy, boxes, [before, after])
        return cast_sweep(
            busy, MOUNT, time_ns=NOW, ego=ego, movers=movers, num_threads=threads, device=device
        )  # fmt: skip

    ours("at rest", at_rest)
    tell("at rest, torch on the CPU", seconds(lambda: at_rest(1, "cpu"), 1))
    ours("driving", rolling)
    ours("driving, 6 moving cars", in_traffic)
    others(scene, at_rest(1, None))


if __name__ == "__main__":
    main()
