"""Shared by the tests of exports: the toy drive as a source, and one export of it."""

import os
from pathlib import Path

import pytest

from roadloom.export.nuscenes.options import NuScenesOptions
from roadloom.export.nuscenes.run import export_nuscenes
from roadloom.scene import registry

OPTIONS = NuScenesOptions(image_format="png", tile_m=240.0, occupancy=True)


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk():
    """Flushing costs 10 ms a file, and no test here cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(scope="session")
def toy():
    """The name of the source, known to the registry while the tests run."""
    registry.KINDS["toy"] = "tests.export.toy_drive:ToySource"
    yield "toy:val"
    del registry.KINDS["toy"]


@pytest.fixture(scope="session")
def exported(toy, tmp_path_factory) -> Path:
    """The toy drive's three scenes as a data root."""
    root = tmp_path_factory.mktemp("export") / "root"
    export_nuscenes(toy, root, OPTIONS)
    return root
