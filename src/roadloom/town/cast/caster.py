"""Rays against everything in a world: the standing mesh as one BVH, movers one by one.

    origins, directions, times -> Hits: distance, triangle, actor

A mover is met in its own frame, where its small BVH stands still, with its pose at each ray's own
time: rolling shutters and spinning LiDARs are exact, and nothing is rebuilt from frame to frame.
"""

from typing import NamedTuple

import numpy as np
from embreex import rtcore_scene
from jaxtyping import Bool, Float, Float32, Int32

from roadloom.town.world import World

NOTHING = -1


class Hits(NamedTuple):
    """One row per ray."""

    distance: Float[np.ndarray, " ray"]
    """[m], infinite where nothing is hit."""
    triangle: Int32[np.ndarray, " ray"]
    """Row of ``World.tables``, -1 where nothing is hit."""
    actor: Int32[np.ndarray, " ray"]
    """Row of ``World.tracks`` if a mover is hit, else -1."""
    u: Float32[np.ndarray, " ray"]
    """Weight of the triangle's second corner; garbage where nothing is hit."""
    v: Float32[np.ndarray, " ray"]
    """Weight of its third."""


class Caster:
    """All BVHs of one world; build it once a clip (``caster_of``)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._scenes: dict[int, rtcore_scene.EmbreeScene] = {}

    def cast(
        self,
        origins: Float[np.ndarray, "ray 3"],
        directions: Float[np.ndarray, "ray 3"],
        time_s: Float[np.ndarray, " ray"] | float,
    ) -> Hits:
        """The first thing on each ray; directions are unit vectors in the town's frame."""
        raise NotImplementedError

    def blocked(
        self,
        origins: Float[np.ndarray, "ray 3"],
        direction: Float[np.ndarray, "3"] | Float[np.ndarray, "ray 3"],
        time_s: Float[np.ndarray, " ray"] | float,
        far_m: float = np.inf,
    ) -> Bool[np.ndarray, " ray"]:
        """Whether anything lies on a ray nearer than ``far_m``; the ego's body counts too."""
        raise NotImplementedError
