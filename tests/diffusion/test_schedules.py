"""The published noise schedule, the flow's times, and the grids of the samplers."""

import math
from fractions import Fraction

import pytest
import torch

from roadloom.diffusion.schedules import (
    DATA,
    FlowSchedule,
    LinearSchedule,
    flow_grid,
    shifted,
    spanning_grid,
    trailing_grid,
)


def test_linear_tables_against_a_slow_product():
    tables = LinearSchedule().tables()
    kept = 1.0
    for index in range(1000):
        before = kept
        beta = 1e-4 + (0.02 - 1e-4) * index / 999
        kept *= 1 - beta
        assert math.isclose(tables.beta[index], beta, rel_tol=1e-12)
        assert math.isclose(tables.kept[index], kept, rel_tol=1e-10)
        assert math.isclose(tables.kept_before[index], before, rel_tol=1e-10)
        if index:
            variance = (1 - before) / (1 - kept) * beta
            assert math.isclose(tables.posterior_log_variance[index].exp(), variance, rel_tol=1e-9)
    assert tables.posterior_log_variance[0] == tables.posterior_log_variance[1]


def test_posterior_mean_of_noiseless_data_is_the_data_one_step_earlier():
    """If x_t is sqrt(kept) x exactly, the step back is sqrt(kept before) x."""
    tables = LinearSchedule().tables()
    mean = tables.mean_of_data + tables.mean_of_noisy * tables.kept.sqrt()
    torch.testing.assert_close(mean, tables.kept_before.sqrt(), rtol=1e-12, atol=0)


def test_levels_keep_the_variance():
    schedule = LinearSchedule()
    assert schedule.level(-1) == DATA
    for index in (0, 500, 999):
        level = schedule.level(index)
        assert level.time == index
        assert math.isclose(level.signal**2 + level.noise**2, 1, rel_tol=1e-12)
    # exp of the sum of log(1 - beta) of the published schedule: 4.0e-5 of the variance is left.
    assert math.isclose(schedule.level(999).signal ** 2, 4.036e-5, rel_tol=1e-3)


@pytest.mark.parametrize("first, last", [(0.0, 0.1), (0.2, 0.1), (0.1, 1.0)])
def test_wrong_betas_are_refused(first, last):
    with pytest.raises(ValueError, match="beta"):
        LinearSchedule(beta_first=first, beta_last=last)


def test_uniform_times():
    times = FlowSchedule().draw_times(range(4000))
    assert times.min() > 0
    assert times.max() <= 1000
    # A histogram of ten bins: 400 each, with a standard deviation of 19.
    counts = torch.histc(times, 10, 0, 1000)
    assert counts.min() > 310
    assert counts.max() < 490
    assert torch.equal(times[7:9], FlowSchedule().draw_times((7, 8)))


def test_logit_normal_times_and_their_shift():
    plain = FlowSchedule(draw="logit_normal", location=0.5, spread=0.8).draw_times(range(4000))
    logit = torch.logit(plain.double() / 1000)
    assert abs(logit.mean() - 0.5) < 5 * 0.8 / 4000**0.5
    assert abs(logit.std() - 0.8) < 5 * 0.8 / 8000**0.5
    moved = FlowSchedule(draw="logit_normal", location=0.5, spread=0.8, shift=3.0)
    logit_moved = torch.logit(moved.draw_times(range(4000)).double() / 1000)
    torch.testing.assert_close(logit_moved, logit + math.log(3), rtol=0, atol=2e-4)


def test_wrong_flow_schedules_are_refused():
    with pytest.raises(ValueError, match="positive"):
        FlowSchedule(spread=0.0)
    with pytest.raises(ValueError, match="positive"):
        FlowSchedule(shift=-1.0)


def test_shift_fixes_the_ends_and_shifts_compose():
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    assert shifted(t, 3.0)[0] == 0
    assert shifted(t, 3.0)[-1] == 1
    torch.testing.assert_close(shifted(shifted(t, 3.0), 2.0), shifted(t, 6.0))
    assert torch.equal(shifted(t, 1.0), t)


@pytest.mark.parametrize("shift", [1.0, 0.4, 3.0])
@pytest.mark.parametrize("steps", [1, 3, 4, 7, 50])
def test_flow_grid_of_twice_the_steps_holds_the_grid(steps, shift):
    grid = flow_grid(steps, shift)
    assert grid.shape == (steps + 1,)
    assert grid[0] == 1
    assert grid[-1] == 0
    assert (grid.diff() < 0).all()
    assert torch.equal(flow_grid(2 * steps, shift)[::2], grid)


def test_grids_of_the_linear_schedule():
    assert trailing_grid(4) == [999, 749, 499, 249]
    assert spanning_grid(4) == [999, 666, 333, 0]
    assert trailing_grid(1000) == spanning_grid(1000) == list(range(999, -1, -1))
    for steps in range(2, 1001, 7):
        for grid in (trailing_grid(steps), spanning_grid(steps)):
            assert len(grid) == steps
            assert grid[0] == 999
            assert all(a > b for a, b in zip(grid, grid[1:], strict=False))
            assert grid[-1] >= 0
        assert abs(Fraction(trailing_grid(steps)[-1] + 1) - Fraction(1000, steps)) <= Fraction(1, 2)


def test_wrong_counts_are_refused():
    for grid, steps in [
        (flow_grid, 0),
        (trailing_grid, 0),
        (trailing_grid, 1001),
        (spanning_grid, 1),
    ]:
        with pytest.raises(ValueError, match="steps"):
            grid(steps)
