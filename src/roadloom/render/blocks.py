"""Files of a whole source, one or more of every moment: in blocks of moments, by processes.

A file that is there is whole, as it was renamed into place, and is kept.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from roadloom.io.workers import each_shown
from roadloom.scene.clip import Clip
from roadloom.scene.jobs import ItemSummary
from roadloom.scene.source import Source

BLOCK = 8
"""Moments that a worker takes at a time."""
Block = tuple[str, tuple[int, ...]]
"""A scene, and moments of it."""


class Done(NamedTuple):
    """How many moments of a block lacked something, were whole, and have nothing to look with."""

    written: int
    kept: int
    bare: int


WriteBlock = Callable[[Block], Done]
"""Writes what is absent of a block. Picklable."""


def render_blocks(
    write: WriteBlock,
    source: Source,
    scenes: Sequence[str],
    moments: Callable[[Clip], Sequence[int]],
    *,
    workers: int,
    unit: str,
) -> ItemSummary:
    """Have every moment of some scenes written, as far as it is absent.

    Args:
        write: a block.
        source: that the scenes are of.
        scenes: to do.
        moments: those of a clip, as ``write`` knows them.
        workers: processes; 1 works in this one.
        unit: what a moment gives.
    """
    blocks = [
        (scene, tuple(whole[first : first + BLOCK]))
        for scene in scenes
        for whole in (moments(source.clip(scene)),)
        for first in range(0, len(whole), BLOCK)
    ]
    total, what = sum(len(block) for _, block in blocks), f"rendering {source.name}"
    done = each_shown(write, blocks, workers, what=what, unit=unit, total=total, size=_moments)
    written = kept = bare = 0
    for block in done:
        written, kept, bare = written + block.written, kept + block.kept, bare + block.bare
    return ItemSummary(written, kept, len(scenes), bare)


def _moments(done: Done) -> int:
    return sum(done)
