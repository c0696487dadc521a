"""A place that cannot hold tensors is an error like that of any other file."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from roadloom.errors import BadInput
from roadloom.io.atomic import atomic_file
from roadloom.io.tensors import save_tensors


def test_tensors_come_back(tmp_path: Path) -> None:
    save_tensors({"a": torch.arange(3)}, tmp_path / "t.safetensors")
    assert torch.equal(load_file(tmp_path / "t.safetensors")["a"], torch.arange(3))


def test_what_the_system_refuses_names_the_file(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    target = tmp_path / "t.safetensors"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        refused = pytest.raises(BadInput, match=r"t\.safetensors: cannot be written")
        with refused, atomic_file(target) as temporary:
            save_tensors({"a": torch.zeros(10**6)}, temporary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
