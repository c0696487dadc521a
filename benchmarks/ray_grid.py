"""How many rays per second pass a street of 200 x 200 x 16 cells: one JSON line per measurement.

    python benchmarks/ray_grid.py

Two bundles: the 34,688 rays of one turn of a 32-beam LiDAR, and 393,216 camera rays (six images of
256 x 256). The survey's figures on 2 cores for the same sizes, with its own street: numba 11.6 and
17.5 million rays per second, torch 0.22 and 0.45.
"""

import json
import time
from collections.abc import Callable

import numpy as np

from roadloom.geometry.ray_grid import cast, cast_reference
from roadloom.geometry.voxel_grid import OCC3D

SURVEY = {
    ("numba, 2 threads", "lidar"): 11.6,
    ("numba, 2 threads", "cameras"): 17.5,
    ("torch twin", "lidar"): 0.22,
    ("torch twin", "cameras"): 0.45,
}
"""Million rays per second."""


def street(seed: int = 0) -> np.ndarray:
    """Ground, two rows of house fronts, 25 cars and 40 poles and trees; the middle is clear."""
    rng = np.random.default_rng(seed)
    occupied = np.zeros(OCC3D.shape, bool)
    occupied[:, :, 2] = True  # the cell from -0.2 m to 0.2 m
    occupied[:, 55:60], occupied[:, 140:145] = True, True
    for _ in range(25):
        x, y = rng.integers(0, 190), rng.integers(65, 130)
        occupied[x : x + 11, y : y + 5, 3:7] = True
    for _ in range(40):
        occupied[rng.integers(0, 200), rng.choice([62, 137]), 3:] = True
    occupied[95:112, 97:103, 3:] = False
    return occupied


def lidar() -> tuple[np.ndarray, np.ndarray]:
    """32 beams from -30.67 to 10.67 degrees, 1,084 steps, on the roof."""
    up, round_ = np.meshgrid(
        np.deg2rad(np.linspace(-30.67, 10.67, 32)),
        np.linspace(0, 2 * np.pi, 1084, endpoint=False),
        indexing="ij",
    )
    return _from(np.array([0.94, 0.0, 1.84]), up, round_)


def cameras() -> tuple[np.ndarray, np.ndarray]:
    """Six images of 70 by 40 degrees that look around the car."""
    up, across = np.meshgrid(
        np.deg2rad(np.linspace(20, -20, 256)), np.deg2rad(np.linspace(35, -35, 256)), indexing="ij"
    )
    round_ = across + np.deg2rad(np.arange(6) * 60.0)[:, None, None]
    return _from(np.array([1.0, 0.0, 1.5]), np.broadcast_to(up, round_.shape), round_)


def _from(origin: np.ndarray, up: np.ndarray, round_: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flat = np.cos(up)
    directions = np.stack([flat * np.cos(round_), flat * np.sin(round_), np.sin(up)], axis=-1)
    directions = np.ascontiguousarray(directions.reshape(-1, 3))
    return np.tile(origin, (len(directions), 1)), directions


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Best of several runs, after one that compiles: other work on the machine only adds."""
    run()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> None:
    occupied = street()
    for bundle, rays in {"lidar": lidar(), "cameras": cameras()}.items():
        ways: dict[str, tuple[Callable[[], object], int]] = {
            "numba, 1 thread": (lambda rays=rays: cast(*rays, occupied, OCC3D), 15),
            "numba, 2 threads": (lambda rays=rays: cast(*rays, occupied, OCC3D, num_threads=2), 15),
            "torch twin": (lambda rays=rays: cast_reference(*rays, occupied, OCC3D), 3),
        }
        for way, (run, repeats) in ways.items():
            count = len(rays[0])
            line = {
                "benchmark": "ray_grid",
                "way": way,
                "bundle": bundle,
                "rays": count,
                "mrays_per_s": round(count / seconds(run, repeats) / 1e6, 3),
                "survey_mrays_per_s": SURVEY.get((way, bundle)),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
