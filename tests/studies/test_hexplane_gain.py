"""The gain that is chosen, and that it reaches the model."""

from pathlib import Path

import pytest
from studies.hexplane_gain import best, write
from tests.pipelines.micro import save_micro

from roadloom.io.read import read_json
from roadloom.models.store import load_model


def test_the_gain_is_where_the_line_crosses_one() -> None:
    assert best({1.0: 0.8, 1.1: 1.2, 1.05: 0.9}) == 1.07
    assert best({1.0: 1.2, 0.9: 0.95}) == 0.92
    with pytest.raises(SystemExit, match="no ratio of 1 between"):
        best({1.0: 0.8, 1.1: 0.9})
    with pytest.raises(SystemExit, match="do not rise"):
        best({1.0: 1.2, 1.03: 0.9, 1.06: 1.0})


def test_it_is_written_into_the_model(tmp_path: Path) -> None:
    model, _ = save_micro(tmp_path)
    before = load_model(model)[0].config
    write(str(model), 1.05, "--gains 1 1.1")
    module, card = load_model(model)
    assert before.follow_gain == 1 and module.config.follow_gain == 1.05
    assert card["follow_gain"] == 1.05 == read_json(model / "card.json")["follow_gain"]
    assert "1.05" in (model / "README.md").read_text()
