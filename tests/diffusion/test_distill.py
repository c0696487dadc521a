"""A perfect student's steps end where its teacher's steps end."""

import pytest
import torch
from tests.diffusion.gaussians import ideal
from tests.diffusion.test_guidance import FIRST, NULL, Counted

from roadloom.diffusion.distill import StudentGrid, draw_steps, plan, target_velocity
from roadloom.diffusion.guidance import GuidanceConfig, guide
from roadloom.diffusion.objectives import FlowObjective, masked_mean
from roadloom.diffusion.sample import sample
from roadloom.diffusion.schedules import flow_grid
from roadloom.diffusion.seeds import noise_like

SEEDS = (1, 2, 3, 4)
NOISE = noise_like(SEEDS, (2, 6), dtype=torch.float64)
TEACHER = ideal("flow", 0.3, 0.5)


def perfect_student(teacher, grid: StudentGrid, **more):
    """Says the target exactly, and refuses to be asked at times that are not on its grid."""
    known = grid.times(torch.arange(grid.steps))

    def denoise(x, times):
        step = (known[None] == times[:, None]).int()
        assert step.sum(1).eq(1).all()
        return target_velocity(teacher, x, step.argmax(1), grid, **more)

    return denoise


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("steps", [1, 4, 7])
def test_the_student_ends_where_two_euler_steps_end(steps, shift):
    grid = StudentGrid(steps=steps, shift=shift)
    end = sample(perfect_student(TEACHER, grid), NOISE, grid.sampler())
    double = StudentGrid(steps=2 * steps, shift=shift)
    torch.testing.assert_close(end, sample(TEACHER, NOISE, double.sampler()), rtol=0, atol=1e-5)
    assert not torch.allclose(end, sample(TEACHER, NOISE, grid.sampler()), atol=1e-2)


def test_the_target_is_two_euler_steps_written_out():
    grid = StudentGrid(steps=4)
    step = torch.tensor([0, 1, 2, 3])
    times = torch.tensor([1.0, 0.75, 0.5, 0.25], dtype=torch.float64)[:, None, None]
    first = TEACHER(NOISE, 1000 * times.flatten())
    middle = NOISE - first / 8
    second = TEACHER(middle, 1000 * (times.flatten() - 1 / 8))
    got = target_velocity(TEACHER, NOISE, step, grid)
    torch.testing.assert_close(got, (first + second) / 2, rtol=1e-6, atol=1e-6)


def test_a_chain_of_students_keeps_the_first_teachers_end():
    student = TEACHER
    for steps in plan(32):
        grid = StudentGrid(steps=steps, shift=2.0)
        student = perfect_student(student, grid)
    assert grid.steps == 4
    end = sample(student, NOISE, grid.sampler())
    first = StudentGrid(steps=32, shift=2.0)
    torch.testing.assert_close(end, sample(TEACHER, NOISE, first.sampler()), rtol=0, atol=1e-5)
    leap = perfect_student(TEACHER, grid, teacher_steps=8)
    torch.testing.assert_close(end, sample(leap, NOISE, grid.sampler()), rtol=0, atol=1e-5)


def test_guidance_is_distilled_in():
    guided = guide(Counted(), [FIRST], NULL, GuidanceConfig(scales=(3.0,)))
    grid = StudentGrid(steps=4)
    end = sample(perfect_student(guided, grid), NOISE, grid.sampler())
    double = StudentGrid(steps=8)
    torch.testing.assert_close(end, sample(guided, NOISE, double.sampler()), rtol=0, atol=1e-5)


def test_a_trained_student_finds_the_target():
    """The target is linear in x for normal data: least squares over drawn steps must find it."""
    grid = StudentGrid(steps=4)
    seeds = range(400)
    data = 0.3 + 0.5 * noise_like(seeds, (1, 8), dtype=torch.float64, stream="data")
    noise = noise_like(seeds, (1, 8), dtype=torch.float64)
    step = draw_steps(grid, seeds)
    noisy = FlowObjective().corrupt(data, noise, grid.times(step))
    target = target_velocity(TEACHER, noisy, step, grid)
    lines = torch.zeros(4, 2, dtype=torch.float64)
    for index in range(4):
        x, y = noisy[step == index].flatten(), target[step == index].flatten()
        lines[index] = torch.linalg.lstsq(torch.stack([x, x * 0 + 1], 1), y[:, None]).solution[:, 0]

    def student(x, times):
        slope, offset = lines[(4 - times / 250).long()].T
        return slope[:, None, None] * x + offset[:, None, None]

    assert masked_mean((student(noisy, grid.times(step)) - target) ** 2).max() < 1e-9
    end = sample(student, NOISE, grid.sampler())
    double = StudentGrid(steps=8)
    torch.testing.assert_close(end, sample(TEACHER, NOISE, double.sampler()), rtol=0, atol=1e-4)


@pytest.mark.parametrize("shift", [1.0, 0.3, 3.0])
@pytest.mark.parametrize("steps", [1, 4, 6])
def test_training_and_sampling_use_the_same_times_bit_for_bit(steps, shift):
    grid = StudentGrid(steps=steps, shift=shift)
    seen = []

    def denoise(x, times):
        seen.append(times[0])
        return x

    sample(denoise, NOISE, grid.sampler())
    assert torch.equal(torch.stack(seen), grid.times(torch.arange(steps)))
    assert torch.equal(torch.stack(seen), 1000 * flow_grid(steps, shift)[:-1])


def test_plan_halves():
    assert plan(64) == (32, 16, 8, 4)
    assert plan(8) == (4,)
    assert plan(4) == ()
    assert plan(6, 3) == (3,)
    for teacher, student in ((50, 4), (4, 8), (12, 4), (0, 0)):
        with pytest.raises(ValueError, match="halving"):
            plan(teacher, student)


def test_steps_are_drawn_per_seed_and_evenly():
    grid = StudentGrid(steps=4)
    whole = draw_steps(grid, range(2000))
    assert torch.equal(whole[100:130], draw_steps(grid, range(100, 130)))
    counts = torch.bincount(whole, minlength=4)
    assert len(counts) == 4
    assert abs(counts - 500).max() < 90  # 4.5 standard deviations of 19


def test_targets_carry_no_gradient_and_wrong_counts_are_refused():
    weight = torch.ones((), requires_grad=True)
    step, grid = torch.tensor([0, 1, 2, 3]), StudentGrid()
    assert not target_velocity(lambda x, t: weight * x, NOISE, step, grid).requires_grad
    with pytest.raises(ValueError, match="teacher_steps"):
        target_velocity(TEACHER, NOISE, step, grid, teacher_steps=0)
    with pytest.raises(ValueError, match="step"):
        StudentGrid(steps=0)
