"""Lenses of every kind, shared by the tests of the cameras."""

from collections.abc import Callable, Iterator

import jaxtyping
import numpy as np
import pytest

from roadloom.sensors.camera import Camera, FisheyeCamera, FThetaCamera, PinholeCamera

LENSES: dict[str, Camera] = {
    "nuscenes": PinholeCamera(width=1600, height=900, fx=1266.4, fy=1266.4, cx=816.3, cy=491.5),
    # Distortion of an AV2 front centre and front left camera (real_statistics, section 4).
    "av2 portrait": PinholeCamera(
        width=1550, height=2048, fx=1776.0, fy=1776.0, cx=778.0, cy=1013.5,
        k1=-0.2407, k2=-0.2122, k3=0.3259,
    ),
    "av2 landscape": PinholeCamera(
        width=2048, height=1550, fx=1687.5, fy=1687.5, cx=1031.4, cy=768.3,
        k1=-0.2818, k2=-0.0373, k3=0.1046,
    ),
    "barrel that folds": PinholeCamera(
        width=160, height=120, fx=50.0, fy=53.0, cx=75.0, cy=62.0, k1=-0.3
    ),
    "pincushion": PinholeCamera(
        width=160, height=120, fx=100.0, fy=102.0, cx=75.0, cy=62.0, k1=0.5, k2=0.3
    ),
    "tangential": PinholeCamera(
        width=160, height=120, fx=100.0, fy=102.0, cx=75.0, cy=62.0,
        k1=-0.25, k2=0.05, p1=0.003, p2=-0.002,
    ),
    "tangential that folds": PinholeCamera(
        width=160, height=120, fx=50.0, fy=53.0, cx=75.0, cy=62.0, k1=-0.3, p1=0.02, p2=-0.03
    ),
    "tangential that unfolds again": PinholeCamera(
        width=160, height=120, fx=50.0, fy=53.0, cx=75.0, cy=62.0, k1=0.1, p2=-0.2
    ),
    "fisheye 190": FisheyeCamera(
        width=160, height=160, fx=47.0, fy=48.0, cx=80.0, cy=78.5,
        k1=0.02, k2=-0.01, k3=0.001, k4=-0.0005, max_angle_rad=float(np.radians(95.0)),
    ),
    "fisheye that folds": FisheyeCamera(
        width=160, height=160, fx=47.0, fy=48.0, cx=80.0, cy=78.5, k1=-0.1
    ),
    "fisheye without end": FisheyeCamera(
        width=400, height=400, fx=47.0, fy=48.0, cx=200.0, cy=198.5
    ),
    "f-theta 200": FThetaCamera(
        width=160, height=120, fx=47.0, fy=46.0, cx=80.0, cy=58.5,
        p1=0.011, p2=-0.03, p3=0.004, p4=-0.002, p5=0.0003, max_angle_rad=float(np.radians(100.0)),
    ),
    "f-theta that folds": FThetaCamera(
        width=160, height=120, fx=47.0, fy=48.0, cx=80.0, cy=58.5, p1=0.05, p2=-0.2, p3=0.01
    ),
}  # fmt: skip


@pytest.fixture(params=LENSES)
def camera(request: pytest.FixtureRequest) -> Camera:
    return LENSES[request.param]


@pytest.fixture(params=[n for n, c in LENSES.items() if c.width < 1000])
def small_camera(request: pytest.FixtureRequest) -> Camera:
    return LENSES[request.param]


@pytest.fixture(
    params=[n for n, c in LENSES.items() if c.width < 1000 and isinstance(c, PinholeCamera)]
)
def small_pinhole(request: pytest.FixtureRequest) -> PinholeCamera:
    camera = LENSES[request.param]
    assert isinstance(camera, PinholeCamera)
    return camera


GridMaker = Callable[[Camera], np.ndarray]


@pytest.fixture
def grid_with_borders() -> GridMaker:
    """Pixel centres and the image's very border: (height + 2) x (width + 2) pixels."""

    def make(camera: Camera) -> np.ndarray:
        u = np.concatenate([[-0.5], np.arange(camera.width), [camera.width - 0.5]])
        v = np.concatenate([[-0.5], np.arange(camera.height), [camera.height - 0.5]])
        return np.stack(np.meshgrid(u, v), axis=-1)

    return make


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Without the shape checker, as for users: the functions must refuse by themselves."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
