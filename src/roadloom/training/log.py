"""What a run tells while it goes on: ``log.jsonl``, one object a line, and TensorBoard.

A line holds ``step`` (optimiser steps done) and either the loss, learning rate, gradient norm and
what the task logs, with ``examples_per_s`` and ``memory_mib``, or scores named ``validation/...``.
After a resume the lines beyond the resumed step are cut off, so no step is there twice.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roadloom.errors import BadInput
from roadloom.io.atomic import write_bytes
from roadloom.io.extras import need

MEASURED = frozenset({"examples_per_s", "memory_mib"})
"""Names that differ from run to run; all others are the same bits on a CPU."""


class Log:
    """Open for one run; the steps already done are those of its checkpoint."""

    def __init__(self, out: Path, *, done: int, tensorboard: bool) -> None:
        """
        Args:
            out: folder of the run.
            done: steps of the checkpoint that it goes on from.
            tensorboard: write curves into ``out/tensorboard`` too.

        Raises:
            MissingExtra: tensorboard was asked for and is not installed.
        """
        self._board = _board(out / "tensorboard", done) if tensorboard else None
        self._file = out / "log.jsonl"
        _cut(self._file, done)
        self._stream = self._file.open("a", encoding="utf-8")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        self._stream.write(json.dumps({"step": step, **values}, allow_nan=False) + "\n")
        self._stream.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()
        if self._board is not None:
            self._board.close()


def read_log(out: Path) -> list[dict[str, Any]]:
    """The lines of a run's log; the last one is left out if it is cut off.

    Raises:
        BadInput: another line is no JSON object with a step.
    """
    file = out / "log.jsonl"
    if not file.exists():
        return []
    rows = []
    for number, line in enumerate(file.read_bytes().splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            break  # a writer was killed here
        try:
            row = json.loads(line)
            rows.append(row | {"step": int(row["step"])})
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise BadInput(
                "is no JSON object with a step", file=file, field=f"line {number}",
                remedy="remove this line",
            ) from error  # fmt: skip
    return rows


def _cut(file: Path, done: int) -> None:
    kept = [row for row in read_log(file.parent) if row["step"] <= done]
    write_bytes(file, "".join(json.dumps(row) + "\n" for row in kept).encode())


def _board(folder: Path, done: int) -> Any:
    need("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(log_dir=str(folder), purge_step=done + 1 if done else None)
