"""What decides whether a laser pulse comes back, and how bright it is said to be.

    material, tint, angle, distance, air, water -> light received -> seen or lost, intensity

Light received from a matt surface falls with the square of the distance and the cosine of the
angle (the LiDAR equation); mirrors send it elsewhere unless they are met head on; retro-reflectors
send it home. A device sees a 10 % target head on out to its greatest range, which is how makers
state it, and that sets the least light it sees. The intensity that it reports is calibrated, not
raw: scale and falls below are fitted to the medians of recorded sweeps, not derived.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Float

from roadloom.town.mesh import materials
from roadloom.town.mesh.materials import RETURNS


class Fate(IntEnum):
    """What became of a shot."""

    RETURNED = 0
    SKY = 1
    """It met nothing."""
    RANGE = 2
    """Nearer or farther than the device measures."""
    EGO = 3
    """It ended on the ego's own body: in nuScenes 12 % of all shots do, below 16 degrees down."""
    WEAK = 4
    """Too little light came back: dark, far or grazed."""
    MIRRORED = 5
    """The same, but a matt surface of that colour would have been seen."""
    CHANCE = 6
    """Lost without a cause that is modelled."""


@dataclass(frozen=True, kw_only=True)
class LidarPhysics:
    """Noise and losses; zeros switch single ones off."""

    noise_m: float = 0.004
    """Standard deviation of ranges near by ..."""
    noise_per_m: float = 0.0002
    """... and how it grows with range."""
    step_m: float = 0.002
    """Ranges are whole multiples of this; 0: as measured."""
    speckle: float = 0.3
    """Standard deviation of the light received, as a share of it."""
    levels: int = 255
    """Intensities are whole shares of this many; 0: as computed."""
    chance_loss: float = 0.005
    """Share of shots lost without a modelled cause."""
    weakest: float = 0.10
    """Share reflected by the target that is just seen head on at the greatest range. 0: all."""
    ego_body: bool = True
    """Shots that end on the ego's own body are lost; else they pass through it."""

    def __post_init__(self) -> None:
        for name in ("noise_m", "noise_per_m", "step_m", "speckle", "chance_loss", "weakest"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name} must be finite and not negative")
        if self.levels < 0 or self.chance_loss > 1:
            raise ValueError("levels must not be negative, chance_loss at most 1")


EXACT = LidarPhysics(
    noise_m=0.0, noise_per_m=0.0, step_m=0.0, speckle=0.0, levels=0, chance_loss=0.0, weakest=0.0,
    ego_body=False,
)  # fmt: skip
"""No noise, no losses: for frozen sweeps, whose laws are exact."""

GAIN = 1.5
"""Intensity of a white target head on, before it falls with range; 1 is full scale."""
FADES_M = 12.0
"""Intensity has fallen to a half at this range ..."""
NEAR_M = 4.5
"""... and is halved again here, where the receiver is out of focus."""
RETRO = 8.0
"""A perfect retro-reflector, against a white matt target."""
PAINT = (0.42, 0.08)
"""Matt and retro share of lane paint, which holds glass beads."""
VEST = 0.4
"""Retro share of a high-visibility vest."""
WET_MATT, WET_MIRROR = 0.55, 0.65
"""Soaked ground keeps this much of its matt share; this much of the light is mirrored away."""

_ROUGH = (materials.ROAD, materials.PAVEMENT, materials.KERB, materials.GRASS)
_BY_TINT = {
    materials.PLAIN: 0.5,
    materials.FACADE: 0.3,
    materials.AWNING: 0.5,
    materials.PAINTWORK: 1.0,
    materials.METAL: 0.4,
    materials.CLOTH: 0.5,
    materials.STRIPES: 0.5,
}
TINT_GAIN = 4.0
"""A tint of brightness 1 / TINT_GAIN leaves the matt share as it is."""


def material_table() -> Float[np.ndarray, "material 6"]:
    """Columns: matt, mirrored and retro share; 1 where rough ground answers grazing light better
    than a matt surface does; weight of the tint's brightness; 1 where ground gets wet."""
    table = np.zeros((materials.COUNT, 6))
    for material, shares in RETURNS.items():
        table[material, :3] = shares
    for material in _ROUGH:
        table[material, 3] = 1.0
        table[material, 5] = float(material != materials.GRASS)
    for material, weight in _BY_TINT.items():
        table[material, 4] = weight
    return table
