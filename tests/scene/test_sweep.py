"""Sweeps: rows go together, points move with their frame, equality sees every field."""

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import TypeCheckError
from tests.scene.rich_clip import RichReader

from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.scene.sweep import POINT_COLUMNS, LidarOrigin, Sweep


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    whole = RichReader(tmp_path).sweep("TOP", 0)
    return whole[whole.returned]


def test_rows_stay_together(sweep: Sweep) -> None:
    rows = np.arange(len(sweep)) % 3 == 0
    picked = sweep[rows]
    assert len(picked) == rows.sum()
    for name in POINT_COLUMNS:
        whole, part = getattr(sweep, name), getattr(picked, name)
        assert np.array_equal(part, whole[rows], equal_nan=whole.dtype.kind == "f"), name
    assert (picked.time_ns, picked.motion_compensated) == (sweep.time_ns, True)


@pytest.mark.parametrize("origin", [0.0, 5e6])
def test_points_stay_where_they_are_in_the_world(sweep: Sweep, origin: float) -> None:
    here = Pose(sweep.world_from_ego.rotation, sweep.world_from_ego.translation + origin)
    there = Pose(rotation_from_yaw(np.array(1.1)), origin + np.array([3.0, -2.0, 0.5]))
    at_home = replace(sweep, world_from_ego=here)
    moved = at_home.moved(there.inverse() @ here, 5, there)
    assert moved.points.dtype == np.float32 and moved.time_ns == 5
    offset = there.apply(moved.points) - here.apply(sweep.points.astype(np.float64))
    assert np.abs(offset).max() < 1e-5
    assert np.array_equal(moved.point_time_ns, sweep.point_time_ns)


def changed(value: object) -> object:
    if isinstance(value, Pose):
        return Pose(value.rotation, value.translation + 1e-9)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, tuple):
        return (LidarOrigin(name="other", ego_from_lidar=value[0].ego_from_lidar), *value[1:])
    assert isinstance(value, np.ndarray)
    other = value.copy()
    other[-1] = ~value[-1] if value.dtype == bool else value[-1] - 1
    return other


@pytest.mark.parametrize("name", [f.name for f in fields(Sweep)])
def test_equality_sees_every_field(sweep: Sweep, name: str) -> None:
    same = replace(sweep)
    assert sweep.same_as(same)
    other = replace(sweep, **{name: changed(getattr(sweep, name))})
    assert not sweep.same_as(other) and not other.same_as(sweep)


def test_equality_sees_labels_that_only_one_has_and_moved_origins(sweep: Sweep) -> None:
    assert not sweep.same_as(replace(sweep, label=None))
    assert not replace(sweep, label=None).same_as(sweep)
    assert replace(sweep, label=None).same_as(replace(sweep, label=None))
    moved = LidarOrigin(name=sweep.origins[0].name, ego_from_lidar=Pose.identity())
    assert not sweep.same_as(replace(sweep, origins=(moved, *sweep.origins[1:])))
    assert not sweep.same_as(replace(sweep, origins=(*sweep.origins, moved)))


def test_wrong_lengths_and_origins_are_refused(sweep: Sweep) -> None:
    with pytest.raises((ValueError, TypeCheckError), match="ring"):
        replace(sweep, ring=sweep.ring[:-1])
    with pytest.raises(ValueError, match="origin_id 1 of 1"):
        replace(sweep, origins=sweep.origins[:1])
    assert len(replace(sweep[:0], origins=())) == 0


PLAIN = """
import sys, tempfile
from dataclasses import replace
from pathlib import Path
import numpy as np
from tests.scene.rich_clip import RichReader
sweep = RichReader(Path(tempfile.mkdtemp())).sweep("TOP", 0)
n = len(sweep)
for name, value in (
    ("points", np.ones((n, 2), np.float32)),
    ("points", np.ones(n, np.float32)),
    ("points", np.ones((n, 3), bool)),
    ("ring", np.ones((n, 1), np.int16)),
    ("intensity", np.ones((n, 3), np.float32)),
):
    try:
        replace(sweep, **{name: value})
    except ValueError as error:
        if name not in str(error):
            sys.exit(f"{name} is not named: {error}")
    else:
        sys.exit(f"{name} {value.shape} passed")
"""


def test_shapes_are_checked_without_a_checker_of_types_too() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PLAIN], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
