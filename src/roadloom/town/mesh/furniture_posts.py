"""Lamp posts, poles, signs and lights."""

from collections.abc import Sequence

import numpy as np

from roadloom.town.mesh import materials
from roadloom.town.mesh.build import FAR, NEAR
from roadloom.town.mesh.buildings_parts import srgb
from roadloom.town.mesh.furniture_parts import (
    BLACK,
    GALVANISED,
    LACQUER,
    Job,
    Points,
    plate,
    rectangle,
    regular,
)
from roadloom.town.mesh.mesh import Mesh, join
from roadloom.town.mesh.solids import Finish, box, cylinder, quad, triangles, tube

POST_IN_M = 0.12
"""From the end of a thing with an arm to the middle of its post."""
OCTAGON, TRIANGLE_DOWN, ROUND, SQUARE, WORKS = (0,), (1,), (2, 3), (4, 5), (7,)


def lamp_post(job: Job) -> Sequence[Mesh]:
    """A tapered post, an arm over the road and a flat head. All of one height look alike."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    style = round(job.height * 1000) % 3
    steel = job.metal((GALVANISED, srgb(58, 64, 68), GALVANISED)[style])
    foot, sides = -x + POST_IN_M, job.sides(8)
    head = min(0.62, x)
    parts = [cylinder(POST_IN_M, low, 0.9 if style else 0.5, sides, steel, at=(foot, 0.0))]
    if style == 1:
        line = [(foot, 0, low), (foot, 0, h - 1.1), (foot + 0.3 * (2 * x - head), 0, h - 0.3),
                (x - head, 0, h - 0.07)]  # fmt: skip
        radii: tuple[float, ...] = (0.085, 0.06, 0.045, 0.035)
    elif style == 2:
        line = [
            (foot, 0, low),
            (foot, 0, h - 0.62),
            (foot + 0.12, 0, h - 0.3),
            (x - head, 0, h - 0.08),
        ]
        radii = (0.085, 0.065, 0.05, 0.035)
    else:
        line = [(foot, 0, low), (foot, 0, h - 0.1), (x - head, 0, h - 0.055)]
        radii = (0.085, 0.06, 0.035)
    parts.append(tube(line, radii, sides, steel, caps=(False, True)))
    dark = job.metal(srgb(66, 70, 74), 0.3)
    low_head = h - 0.13
    parts.append(box((x - head - 0.04, -y, low_head), (x, y, h), dark, skip=("bottom",)))
    bulb = job.finish(materials.STREET_LAMP, srgb(188, 184, 168))
    parts.append(
        quad((x - head - 0.04, y, low_head), (x, y, low_head), (x, -y, low_head),
             (x - head - 0.04, -y, low_head), bulb)
    )  # fmt: skip
    return parts


def pole(job: Job) -> Sequence[Mesh]:
    """A tall plain pole with a cap and a small notice."""
    r, h, low = min(job.length, job.width) / 2, job.height, job.floor
    steel, sides = job.metal(job.dice.pick((GALVANISED, *LACQUER)), 0.2), job.sides(8)
    parts = [
        cylinder(r, low, 0.35, sides, steel),
        cylinder(0.75 * r, 0.35, h - 0.08, sides, steel, top_radius=0.6 * r, caps=(False, False)),
        cylinder(0.8 * r, h - 0.08, h, sides, steel, top_radius=0.3 * r),
    ]
    if job.detail == NEAR:
        board = job.plain(srgb(186, 182, 170), 0.1, 0.2)
        parts.append(box((-0.8 * r, -r, 1.25), (-0.72 * r, r, 1.6), board))
    return parts


def sign(job: Job) -> Sequence[Mesh]:
    """A plate on a post; ``shape`` is (plate, number shown)."""
    number = job.shape[0] if job.shape else 2
    half = job.width / 2
    outline, half_height = _outline(number, half, job.height, job.detail)
    return _on_post(job, outline, number, half_height)


def stop_sign(job: Job) -> Sequence[Mesh]:
    half = job.width / 2
    return _on_post(job, regular(8, half, job.height - half), 0, half)


def _outline(number: int, half: float, top: float, detail: int) -> tuple[Points, float]:
    """Outline in y and z, and half its height."""
    if number in OCTAGON:
        return regular(8, half, top - half), half
    if number in ROUND:
        sides = {NEAR: 16, FAR: 8}.get(detail, 12)
        return regular(sides, half, top - half), half
    if number in TRIANGLE_DOWN or number in WORKS:
        tall = 2 * half * 0.87
        down = np.array([(-half, top), (-0.05, top - tall), (0.05, top - tall), (half, top)])
        up = np.array([(-half, top - tall), (half, top - tall), (0.05, top), (-0.05, top)])
        return (down if number in TRIANGLE_DOWN else up), tall / 2
    tall = half if number in SQUARE else 0.42 * half
    return rectangle(half, tall, top - tall), tall


def _on_post(job: Job, outline: Points, number: int, half_height: float) -> Sequence[Mesh]:
    x, h, low = job.length / 2, job.height, job.floor
    r = min(0.03, 0.3 * job.length)
    steel = job.metal(GALVANISED)
    shown = float(job.shape[1]) if len(job.shape) > 1 else 0.0
    white = srgb(196, 194, 188)
    face = job.finish(materials.SIGN_FACE, white, float(number), job.width / 2, half_height, shown)
    parts = [
        cylinder(r, low, h - 0.03, job.sides(8), steel, at=(-x + r, 0.0)),
        plate(outline, (x - 0.016, x), face, steel),
    ]
    if job.detail == NEAR:
        for z in (h - 1.5 * half_height, h - 0.5 * half_height):
            parts.append(box((-x + 2 * r - 0.01, -0.05, z), (x - 0.016, 0.05, z + 0.03), steel))
    return parts


def traffic_light(job: Job) -> Sequence[Mesh]:
    """On a post, or on an arm over the road where it is wider than 1 m."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    signal = job.shape[0] if job.shape else -1
    steel, sides = job.metal(GALVANISED), job.sides(8)
    bulbs = ((0, 0.31), (1, 0.0), (2, -0.31))
    if job.width <= 1.0:
        head = _head(job, (0.0, h - 0.52), y, 0.52, signal, bulbs, False)
        r = 0.055
        return [
            cylinder(r, low, h - 0.3, sides, steel, at=(-x + 1.6 * r, 0.0)),
            cylinder(1.6 * r, low, 0.3, sides, steel, at=(-x + 1.6 * r, 0.0)),
            head,
        ]
    at = (-x + POST_IN_M, y - POST_IN_M)
    beam = h - 0.42
    arm = [(at[0], at[1], beam - 0.25), (at[0], at[1] - 0.5, beam), (at[0], -y + 0.2, beam + 0.08)]
    return [
        cylinder(POST_IN_M, low, 0.8, sides, steel, at=at),
        cylinder(0.095, 0.8, h - 0.2, sides, steel, at=at, top_radius=0.075, caps=(False, True)),
        tube(arm, (0.07, 0.065, 0.045), sides, steel),
        _head(job, (-y + 0.22, h - 0.52), 0.22, 0.52, signal, bulbs, False),
        _head(job, (at[1] - 0.02, 2.9), 0.14, 0.46, signal, bulbs, False),
    ]


def people_light(job: Job) -> Sequence[Mesh]:
    """Red above green, for those who walk."""
    x, y, h, low = job.length / 2, job.width / 2, job.height, job.floor
    signal = job.shape[0] if job.shape else -1
    steel, r = job.metal(GALVANISED), 0.05
    button = job.plain(srgb(190, 150, 40), 0.1)
    post = -x + 1.4 * r
    parts = [
        cylinder(r, low, h - 0.2, job.sides(8), steel, at=(post, 0.0)),
        cylinder(1.4 * r, low, 0.25, job.sides(8), steel, at=(post, 0.0)),
        _head(job, (0.0, h - 0.36), y, 0.36, signal, ((0, 0.165), (2, -0.165)), True),
    ]
    if job.detail == NEAR:
        parts.append(box((post - 0.05, r, 1.0), (post + 0.05, r + 0.07, 1.16), button))
    return parts


def _head(
    job: Job,
    at: tuple[float, float],
    half_width: float,
    half_height: float,
    signal: int,
    bulbs: Sequence[tuple[int, float]],
    people: bool,
) -> Mesh:
    """Board, housing, bulbs and their visors; ``at`` is its middle in y and z. The board is
    ``half_width`` wide, the visors reach the thing's front."""
    x, (y, z) = job.length / 2, at
    dark = job.plain(BLACK, 0.1, 0.2)
    front = x - (0.17 if job.detail != FAR else 0.02)
    wide = min(0.16, half_width - 0.02)
    bottom, top = z - half_height, z + half_height
    parts = [
        box((front - 0.2, y - wide, bottom + 0.03), (front, y + wide, top - 0.03), dark),
        box((front - 0.07, y - half_width, bottom), (front - 0.04, y + half_width, top), dark),
        box((-x + 0.02, y - 0.04, z - 0.04), (front - 0.2, y + 0.04, z + 0.04), dark),
    ]
    for bulb, up in bulbs:
        parts += _bulb(
            job, (front, y, z + up), min(0.11, wide - 0.02), (signal, bulb, people), dark
        )
    return join(parts)


BULB_TINTS = (srgb(120, 24, 20), srgb(130, 90, 20), srgb(20, 96, 60))


def _bulb(
    job: Job,
    at: tuple[float, float, float],
    r: float,
    shown: tuple[int, int, bool],
    dark: Finish,
) -> list[Mesh]:
    x, y, z = at
    sides = {NEAR: 12, FAR: 6}.get(job.detail, 8)
    ring = regular(sides, r, 0.0)
    count = sides - 2
    fan = np.stack([np.zeros(count, int), np.arange(1, count + 1), np.arange(2, count + 2)], 1)
    places = np.column_stack([np.full(sides, x + 0.006), ring + (y, z)])
    signal, bulb, people = shown
    finish = job.finish(
        materials.SIGNAL_LAMP, BULB_TINTS[bulb], float(signal), float(bulb), float(people)
    )
    parts = [triangles(places[fan], finish, ring[fan])]
    if job.detail == FAR:
        return parts
    angle = np.linspace(-0.35, np.pi + 0.35, 6 if job.detail == NEAR else 4)
    arc = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * (r + 0.012) + (y, z)
    reach = x + 0.17 - 0.03 * (1 - np.sin(angle))
    near = np.column_stack([np.full(len(arc), x), arc])
    out = np.column_stack([reach, arc])
    square = np.stack([out[1:], out[:-1], near[:-1], near[1:]], axis=1)
    parts.append(triangles(square[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, 3), dark))
    return parts
