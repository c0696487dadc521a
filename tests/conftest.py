"""Shared by all tests: where the real recordings lie; one thread each."""

import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


def real_data_folder() -> Path | None:
    """``ROADLOOM_REAL_DATA``, else ``../shared/data`` beside the project, else None."""
    named = os.environ.get("ROADLOOM_REAL_DATA")
    place = Path(named) if named else ROOT.parent / "shared" / "data"
    return place if place.is_dir() else None


@pytest.fixture(scope="session")
def real_data() -> Path:
    place = real_data_folder()
    if place is None:
        pytest.skip("no real recordings: set ROADLOOM_REAL_DATA to the folder that holds them")
    return place


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small tensors, and a process per core: threads that wait for each other cost more than they
    do."""
    torch.set_num_threads(1)
