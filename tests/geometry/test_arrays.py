"""What goes in comes out: kind, dtype, and gradients."""

import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
import torch

from roadloom.geometry.arrays import is_tensor, like, namespace, numpy_door, promote


class Pair(NamedTuple):
    double: object
    total: object


@numpy_door
def double(values: object, scale: object = 2) -> Pair:
    assert isinstance(values, torch.Tensor)
    return Pair(values * scale, values.sum())


def test_the_door_gives_numpy_back_what_numpy_brought() -> None:
    found = double(np.array([1.0, 2.0]))
    assert isinstance(found, Pair)
    assert isinstance(found.double, np.ndarray) and isinstance(found.total, np.ndarray)
    assert found.double.tolist() == [2, 4] and found.total == 3


def test_the_door_lets_tensors_and_their_gradients_through() -> None:
    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    found = double(leaf, scale=np.array([3.0, 5.0], np.float32))
    assert isinstance(found.double, torch.Tensor)
    found.double.sum().backward()
    assert leaf.grad is not None and leaf.grad.tolist() == [3, 5]


def test_the_door_takes_arrays_that_torch_does_not_share() -> None:
    """Read-only, broadcast and reversed arrays; a warning would fail this test."""
    read_only = np.arange(3.0)
    read_only.setflags(write=False)
    for array in (read_only, np.broadcast_to(np.array(2.0), 3), np.arange(3.0)[::-1]):
        assert (double(array).double == array * 2).all()


def test_the_door_knows_keywords_and_plain_tuples() -> None:
    @numpy_door
    def both(a: object, *, b: object) -> tuple[object, object]:
        return a, b

    found = both(1, b=np.ones(2))
    assert found[0] == 1 and isinstance(found[1], np.ndarray)


def test_like_follows_the_reference() -> None:
    assert like(1.5, np.zeros(1, np.float32)).dtype == np.float32
    assert like(np.arange(2), np.zeros(1)).dtype.kind == "i"  # arrays keep their dtype
    found = like((1.0, 2.0), torch.zeros(1, dtype=torch.float64))
    assert isinstance(found, torch.Tensor) and found.dtype == torch.float64
    assert isinstance(like(np.arange(2.0)[::-1], torch.zeros(1)), torch.Tensor)
    tensor = torch.ones(2)
    assert like(tensor, torch.zeros(1)) is tensor
    with pytest.raises(TypeError, match="tensor met"):
        like(tensor, np.zeros(1))


def test_promote_as_numpy_would() -> None:
    a, b = promote(np.zeros(1, np.float32), np.zeros(1))
    assert a.dtype == b.dtype == np.float64
    c, d = promote(torch.zeros(1), torch.zeros(1, dtype=torch.float64))
    assert c.dtype == d.dtype == torch.float64


def test_namespace_passes_over_numbers() -> None:
    assert namespace(1, np.zeros(2)).__name__.endswith("numpy")
    assert namespace(2.0, torch.zeros(2)).__name__.endswith("torch")
    assert is_tensor(torch.zeros(1)) and not is_tensor(np.zeros(1))


def test_the_layer_loads_no_torch() -> None:
    code = (
        "import sys, numpy as np; from roadloom.geometry import pose, voxel_grid, interpolate;"
        "p = pose.Pose.identity(); (p @ p).inverse().apply(np.zeros((1, 3)));"
        "voxel_grid.OCC3D.cell_of(np.zeros((1, 3)));"
        "assert not {'torch', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
