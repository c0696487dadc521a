"""Jobs that tests give to other processes: what goes wrong there fails the test.

A ``multiprocessing.Pool`` can wait for ever: for the answer of a worker that died, and at its end
for a worker that did not heed SIGTERM. Here every wait has an end, and at the end comes SIGKILL.

Fork in a spawned process, never in the one that runs the tests: a child of that one could find the
locks of its threads taken, and holds xdist's pipes open, so that the run would wait for it too.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

PATIENCE_S = 120.0
Job = Callable[[], Any]


def answers_of(jobs: Sequence[Job], workers: int, patience_s: float = PATIENCE_S) -> list[Any]:
    """What the jobs return, in order, from freshly spawned processes; each takes its share."""
    with begun(jobs, workers, "spawn", patience_s) as answers:
        return answers()


@contextmanager
def begun(
    jobs: Sequence[Job], workers: int, method: str, patience_s: float = PATIENCE_S
) -> Iterator[Callable[[], list[Any]]]:
    """Processes at work on the jobs, forked or spawned; call what this yields for the answers."""
    context: Any = multiprocessing.get_context(method)
    team: list[tuple[Connection, BaseProcess]] = []
    try:
        for number in range(workers):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(theirs, jobs[number::workers]))
            process.start()
            theirs.close()
            team.append((ours, process))
        yield partial(_gathered, team, len(jobs), patience_s)
    finally:
        for pipe, process in team:
            process.kill()
            process.join()
            pipe.close()


def _work(pipe: Connection, jobs: Sequence[Job]) -> None:
    pipe.send([job() for job in jobs])


def _gathered(
    team: list[tuple[Connection, BaseProcess]], count: int, patience_s: float
) -> list[Any]:
    deadline = time.monotonic() + patience_s
    answers: list[Any] = [None] * count
    for number, (pipe, process) in enumerate(team):
        if not pipe.poll(max(0.0, deadline - time.monotonic())):
            raise AssertionError(f"{process.name} has not answered within {patience_s:g} s")
        try:
            answers[number :: len(team)] = pipe.recv()
        except EOFError:
            process.join(10)
            raise AssertionError(
                f"{process.name} ended without an answer, with status {process.exitcode}"
            ) from None
    return answers
