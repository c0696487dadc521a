"""Colours are measured, not believed: CIEDE2000 under simulated colour blindness."""

from itertools import combinations

import numpy as np
import pytest

from roadloom.errors import UnknownClass
from roadloom.scene.class_views import VIEW_NAMES, view
from roadloom.scene.classes import CLASSES, UNKNOWN, class_id
from roadloom.scene.palette import DARK_BACKGROUND, HEX, PALETTE, colors_of, view_colors

# Machado, Oliveira, Fernandes 2009 (doi 10.1109/TVCG.2009.113), severity 1.0, linear RGB.
SIMULATION = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "normal": np.eye(3).tolist(),
}
# IEC 61966-2-1: linear sRGB to XYZ under D65; the white point is the image of (1, 1, 1).
XYZ_FROM_RGB = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def lab_of(rgb: np.ndarray, eyes: str = "normal") -> np.ndarray:
    """CIE L*a*b* of 8-bit sRGB as such eyes see it."""
    c = np.asarray(rgb, np.float64) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.array(SIMULATION[eyes]).T, 0, 1)
    t = (linear @ XYZ_FROM_RGB.T) / XYZ_FROM_RGB.sum(axis=1)
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1
    )


def ciede2000(one: np.ndarray, two: np.ndarray) -> float:
    """Sharma, Wu, Dalal 2005, equations 2 to 22."""
    (l1, a1, b1), (l2, a2, b2) = one, two
    mean_c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    g = 0.5 * (1 - np.sqrt(mean_c7 / (mean_c7 + 25.0**7)))
    a1, a2 = (1 + g) * a1, (1 + g) * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    dh = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    if not c1 * c2:
        h = h1 + h2
    elif abs(h1 - h2) <= 180:
        h = (h1 + h2) / 2
    else:
        h = (h1 + h2 + 360) / 2 if h1 + h2 < 360 else (h1 + h2 - 360) / 2
    d_l, d_c = l2 - l1, c2 - c1
    d_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(dh / 2))
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * np.cos(np.radians(h - 30))
        + 0.24 * np.cos(np.radians(2 * h))
        + 0.32 * np.cos(np.radians(3 * h + 6))
        - 0.20 * np.cos(np.radians(4 * h - 63))
    )
    turn = 30 * np.exp(-(((h - 275) / 25) ** 2))
    r = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * np.sin(np.radians(2 * turn))
    s_l = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    s_c, s_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    parts = d_l / s_l, d_c / s_c, d_h / s_h
    return float(np.sqrt(sum(p * p for p in parts) + r * parts[1] * parts[2]))


@pytest.mark.parametrize(
    ("one", "two", "difference"),
    [  # from the test data of Sharma et al. 2005
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0000),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0011), 7.2195),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((50.0, 2.5, 0.0), (61.0, -5.0, 29.0), 22.8977),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_measure_itself(one: tuple, two: tuple, difference: float) -> None:
    assert ciede2000(np.array(one), np.array(two)) == pytest.approx(difference, abs=5e-5)


def test_lab_of_known_colours() -> None:
    # White and pure red under D65.
    np.testing.assert_allclose(lab_of(np.array([255, 255, 255])), [100, 0, 0], atol=1e-3)
    np.testing.assert_allclose(lab_of(np.array([255, 0, 0])), [53.24, 80.09, 67.20], atol=0.02)


@pytest.mark.parametrize(
    ("eyes", "least"), [("normal", 16), ("protan", 13), ("deutan", 13), ("tritan", 13)]
)
@pytest.mark.parametrize("name", VIEW_NAMES)
def test_every_eye_tells_the_classes_of_a_view_apart(name: str, eyes: str, least: float) -> None:
    colors = {
        n: c
        for n, c in zip(view(name).names, view_colors(name), strict=True)
        if n not in ("free", "Free")
    }
    labs = {n: lab_of(c, eyes) for n, c in colors.items()}
    measured = {(a, b): ciede2000(labs[a], labs[b]) for a, b in combinations(labs, 2)}
    worst = min(measured, key=lambda pair: measured[pair])
    assert measured[worst] >= least, (worst, measured[worst])


@pytest.mark.parametrize("eyes", SIMULATION)
@pytest.mark.parametrize("background", [(255, 255, 255), DARK_BACKGROUND])
def test_classes_stand_out_on_light_and_dark(background: tuple, eyes: str) -> None:
    least = 16 if eyes == "normal" else 12
    for name, color in zip(view("occ3d18").names, view_colors("occ3d18"), strict=True):
        if name != "free":
            difference = ciede2000(lab_of(color, eyes), lab_of(np.array(background), eyes))
            assert difference >= least, (name, difference)


@pytest.mark.parametrize("background", [(255, 255, 255), DARK_BACKGROUND])
def test_every_class_stands_out_on_light_and_dark(background: tuple) -> None:
    """Not the seventeen of a view alone: shades within a family must not fade away."""
    ground = lab_of(np.array(background))
    measured = {
        i: ciede2000(lab_of(PALETTE[i]), ground)
        for i in (*(c.id for c in CLASSES if c.name != "free"), UNKNOWN)
    }
    worst = min(measured, key=lambda i: measured[i])
    assert measured[worst] >= 12, (worst, HEX[worst], measured[worst])


def test_red_and_green_would_not_pass() -> None:
    red, green = (
        lab_of(np.array([190, 60, 40]), "deutan"),
        lab_of(np.array([105, 115, 30]), "deutan"),
    )
    assert ciede2000(red, green) < 13


def test_each_class_has_its_own_colour_and_is_like_its_kind() -> None:
    ids = [*(c.id for c in CLASSES), UNKNOWN]
    assert len({tuple(PALETTE[i]) for i in ids}) == len(ids)
    representatives = view("occ3d18").representatives
    np.testing.assert_array_equal(PALETTE[representatives], view_colors("occ3d18"))
    car = lab_of(PALETTE[class_id("vehicle.car")])
    police = lab_of(PALETTE[class_id("vehicle.police")])
    # The same hue: lighter or darker, but on the same side of a and b.
    np.testing.assert_array_equal(np.sign(police[1:]), np.sign(car[1:]))


def test_colours_by_array_and_by_name() -> None:
    ids = np.array([[class_id("vehicle.car"), UNKNOWN]], np.uint8)
    colors = colors_of(ids)
    assert colors.shape == (1, 2, 3) and colors.dtype == np.uint8
    assert HEX[class_id("vehicle.car")] == "#3177ff"
    assert colors[0, 0].tolist() == [0x31, 0x77, 0xFF]
    with pytest.raises(UnknownClass):
        colors_of(np.array([250], np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        PALETTE[0, 0] = 1
