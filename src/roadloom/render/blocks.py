"""Files of a whole source, one or more of every moment: in blocks of moments, by processes.

A file that is there is whole, as it was renamed into place, and is kept.
"""

from collections.abc import Callable, Sequence

from roadloom.io.workers import each_shown
from roadloom.scene.clip import Clip
from roadloom.scene.jobs import ItemSummary
from roadloom.scene.source import Source

BLOCK = 8
"""Moments that a worker takes at a time."""
Block = tuple[str, tuple[int, ...]]
"""A scene, and moments of it."""
WriteBlock = Callable[[Block], tuple[int, int]]
"""Writes what is absent of a block; returns how many moments lacked something, and all.
Picklable."""


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
    done = each_shown(
        write, blocks, workers, what=what, unit=unit, total=total, size=lambda answer: answer[1]
    )
    written = sum(count for count, _ in done)
    return ItemSummary(written, total - written, len(scenes))
