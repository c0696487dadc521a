"""Moments and spans as users give them: whole nanoseconds, or a typed error."""

from numbers import Real
from operator import index
from typing import Any

from roadloom.errors import BadInput
from roadloom.geometry.interpolate import LAST_NS
from roadloom.scene.stream import NS_PER_S


def whole_ns(time_ns: Any) -> int:
    try:
        whole = index(time_ns)
    except TypeError:
        whole = None
    if whole is None or isinstance(time_ns, bool):
        raise BadInput(
            f"{time_ns!r} is no whole number of nanoseconds", field="time_ns",
            remedy="give an int: a float cannot hold nanoseconds of this century",
        )  # fmt: skip
    if not -LAST_NS <= whole <= LAST_NS:
        raise BadInput(
            "lies outside the recorded path, and beyond what 64 bits hold", field="time_ns",
            remedy="give nanoseconds between the first and the last time of clip.ego",
        )  # fmt: skip
    return whole


def span_ns(dt_s: Any) -> int:
    real = isinstance(dt_s, Real) and not isinstance(dt_s, bool)
    if not real or not abs(dt_s) < LAST_NS / NS_PER_S:  # neither is NaN
        raise BadInput(
            f"{dt_s!r} is no number of seconds of a drive", field="dt_s",
            remedy="give a finite number that stays on the path clip.ego",
        )  # fmt: skip
    return round(float(dt_s) * NS_PER_S)
