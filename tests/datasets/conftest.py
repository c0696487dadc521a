"""A prepared folder of three made drives."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from roadloom.prepare import Request
from roadloom.prepare.run import prepare
from roadloom.scene.registry import KINDS

FRAMES = 24


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors: threads that wait for each other cost more than they do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "made"
    KINDS["made"] = "tests.datasets.made_drive:MadeSource"
    try:
        prepare(Request(source=f"made:{FRAMES}", occupancy=("carla_sc",)), folder)
    finally:
        del KINDS["made"]
    return folder
