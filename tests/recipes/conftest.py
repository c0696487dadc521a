"""What the recipes' tests share; small tensors, for which threads cost more than they give."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.recipes.toy_latents import made_drives, toy_latents


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("toy")
    prepared = made_drives(place / "prepared")
    toy_latents(prepared, place / "latents" / "train", seed=0)
    toy_latents(prepared, place / "latents" / "val", seed=1)
    return place / "latents"
