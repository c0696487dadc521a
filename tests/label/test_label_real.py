"""Labels of recorded frames: a nuScenes key frame, two sweeps of an Argoverse 2 log."""

from pathlib import Path

import numpy as np
import pytest

import roadloom
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.label.recipe import WINDOWS, Recipe
from roadloom.label.scene import SceneLabeller
from roadloom.scene.class_views import view
from roadloom.scene.classes import FREE, UNKNOWN, class_id
from roadloom.scene.clip import Clip
from roadloom.scene.sweep import Sweep

ROAD, OTHER = class_id("flat.drivable"), class_id("other.occupied")


@pytest.fixture(scope="module")
def nuscenes(real_data: Path) -> Clip:
    return roadloom.open(f"nuscenes:{real_data / 'nuscenes'}")[0]


@pytest.fixture(scope="module")
def av2(real_data: Path) -> Clip:
    return roadloom.open(f"av2:{real_data / 'av2' / 'sensor' / 'val'}")[0]


def label(clip: Clip, key: int, name: str, **parts: object) -> np.ndarray:
    recipe = Recipe(window=WINDOWS[name], masks=False, **parts)  # type: ignore[arg-type]
    return SceneLabeller(clip, recipe).label(key).labels


def outside_the_vehicle(sweep: Sweep) -> tuple[np.ndarray, np.ndarray]:
    """Cells of the points inside the grid and surely off the vehicle, and those points; not such
    that lie on faces (coordinates of the data set are round), as a box may turn them away."""
    points = sweep.points[sweep.returned].astype(np.float64)
    away = (np.abs(points[:, 1]) > 1.3) | (np.abs(points[:, 0] - 1.2) > 3.5)
    steps = (points - OCC3D.lower_m) / OCC3D.cell_m
    away &= (np.abs(steps - np.round(steps)) > 1e-5).all(axis=1)
    cell, inside = OCC3D.cell_of(points)
    return cell[inside & away], points[inside & away]


def test_every_point_of_the_nuscenes_frame_lies_in_an_occupied_cell(nuscenes: Clip) -> None:
    labels = label(nuscenes, 0, "frame")
    cell, points = outside_the_vehicle(nuscenes[0].lidar())
    found = labels[tuple(cell.T)]
    assert len(points) > 15_000
    assert ((found != FREE) & (found != UNKNOWN)).all()
    low = (np.abs(points[:, 2]) < 0.1) & (np.hypot(*points[:, :2].T) < 12)
    assert (found[low] == ROAD).mean() > 0.6  # the mask of the map
    occupied = view("occ3d18").apply(labels)
    names = [view("occ3d18").names[i] for i in np.unique(occupied) if i != UNKNOWN]
    assert {"car", "truck", "pedestrian", "barrier", "driveable_surface", "free"} <= set(names)
    assert 0.1 < (labels == FREE).mean() < 0.6


def test_the_lidar_frame_of_the_nuscenes_frame(nuscenes: Clip) -> None:
    labels = label(nuscenes, 0, "frame", frame="lidar")
    sweep = nuscenes[0].lidar()
    cell, points = outside_the_vehicle(sweep)
    mount = nuscenes.rig.lidar("LIDAR_TOP").ego_from_lidar
    inside_cell, inside = OCC3D.cell_of(mount.inverse().apply(points))
    found = labels[tuple(inside_cell[inside].T)]
    # Places on faces of cells may round to either side.
    assert ((found != FREE) & (found != UNKNOWN)).mean() > 0.9999


def test_both_sweeps_of_the_av2_log(av2: Clip) -> None:
    records = av2.sweeps["lidar"].records
    key = int(np.searchsorted(av2.times_ns, records.time_ns[0]))
    assert records.key[key] == 0
    one, both = label(av2, key, "frame"), label(av2, key, "1s")
    cell, points = outside_the_vehicle(av2[key].lidar())
    for labels in (one, both):
        found = labels[tuple(cell.T)]
        assert ((found != FREE) & (found != UNKNOWN)).all()
    seen = [(x != UNKNOWN).sum() for x in (one, both)]
    assert seen[0] < seen[1]
    world = av2[key].world_from_ego.apply(points)
    ground = av2.map.ground
    assert ground is not None
    flat = np.abs(world[:, 2] - ground.height(world[:, :2])) < 0.05
    assert flat.sum() > 10_000
    assert np.isin(both[tuple(cell[flat].T)], (ROAD, OTHER)).mean() > 0.95


def test_movers_of_the_av2_log_fall_into_one_place(av2: Clip) -> None:
    """Two sweeps a tenth of a second apart: without boxes what moves fills more cells."""
    records = av2.sweeps["lidar"].records
    key = int(np.searchsorted(av2.times_ns, records.time_ns[0]))
    now, later = av2[key].boxes, av2[key + 1].boxes
    speed = {}
    places = [f.world_from_ego @ b.pose for f, b in ((av2[key], now), (av2[key + 1], later))]
    for i, track in enumerate(now.track_id.tolist()):
        other = np.flatnonzero(later.track_id == track)
        if len(other):
            step = places[1].translation[other[0]] - places[0].translation[i]
            speed[i] = float(np.linalg.norm(step))
    fast = [i for i, step in speed.items() if step > 0.4]
    assert fast
    with_boxes, without = (label(av2, key, "1s", boxes=flag) for flag in (True, False))
    alone = label(av2, key, "frame", boxes=False)
    around = np.zeros(OCC3D.shape, bool)
    centers = OCC3D.centers()
    for i in fast:
        local = (centers - now.pose.translation[i]) @ now.pose.rotation[i]
        around |= (np.abs(local) <= now.size[i] / 2 + 1.2).all(axis=-1) & (local[..., 2] > -0.3)
    counts = [int((occupied(x) & around).sum()) for x in (alone, with_boxes, without)]
    assert counts[0] <= counts[1] < counts[2]


def occupied(labels: np.ndarray) -> np.ndarray:
    return (labels != FREE) & (labels != UNKNOWN)
