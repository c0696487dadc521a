"""What a cell of occupancy shows where several classes share it: thin things count more.

Whatever is counted (areas of surfaces, points of a LiDAR) is multiplied by the weight of its
class before the largest wins, so that a pole survives beside the ground it stands on.
"""

import numpy as np
from jaxtyping import Float

from roadloom.scene.classes import CLASSES

THIN_WEIGHT = 4.0
THIN_GROUPS = ("human", "two_wheeler", "animal")
THIN_NAMES = (
    "structure.pole",
    "structure.traffic_sign",
    "structure.stop_sign",
    "structure.traffic_light",
    "structure.fence",
    "structure.guard_rail",
    "object.traffic_cone",
    "object.barrier",
    "object.construction_barrel",
    "object.construction_sign",
    "object.bollard",
    "object.bicycle_rack",
)
"""What a cell shows although the ground in it has the larger area: these count four times."""


def class_weights() -> Float[np.ndarray, "256"]:
    """Weight of each class id's area when a cell chooses its class; 1 unless listed above."""
    weights = np.ones(256)
    for row in CLASSES:
        if row.group in THIN_GROUPS or row.name in THIN_NAMES:
            weights[row.id] = THIN_WEIGHT
    return weights
