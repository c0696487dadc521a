"""Everything that moves in a clip as arrays, for those who check laws on it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from roadloom.town.kinds import KINDS
from roadloom.town.plan.types import Actor
from roadloom.town.tracks import FIRST_S, STEP_S, STEPS
from roadloom.town.world import World

FRONT_AXLE = 300
"""Of a vehicle's length ahead of its middle, in thousandths."""


@dataclass(frozen=True, eq=False)
class Movers:
    """The ego first, then the actors; arrays are [mover step ...] at every step of the tracks."""

    world: World

    @cached_property
    def actors(self) -> tuple[Actor, ...]:
        return (self.world.plan.ego, *self.world.plan.actors)

    @cached_property
    def times(self) -> Float[np.ndarray, " step"]:
        return FIRST_S + STEP_S * np.arange(STEPS)

    def name(self, row: int) -> str:
        return self.actors[row].kind if row == 0 else f"{self.actors[row].kind} {row - 1}"

    @cached_property
    def _pose(self) -> Float[np.ndarray, "mover step 7"]:
        return np.concatenate([self.world.ego_track.pose[None], self.world.tracks])

    @cached_property
    def _forward(self) -> Float[np.ndarray, "mover step 3"]:
        """First column of each rotation."""
        w, x, y, z = np.moveaxis(self._pose[..., 3:], -1, 0)
        return np.stack(
            [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], axis=-1
        )

    @cached_property
    def _rear_m(self) -> Float[np.ndarray, " mover"]:
        """From each mover's turning point to its middle."""
        return np.array([a.size[0] * KINDS[a.kind].rear_permille * 1e-6 for a in self.actors])

    @cached_property
    def middle(self) -> Float[np.ndarray, "mover step 3"]:
        at = self._pose[..., :3].copy()
        at[0] += self._forward[0] * self._rear_m[0]
        return at

    @cached_property
    def turning(self) -> Float[np.ndarray, "mover step 3"]:
        """The rear axle; of people the middle."""
        return self.middle - self._forward * self._rear_m[:, None, None]

    @cached_property
    def heading(self) -> Float[np.ndarray, "mover step 2"]:
        flat = self._forward[..., :2]
        return flat / np.linalg.norm(flat, axis=-1, keepdims=True)

    @cached_property
    def half(self) -> Float[np.ndarray, "mover 3"]:
        """Half of each length and width, and the whole height [m]."""
        sizes = np.array([a.size for a in self.actors], np.float64) / 1000
        return sizes * (0.5, 0.5, 1.0)

    @cached_property
    def speed(self) -> Float[np.ndarray, "mover step"]:
        """Of the turning point, over 0.1 s; at the ends that of the nearest step."""
        at, reach = self.turning[..., :2], 5
        moved = np.linalg.norm(at[:, 2 * reach :] - at[:, : -2 * reach], axis=-1)
        return np.pad(moved / (2 * reach * STEP_S), ((0, 0), (reach, reach)), mode="edge")

    def is_person(self, row: int) -> bool:
        return KINDS[self.actors[row].kind].family == "person"

    @cached_property
    def people(self) -> np.ndarray:
        return np.array([self.is_person(row) for row in range(len(self.actors))])

    def ahead(self, row: int, share: float) -> Float[np.ndarray, "step 2"]:
        """A point on the middle line: ``share`` 0.5 is the front, -0.5 the back."""
        length = 2 * self.half[row, 0]
        at: np.ndarray = self.middle[row, :, :2] + self.heading[row] * length * share
        return at

    def at(self, row: int, step: int) -> str:
        """Place and time in words."""
        x, y = self.middle[row, step, :2]
        return f"at {self.times[step]:.2f} s near ({x:.1f}, {y:.1f})"
