"""One rule for every function below: what goes in comes out.

NumPy arrays in, NumPy arrays out; tensors in, tensors out, differentiable, on their device.
Most functions are written once against the array API and fetch their namespace from their
arguments; those that need torch proper are wrapped in ``numpy_door``. Neither imports torch
before a tensor is seen or such a function is called.
"""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from array_api_compat import array_namespace

Array = Any
"""A NumPy array or a torch tensor: anything with a shape and a dtype."""


def namespace(*arrays: Array) -> Any:
    """Return the array API namespace of the arguments; Python numbers are passed over."""
    return array_namespace(*(a for a in arrays if hasattr(a, "dtype")))


def is_tensor(value: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def detached(values: Array) -> Array:
    """The same numbers, through which no gradient passes."""
    return values.detach() if is_tensor(values) else values


def like(value: Any, reference: Array) -> Array:
    """``value`` as an array of the kind, and on the device, of ``reference``; dtype kept.

    Floating values that are not arrays yet (numbers, tuples) take the reference's dtype.
    """
    if is_tensor(reference):
        torch = sys.modules["torch"]
        if is_tensor(value):
            return value.to(reference.device)
        if isinstance(value, np.ndarray):
            return _tensor(value).to(reference.device)
        return torch.as_tensor(value, dtype=reference.dtype, device=reference.device)
    if isinstance(value, np.ndarray):
        return value
    if is_tensor(value):
        raise TypeError("a tensor met a NumPy array: pass both of one kind")
    return np.asarray(value, dtype=reference.dtype)


def promote(*arrays: Array) -> tuple[Array, ...]:
    """Cast floating arrays of one kind to their common dtype, as NumPy would."""
    xp = namespace(*arrays)
    dtype = xp.result_type(*arrays)
    return tuple(xp.astype(a, dtype, copy=False) for a in arrays)


P = ParamSpec("P")
R = TypeVar("R")


def numpy_door(function: Callable[P, R]) -> Callable[P, R]:
    """Let a torch function take NumPy arrays; it then answers with NumPy arrays.

    A function called with arrays of both kinds computes and answers with tensors.
    """

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        import torch

        values = [*args, *kwargs.values()]
        keep = any(isinstance(v, torch.Tensor) for v in values)

        def enter(value: Any) -> Any:
            return _tensor(value) if isinstance(value, np.ndarray) else value

        result = function(*map(enter, args), **{k: enter(v) for k, v in kwargs.items()})
        return result if keep or not values else _leave(result)

    return wrapped


def _tensor(array: np.ndarray) -> Any:
    """Share memory where torch can: it knows neither read-only memory nor negative strides."""
    import torch

    shareable = array.flags.writeable and min(array.strides, default=0) >= 0
    return torch.from_numpy(array if shareable else array.copy())


def _leave(result: Any) -> Any:
    if is_tensor(result):
        return result.detach().cpu().numpy()
    if isinstance(result, tuple):
        parts = [_leave(part) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    return result
