"""Intervals for any statistic of sets of samples, by drawing the sets again.

Windows of one clip are alike, so what is drawn is clips (``groups``), with all their windows.

Two ways to draw. ``bootstrap``: as many groups as there are, with replacement (Efron 1979).
``half``: half of the groups, without; for means the spread is the same (n/2 of n gives
``(2/n - 1/n) s^2``), and no sample comes twice, which neighbours and kernels would take for
perfect agreement (McCarthy 1969, pseudo-replication).

Two intervals from the draws. ``percentile``: their quantiles. ``centered``: the quantiles
shifted so that the draws' mean falls on the value. Distances between distributions grow as
distinct samples get fewer, and so lie higher in every draw than in the full set; shifted, the
interval says how far the value itself scatters at its sample count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Interval:
    value: float
    """Of the full sets."""
    low: float
    high: float

    def apart_from(self, other: "Interval") -> bool:
        """Whether the two intervals do not touch."""
        return self.low > other.high or other.low > self.high


def interval(
    statistic: Callable[..., float],
    samples: Sequence[np.ndarray],
    *,
    groups: Sequence[np.ndarray | None] | None = None,
    paired: bool = False,
    draw: Literal["bootstrap", "half"] = "bootstrap",
    kind: Literal["percentile", "centered"] = "percentile",
    rounds: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The value of ``statistic(*samples)`` and where it would lie for other draws.

    Args:
        samples: sets, each with its samples along the first axis.
        groups: for each set the clip of each sample; None: every sample for itself.
        paired: sample i of every set belongs together and is drawn together.
    """
    if not samples or rounds < 2 or not 0 < level < 1:
        raise ValueError(f"cannot draw {len(samples)} sets {rounds} times at level {level}")
    if draw not in ("bootstrap", "half") or kind not in ("percentile", "centered"):
        raise ValueError(f"no way to draw is called {draw!r}, or no interval {kind!r}")
    given = list(groups) if groups is not None else [None] * len(samples)
    if len(given) != len(samples):
        raise ValueError(f"{len(given)} groups for {len(samples)} sets")
    clusters = [_members(len(s), g) for s, g in zip(samples, given, strict=True)]
    if paired and any(len(s) != len(samples[0]) for s in samples):
        raise ValueError("paired sets must be of one length")
    random = np.random.default_rng(seed)
    values = np.empty(rounds)
    for number in range(rounds):
        if paired:
            rows = [_draw(clusters[0], draw, random)] * len(samples)
        else:
            rows = [_draw(members, draw, random) for members in clusters]
        values[number] = statistic(*(s[r] for s, r in zip(samples, rows, strict=True)))
    value = float(statistic(*samples))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    shift = value - values.mean() if kind == "centered" else 0.0
    return Interval(value=value, low=float(low + shift), high=float(high + shift))


def least_half(groups: np.ndarray) -> int:
    """Samples in the smallest half of the groups that ``half`` can draw."""
    sizes = np.sort(np.unique(groups, return_counts=True)[1])
    return int(sizes[: len(sizes) // 2].sum())


def _members(count: int, groups: np.ndarray | None) -> list[np.ndarray]:
    """The rows of each group."""
    if groups is None:
        return [np.array([row]) for row in range(count)]
    if len(groups) != count:
        raise ValueError(f"{len(groups)} group numbers for {count} samples")
    _, number = np.unique(groups, return_inverse=True)
    order = np.argsort(number, kind="stable")
    return np.split(order, np.cumsum(np.bincount(number))[:-1])


def _draw(members: list[np.ndarray], draw: str, random: np.random.Generator) -> np.ndarray:
    count = len(members)
    if count < 2:
        raise ValueError("one group alone has no spread")
    if draw == "half":
        chosen = random.choice(count, size=count // 2, replace=False)
    else:
        chosen = random.integers(count, size=count)
    return np.concatenate([members[index] for index in chosen])
