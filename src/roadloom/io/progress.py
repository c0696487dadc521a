"""Progress on stderr for anything that takes over two seconds."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

SLOW_S = 2.0
"""Shorter work shows nothing."""
TERMINAL_S, LOG_S = 0.1, 10.0
"""How often the bar moves: in a terminal, and in a log, where each move is a new line."""


class Progress(tqdm):
    """tqdm's bar without its watching thread, which would live on into forked workers."""

    monitor_interval = 0


def show_progress(iterable: Iterable[Any] | None = None, **options: Any) -> Any:
    """A bar that appears after two seconds and is gone when the work is done.

    Args:
        iterable: what is counted; without it give ``total`` and call ``update``.
        options: of tqdm: ``desc`` and ``unit`` say what is counted.
    """
    terminal = sys.stderr.isatty()
    return Progress(
        iterable,
        delay=SLOW_S,
        leave=False,
        mininterval=TERMINAL_S if terminal else LOG_S,
        **options,
    )
