"""Sets of features that no score can be computed of."""

from collections.abc import Callable, Iterator

import jaxtyping
import numpy as np
import pytest

from roadloom.errors import BadInput
from roadloom.metrics.bootstrap import interval
from roadloom.metrics.frechet import frechet_distance
from roadloom.metrics.kernel import kernel_distance
from roadloom.metrics.precision_recall import gaussian_scores, neighbour_scores

GOOD = np.random.default_rng(0).normal(size=(20, 5))
SCORES = (frechet_distance, kernel_distance, neighbour_scores, gaussian_scores)


@pytest.fixture(autouse=True)
def as_users_run_it() -> Iterator[None]:
    """Without the checks of shapes that only tests turn on."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def with_value(value: float) -> np.ndarray:
    features = GOOD.copy()
    features[3, 2] = value
    return features


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    "bad",
    [with_value(np.nan), with_value(np.inf), with_value(1e200), GOOD[:, :3], GOOD[:, :0], GOOD[0]],
    ids=["nan", "inf", "huge", "fewer features", "no features", "one axis"],
)
def test_features_that_are_none(score: Callable[..., object], bad: np.ndarray) -> None:
    for sets in ((GOOD, bad), (bad, GOOD)):
        with pytest.raises(BadInput, match="feature|table"):
            score(*sets)


@pytest.mark.parametrize("score", SCORES)
def test_sets_that_are_empty(score: Callable[..., object]) -> None:
    for sets in ((GOOD, GOOD[:0]), (GOOD[:0], GOOD)):
        with pytest.raises(ValueError, match="sample"):
            score(*sets)


def test_constant_features_have_distances_but_no_gaussian_region() -> None:
    same = np.ones((20, 5))
    assert frechet_distance(same, same) == 0 and kernel_distance(same, same) == 0
    with pytest.raises(BadInput, match="constant"):
        gaussian_scores(same, GOOD)


@pytest.mark.parametrize("odd", [{"draw": "jackknife"}, {"kind": "shifted"}])
def test_intervals_of_unknown_kinds(odd: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is called|no interval"):
        interval(lambda v: float(v.mean()), [GOOD], **odd)  # type: ignore[arg-type]
