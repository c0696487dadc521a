"""Templates of trees: a few shapes at nominal size, from which every tree is fitted.

A tree is a tapered trunk, branches to the middles of a handful of clumps, a dark body within each
clump and leaves of two bent triangles around them. Leaves' corner normals are the crown's, mixed
with their own, so that a crown is lit as one body.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from roadloom.scene.classes import class_id
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR, NEAR, SUNK_M
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.solids import Finish, limb, triangles, tube

VEGETATION = class_id("nature.vegetation")
TRUNK = class_id("nature.trunk")


class Species(NamedTuple):
    """Nominal measures [m]."""

    clumps: tuple[tuple[float, float, float, float, float], ...]
    """x, y, z of the middle, radius on the plan, radius upwards."""
    stem: float
    """Height at which the crown begins to hide the trunk."""
    radius: float
    """Of the trunk above its foot."""
    core: float
    """Share of a clump that its dark body fills."""
    leaf: float
    """Length of a leaf, when there are many."""
    bark: tuple[int, int, int]
    leaves: int


ROUND = Species(
    clumps=(
        (1.35, 0.35, 5.0, 1.75, 1.6),
        (-0.5, 1.4, 5.2, 1.7, 1.6),
        (-1.35, -0.55, 4.9, 1.75, 1.55),
        (0.45, -1.4, 5.3, 1.7, 1.6),
        (0.5, 0.5, 6.9, 1.75, 1.6),
        (-0.55, -0.4, 6.5, 1.7, 1.5),
    ),
    stem=3.4,
    radius=0.17,
    core=0.66,
    leaf=0.32,
    bark=(92, 78, 64),
    leaves=1050,
)
OVAL = Species(
    clumps=(
        (0.95, 0.3, 4.5, 1.5, 1.6),
        (-0.75, 0.85, 5.1, 1.45, 1.6),
        (-0.55, -0.95, 4.7, 1.5, 1.6),
        (0.65, -0.6, 6.6, 1.45, 1.7),
        (-0.45, 0.5, 7.4, 1.4, 1.7),
        (0.1, 0.0, 8.9, 1.15, 1.45),
    ),
    stem=3.0,
    radius=0.17,
    core=0.56,
    leaf=0.3,
    bark=(84, 74, 62),
    leaves=1050,
)
CONE = Species(
    clumps=(
        (0.75, 0.45, 2.9, 1.45, 0.95),
        (-0.75, 0.4, 3.0, 1.4, 0.95),
        (0.0, -0.85, 2.95, 1.4, 0.95),
        (0.2, 0.15, 4.1, 1.55, 1.05),
        (-0.2, -0.1, 5.2, 1.25, 1.05),
        (0.1, -0.05, 6.3, 1.0, 1.05),
        (-0.05, 0.05, 7.4, 0.74, 1.0),
        (0.0, 0.0, 8.5, 0.46, 1.1),
    ),
    stem=1.9,
    radius=0.16,
    core=0.72,
    leaf=0.275,
    bark=(78, 64, 52),
    leaves=1000,
)
COLUMN = Species(
    clumps=(
        (0.0, 0.1, 2.3, 0.78, 1.5),
        (0.1, -0.05, 4.2, 0.92, 1.7),
        (-0.1, 0.05, 6.2, 0.9, 1.7),
        (0.05, 0.0, 8.1, 0.72, 1.6),
        (0.0, 0.0, 9.7, 0.42, 1.2),
    ),
    stem=0.9,
    radius=0.13,
    core=0.74,
    leaf=0.215,
    bark=(86, 70, 56),
    leaves=950,
)
AIRY = Species(
    clumps=(
        (1.1, 0.6, 4.1, 1.25, 1.35),
        (-1.0, 0.5, 4.7, 1.2, 1.4),
        (0.1, -1.15, 5.0, 1.2, 1.4),
        (0.6, 0.55, 6.7, 1.1, 1.4),
        (-0.5, -0.35, 7.5, 1.05, 1.4),
        (0.1, 0.1, 9.3, 0.8, 1.3),
    ),
    stem=2.8,
    radius=0.12,
    core=0.24,
    leaf=0.265,
    bark=(176, 172, 162),
    leaves=1050,
)
SPECIES = (ROUND, OVAL, CONE, COLUMN, AIRY)


@lru_cache(maxsize=64)
def template(number: int, detail: int) -> tuple[Mesh, Mesh]:
    """Wood and leaves of one shape; leaves have a tint of about 1, to be multiplied."""
    species = SPECIES[number]
    chance = np.random.Generator(np.random.PCG64(1000 + number))
    wood = _wood(species, detail, chance)
    clumps = np.array(species.clumps, np.float64)
    if detail == FAR:
        return wood, lumps(clumps, 1.0, 0.2, (5, 4), chance, (0.5, 0.45))
    bands = (7, 4) if detail == NEAR else (5, 3)
    core = lumps(clumps, species.core, 0.2, bands, chance, (0.5, 0.05))
    count, size = (species.leaves, species.leaf) if detail == NEAR else (290, species.leaf * 1.95)
    return wood, join([core, leaves(clumps, count, size, species.core, chance)])


def _wood(species: Species, detail: int, chance: np.random.Generator) -> Mesh:
    sides = {NEAR: 7, FAR: 4}.get(detail, 5)
    tint = tuple(float(v) for v in materials.linear(*species.bark))
    bark = Finish(materials.BARK, tint, TRUNK)  # type: ignore[arg-type]
    hidden = bark._replace(class_id=VEGETATION)
    r, stem, top = species.radius, species.stem, species.clumps[-1][2]
    lean = chance.uniform(-0.12, 0.12, 2)
    line = [
        (0.0, 0.0, -SUNK_M),
        (0.0, 0.0, 0.12),
        (0.3 * lean[0], 0.3 * lean[1], 0.5),
        (lean[0], lean[1], stem),
    ]
    parts = [tube(line, (1.7 * r, 1.5 * r, r, 0.78 * r), sides, bark, caps=(True, True))]
    if detail == FAR:
        return parts[0]
    end = species.clumps[-1][:2]
    leader = [line[-1], (end[0], end[1], top)]
    parts.append(tube(leader, (0.76 * r, 0.15 * r), max(4, sides - 2), hidden))
    for x, y, z, radius, _ in species.clumps[:-1]:
        low = max(stem * chance.uniform(0.72, 0.98), 0.6)
        share = (low - 0.5) / max(stem - 0.5, 0.1)
        foot = (lean[0] * share, lean[1] * share, low)
        if detail == NEAR or radius > 1.2:
            tip = (0.85 * x, 0.85 * y, max(z - 0.1, low + 0.5))
            parts.append(limb(foot, tip, 0.5 * r, 0.14 * r, max(3, sides - 3), hidden))
    return join(parts)


def lumps(
    clumps: Float[np.ndarray, "clump 5"],
    share: float,
    rough: float,
    bands: tuple[int, int],
    chance: np.random.Generator,
    style: tuple[float, ...],
    material: int = materials.LEAF,
) -> Mesh:
    """A closed, uneven body in each clump; ``bands`` are sides and rings."""
    sides, rings = bands
    tilt = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)
    turn = np.arange(sides) * (2 * np.pi / sides)
    cos = np.cos(tilt)
    cos[0] = cos[-1] = 0.0
    unit = np.stack(
        [
            cos[:, None] * np.cos(turn),
            cos[:, None] * np.sin(turn),
            np.broadcast_to(np.sin(tilt)[:, None], (rings + 1, sides)),
        ],
        axis=-1,
    )
    reach = 1 + rough * chance.uniform(-1, 1, (len(clumps), rings + 1, sides, 1))
    reach[:, [0, -1]] = 1.0
    radii = clumps[:, None, None, [3, 3, 4]]
    at = unit * reach * radii * share + clumps[:, None, None, :3]
    corners = _skin(at)
    out = _skin(np.broadcast_to(unit, at.shape) / radii)
    normals = _unit(_unit(out) + 0.6 * _unit(_skin(at) - _middle(clumps)))
    finish = Finish(material, (1.0, 1.0, 1.0), VEGETATION, style)
    mesh = triangles(corners, finish, corners[..., [0, 2]], normals)
    if material == materials.LEAF:
        mesh.style[:, 0] = chance.uniform(0.38, 0.62, len(mesh))
    return mesh


def _skin(at: Float[np.ndarray, "clump ring side 3"]) -> Float[np.ndarray, "triangle 3 3"]:
    beside = np.roll(at, -1, axis=2)
    square = np.stack([at[:, :-1], beside[:, :-1], beside[:, 1:], at[:, 1:]], axis=3)
    return square[:, :, :, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, 3)


def _middle(clumps: Float[np.ndarray, "clump 5"]) -> Float[np.ndarray, "3"]:
    return clumps[:, :3].mean(axis=0)


def leaves(
    clumps: Float[np.ndarray, "clump 5"],
    count: int,
    size: float,
    inner: float,
    chance: np.random.Generator,
) -> Mesh:
    """Leaves around clumps, from the share ``inner`` of their radii outward, none deep within
    another clump."""
    area = clumps[:, 3] * (clumps[:, 3] + 2 * clumps[:, 4])
    which = chance.choice(len(clumps), size=4 * count, p=area / area.sum())
    outward = _unit(chance.normal(size=(4 * count, 3)))
    depth = chance.uniform(0.0, 1.0, 4 * count) ** 0.7
    radii = clumps[:, [3, 3, 4]]
    at = outward * radii[which] * (inner + (1.04 - inner) * depth)[:, None] + clumps[which, :3]
    inside = (((at[:, None] - clumps[None, :, :3]) / radii[None]) ** 2).sum(axis=-1)
    keep = np.flatnonzero(inside.min(axis=1) > 0.96 * inner * inner)[:count]
    at, outward, depth, which = at[keep], outward[keep], depth[keep], which[keep]
    normal = _unit(_unit(outward / radii[which]) + _unit(at - _middle(clumps)))
    return leaf_cards(at, normal, depth, size, chance)


def leaf_cards(
    at: Float[np.ndarray, "leaf 3"],
    crown: Float[np.ndarray, "leaf 3"],
    depth: Float[np.ndarray, " leaf"],
    size: float,
    chance: np.random.Generator,
) -> Mesh:
    """Two triangles each, bent along the leaf; normals lean to the crown's."""
    count = len(at)
    facing = _unit(crown + 0.75 * chance.normal(size=(count, 3)))
    along = _unit(np.cross(facing, chance.normal(size=(count, 3))))
    across = np.cross(facing, along)
    length = size * chance.uniform(0.75, 1.25, (count, 1))
    half = length * chance.uniform(0.3, 0.42, (count, 1))
    bend = facing * half * 0.45
    base, tip = at - along * length / 2, at + along * length / 2 - bend * 0.6
    right, left = at + across * half - bend, at - across * half - bend
    corners = np.stack([np.stack([base, tip, left], 1), np.stack([base, right, tip], 1)], axis=1)
    lit = _unit(crown + 0.45 * facing)
    normals = np.broadcast_to(lit[:, None, None], (count, 2, 3, 3)).reshape(-1, 3, 3)
    tone = chance.uniform(0.0, 1.0, count)
    finish = Finish(materials.LEAF, (1.0, 1.0, 1.0), VEGETATION)
    mesh = triangles(corners.reshape(-1, 3, 3), finish, None, normals)
    mesh.style[:, 0] = np.repeat(tone, 2)
    mesh.style[:, 1] = np.repeat(0.35 + 0.65 * depth, 2)
    warm = chance.uniform(-0.1, 0.1, count)
    mesh.tint[:] = np.repeat(np.stack([1 + warm, np.ones(count), 1 - warm], 1), 2, axis=0)
    return mesh


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.sqrt((vector * vector).sum(axis=-1, keepdims=True))
