"""Checks of arguments: each names the one that is wrong and says what would do.

They look at shapes and types and make at most one pass over the numbers.
"""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np

from roadloom.errors import BadInput
from roadloom.geometry.arrays import Array, is_tensor

LARGEST = 1e9
"""No length [m], pixel or angle of a vehicle's sensors is larger: beyond, squares and sums lose
what is measured."""
MOST_CELLS = 2**53
"""Cells along one axis that float64 still counts one by one."""


def check_shape(value: Array, shape: tuple[int | None, ...], field: str, what: str) -> None:
    """Raise ``BadInput`` unless the shape is ``shape``, in which None stands for any number.

    ``what`` is the shape in words, for the remedy.
    """
    found = _shape(value, field)
    fits = len(found) == len(shape) and all(
        n is None or n == m for n, m in zip(shape, found, strict=True)
    )
    if not fits:
        raise BadInput(f"has the shape {found}", field=field, remedy=f"give {what}")


def check_last(value: Array, width: int, field: str) -> None:
    """Raise ``BadInput`` unless the last axis has ``width`` numbers; others are batch axes."""
    found = _shape(value, field)
    if not found or found[-1] != width:
        raise BadInput(
            f"has the shape {found}",
            field=field,
            remedy=f"give an array whose last axis has {width} numbers",
        )


def _shape(value: Array, field: str) -> tuple[int, ...]:
    if not hasattr(value, "shape"):
        raise TypeError(f"{field} must be a NumPy array or a tensor, got {type(value).__name__}")
    return tuple(value.shape)


def check_numbers(array: np.ndarray, field: str) -> None:
    """Raise ``BadInput`` unless the array holds real numbers."""
    if array.dtype.kind not in "fiu":
        raise BadInput(f"holds {array.dtype}", field=field, remedy="give real numbers")


def check_one_kind(**arrays: Array) -> None:
    """Raise ``TypeError`` where a tensor meets a NumPy array."""
    tensors = [name for name, value in arrays.items() if is_tensor(value)]
    if tensors and len(tensors) < len(arrays):
        others = [name for name in arrays if name not in tensors]
        raise TypeError(
            f"{', '.join(tensors)}: a tensor met a NumPy array, {', '.join(others)}: "
            "pass both of one kind"
        )


def all_finite(array: np.ndarray) -> bool:
    """Whether no number is NaN or infinite; the sum is fast and decides nearly always."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())


def whole(value: Any, field: str) -> int:
    """A Python integer; raises ``ValueError`` for fractions, truth values and other things."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral):
        raise ValueError(f"{field} must be a whole number, got {shown(value)}")
    return int(value)


def finite(value: Any, field: str, largest: float = math.inf) -> float:
    """A Python float; raises ``ValueError`` for what is not finite, no number or too large."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise ValueError(f"{field} must be a number, got {shown(value)}")
    try:
        number = float(value)
    except OverflowError:  # an integer of 309 digits or more
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{field} must be finite, got {shown(value)}")
    if abs(number) > largest:
        raise ValueError(f"{field} must be at most {largest:g}, got {shown(value)}")
    return number


def shown(value: Any) -> str:
    """The value for an error's line, cut short."""
    text = str(value) if isinstance(value, Integral | Real) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
