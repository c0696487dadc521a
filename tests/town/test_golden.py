"""``town-v1`` never drifts: what was drawn when it was frozen is drawn for ever."""

import json
from pathlib import Path

import pytest

from roadloom.town.plan.draw import draw_plan

GOLDEN = json.loads((Path(__file__).parent / "golden_digests.json").read_text())


@pytest.mark.parametrize("place", GOLDEN)
def test_the_world_has_not_drifted(place):
    split, index = place.split(":")
    assert draw_plan(split, int(index)).digest() == GOLDEN[place], (
        f"{place} is another world than the one that was frozen as town-v1. Trained models and "
        "published figures refer to that one: undo the change, or give the world a new name "
        "and only then write new digests."
    )
