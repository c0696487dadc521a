"""Bytes of a label, and labels written and read a second: one JSON line per way and label.

    python benchmarks/label_store.py

Labels on 200 x 200 x 16 cells with both masks: of the built-in town (exact occupancy; and with
what no sensor observes unknown), and the real Occ3D file where it is at hand. Beside the store:
``.npz`` files as ``Occupancy.to_npz`` writes them, and the arrays as they lie in memory.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

import roadloom
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.scene.class_maps import ids_from
from roadloom.scene.classes import FREE, UNKNOWN
from roadloom.scene.labels import LabelFolder
from roadloom.scene.occupancy import Occupancy

COUNT = 20
"""Labels that are written and read for each figure."""


def town() -> Occupancy:
    return roadloom.open("town-v1:val:3")[0][20].occupancy(OCC3D, masks=True)


def observed(label: Occupancy) -> Occupancy:
    """The same with free cells that nothing observes unknown, as a labeller says it."""
    assert label.mask_lidar is not None and label.mask_camera is not None
    unseen = (label.labels == FREE) & ~label.mask_lidar & ~label.mask_camera
    return replace(label, labels=np.where(unseen, np.uint8(UNKNOWN), label.labels))


def occ3d() -> Occupancy | None:
    """The real label, if ``ROADLOOM_REAL_DATA`` or ``../shared/data`` holds one."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    place = Path(os.environ.get("ROADLOOM_REAL_DATA", default)) / "occ3d_nuscenes"
    for file in sorted(place.rglob("labels.npz")):
        with np.load(file, allow_pickle=False) as raw:
            return Occupancy(
                grid=OCC3D,
                labels=ids_from("occ3d", raw["semantics"]),
                mask_lidar=raw["mask_lidar"].astype(bool),
                mask_camera=raw["mask_camera"].astype(bool),
            )
    return None


def rate(run: Callable[[int], object]) -> float:
    """Runs a second, best of three rounds: other work on the machine only slows."""
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        for n in range(COUNT):
            run(n)
        taken.append(time.perf_counter() - start)
    return round(COUNT / min(taken), 1)


def store(label: Occupancy, place: Path) -> tuple[int, float, float]:
    labels = LabelFolder.create(place / "store", {})
    begun = iter(range(1_000_000))
    with labels.writer("a") as writer:
        wrote = rate(lambda n: writer.add(next(begun), label))
        size = writer.size // len(writer.keys)
    return size, wrote, rate(lambda n: labels.occupancy("a", n, OCC3D))


def npz(label: Occupancy, place: Path) -> tuple[int, float, float]:
    wrote = rate(lambda n: label.to_npz(place / f"{n}.npz"))
    size = (place / "0.npz").stat().st_size
    return size, wrote, rate(lambda n: Occupancy.from_npz(place / f"{n}.npz"))


def dense(label: Occupancy, place: Path) -> tuple[int, float, float]:
    data = np.stack([label.labels, label.mask_lidar, label.mask_camera])  # type: ignore[list-item]
    wrote = rate(lambda n: np.save(place / f"{n}.npy", data))
    return data.nbytes, wrote, rate(lambda n: np.load(place / f"{n}.npy"))


def main() -> None:
    exact = town()
    cases = {"town": exact, "town, observed": observed(exact), "real Occ3D": occ3d()}
    for name, label in cases.items():
        if label is None:
            continue
        for way in (store, npz, dense):
            with tempfile.TemporaryDirectory() as place:
                size, wrote, read = way(label, Path(place))
            line = {
                "benchmark": "label_store",
                "label": name,
                "way": way.__name__,
                "bytes_per_label": size,
                "written_per_s": wrote,
                "read_per_s": read,
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
