"""Light and air: shares, sun, and the same on every machine."""

import numpy as np
import pytest

from roadloom.town.dice import Dice
from roadloom.town.plan.look import draw_look
from roadloom.town.plan.types import Look


@pytest.fixture(scope="module")
def looks() -> list[Look]:
    return [draw_look(Dice(7, i)) for i in range(1500)]


def _share(looks, which):
    return sum(map(which, looks)) / len(looks)


def _elevation_deg(look):
    x, y, z = look.sun
    return np.degrees(np.arctan2(z, np.hypot(x, y)))


def test_times_and_weathers_have_their_shares(looks):
    assert abs(_share(looks, lambda k: k.time_of_day == "dusk") - 0.15) < 0.03
    assert abs(_share(looks, lambda k: k.weather == "haze") - 0.15) < 0.03
    assert abs(_share(looks, lambda k: k.weather == "wet") - 0.15) < 0.03
    day = _share(looks, lambda k: k.time_of_day == "day" and k.weather in ("clear", "cloudy"))
    assert abs(day - 0.55) < 0.04


def test_the_sun_stands_low_at_dusk_and_mostly_low_by_day(looks):
    dusk = [_elevation_deg(k) for k in looks if k.time_of_day == "dusk"]
    day = np.array([_elevation_deg(k) for k in looks if k.time_of_day == "day"])
    assert min(dusk) > 2.9 and max(dusk) < 9.1
    assert day.min() > 14.9 and day.max() < 60.1
    assert 0.7 < ((day > 16.9) & (day < 35.1)).mean() < 0.9


def test_the_sun_comes_from_everywhere(looks):
    azimuth = np.arctan2([k.sun[1] for k in looks], [k.sun[0] for k in looks])
    counts, _ = np.histogram(azimuth, bins=8, range=(-np.pi, np.pi))
    assert counts.min() > 0.7 * len(looks) / 8


def test_air_and_water_follow_the_weather(looks):
    for look in looks:
        assert 500 <= look.haze_ppm <= 12_000
        assert (look.haze_ppm >= 5000) == (look.weather == "haze")
        assert look.weather in ("haze", "wet") or look.haze_ppm <= 2500
        assert (look.wet_permille > 400) == (look.weather == "wet")
        assert 0 <= look.cloud_permille <= 1000


def test_a_frozen_look():
    assert draw_look(Dice(7, 3)) == draw_look(Dice(7, 3))
    assert all(type(v) is int for k in (draw_look(Dice(7, 3)),) for v in (*k.sun, k.seed))
