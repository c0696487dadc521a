"""Every sampler on normal data, where the right end is known for each noise."""

import subprocess
import sys

import pytest
import torch
from tests.diffusion.gaussians import exact_end, ideal, ideal_with_variance

from roadloom.diffusion.courses import SamplerConfig, course
from roadloom.diffusion.sample import noised, sample
from roadloom.diffusion.schedules import DATA, LEVELS, LinearSchedule, spanning_grid
from roadloom.diffusion.seeds import noise_like
from roadloom.diffusion.variational import learned_log_variance
from roadloom.errors import BadInput, MissingExtra

MEAN, STD = 0.3, 0.5
SEEDS = (3, 7, 11)
ALL = [
    SamplerConfig(name="ddpm", objective="epsilon", steps=5),
    SamplerConfig(name="ddpm", objective="epsilon", steps=5, variance="large"),
    SamplerConfig(name="ddim", objective="epsilon", steps=5),
    SamplerConfig(name="ddim", objective="epsilon", steps=5, eta=1.0),
    SamplerConfig(name="dpm++", objective="epsilon", steps=5),
    SamplerConfig(name="dpm++", objective="flow", steps=5),
    SamplerConfig(name="flow_euler", steps=5),
    SamplerConfig(name="flow_heun", steps=5),
]


def named(config: SamplerConfig) -> str:
    return f"{config.name}-{config.objective}-{config.eta}-{config.variance}"


def error_of(config: SamplerConfig) -> float:
    noise = noise_like(range(4), (1, 8, 8), dtype=torch.float64)
    end = sample(ideal(config.objective, MEAN, STD), noise, config)
    return float((end - exact_end(noise, config.objective, MEAN, STD)).abs().max())


def with_variance(denoise):
    """Variance channels in the middle of their range."""

    def both(x, times):
        output = denoise(x, times)
        return torch.cat([output, torch.zeros_like(output)], 1)

    return both


def denoiser_for(config: SamplerConfig, std=STD):
    plain = ideal(config.objective, MEAN, std)
    return with_variance(plain) if config.name == "ddpm" else plain


@pytest.mark.parametrize(
    "name, objective, order, shift",
    [
        ("ddim", "epsilon", 1, 1.0),
        ("flow_euler", "flow", 1, 1.0),
        ("flow_euler", "flow", 1, 3.0),
        ("flow_heun", "flow", 2, 1.0),
        ("flow_heun", "flow", 2, 3.0),
        ("dpm++", "flow", 2, 1.0),
        ("dpm++", "epsilon", 2, 1.0),
    ],
)
def test_errors_fall_with_the_order_of_the_solver(name, objective, order, shift):
    steps = 100, 500  # both divide 1000; with fewer the two parts of dpm++'s error cancel
    errors = [
        error_of(SamplerConfig(name=name, objective=objective, steps=n, shift=shift)) for n in steps
    ]
    measured = torch.tensor(errors).log().diff() / torch.tensor(steps).log().diff()
    assert -float(measured) > order - 0.35
    assert errors[1] < (0.02 if order == 1 else 3e-4)


def test_flow_of_a_single_point_is_exact_in_one_step():
    """For data of zero width the velocity is constant along the way."""
    noise = noise_like(SEEDS, (1, 4))
    for steps in (1, 3):
        end = sample(ideal("flow", MEAN, 0.0), noise, SamplerConfig(steps=steps))
        torch.testing.assert_close(end, torch.full_like(end, MEAN))


@pytest.mark.parametrize("steps", [10, 250])
def test_ancestral_sampling_with_the_true_variance_is_exact_in_distribution(steps):
    """Steps between normal distributions are normal: any number of them gives the data's."""
    seeds = range(8)
    start = SamplerConfig(name="ddpm", objective="epsilon", steps=steps)
    level = start.schedule.level(999)
    # The level 999 is not quite pure noise.
    spread = (level.signal**2 * STD**2 + level.noise**2) ** 0.5
    noise = level.signal * MEAN + spread * noise_like(seeds, (2, 16, 16), dtype=torch.float64)
    seen = {}

    def look(done, x, level):
        seen[level] = x.mean(), x.std(), x.numel()

    sample(ideal_with_variance(spanning_grid(steps), MEAN, STD), noise, start, seeds, callback=look)
    assert len(seen) == steps + 1
    for level, (mean, std, count) in seen.items():
        want = (level.signal**2 * STD**2 + level.noise**2) ** 0.5
        if level == DATA:
            # The last step adds no noise: its end is the expected data at index 0, of less spread.
            zero = start.schedule.level(0)
            want = STD**2 * zero.signal / (zero.signal**2 * STD**2 + zero.noise**2) ** 0.5
        assert abs(mean - level.signal * MEAN) < 4.5 * want / count**0.5
        assert abs(std - want) < 4.5 * want / (2 * count) ** 0.5


@pytest.mark.parametrize("bound, value", [("small", -1.0), ("large", 1.0)])
def test_learned_variance_at_its_bounds_is_the_fixed_one(bound, value):
    noise = noise_like(SEEDS, (2, 4, 4), dtype=torch.float64)

    def learned(x, times):
        prediction = ideal("epsilon", MEAN, STD)(x, times)
        return torch.cat([prediction, torch.full_like(prediction, value)], 1)

    settings = {"name": "ddpm", "objective": "epsilon", "steps": 20}
    fixed = SamplerConfig(**settings, variance=bound)
    ends = [
        sample(learned, noise, SamplerConfig(**settings), SEEDS),
        sample(learned, noise, fixed, SEEDS),
        sample(ideal("epsilon", MEAN, STD), noise, fixed, SEEDS),
    ]
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-6, atol=1e-6)
    assert torch.equal(ends[1], ends[2])


def test_training_and_sampling_agree_on_what_variance_channels_mean():
    scheduler = course(SamplerConfig(name="ddpm", objective="epsilon", steps=1000)).scheduler
    tables = LinearSchedule().tables()
    v = torch.linspace(-1, 1, 5, dtype=torch.float64)
    for index in (1, 2, 500, 999):
        ours = learned_log_variance(tables, v[:, None], torch.full((5,), index))[:, 0]
        theirs = scheduler._get_variance(index, predicted_variance=v)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("config", ALL, ids=named)
def test_a_sample_does_not_depend_on_its_batch(config):
    def zero(x, times):
        return torch.zeros_like(torch.cat([x, x], 1) if config.name == "ddpm" else x)

    noise = noise_like(SEEDS, (2, 5, 5))
    for denoise, tolerance in ((zero, 0.0), (denoiser_for(config), 1e-6)):
        whole = sample(denoise, noise, config, SEEDS)
        for i, seed in enumerate(SEEDS):
            alone = sample(denoise, noise[i : i + 1], config, (seed,))
            torch.testing.assert_close(whole[i : i + 1], alone, rtol=0, atol=tolerance)
        assert torch.equal(whole, sample(denoise, noise, config, SEEDS))


@pytest.mark.parametrize("config", ALL[:4], ids=named)
def test_only_random_samplers_hear_the_seeds(config):
    noise = noise_like(SEEDS, (2, 5, 5))
    ends = [sample(denoiser_for(config), noise, config, seeds) for seeds in (SEEDS, (1, 2, 3))]
    random = config.name == "ddpm" or config.eta > 0
    assert torch.equal(*ends) != random


def test_noise_on_the_way_is_not_the_noise_of_the_start():
    noise = noise_like((5,), (1, 1000))
    zero = torch.zeros_like(noise)
    for config in ALL[1], ALL[3]:
        added = sample(lambda x, times: torch.zeros_like(x), zero, config, (5,))
        assert added.std() > 0.1
        correlation = torch.corrcoef(torch.stack([added.flatten(), noise.flatten()]))[0, 1]
        assert abs(correlation) < 4.5 / 1000**0.5


@pytest.mark.parametrize(
    "settings, want",
    [
        ({"name": "ddpm", "objective": "epsilon", "steps": 4}, [999, 666, 333, 0]),
        ({"name": "ddim", "objective": "epsilon", "steps": 4}, [999, 749, 499, 249]),
        ({"name": "dpm++", "objective": "epsilon", "steps": 4}, [999, 749, 499, 249]),
        ({"name": "dpm++", "steps": 4}, [1000, 750, 500, 250]),
        ({"name": "flow_euler", "steps": 4}, [1000, 750, 500, 250]),
        ({"name": "flow_euler", "steps": 4, "shift": 3.0}, [1000, 900, 750, 500]),
        ({"name": "dpm++", "steps": 4, "shift": 3.0}, [1000, 900, 750, 500]),
        ({"name": "flow_heun", "steps": 4}, [1000, 750, 750, 500, 500, 250, 250]),
        ({"name": "flow_heun", "steps": 4, "shift": 3.0}, [1000, 900, 900, 750, 750, 500, 500]),
        ({"name": "flow_heun", "steps": 1}, [1000]),
    ],
)
def test_the_network_sees_the_documented_times(settings, want):
    config = SamplerConfig(**settings)
    seen, inner = [], denoiser_for(config)

    def denoise(x, times):
        assert times.shape == (len(SEEDS),)
        assert times.dtype == torch.float32
        assert (times == times[0]).all()
        seen.append(float(times[0]))
        return inner(x, times)

    sample(denoise, noise_like(SEEDS, (1, 2)), config, SEEDS)
    assert seen == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("steps", [n for n in range(1, 1001) if 1000 % n == 0])
def test_ddim_steps_where_the_grid_says(steps):
    way = course(SamplerConfig(name="ddim", objective="epsilon", steps=steps))
    assert way.scheduler.timesteps.tolist() == [level.time for level in way.levels[:-1]]
    assert way.levels[0].time == 999
    assert way.levels[-1] == DATA


@pytest.mark.parametrize("config", ALL, ids=named)
def test_hooks_see_every_level_and_edits_count(config):
    calls = []

    def edit(x, level):
        calls.append(("edit", level))
        return torch.full_like(x, 7.0) if level == DATA else x

    def look(done, x, level):
        calls.append((done, level))

    end = sample(
        denoiser_for(config), noise_like(SEEDS, (1, 2)), config, SEEDS, edit=edit, callback=look
    )
    assert end.eq(7).all()
    levels = course(config).levels
    expected = [(who, level) for done, level in enumerate(levels) for who in ("edit", done)]
    assert calls == expected
    assert all(a.noise >= b.noise for a, b in zip(levels, levels[1:], strict=False))


@pytest.mark.parametrize("config", ALL, ids=named)
def test_x_keeps_the_type_of_the_noise(config):
    noise = noise_like(SEEDS, (1, 6, 6))

    def rough(x, times):
        assert x.dtype == torch.float32
        return denoiser_for(config)(x, times).bfloat16()

    end = sample(rough, noise, config, SEEDS)
    assert end.dtype == torch.float32
    # Had x been rounded too, its numbers would be those of 16 bits.
    assert not torch.equal(end, end.bfloat16().float())
    assert sample(denoiser_for(config), noise.double(), config, SEEDS).dtype == torch.float64


def test_samplers_of_fixed_variance_leave_variance_channels_alone():
    noise = noise_like(SEEDS, (2, 4))
    for config in ALL[1:5]:
        plain = ideal("epsilon", MEAN, STD)
        ends = [sample(f, noise, config, SEEDS) for f in (plain, with_variance(plain))]
        assert torch.equal(*ends)


@pytest.mark.parametrize("name, steps", [("flow_euler", 50), ("ddim", 250), ("ddpm", 50)])
def test_repeated_steps_keep_the_distribution(name, steps):
    """Ideal steps and the forward process both carry the marginal distribution of x on."""
    objective = "flow" if name == "flow_euler" else "epsilon"
    config = SamplerConfig(name=name, objective=objective, steps=steps)
    denoise = ideal(objective, MEAN, STD)
    if name == "ddpm":
        denoise = ideal_with_variance(spanning_grid(steps), MEAN, STD)
    calls = []

    def counted(x, times):
        calls.append(float(times[0]))
        return denoise(x, times)

    noise = noise_like(range(8), (1, 32, 32))
    end = sample(counted, noise, config, range(8), repeats=3)
    assert calls == [time for time in course(config).times for _ in range(3)]
    # First-order steps of these sizes are off by about 0.01; chance adds 0.006.
    assert abs(end.mean() - MEAN) < 0.03
    assert abs(end.std() - STD) < 0.03


def test_added_noise_leads_from_level_to_level():
    linear, ones = LinearSchedule(), torch.ones(1, 1)
    flows = course(SamplerConfig(steps=5)).levels
    pairs = [(linear.level(10), linear.level(700)), (DATA, linear.level(3)), flows[2:0:-1]]
    for level, noisier in [*pairs, (flows[1], flows[0])]:
        signal = float(noised(level.signal * ones, level, noisier, 0 * ones))
        assert signal == pytest.approx(noisier.signal)
        carried = float(noised(level.noise * ones, level, noisier, 0 * ones))
        added = float(noised(0 * ones, level, noisier, ones))
        assert (carried**2 + added**2) ** 0.5 == pytest.approx(noisier.noise)


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "ddpm"},
        {"name": "flow_euler", "objective": "epsilon"},
        {"name": "flow_euler", "steps": 0},
        {"name": "ddpm", "objective": "epsilon", "steps": 1},
        {"name": "ddpm", "objective": "epsilon", "steps": 1001},
        {"name": "ddim", "objective": "epsilon", "steps": 30},
        {"shift": 0.0},
        {"name": "ddim", "objective": "epsilon", "eta": 1.5},
    ],
)
def test_samplers_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match="steps|objective|shift|eta"):
        SamplerConfig(**settings)


def test_wrong_calls_are_refused():
    noise = noise_like(SEEDS, (2, 4))
    plain = ideal("epsilon")
    ancestral, solver = ALL[0], ALL[4]
    with pytest.raises(BadInput, match="seed"):
        sample(with_variance(plain), noise, ancestral)
    with pytest.raises(BadInput, match="seed"):
        sample(with_variance(plain), noise, ancestral, (1, 2))
    with pytest.raises(BadInput, match="without variance"):
        sample(plain, noise, ancestral, SEEDS)
    with pytest.raises(BadInput, match="times"):
        sample(plain, noise, solver, SEEDS, repeats=2)
    with pytest.raises(BadInput, match="times"):
        sample(plain, noise, ALL[2], SEEDS, repeats=0)
    with pytest.raises(BadInput, match="channels"):
        sample(lambda x, times: x[:, :1], noise, ALL[2], SEEDS)


def test_no_gradients_are_kept():
    noise = noise_like(SEEDS, (2, 4)).requires_grad_()
    assert not sample(ideal("flow"), noise, ALL[6]).requires_grad


def test_diffusers_is_imported_late_and_named_when_missing(monkeypatch):
    code = (
        "import sys, roadloom.diffusion.sample, roadloom.diffusion.distill, "
        "roadloom.diffusion.masked, roadloom.diffusion.inversion; "
        "assert 'diffusers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    name = "diffusers.schedulers.scheduling_flow_match_euler_discrete"
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match="roadloom\\[diffusion\\]"):
        sample(ideal("flow"), noise_like(SEEDS, (1, 2)), ALL[6])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("config", ALL, ids=named)
def test_a_seed_means_the_same_on_every_device(config):
    noise = noise_like(SEEDS, (2, 5, 5))
    here = sample(denoiser_for(config), noise, config, SEEDS)
    there = sample(denoiser_for(config), noise.cuda(), config, SEEDS)
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), here, rtol=1e-4, atol=1e-5)


def test_times_never_leave_the_scale():
    for config in ALL:
        assert all(0 <= time <= LEVELS for time in course(config).times)
