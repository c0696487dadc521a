"""Trees, hedges, bushes and far woods.

A tree's ``shape[0]`` is 1 in autumn. Its outline follows its size: narrow sizes become columns,
wide ones round crowns. The trunk stands on the origin.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from roadloom.town.dice import Dice
from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR, MIDDLE, NEAR, SUNK_M
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.plants_crowns import VEGETATION, leaf_cards, lumps, template
from roadloom.town.mesh.solids import Finish, fitted, loft, turned

Size = tuple[float, float, float]
GREENS = (
    (74, 96, 44),
    (90, 108, 52),
    (62, 86, 46),
    (98, 112, 58),
    (58, 80, 42),
    (82, 100, 60),
    (104, 110, 50),
)
AUTUMN = (
    (172, 112, 42),
    (150, 84, 38),
    (180, 140, 56),
    (122, 92, 44),
    (158, 120, 40),
    (130, 62, 36),
)
DARK_GREENS = ((44, 66, 42), (52, 72, 44), (58, 76, 52))
HEDGES = ((62, 84, 42), (70, 92, 46), (54, 74, 42), (84, 96, 50))


def build(kind: str, size: Size, seed: int, detail: int, shape: tuple[int, ...]) -> Mesh:
    """A plant of kind ``tree``, ``hedge``, ``bush`` or ``hill`` (woods far away)."""
    if kind == "tree":
        return _tree(size, seed, detail, bool(shape) and shape[0] == 1)
    if kind == "hedge":
        return _hedge(size, seed, detail)
    if kind == "bush":
        return _bush(size, seed, detail)
    return _hill(size, seed)


def _tree(size: Size, seed: int, detail: int, autumn: bool) -> Mesh:
    dice = Dice(seed, 41)
    slim = size[2] / max(size[0], size[1])
    if slim > 2.9:
        number = 3
    elif slim > 1.75:
        number = dice.pick((1, 2, 4, 4, 1))
    elif slim > 1.45:
        number = dice.pick((0, 1, 0, 4))
    else:
        number = dice.pick((0, 0, 0, 1))
    turn, mirrored = dice.between(0, 999) / 1000 * 2 * np.pi, dice.percent(50)
    evergreen = number == 3 or (number == 2 and dice.percent(50))
    tints = DARK_GREENS if evergreen else AUTUMN if autumn and dice.percent(85) else GREENS
    tint = materials.linear(*dice.pick(tints)) * (dice.between(85, 115) / 100)
    wood, leaves = template(number, detail)
    leaves = replace(leaves, tint=(leaves.tint * tint).astype(np.float32))
    mesh = turned(join([wood, leaves]), float(np.cos(turn)), float(np.sin(turn)))
    return _around_origin(_mirrored(mesh) if mirrored else mesh, size)


def _mirrored(mesh: Mesh) -> Mesh:
    flip = np.array([1.0, -1.0, 1.0], np.float32)
    return replace(
        mesh,
        corners=(mesh.corners * flip)[:, ::-1],
        normals=(mesh.normals * flip)[:, ::-1],
        uv=mesh.uv[:, ::-1],
    )


def _around_origin(mesh: Mesh, size: Size) -> Mesh:
    """Stretched on each side of the origin by itself, so that what stands on it stays."""
    low, high = mesh.corners.min(axis=(0, 1)), mesh.corners.max(axis=(0, 1))
    want = np.array([size[0] / 2, size[1] / 2, size[2]])
    sink = np.array([size[0] / 2, size[1] / 2, SUNK_M])
    scale = np.where(mesh.corners < 0, sink / -low, want / high)
    corners = np.clip(mesh.corners * scale, -sink, want)
    mean = (sink + want) / (high - low)
    normals = mesh.normals / mean.astype(np.float32)
    normals /= np.sqrt((normals * normals).sum(axis=-1, keepdims=True))
    return replace(mesh, corners=corners, normals=normals)


def _chance(seed: int, salt: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed * 64 + salt))


def _hedge(size: Size, seed: int, detail: int) -> Mesh:
    """A clipped body along x, a little uneven, with leaves that break its outline."""
    chance, dice = _chance(seed, 1), Dice(seed, 42)
    tint = materials.linear(*dice.pick(HEDGES)) * (dice.between(85, 115) / 100)
    length, width, height = size
    steps = int(np.clip(round(length / (0.9 if detail == NEAR else 2.5)), 2, 26))
    profile = np.array([(0.43, 0.0), (0.5, 0.45), (0.44, 0.94), (0.3, 1.0)])
    profile = np.concatenate([profile, (profile * (-1, 1))[::-1]])
    rings = np.empty((steps + 1, len(profile), 3))
    rings[..., 0] = np.linspace(-length / 2, length / 2, steps + 1)[:, None]
    wobble = 1 + 0.05 * chance.uniform(-1, 1, rings.shape[:2])
    rings[..., 1] = profile[:, 0] * width * wobble
    rings[..., 2] = profile[:, 1] * height * (1 + 0.04 * chance.uniform(-1, 1, rings.shape[:2]))
    rings[:, [0, -1], 2] = -SUNK_M
    rings[[0, -1], 2:-2, 2] -= 0.05 * height
    finish = Finish(materials.HEDGE, tuple(tint.tolist()), VEGETATION, (float(seed % 65536),))
    body = loft(rings, finish)
    parts = [body]
    if detail < FAR:
        count = int(min(length * (14 if detail == NEAR else 4), 260 if detail == NEAR else 60))
        parts.append(_fringe(body, count, 0.09 if detail == NEAR else 0.14, tint, chance))
    return fitted(join(parts), size, -SUNK_M)


def _fringe(
    body: Mesh, count: int, size: float, tint: np.ndarray, chance: np.random.Generator
) -> Mesh:
    """Leaves scattered over a body's upper skin."""
    above = np.flatnonzero(body.corners[..., 2].min(axis=1) > 0.0)
    which = chance.choice(above, size=count)
    weight = chance.dirichlet((1.0, 1.0, 1.0), size=count)
    at = (body.corners[which] * weight[..., None]).sum(axis=1)
    normal = (body.normals[which] * weight[..., None]).sum(axis=1)
    normal /= np.sqrt((normal * normal).sum(axis=-1, keepdims=True))
    cards = leaf_cards(at + normal * 0.02, normal, np.full(count, 0.9), size, chance)
    return replace(cards, tint=(cards.tint * tint).astype(np.float32))


def _bush(size: Size, seed: int, detail: int) -> Mesh:
    chance, dice = _chance(seed, 2), Dice(seed, 43)
    tint = materials.linear(*dice.pick(HEDGES + GREENS[:3])) * (dice.between(85, 115) / 100)
    length, width, height = size
    count = dice.between(3, 4)
    clumps = np.empty((count, 5))
    angle = (np.arange(count) + chance.uniform(0, 0.6)) * (2 * np.pi / count)
    clumps[:, 0], clumps[:, 1] = 0.2 * length * np.cos(angle), 0.2 * width * np.sin(angle)
    clumps[:, 3] = 0.27 * min(length, width) * chance.uniform(0.85, 1.2, count)
    clumps[:, 4] = 0.56 * height * chance.uniform(0.85, 1.1, count)
    clumps[:, 2] = 0.40 * height
    bands = {NEAR: (8, 5), MIDDLE: (6, 4)}.get(detail, (5, 3))
    body = lumps(clumps, 1.0, 0.12, bands, chance, (float(seed % 65536),), materials.HEDGE)
    low = np.maximum(body.corners, (-np.inf, -np.inf, -SUNK_M))
    body = replace(body, corners=low, tint=(body.tint * tint).astype(np.float32))
    stem_ring = np.array([(0.08, 0.0), (-0.04, 0.07), (-0.04, -0.07)])
    rings = np.stack([np.column_stack([stem_ring, np.full(3, z)]) for z in (-SUNK_M, 0.5 * height)])
    bark = tuple(materials.linear(84, 70, 56).tolist())
    parts = [loft(rings, Finish(materials.BARK, bark, VEGETATION)), body]
    if detail < FAR:
        parts.append(_fringe(body, *((130, 0.1) if detail == NEAR else (40, 0.15)), tint, chance))
    return fitted(join(parts), size, -SUNK_M)


def _hill(size: Size, seed: int) -> Mesh:
    """A wooded rise: uneven crowns over a closed body, lower towards its ends."""
    chance, dice = _chance(seed, 3), Dice(seed, 44)
    tint = materials.linear(*dice.pick(DARK_GREENS + GREENS[:3])) * (dice.between(70, 95) / 100)
    steps = int(np.clip(round(size[0] / 8), 7, 13))
    across = np.array(
        [(-1.0, 0.0), (-0.85, 0.45), (-0.4, 0.9), (0.4, 0.9), (0.85, 0.45), (1.0, 0.0)]
    )
    along = np.linspace(-1, 1, steps + 1)
    swell = np.sqrt(1 - (0.94 * along) ** 2) * (1 + 0.1 * np.sin(3.7 * along + seed % 7))
    rings = np.empty((steps + 1, len(across), 3))
    crowns: Float[np.ndarray, "step point"] = chance.uniform(-1, 1, rings.shape[:2])
    rings[..., 0] = along[:, None] + 0.35 / steps * chance.uniform(-1, 1, rings.shape[:2])
    rings[..., 1] = across[:, 0] * (0.5 + 0.5 * swell[:, None]) * (1 + 0.06 * crowns)
    rings[..., 2] = 0.02 + across[:, 1] * swell[:, None] * (1 + 0.2 * crowns)
    rings[:, [0, -1], 2] = -0.05
    finish = Finish(materials.HEDGE, tuple(tint.tolist()), VEGETATION, (float(seed % 65536),))
    body = loft(rings[:, ::-1] * (np.array(size) / 2), finish)
    return fitted(body, size, -SUNK_M)
