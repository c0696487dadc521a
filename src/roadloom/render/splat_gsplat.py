"""``splat`` on a GPU, by gsplat (Apache-2.0): our projection, its blending.

gsplat 1.5's ``isect_tiles``, ``isect_offset_encode`` and ``rasterize_to_pixels`` are called as its
documentation describes them. Its pixel centres lie at halves, ours at whole numbers. It computes
in float32, has its own cap of alpha, and leaves out the ellipse that would fill a pixel, so that
its alpha may be lower than ours by up to 0.01.
"""

from typing import Any

from jaxtyping import Float

from roadloom.geometry.arrays import Array
from roadloom.io.extras import need
from roadloom.render.project import LEAST_ALPHA
from roadloom.render.splat import Blended

TILE = 16


def splat_gsplat(
    means: Float[Array, "footprint 2"],
    covariances: Float[Array, "footprint 3"],
    depths: Float[Array, " footprint"],
    opacities: Float[Array, " footprint"],
    features: Float[Array, "footprint channel"],
    width: int,
    height: int,
) -> Blended:
    """Ellipses that are sorted near to far; differentiable in all five.

    Raises:
        MissingExtra: gsplat is not installed.
    """
    gsplat: Any = need("gsplat")
    import torch

    uu, uv, vv = covariances.float().unbind(-1)
    conics = torch.stack([vv, -uv, uu], dim=-1) / (uu * vv - uv * uv)[:, None]
    centers = means.float() + 0.5
    across, down = -(-width // TILE), -(-height // TILE)
    with torch.no_grad():
        bound = 2 * (opacities.float().clamp(min=LEAST_ALPHA) / LEAST_ALPHA).log()
        radii = (bound[:, None] * torch.stack([uu, vv], dim=-1)).sqrt().ceil().int()
        order = torch.arange(len(means), dtype=torch.float32, device=means.device) + 1
        _, tiles_of, rows = gsplat.isect_tiles(
            centers[None], radii[None], order[None], TILE, across, down
        )
        offsets = gsplat.isect_offset_encode(tiles_of, 1, across, down)
    carried = torch.cat([depths.float()[:, None], features.float()], dim=-1)
    blended, alpha = gsplat.rasterize_to_pixels(
        centers[None], conics[None], carried[None], opacities.float()[None], width, height, TILE,
        offsets, rows,
    )  # fmt: skip
    return Blended(blended[0, ..., 0], blended[0, ..., 1:], alpha[0, ..., 0])
