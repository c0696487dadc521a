"""The ego vehicle's planar motion, read from occupancy alone.

Occupancy lies in the ego frame, so what stands still moves through the grid as the vehicle
drives. Each frame becomes a map of columns per static class, smoothed; two neighbours are
registered by Gauss-Newton steps on the squared difference (Lucas and Kanade 1981, in the inverse
compositional form of Baker and Matthews 2004), from coarse to fine. No pose is used.

    labels [T X Y Z] -> maps [T K X Y] -> motion of each step [T-1 3]: forward, left [m], yaw [rad]

The ground's classes weigh as columns like any other; where nothing static has an edge across
the road, motion along it cannot be seen, and the answer stays near the first guess.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from roadloom.errors import BadInput
from roadloom.scene.class_views import view

STATIC = {
    "dynamiccity12": (
        "Building", "Barrier", "Pole", "Road", "Ground", "Sidewalk", "Vegetation",
    ),
    "occ3d18": (
        "barrier", "driveable_surface", "other_flat", "sidewalk", "terrain", "manmade",
        "vegetation",
    ),
}  # fmt: skip
"""Classes of each view that do not move."""

LEVELS = (4, 2, 1)
"""Cells that are averaged along x and y, from coarse to fine."""
STEPS = (10, 6, 4)
"""Gauss-Newton steps on each level."""
DAMPING = 1e-3
"""Added to the diagonal of the normal matrix, as a share of it."""
_BLUR = (1.0, 4.0, 6.0, 4.0, 1.0)


def static_ids(class_view: str) -> tuple[int, ...]:
    """View ids of the classes that do not move."""
    if class_view not in STATIC:
        raise BadInput(
            "nobody has said which classes of this view stand still", field=class_view,
            remedy=f"use one of {', '.join(STATIC)}",
        )  # fmt: skip
    names = view(class_view).names
    return tuple(names.index(name) for name in STATIC[class_view])


def ego_motion(
    labels: UInt8[Tensor, "time x y z"],
    static: Sequence[int],
    cell_m: tuple[float, float],
    *,
    first_guess: Float[Tensor, "step 3"] | None = None,
    gap: int = 1,
) -> Float[Tensor, "step 3"]:
    """Motion from each frame to the one ``gap`` later, in the earlier frame's ego frame.

    The ego vehicle is taken to stand at the middle of the grid's x and y. NaN if the frames hold
    nothing static.

    Args:
        static: view ids of classes that do not move.
        cell_m: size of a cell along x and y [m].
    """
    if len(labels) <= gap or gap < 1:
        raise ValueError(f"{len(labels)} frames hold no two that are {gap} apart")
    motion = torch.zeros(len(labels) - gap, 3, device=labels.device)
    if first_guess is not None:
        motion = motion + first_guess
    maps = static_maps(labels, static)
    maps = maps[:, maps.flatten(2).any(dim=2).any(dim=0)]  # absent classes cost time
    if not maps.shape[1]:
        return torch.full_like(motion, torch.nan)
    for size, steps in zip(LEVELS, STEPS, strict=True):
        level = F.avg_pool2d(maps, size) if size > 1 else maps
        level = _blurred(level)
        edges = (cell_m[0] * size, cell_m[1] * size)
        motion = _register(level[:-gap], level[gap:], motion, edges, steps)
    return motion


def static_maps(
    labels: UInt8[Tensor, "time x y z"], static: Sequence[int]
) -> Float[Tensor, "time static x y"]:
    """Whether a column holds each class."""
    return torch.stack([(labels == number).any(dim=3) for number in static], dim=1).float()


def _blurred(maps: Tensor) -> Tensor:
    kernel = torch.tensor(_BLUR, device=maps.device) / sum(_BLUR)
    channels = maps.shape[1]
    rows = kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    maps = F.conv2d(F.pad(maps, (0, 0, 2, 2), mode="replicate"), rows, groups=channels)
    columns = kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    return F.conv2d(F.pad(maps, (2, 2, 0, 0), mode="replicate"), columns, groups=channels)


def _register(
    before: Tensor, after: Tensor, motion: Tensor, edges: tuple[float, float], steps: int
) -> Tensor:
    """Improve the motion for which ``before(q)`` is ``after`` at q's place in the later frame."""
    places = _places(before.shape[2:], edges, before.device)  # [X Y 2], in m
    x, y = places[..., 0], places[..., 1]
    slope_x, slope_y = _slopes(before, edges)  # [N K X Y]
    # The template moved by a small (dx, dy, dyaw): its change per unit of each.
    slopes = torch.stack([slope_x, slope_y, slope_y * x - slope_x * y], dim=1)  # [N 3 K X Y]
    flat = slopes.flatten(2)
    normal = flat @ flat.transpose(1, 2)
    normal = normal + torch.diag_embed(DAMPING * normal.diagonal(dim1=1, dim2=2) + 1e-6)
    for _ in range(steps):
        moved, inside = _carried(after, places, motion, edges)
        off = (moved - before) * inside[:, None]
        side = flat @ off.flatten(1)[..., None]  # [N 3 1]
        # The template at step(q) is like the later map at q: the step goes before the motion.
        motion = _composed(torch.linalg.solve(normal, side)[..., 0], motion)
    return motion


def _composed(first: Tensor, second: Tensor) -> Tensor:
    """Planar poses ``a_from_b`` and ``b_from_c`` [N 3] -> ``a_from_c``."""
    cos, sin = torch.cos(first[:, 2]), torch.sin(first[:, 2])
    return torch.stack(
        [
            first[:, 0] + cos * second[:, 0] - sin * second[:, 1],
            first[:, 1] + sin * second[:, 0] + cos * second[:, 1],
            first[:, 2] + second[:, 2],
        ],
        dim=1,
    )


def _places(size: Sequence[int], edges: tuple[float, float], device: torch.device) -> Tensor:
    x = (torch.arange(size[0], device=device) - (size[0] - 1) / 2) * edges[0]
    y = (torch.arange(size[1], device=device) - (size[1] - 1) / 2) * edges[1]
    return torch.stack(torch.meshgrid(x, y, indexing="ij"), dim=-1)


def _slopes(maps: Tensor, edges: tuple[float, float]) -> tuple[Tensor, Tensor]:
    x, y = torch.zeros_like(maps), torch.zeros_like(maps)
    x[:, :, 1:-1] = (maps[:, :, 2:] - maps[:, :, :-2]) / (2 * edges[0])
    y[..., 1:-1] = (maps[..., 2:] - maps[..., :-2]) / (2 * edges[1])
    return x, y


def _carried(
    after: Tensor, places: Tensor, motion: Tensor, edges: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """The later maps at the earlier frame's places, and which of those the later grid holds."""
    cos, sin = torch.cos(motion[:, 2]), torch.sin(motion[:, 2])
    x = places[None, ..., 0] - motion[:, 0, None, None]
    y = places[None, ..., 1] - motion[:, 1, None, None]
    cos, sin = cos[:, None, None], sin[:, None, None]
    half_x, half_y = after.shape[2] * edges[0] / 2, after.shape[3] * edges[1] / 2
    along, across = (cos * x + sin * y) / half_x, (cos * y - sin * x) / half_y
    inside = ((along.abs() < 1) & (across.abs() < 1)).to(after.dtype)
    where = torch.stack([across, along], dim=-1)  # grid_sample wants the last axis first
    moved = F.grid_sample(after, where, align_corners=False, padding_mode="border")
    return moved, inside


def chained(motions: Float[Tensor, "step 3"]) -> Float[Tensor, "time 3"]:
    """Poses x, y [m], yaw [rad] of every frame in the first one's ego frame."""
    poses = [torch.zeros(3, device=motions.device, dtype=motions.dtype)]
    for motion in motions:
        poses.append(_composed(poses[-1][None], motion[None])[0])
    return torch.stack(poses)
