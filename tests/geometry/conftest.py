"""Random rigid motions, near the world's origin and 5,000 km away from it."""

from collections.abc import Callable, Iterator

import jaxtyping
import numpy as np
import pytest

from roadloom.geometry.pose import Pose

PoseMaker = Callable[..., Pose]


def make_pose(seed: int, batch: tuple[int, ...] = (), spread: float = 10.0) -> Pose:
    """Uniformly random proper rotation, translation of about ``spread`` metres."""
    rng = np.random.default_rng(seed)
    wxyz = rng.normal(size=(*batch, 4))
    return Pose.from_quaternion(wxyz, rng.normal(size=(*batch, 3)) * spread)


@pytest.fixture
def random_pose() -> PoseMaker:
    return make_pose


@pytest.fixture(params=[0.0, 5e6], ids=["near", "5000km"])
def far_m(request: pytest.FixtureRequest) -> np.ndarray:
    """How far the world's origin is from the drive."""
    return np.array([request.param, -0.6 * request.param, 0.0])


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Without the shape checker, as for users: the functions must refuse by themselves."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
