"""Cameras and clouds of Gaussians that the tests of splatting share."""

import numpy as np

from roadloom.render.splat import Blended
from roadloom.sensors.camera import FisheyeCamera, FThetaCamera, PinholeCamera

WIDTH, HEIGHT = 52, 38
CAMERAS = {
    "pinhole": PinholeCamera(width=WIDTH, height=HEIGHT, fx=40.0, fy=42.0, cx=24.3, cy=19.2),
    "distorted": PinholeCamera(
        width=WIDTH, height=HEIGHT, fx=40.0, fy=42.0, cx=24.3, cy=19.2,
        k1=-0.2, k2=0.03, k3=-0.004, p1=1e-3, p2=-2e-3,
    ),
    "fisheye": FisheyeCamera(
        width=WIDTH, height=HEIGHT, fx=16.0, fy=15.0, cx=25.0, cy=18.0, k1=0.02, k2=-0.01, k3=0.001
    ),
    "f-theta": FThetaCamera(
        width=WIDTH, height=HEIGHT, fx=16.0, fy=15.0, cx=25.0, cy=18.0, p1=0.02, p2=-0.01, p4=0.001
    ),
}  # fmt: skip


def cloud(count: int = 120, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Centres before and around the camera, covariances, opacities (some 1), 4 features.

    The first is broad, opaque and in view: the cap of alpha and full pixels come up.
    """
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(count, 3)) * 4 + [0, 0, 6]
    roots = rng.normal(size=(count, 3, 3)) * 0.3
    covariances = roots @ roots.transpose(0, 2, 1) + 0.01 * np.eye(3)
    opacities = np.minimum(rng.uniform(0.05, 1.3, count), 1)
    centers[0], covariances[0], opacities[0] = [0.2, -0.3, 2.0], 0.3 * np.eye(3), 1.0
    return centers, covariances, opacities, rng.normal(size=(count, 4))


def largest_error(one: Blended, other: Blended) -> float:
    """Over all maps and pixels."""
    return max(
        float(abs(np.asarray(a) - np.asarray(b)).max()) for a, b in zip(one, other, strict=True)
    )
