"""One function over many items in several processes; what they answer, in order of readiness.

    for answer in each(partial(label_scene, recipe), scenes, workers=4): ...

Errors of a worker become errors of the run, Ctrl-C and SIGTERM end all of them, and a worker
that was killed from outside is told as such. The function must be picklable, its side effects
whole files, so that a run which was cut off can be run again.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from roadloom.errors import BadInput, RoadloomError
from roadloom.io.progress import show_progress

Item = TypeVar("Item")
Answer = TypeVar("Answer")
PATIENCE_S = 20.0
"""For a worker that was told to end; then it is killed."""


def check_workers(workers: int) -> None:
    """Raise BadInput unless there is at least one process."""
    if workers < 1:
        raise BadInput(
            f"{workers} processes do no work", field="--workers", remedy="give 1 or more"
        )


def part_of(items: Sequence[Item], shard: tuple[int, int]) -> Sequence[Item]:
    """Items i, i + n, i + 2n, ... of the shard (i, n).

    Raises:
        BadInput: no such part.
    """
    part, parts = shard
    if not 0 <= part < parts:
        raise BadInput(
            f"{part}/{parts} is no part", field="--shard", remedy="give 0/n to n-1/n, such as 0/4"
        )
    return items[part::parts]


def each_shown(
    task: Callable[[Item], Answer],
    items: Sequence[Item],
    workers: int,
    *,
    what: str,
    unit: str,
    total: int | None = None,
    size: Callable[[Answer], int] = lambda _: 1,
) -> Iterator[Answer]:
    """``each`` with a bar.

    Args:
        task, items, workers: as of ``each``.
        what: is done; stands before the bar.
        unit: is counted.
        total: of these; the number of items if left out.
        size: how many of these an answer tells of.
    """
    whole = len(items) if total is None else total
    with show_progress(total=whole, desc=what, unit=unit) as bar:
        for answer in each(task, items, workers):
            yield answer
            bar.update(size(answer))


def each(
    task: Callable[[Item], Answer], items: Sequence[Item], workers: int = 1
) -> Iterator[Answer]:
    """Yield ``task(item)`` of every item, in the order in which they are ready.

    Args:
        task: picklable, and so are its items and answers.
        workers: processes, each with one BLAS thread; 1 works in this one, in order.

    Raises:
        RoadloomError: a worker was killed. What ``task`` raises as RoadloomError or OSError
            is raised here.
    """
    if workers == 1 or len(items) < 2:
        yield from map(task, items)
        return
    context = multiprocessing.get_context("spawn")  # a fork would share OpenMP's threads
    waiting = iter(items)
    pipes: dict[Connection, BaseProcess] = {}
    try:
        with _one_thread_each():
            for item in islice(waiting, workers):
                ours, theirs = context.Pipe()
                worker = context.Process(target=_work, args=(theirs, task), daemon=True)
                worker.start()
                theirs.close()
                pipes[ours] = worker
                _ask(ours, worker, (item,))
        while pipes:
            for pipe in wait(list(pipes)):
                assert isinstance(pipe, Connection)
                yield _answer(pipe, pipes[pipe])
                following = tuple(islice(waiting, 1))
                _ask(pipe, pipes[pipe], following)
                if not following:
                    pipes.pop(pipe).join()
                    pipe.close()
    finally:
        for left in pipes.values():
            left.terminate()
        for pipe, left in pipes.items():
            left.join(PATIENCE_S)
            left.kill()
            left.join()
            pipe.close()


def _ask(pipe: Connection, worker: BaseProcess, items: tuple[Any, ...]) -> None:
    """Give a worker its next item, or none: it may go."""
    try:
        pipe.send(items)
    except OSError as error:
        raise _ended(worker) from error


def _answer(pipe: Connection, worker: BaseProcess) -> Any:
    """What a worker sends: its answer, or the error that stopped it."""
    try:
        answer = pipe.recv()
    except (EOFError, OSError) as error:
        raise _ended(worker) from error
    if isinstance(answer, Exception):
        raise answer
    return answer


def _ended(worker: BaseProcess) -> Exception:
    """Why a worker is gone before its time; below zero the status is a signal's number."""
    worker.join(PATIENCE_S)
    status = worker.exitcode
    if status is None or status >= 0:
        return RuntimeError(f"a worker ended early, with status {status}")
    return RoadloomError(
        f"a worker was killed by signal {-status}, perhaps for want of memory", field="--workers",
        remedy="use fewer --workers, then run the same command again",
    )  # fmt: skip


def _work(pipe: Connection, task: Callable[[Any], Any]) -> None:
    """A worker: items in, answers out; what is half written is removed at its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends us
    signal.signal(signal.SIGTERM, _leave)
    try:
        while items := pipe.recv():
            try:
                pipe.send(task(*items))
            except (RoadloomError, OSError) as error:
                pipe.send(error)
    except (EOFError, BrokenPipeError):
        return  # the parent is gone


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Workers that start inside get one BLAS thread: there is one worker a core."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _leave(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
