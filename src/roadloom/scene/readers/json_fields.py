"""One JSON object of a file that may be damaged: every getter names file and field when it fails.

fields.numbers("center_m", 3)  ->  array, or BadInput with field "frames[3].boxes[0].center_m"
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from roadloom.errors import BadInput
from roadloom.io.read import RESTORE
from roadloom.sensors.rig import check_name

LARGEST = 1e9
"""No coordinate, size or calibration is larger."""
END_OF_TIMES_US = 4_102_444_800_000_000
"""Times lie after 1970 and before 2100 [us]: as nanoseconds they and their sums fit 64 bits."""
MOST_PIXELS = 1_000_000
"""No image is wider or higher."""
LONGEST_NAME = 100
"""Bytes of a sensor's name."""


class Fields:
    """The object ``value``, which stands at ``where`` in ``file`` ("" for the whole file)."""

    def __init__(self, file: Path, where: str, value: Any) -> None:
        self.file, self.where, self.value = file, where, value
        if not isinstance(value, dict):
            raise BadInput("is no JSON object", file=file, field=where or None, remedy=RESTORE)

    def path(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    def bad(self, name: str, what: str) -> BadInput:
        return BadInput(what, file=self.file, field=self.path(name), remedy=RESTORE)

    def get(self, name: str) -> Any:
        if name not in self.value:
            raise self.bad(name, "is missing")
        return self.value[name]

    def inner(self, name: str) -> "Fields":
        return Fields(self.file, self.path(name), self.get(name))

    def items(self, name: str) -> list[Any]:
        value = self.get(name)
        if not isinstance(value, list):
            raise self.bad(name, f"must be a list, got {short(value)}")
        return value

    def each(self, name: str) -> Iterator["Fields"]:
        """The objects of a list, one by one; only the one at hand is looked at."""
        for index, value in enumerate(self.items(name)):
            yield Fields(self.file, f"{self.path(name)}[{index}]", value)

    def whole(self, name: str, lowest: int = 0, highest: int = 2**63 - 1) -> int:
        value = self.get(name)
        if not is_whole(value) or not lowest <= value <= highest:
            what = f"must be a whole number from {lowest} to {highest}, got {short(value)}"
            raise self.bad(name, what)
        return value

    def number(self, name: str) -> float:
        value = self.get(name)
        if not is_number(value):
            raise self.bad(name, f"must be a number, got {short(value)}")
        return float(value)

    def numbers(self, name: str, *shape: int) -> np.ndarray:
        """Nested lists of numbers as float64 of exactly this shape."""
        value = self.get(name)
        if not _is_nested(value, shape):
            size = " x ".join(map(str, shape))
            raise self.bad(name, f"must be {size} numbers, got {short(value)}")
        return np.array(value, np.float64)

    def positive(self, name: str, *shape: int) -> np.ndarray:
        """Numbers that must all be greater than zero; without a shape, one number."""
        values = self.numbers(name, *shape) if shape else np.array(self.number(name))
        if not (values > 0).all():
            raise self.bad(name, f"must be positive, got {short(self.get(name))}")
        return values

    def text(self, name: str) -> str:
        value = self.get(name)
        if not isinstance(value, str) or not value:
            raise self.bad(name, f"must be text, got {short(value)}")
        return value

    def word(self, name: str, known: Sequence[str]) -> str:
        value = self.get(name)
        if not isinstance(value, str) or value not in known:
            raise self.bad(name, f"must be one of {', '.join(known)}, got {short(value)}")
        return value

    def flag(self, name: str) -> bool:
        value = self.get(name)
        if not isinstance(value, bool):
            raise self.bad(name, f"must be true or false, got {short(value)}")
        return value


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number that could be measured on a road."""
    return (is_whole(value) or isinstance(value, float)) and abs(value) < LARGEST


def sensor_name_problem(name: str) -> str:
    """What keeps a text from naming a sensor, as folders and columns are called by it."""
    try:
        check_name(name)
    except ValueError as error:
        return short_text(str(error))
    size = len(name.encode(errors="replace"))
    return "" if size <= LONGEST_NAME else f"a name of {size} bytes; {LONGEST_NAME} are the most"


def short(value: Any) -> str:
    """A value as an error line shows it."""
    return short_text(repr(value), 60)


def short_text(text: str, most: int = 160) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _is_nested(value: Any, shape: tuple[int, ...]) -> bool:
    if not shape:
        return is_number(value)
    return (
        isinstance(value, list)
        and len(value) == shape[0]
        and all(_is_nested(inner, shape[1:]) for inner in value)
    )
