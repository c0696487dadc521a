"""What a generated window may be asked to follow: the past, a layout, a command, a trajectory.

Any of the four may be absent for a whole batch (None) or for single samples of it (``given``).
Guidance and training need the same few moves: leave some out at random, leave all out, shuffle.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from roadloom.datasets.drive_conditions import COMMANDS
from roadloom.diffusion.seeds import generators
from roadloom.errors import BadInput

NAMES = ("previous", "layout", "command", "trajectory")
__all__ = ["COMMANDS", "NAMES", "Conditions", "check", "drop", "join"]


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Of a batch of windows; all that are not None have the same batch size."""

    previous: Float[Tensor, "batch channel height width"] | None = None
    """Latent map of the window before, without a gap."""
    layout: Float[Tensor, "batch time kind x y"] | Bool[Tensor, "batch time kind x y"] | None = None
    """Ground seen from above, 0 to 1 per kind (road, sidewalk, vehicle), at any resolution."""
    command: Int64[Tensor, " batch"] | None = None
    """Index into ``COMMANDS``."""
    trajectory: Float[Tensor, "batch time 3"] | None = None
    """x, y [m] and yaw [rad] of every frame, in the ego frame of the window's first."""
    given: Mapping[str, Bool[Tensor, " batch"]] = field(default_factory=dict)
    """For a condition's name, the samples that have it; a name left out: all."""

    def __post_init__(self) -> None:
        sizes = {len(value) for value in self.values().values()}
        sizes |= {len(value) for value in self.given.values()}
        if len(sizes) > 1:
            raise ValueError(f"conditions of different batch sizes: {sorted(sizes)}")
        if unknown := self.given.keys() - self.values().keys():
            raise ValueError(f"given names conditions that are absent: {sorted(unknown)}")

    def values(self) -> dict[str, Tensor]:
        """The conditions that are not None."""
        pairs = ((name, getattr(self, name)) for name in NAMES)
        return {name: value for name, value in pairs if value is not None}

    def __len__(self) -> int:
        """Batch size; 0 if every condition is None."""
        return next((len(value) for value in self.values().values()), 0)

    def mask(self, name: str) -> Bool[Tensor, " batch"]:
        """The samples that have a condition which is not None."""
        value = self.values()[name]
        if name in self.given:
            return self.given[name]
        return torch.ones(len(value), dtype=torch.bool, device=value.device)

    def map(self, function: Callable[[Tensor], Tensor]) -> "Conditions":
        """Every tensor through ``function``."""
        values = {name: function(value) for name, value in self.values().items()}
        given = {name: function(value) for name, value in self.given.items()}
        return Conditions(**values, given=given)

    def to(self, device: torch.device | str) -> "Conditions":
        return self.map(lambda tensor: tensor.to(device))

    def select(self, indices: Int64[Tensor, " chosen"]) -> "Conditions":
        """These samples, in this order."""
        return self.map(lambda tensor: tensor[indices.to(tensor.device)])

    def shuffled(self, permutation: Int64[Tensor, " batch"]) -> "Conditions":
        """Sample i gets the conditions of sample ``permutation[i]``."""
        if sorted(permutation.tolist()) != list(range(len(permutation))):
            raise ValueError("not a permutation")
        return self.select(permutation)

    def only(self, *names: str) -> "Conditions":
        """Without the conditions of other names."""
        values = {name: value for name, value in self.values().items() if name in names}
        given = {name: value for name, value in self.given.items() if name in values}
        return Conditions(**values, given=given)

    def null(self) -> "Conditions":
        """Nothing given to any sample; tensors stay, so that it can be joined with this."""
        return replace(
            self, given={name: torch.zeros_like(self.mask(name)) for name in self.values()}
        )

    def tensors(self) -> dict[str, Tensor]:
        """A flat dictionary for wrappers that know tensors only; ``from_tensors`` undoes it."""
        given = {f"given.{name}": value for name, value in self.given.items()}
        return self.values() | given

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "Conditions":
        """Conditions out of the names that ``tensors`` gives; other names are left alone."""
        values = {name: tensors[name] for name in NAMES if name in tensors}
        given = {name: tensors[f"given.{name}"] for name in NAMES if f"given.{name}" in tensors}
        return cls(**values, given=given)


def join(first: Conditions, second: Conditions) -> Conditions:
    """The samples of both, for one call of the network; conditions that one lacks are not given."""
    values, given = {}, {}
    for name in NAMES:
        pair = [part.values().get(name) for part in (first, second)]
        known = next((value for value in pair if value is not None), None)
        if known is None:
            continue
        blanks = [known.new_zeros(len(part), *known.shape[1:]) for part in (first, second)]
        filled = zip(pair, blanks, strict=True)
        values[name] = torch.cat([blank if value is None else value for value, blank in filled])
        given[name] = torch.cat([_mask(part, name, like=known) for part in (first, second)])
    return Conditions(**values, given=given)


def drop(
    conditions: Conditions, seeds: Sequence[int], probability: float | Mapping[str, float]
) -> Conditions:
    """Leave out each condition of each sample on its own, with its own probability.

    Args:
        conditions: of a batch.
        seeds: one per sample; a condition's fate depends on its sample's seed and its name alone.
        probability: of leaving out, for all conditions or by name (a name left out: never).
    """
    if len(seeds) != len(conditions) and conditions.values():
        raise ValueError(f"{len(seeds)} seeds for {len(conditions)} samples")
    chances = (
        dict.fromkeys(NAMES, probability) if isinstance(probability, float | int) else probability
    )
    if unknown := chances.keys() - set(NAMES):
        raise ValueError(f"no such conditions: {sorted(unknown)}")
    if any(not 0 <= chance <= 1 for chance in chances.values()):
        raise ValueError(f"probabilities must lie in [0, 1], got {dict(chances)}")
    given = {}
    for name in conditions.values():
        mask, chance = conditions.mask(name), chances.get(name, 0.0)
        sources = generators(seeds, f"drop {name}")
        kept = torch.stack([torch.rand((), generator=source) >= chance for source in sources])
        given[name] = mask & kept.to(mask.device)
    return replace(conditions, given=given)


def check(conditions: Conditions) -> None:
    """Refuse values that no network can follow; reads them all, so for input from outside only.

    Raises:
        BadInput: a command outside ``COMMANDS``, or NaN or infinity where a value is given.
    """
    for name, value in conditions.values().items():
        used = value[conditions.mask(name)]
        if name == "command":
            if not ((used >= 0) & (used < len(COMMANDS))).all():
                raise BadInput(f"commands are 0 to {len(COMMANDS) - 1}", field=name)
        elif not torch.isfinite(used).all():
            raise BadInput("holds NaN or infinity", field=name)


def _mask(conditions: Conditions, name: str, *, like: Tensor) -> Bool[Tensor, " batch"]:
    if name in conditions.values():
        return conditions.mask(name)
    return torch.zeros(len(conditions), dtype=torch.bool, device=like.device)
