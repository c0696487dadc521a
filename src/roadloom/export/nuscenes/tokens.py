"""Tokens and times of the tables: the same things have the same ones in every run."""

from hashlib import sha256

import numpy as np
from jaxtyping import Int64

from roadloom.errors import BadInput
from roadloom.scene.readers.json_fields import END_OF_TIMES_US

NS_PER_US = 1000


def token(*parts: object) -> str:
    """32 hexadecimal digits, as nuScenes has them."""
    return sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()[:32]


def whole_us(time_ns: Int64[np.ndarray, " record"], what: str) -> Int64[np.ndarray, " record"]:
    """Microseconds, rounded to the nearest, half up; strictly rising.

    Records that share a microsecond are moved later, one each, as the chains of nuScenes must
    rise.

    Raises:
        BadInput: a time that nuScenes cannot hold.
    """
    number = np.arange(len(time_ns))
    nearest = (time_ns + NS_PER_US // 2) // NS_PER_US
    times = np.maximum.accumulate(nearest - number) + number
    if len(times) and not (times[0] > 0 and times[-1] < END_OF_TIMES_US):
        raise BadInput(
            f"{int(times[0])} us is no time after 1970 and before 2100", field=what,
            remedy="give the records their true times",
        )  # fmt: skip
    return times
