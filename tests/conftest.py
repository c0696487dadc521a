"""Shared by all tests: where the real recordings lie."""

import os
from pathlib import Path

import pytest

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
