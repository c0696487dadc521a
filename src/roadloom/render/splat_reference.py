"""The plain twin of ``splat``: every ellipse at every pixel, in torch, differentiable, any device.

    alpha_i = min(0.99, opacity_i exp(-1/2 d^T S_i^-1 d)), 0 below 1/255
    T_i = product of (1 - alpha_j) over j < i; i counts while T_i >= 1e-4
    output = sum alpha_i T_i (z_i, features_i, 1)

It goes row by row of the image: its memory is that of one row's pixels times the ellipses.
"""

from jaxtyping import Float

from roadloom.geometry.arrays import Array, like, numpy_door
from roadloom.render.project import LEAST_ALPHA, Footprints
from roadloom.render.splat import LEAST_LIGHT, MOST_ALPHA, Blended


def splat_reference(
    footprints: Footprints,
    opacities: Float[Array, " gaussian"],
    features: Float[Array, "gaussian channel"],
    width: int,
    height: int,
) -> Blended:
    """What ``splat`` gives, in the dtype of the footprints."""
    means, covariances, depths, rows = footprints
    index = like(rows, means)
    return _blend(means, covariances, depths, opacities[index], features[index], width, height)


@numpy_door
def _blend(
    means: Float[Array, "footprint 2"],
    covariances: Float[Array, "footprint 3"],
    depths: Float[Array, " footprint"],
    opacities: Float[Array, " footprint"],
    features: Float[Array, "footprint channel"],
    width: int,
    height: int,
) -> Blended:
    import torch

    uu, uv, vv = covariances.unbind(-1)
    determinant = uu * vv - uv * uv
    a, b, c = vv / determinant, -uv / determinant, uu / determinant
    across = torch.arange(width, dtype=means.dtype, device=means.device)
    rows = []
    for y in range(height):
        dx, dy = across[:, None] - means[:, 0], y - means[:, 1]  # [W N]
        power = a * dx * dx + 2 * b * dx * dy + c * dy * dy
        alpha = (opacities * torch.exp(-0.5 * power)).clamp(max=MOST_ALPHA)
        alpha = torch.where(alpha < LEAST_ALPHA, 0.0, alpha)
        after = torch.cumprod(1 - alpha, dim=-1)
        before = torch.cat([torch.ones_like(after[:, :1]), after], dim=-1)[:, :-1]
        weight = torch.where(before < LEAST_LIGHT, 0.0, alpha * before)
        rows.append((weight @ depths, weight @ features, weight.sum(dim=-1)))
    return Blended(*(torch.stack(part) for part in zip(*rows, strict=True)))
