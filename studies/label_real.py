"""Recorded rays cast against labels: does the first labelled cell lie where the laser ended?

    python -m studies.label_real [--data FOLDER]

For the recorded nuScenes key frame and the two consecutive sweeps of the Argoverse 2 log: every
ray of a sweep is cast from its own origin through (a) the label, (b) the cells of the sweep's own
points, and for Argoverse 2 (c) a label that does not know the sweep. Prints the share of rays
whose first cell is the cell of the point or a neighbour of it, the share whose point lies in a cell
that the label calls free, and the signed range error (cast minus measured) by angle of incidence.
Normals come from the spread of the points around each.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np

import roadloom
from roadloom.geometry.ray_grid import cast
from roadloom.geometry.voxel_grid import OCC3D, VoxelGrid
from roadloom.label.recipe import EgoBox, Recipe, Window
from roadloom.label.scene import SceneLabeller
from roadloom.scene.classes import FREE
from roadloom.scene.clip import Clip
from roadloom.scene.occupancy import Occupancy
from studies.only_sweeps import with_sweeps

SECOND = Window(before_s=1.0, after_s=1.0)
ANGLES = (0, 30, 60, 75, 85, 90)


def rays_of(clip: Clip, number: int, key: int) -> tuple[np.ndarray, np.ndarray]:
    """Origins and ends of a sweep's rays in the ego frame of a key frame, without the ego's own."""
    assert clip.meta.lidar is not None
    sweep = clip.sweeps[clip.meta.lidar][number]
    first, last = int(clip.ego.time_ns[0]), int(clip.ego.time_ns[-1])
    poses = clip.ego.at(np.clip(sweep.point_time_ns, first, last))
    own = np.array([o.ego_from_lidar.translation for o in sweep.origins])[sweep.origin_id]
    world_origin = poses.apply(own[:, None])[:, 0]
    points = sweep.points.astype(np.float64)
    if sweep.motion_compensated:
        world = sweep.world_from_ego.apply(points)
    else:
        world = poses.apply(points[:, None])[:, 0]
    ego = EgoBox()
    inside = ((points >= ego.lower_m) & (points <= ego.upper_m)).all(axis=-1)
    keep = sweep.returned & ~inside
    to_key = clip[key].world_from_ego.inverse()
    return to_key.apply(world_origin[keep]), to_key.apply(world[keep])


def incidence(origins: np.ndarray, ends: np.ndarray, cell_m: float = 0.8) -> np.ndarray:
    """Angle [degrees] between ray and surface normal; NaN where the points span no plane.

    The normal is the direction of least spread of the points in the 27 cells around a point.
    """
    cells = np.floor(ends / cell_m).astype(np.int64)
    low = cells.min(axis=0) - 1
    shape = cells.max(axis=0) + 2 - low
    middle = ends.mean(axis=0)
    local = ends - middle
    flat = np.ravel_multi_index(tuple((cells - low).T), tuple(shape))
    held, row = np.unique(flat, return_inverse=True)
    outer = local[:, :, None] * local[:, None, :]
    parts = np.concatenate([np.ones((len(local), 1)), local, outer.reshape(-1, 9)], axis=1)
    moments = np.stack([np.bincount(row, parts[:, i], len(held)) for i in range(13)], axis=1)
    around = np.zeros_like(moments)
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    for step in np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3):
        other = held + int(step @ strides)
        at = np.minimum(np.searchsorted(held, other), len(held) - 1)
        around += np.where((held[at] == other)[:, None], moments[at], 0.0)
    count = around[:, 0]
    mean = around[:, 1:4] / count[:, None]
    spread = around[:, 4:].reshape(-1, 3, 3) / count[:, None, None]
    spread = spread - mean[:, :, None] * mean[:, None, :]
    values, vectors = np.linalg.eigh(spread)
    flatness = (count >= 6) & (values[:, 0] < 0.1 * values[:, 1])
    way = ends - origins
    way = way / np.linalg.norm(way, axis=1, keepdims=True)
    angle = np.degrees(np.arccos(np.abs((way * vectors[row, :, 0]).sum(-1)).clip(0, 1)))
    return np.where(flatness[row], angle, np.nan)


def own_cells(ends: np.ndarray, grid: VoxelGrid) -> np.ndarray:
    cell, inside = grid.cell_of(ends)
    solid = np.zeros(grid.shape, bool)
    solid[tuple(cell[inside].T)] = True
    return solid


def judge(origins: np.ndarray, ends: np.ndarray, solid: np.ndarray, grid: VoxelGrid) -> dict:
    """Shares and errors of the rays that end in the grid."""
    cell, inside = grid.cell_of(ends)
    start, stop, cell = origins[inside], ends[inside], cell[inside]
    way = stop - start
    length = np.linalg.norm(way, axis=1)
    found = cast(start, way / length[:, None], solid, grid)
    met = np.isfinite(found.distance)
    near = met & (np.abs(found.cell - cell).max(axis=1) <= 1)
    error = np.where(met, found.distance, np.nan) - length
    angle = incidence(origins, ends)[inside]
    by_angle = {}
    for a, b in zip(ANGLES, ANGLES[1:], strict=False):
        rows = met & (angle >= a) & (angle < b)
        if rows.sum() >= 50:
            by_angle[f"{a}-{b}"] = {
                "rays": int(rows.sum()),
                "median_m": round(float(np.median(error[rows])), 3),
                "p5_m": round(float(np.percentile(error[rows], 5)), 3),
                "p95_m": round(float(np.percentile(error[rows], 95)), 3),
            }
    return {
        "rays": len(stop),
        "within_one_cell": round(100 * float(near.mean()), 2),
        "no_hit": round(100 * float((~met).mean()), 2),
        "median_m": round(float(np.nanmedian(error)), 3),
        "by_incidence_deg": by_angle,
    }


def in_free(ends: np.ndarray, label: Occupancy) -> float:
    """Percentage of the points in the grid that lie in cells which a label calls free."""
    cell, inside = label.grid.cell_of(ends)
    return round(100 * float((label.labels[tuple(cell[inside].T)] == FREE).mean()), 2)


def lines(name: str, clip: Clip, number: int, key: int, label_clips: dict[str, Clip]) -> None:
    origins, ends = rays_of(clip, number, key)
    compared: dict[str, tuple[np.ndarray, dict]] = {"own cells": (own_cells(ends, OCC3D), {})}
    for what, labelled in label_clips.items():
        for boxes, carve in ((True, False), (True, True), (False, False)):
            recipe = Recipe(window=SECOND, boxes=boxes, masks=False, carve_ground=carve)
            label = SceneLabeller(labelled, recipe).label(key)
            told = f"{what}, boxes {'on' if boxes else 'off'}{', carve_ground' if carve else ''}"
            facts = {
                "points_in_free": in_free(ends, label),
                "free": int((label.labels == FREE).sum()),
            }
            compared[told] = label.occupied, facts
    for what, (solid, facts) in compared.items():
        line = {"study": "label_real", "clip": name, "against": what} | facts
        print(json.dumps(line | judge(origins, ends, solid, OCC3D)), flush=True)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--data", default=os.environ.get("ROADLOOM_REAL_DATA", "../shared/data"))
    data = Path(ask.parse_args().data)
    clip = roadloom.open(f"nuscenes:{data}/nuscenes@v1.0-mini")[0]
    lines("nuscenes scene-0061", clip, 0, 0, {"label": clip})
    log = next((data / "av2/sensor/val").iterdir())
    clip = roadloom.open(f"av2:{log}")[0]
    assert clip.meta.lidar is not None
    times = clip.sweeps[clip.meta.lidar].times_ns
    here = {int(p.stem) for p in (log / "sensors/lidar").glob("*.feather")}
    rows = [i for i, t in enumerate(times.tolist()) if t in here]
    keys = [int(np.flatnonzero(clip.times_ns == times[row])[0]) for row in rows]
    for row, key in zip(rows, keys, strict=True):
        other = [r for r in rows if r != row]
        labelled = {"label": with_sweeps(clip, rows), "label without it": with_sweeps(clip, other)}
        lines(f"av2 sweep {row}", clip, row, key, labelled)


if __name__ == "__main__":
    sys.exit(main())
