"""What commands that work through a whole source share: its flags, read in one way."""

import re

from roadloom.errors import BadInput


def pair(text: str, between: str, field: str, such_as: str) -> tuple[int, int]:
    """Two whole numbers of a flag, such as ``0/4`` or ``256x256``."""
    match = re.fullmatch(rf"(\d{{1,9}}){between}(\d{{1,9}})", text, re.ASCII)
    if match is None:
        raise BadInput(
            f"{text!r} is no pair of numbers", field=field, remedy=f"write it as {such_as}"
        )
    return int(match[1]), int(match[2])


def shard_of(text: str) -> tuple[int, int]:
    """``i/n`` of the flag --shard."""
    return pair(text, "/", "--shard", "0/4")
