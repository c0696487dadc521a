"""A prepared folder of three made drives."""

from pathlib import Path

import pytest

from roadloom.prepare import Request
from roadloom.prepare.run import prepare
from roadloom.scene.registry import KINDS

FRAMES = 24


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "made"
    KINDS["made"] = "tests.datasets.made_drive:MadeSource"
    try:
        prepare(Request(source=f"made:{FRAMES}", occupancy=("carla_sc",)), folder)
    finally:
        del KINDS["made"]
    return folder
