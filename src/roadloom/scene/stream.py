"""The records of one sensor at its native rate, read one by one when asked."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

import numpy as np
from jaxtyping import Int64

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.scene.reader import Records

Item = TypeVar("Item")
NS_PER_S = 1_000_000_000


# A checker of types at run time looks into a ``Sequence[Item]`` by asking for items, which here
# would read files; into a bare ``Sequence`` it does not.
class Stream(Sequence, Generic[Item]):
    """Images or sweeps in time order. Indexed by number, slice or ``window``."""

    def __init__(self, records: Records, read: Callable[[int], Item]) -> None:
        self.records, self._read = records, read

    def __repr__(self) -> str:
        if not len(self):
            return "Stream(no records)"
        return f"Stream({len(self)} records, {self.times_ns[0]} to {self.times_ns[-1]} ns)"

    def __len__(self) -> int:
        return len(self.records)

    @property
    def times_ns(self) -> Int64[np.ndarray, " record"]:
        return self.records.time_ns

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice | range) -> list[Item]: ...
    def __getitem__(self, index: int | slice | range) -> Item | list[Item]:
        if isinstance(index, slice):
            index = range(*index.indices(len(self)))
        if isinstance(index, range):
            return [self[i] for i in index]
        return self._read(range(len(self))[index])

    def __iter__(self) -> Iterator[Item]:
        return map(self._read, range(len(self)))

    def nearest(self, time_ns: int) -> int:
        """The record nearest in time; of two equally near, the earlier."""
        if not len(self):
            raise NotRecorded("this sensor has no records")
        after = int(np.searchsorted(self.times_ns, time_ns))
        if after == 0:
            return 0
        if after == len(self):
            return after - 1
        before, later = self.times_ns[after - 1 : after + 1].tolist()
        return after - 1 if time_ns - before <= later - time_ns else after

    def window(self, time_ns: int, start_s: float, end_s: float) -> range:
        """Records from ``start_s`` to ``end_s`` [s] around ``time_ns``, both ends included.

        ``stream[stream.window(...)]`` reads them; an infinite end means from or to the very end.
        """
        if not start_s <= end_s:
            raise BadInput(
                f"from {start_s} to {end_s} s is no window", field="window",
                remedy="give the earlier end first",
            )  # fmt: skip
        first = 0 if start_s == -math.inf else self._side(time_ns, start_s, "left")
        end = len(self) if end_s == math.inf else self._side(time_ns, end_s, "right")
        return range(first, max(first, end))

    def _side(self, time_ns: int, delta_s: float, side: Any) -> int:
        if math.isinf(delta_s):
            return len(self) if delta_s > 0 else 0
        return int(np.searchsorted(self.times_ns, time_ns + round(delta_s * NS_PER_S), side=side))


class Streams(Mapping, Generic[Item]):
    """One stream per sensor, opened when asked."""

    def __init__(self, names: Sequence[str], open_stream: Callable[[str], Stream[Item]]) -> None:
        self._names, self._open = tuple(names), open_stream
        self._opened: dict[str, Stream[Item]] = {}

    def __repr__(self) -> str:
        return f"Streams({', '.join(self._names)})"

    def __getitem__(self, name: str) -> Stream[Item]:
        if name not in self._names:
            raise MissingInput(
                f"no sensor {name!r}", field="sensor",
                remedy=f"use one of {', '.join(self._names) or 'none: there is no such sensor'}",
            )  # fmt: skip
        if name not in self._opened:
            self._opened[name] = self._open(name)
        return self._opened[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def get(self, name: str, default: Any = None) -> Any:
        """The stream, or ``default`` where there is no such sensor."""
        return self[name] if name in self._names else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
