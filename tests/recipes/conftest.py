"""What the recipes' tests share."""

from pathlib import Path

import pytest
from tests.recipes.toy_latents import made_drives, toy_latents


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("toy")
    prepared = made_drives(place / "prepared")
    toy_latents(prepared, place / "latents" / "train", seed=0)
    toy_latents(prepared, place / "latents" / "val", seed=1)
    return place / "latents"
