"""From noise to data: one loop for every sampler.

The loop knows nothing of networks, guidance or masks. They come in as the denoiser, and as two
hooks: ``edit`` may change ``x`` between steps, ``callback`` may look at it. Where the steps fall
is told in ``courses``.

``x`` stays on the device of the noise, in its type. Give 32-bit noise and let the network compute
in fewer bits inside the denoiser (autocast): a thousand roundings of ``x`` itself add up.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from roadloom.diffusion.courses import Course, SamplerConfig, course
from roadloom.diffusion.denoiser import Denoiser, split_variance
from roadloom.diffusion.schedules import Level
from roadloom.diffusion.seeds import draw_noise, generators
from roadloom.errors import BadInput

Edit = Callable[[Tensor, Level], Tensor]
"""(x, the level it has) -> x of that level. Called before the first and after every step."""
Callback = Callable[[int, Tensor, Level], None]
"""(steps done, x, the level it has). Called where ``edit`` is, after it."""


@torch.no_grad()
def sample(
    denoise: Denoiser,
    noise: Float[Tensor, "batch channel *cells"],
    sampler: SamplerConfig,
    seeds: Sequence[int] | None = None,
    *,
    edit: Edit | None = None,
    callback: Callback | None = None,
    repeats: int = 1,
) -> Float[Tensor, "batch channel *cells"]:
    """Data for this noise.

    Args:
        noise: standard normal, for instance ``seeds.noise_like(seeds, shape)``.
        seeds: one per sample, of the noise that is added on the way; needed by ``ddpm``, by
            ``ddim`` with ``eta`` above 0 and by ``repeats``. What a seed gives does not depend on
            the rest of the batch.
        repeats: how often each step is taken; between two of them noise brings ``x`` back to
            where the step began (the resampling of Lugmayr et al. 2022, arXiv 2201.09865, with
            jumps of one step). Not for samplers that remember earlier steps.

    Raises:
        BadInput: noise is no finite floats, seeds are missing or not one per sample, the sampler
            cannot repeat, or the denoiser's output does not fit or is not finite.
        MissingExtra: diffusers is not installed.
    """
    _check_noise(noise, seeds)
    way = course(sampler)
    random = sampler.name == "ddpm" or sampler.eta > 0 or repeats > 1
    if repeats < 1 or (repeats > 1 and not way.repeatable):
        raise BadInput(f"{sampler.name} cannot take each step {repeats} times", field="repeats")
    if random and (seeds is None or len(seeds) != len(noise)):
        raise BadInput(f"{sampler.name} needs one seed for each of {len(noise)}", field="seeds")
    values: dict[str, object] = {
        "eta": sampler.eta,
        "generator": generators(seeds or (), "step") or None,
    }
    extra = {name: values[name] for name in way.keywords}
    again = generators(seeds or (), "repeat")

    def arrive(done: int, x: Tensor) -> Tensor:
        x = x if edit is None else edit(x, way.levels[done])
        if callback is not None:
            callback(done, x, way.levels[done])
        return x

    x = arrive(0, noise)
    way.rewind(0)
    for place in range(len(way)):
        for left in reversed(range(repeats)):
            moved = arrive(place + 1, _step(way, denoise, x, place, extra))
            if left:
                fresh = draw_noise(again, x.shape[1:], device=x.device, dtype=x.dtype)
                x = noised(moved, way.levels[place + 1], way.levels[place], fresh)
                way.rewind(place)
        x = moved
    if not bool(x.isfinite().all()):
        raise BadInput(
            "gave NaN or infinity", field="denoise",
            remedy="look at its weights and conditions; compute in 32 bits, guide less",
        )  # fmt: skip
    return x


def _check_noise(noise: Tensor, seeds: Sequence[int] | None) -> None:
    shape = tuple(noise.shape)
    if noise.ndim < 2 or not len(noise) or not noise.is_floating_point():
        raise BadInput(f"{noise.dtype} {shape}, must be floats [batch channel ...]", field="noise")
    if not bool(noise.isfinite().all()):
        raise BadInput("holds NaN or infinity", field="noise")
    if seeds is not None and len(seeds) != len(noise):
        raise BadInput(f"{len(seeds)} for {len(noise)} samples", field="seeds")


def noised(
    x: Float[Tensor, "batch *sample"],
    level: Level,
    noisier: Level,
    noise: Float[Tensor, "batch *sample"],
) -> Float[Tensor, "batch *sample"]:
    """Add what noise lies between two levels: a draw of the forward process from ``x``."""
    factor = noisier.signal / level.signal
    variance = max(0.0, noisier.noise**2 - (factor * level.noise) ** 2)
    return factor * x + variance**0.5 * noise


def _step(
    way: Course, denoise: Denoiser, x: Tensor, place: int, extra: dict[str, object]
) -> Tensor:
    time = way.times[place]
    output = denoise(x, torch.full((len(x),), time, dtype=torch.float32, device=x.device))
    if len(output) != len(x) or output.shape[2:] != x.shape[2:]:
        raise BadInput(
            f"the denoiser gave {tuple(output.shape)} for {tuple(x.shape)}", field="denoise"
        )
    output = output.to(x)  # some schedulers give x the type of the output
    prediction, variance = split_variance(output, x.shape[1])
    if way.takes_variance:
        if variance is None:
            raise BadInput(
                f"the denoiser gave {output.shape[1]} channels, without variance",
                remedy="set the sampler's variance to 'small' or 'large'",
            )
        prediction = output
    moved: Tensor = way.scheduler.step(
        prediction, way.scheduler.timesteps[place], x, return_dict=False, **extra
    )[0]
    return moved.to(x)
