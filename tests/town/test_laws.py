"""What must hold between sensors, on one drawn clip; ``studies/town_laws.py`` asks many."""

from collections import defaultdict

import numpy as np
import pytest
from studies.town_laws import check_key
from studies.town_laws_points import Tally

from roadloom.town.config import TownConfig
from roadloom.town.kinds import KINDS
from roadloom.town.mesh.build import NEAR, SUNK_M, build_thing
from roadloom.town.mesh.footing import footed
from roadloom.town.relief import height
from roadloom.town.source import TownReader

KEY = 6


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "rolling"])
def test_sensors_agree(frozen) -> None:
    reader = TownReader("val", 0, TownConfig(frozen=frozen, image_scale=0.15))
    laws: dict[str, Tally] = defaultdict(Tally)
    check_key(reader, KEY, laws, twin_rays=16)
    assert {law: tally.counts for law, tally in laws.items() if tally.broken} == {}
    sights = laws["points end the cameras' sight lines"]
    assert sights.counts["visible"] > 10_000 and sights.counts["past_an_edge"] < 10
    assert sights.counts["edge_on"] < 10
    cells = laws["points lie in occupied cells"].counts
    assert cells["points"] > 15_000 and cells["in_grazed_cells"] < 1e-3 * cells["points"]
    assert laws["points lie in their boxes"].counts["on_boxed_things"] > 100
    twin = laws["the slow twin agrees"]
    assert twin.counts["same_triangle"] == twin.counts["rays"] >= 4
    if frozen:
        images = laws["points lie on the depth images"]
        assert images.counts["same_surface"] > 5_000 and images.worst["worst_m"] < 1e-4
        assert laws["pixels of a thing lie in its box"].counts["pixels"] > 1_000
        assert laws["boxes agree with what pixels show"].counts["seen"] > 10


def test_buildings_leave_no_gap_above_the_ground() -> None:
    world = TownReader("val", 0, TownConfig()).world
    mesh, checked = world.standing_mesh, 0
    for row, thing in enumerate(world.plan.things):
        if KINDS[thing.kind].family != "building" or thing.kind == "skyline":
            continue
        corners = mesh.corners[mesh.owner == row].reshape(-1, 3)
        low = corners[corners[:, 2] < corners[:, 2].min() + 1e-6]
        assert (low[:, 2] < height(world.plan.relief, low[:, 0], low[:, 1])).all(), thing
        checked += 1
    assert checked > 10


def test_deeper_walls_keep_their_texture() -> None:
    """Above the ground nothing changes: a texture's place belongs to its place in space."""
    world = TownReader("val", 0, TownConfig()).world
    thing = next(t for t in world.plan.things if KINDS[t.kind].family == "building")
    before = build_thing(thing, NEAR)
    after = footed(before, 1.4)
    low = np.abs(before.corners[..., 2] + SUNK_M) < 1e-6
    assert low.any() and np.allclose(after.corners[low][:, 2], -1.4)
    np.testing.assert_array_equal(after.corners[~low], before.corners[~low])
    upright = low.any(axis=1) & ~low.all(axis=1)
    for a, b in zip(before[upright].uv[:50], after[upright].uv[:50], strict=True):
        assert np.isfinite(b).all() and not np.array_equal(a, b)
    # A corner at the new foot has what the old triangle's plane says there.
    rows = np.flatnonzero(upright)[:50]
    for row in rows.tolist():
        c = before.corners[row]
        e = np.stack([c[1] - c[0], c[2] - c[0]], axis=1)
        for k in range(3):
            share = np.linalg.lstsq(e, after.corners[row, k] - c[0], rcond=None)[0]
            uv = before.uv[row]
            expected = uv[0] + share[0] * (uv[1] - uv[0]) + share[1] * (uv[2] - uv[0])
            np.testing.assert_allclose(after.uv[row, k], expected, atol=1e-4)
