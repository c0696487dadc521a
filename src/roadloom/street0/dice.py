"""Chance in whole numbers, the same on every machine: raw PCG64 words, no floating point."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


class Dice:
    """One stream of draws, told apart from all others by its key."""

    def __init__(self, *key: int) -> None:
        self._words = np.random.PCG64(np.random.SeedSequence(key))

    def word(self) -> int:
        """A whole number of 64 random bits."""
        return int(self._words.random_raw())

    def between(self, low: int, high: int, step: int = 1) -> int:
        """One of ``low, low + step, ...`` up to ``high``; the remainder's bias is below 1e-15."""
        return low + step * (self.word() % ((high - low) // step + 1))

    def percent(self, share: int) -> bool:
        """True in ``share`` of a hundred draws."""
        return self.word() % 100 < share

    def pick(self, items: Sequence[Item]) -> Item:
        return items[self.word() % len(items)]
