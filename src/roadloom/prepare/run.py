"""All scenes of a source into a folder: by several processes, resumed where it was left.

A scene that has its record is kept; every other is made anew. Shards are renamed into place, so
an interruption leaves whole files only. Several machines may share a folder: each takes its own
part of the scenes, and nothing is written by two.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from roadloom.errors import BadInput, RoadloomError
from roadloom.io.progress import show_progress
from roadloom.io.read import is_file, read_json
from roadloom.prepare.request import Request, claim, manifest_of
from roadloom.prepare.write import CLIP, record_path, shard_path, write_clip
from roadloom.scene.registry import open_source

PATIENCE_S = 20.0
"""For a worker that was told to end; then it is killed."""


class Summary(NamedTuple):
    """What a run did."""

    written: int
    kept: int
    """Scenes that were whole already."""
    frames: int
    """Of the written scenes."""


def prepare(
    request: Request,
    folder: str | Path,
    *,
    workers: int = 1,
    shard: tuple[int, int] = (0, 1),
) -> Summary:
    """Make what is absent of this request in ``folder``.

    Args:
        workers: processes; 1 works in this one.
        shard: (i, n): only scenes i, i + n, i + 2n, ...

    Raises:
        BadInput: the folder holds something else, or the request does not fit the source.
        NotRecorded: the source does not hold what is asked for.
        RoadloomError: a worker was killed.
    """
    part, parts = shard
    if not 0 <= part < parts:
        raise BadInput(
            f"{part}/{parts} is no part", field="--shard", remedy="give 0/n to n-1/n, such as 0/4"
        )
    if workers < 1:
        raise BadInput(
            f"{workers} processes do no work", field="--workers", remedy="give 1 or more"
        )
    folder = Path(folder)
    source = open_source(request.source)
    scenes = tuple(source.scenes)
    if not scenes:
        raise BadInput("the source has no scenes", file=request.source, field="SOURCE")
    first = source.clip(scenes[0])
    for name in request.cameras:
        first.rig.camera(name)
    claim(folder, manifest_of(request, first.licence, scenes))
    mine = scenes[part::parts]
    todo = [scene for scene in mine if not is_whole(folder, scene, request)]
    frames = 0
    with show_progress(total=len(todo), desc=f"preparing {request.source}", unit="clip") as bar:
        for count in _each(request, folder, todo, workers):
            frames += count
            bar.update()
    return Summary(len(todo), len(mine) - len(todo), frames)


def is_whole(folder: Path, scene: str, request: Request) -> bool:
    """Whether a scene has its record, and every shard the size that the record says."""
    path = record_path(folder, scene)
    if not is_file(path):
        return False
    try:
        files: dict[str, Any] = read_json(path)["files"]
        return all(
            shard_path(folder, kind, scene).stat().st_size == files[kind]["bytes"]
            for kind in (CLIP, *request.kinds)
        )
    except (BadInput, KeyError, TypeError, OSError):
        return False  # it is made anew


def _each(request: Request, folder: Path, scenes: list[str], workers: int) -> Iterator[int]:
    """Numbers of frames, in the order in which the scenes are ready."""
    if workers == 1 or len(scenes) < 2:
        for scene in scenes:
            yield write_clip(request, scene, folder)
        return
    context = multiprocessing.get_context("spawn")  # a fork would share OpenMP's threads
    waiting = iter(scenes)
    pipes: dict[Connection, BaseProcess] = {}
    try:
        with _one_thread_each():
            for scene in islice(waiting, workers):
                ours, theirs = context.Pipe()
                worker = context.Process(target=_work, args=(theirs, request, folder), daemon=True)
                worker.start()
                theirs.close()
                pipes[ours] = worker
                _ask(ours, worker, scene)
        while pipes:
            for pipe in wait(list(pipes)):
                assert isinstance(pipe, Connection)
                yield _answer(pipe, pipes[pipe])
                following = next(waiting, None)
                _ask(pipe, pipes[pipe], following)
                if following is None:
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


def _ask(pipe: Connection, worker: BaseProcess, scene: str | None) -> None:
    """Give a worker its next scene, or None: it may go."""
    try:
        pipe.send(scene)
    except OSError as error:
        raise _ended(worker) from error


def _answer(pipe: Connection, worker: BaseProcess) -> int:
    """What a worker sends: how many frames it wrote, or the error that stopped it."""
    try:
        answer = pipe.recv()
    except (EOFError, OSError) as error:
        raise _ended(worker) from error
    if isinstance(answer, Exception):
        raise answer
    return int(answer)


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


def _work(pipe: Connection, request: Request, folder: Path) -> None:
    """A worker: scenes in, numbers of frames out; what is half written is removed at its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends us
    signal.signal(signal.SIGTERM, _leave)
    try:
        while (scene := pipe.recv()) is not None:
            try:
                pipe.send(write_clip(request, scene, folder))
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
