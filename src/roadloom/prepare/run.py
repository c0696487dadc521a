"""All scenes of a source into a folder: by several processes, resumed where it was left.

A scene that has its record is kept; every other is made anew. Shards are renamed into place, so
an interruption leaves whole files only. Several machines may share a folder: each takes its own
part of the scenes, and nothing is written by two.
"""

from functools import partial
from pathlib import Path
from typing import Any

from roadloom.errors import BadInput
from roadloom.io.read import is_file, read_json
from roadloom.io.workers import each_shown
from roadloom.prepare.request import FOLDER, Request, manifest_of
from roadloom.prepare.write import CLIP, record_path, shard_path, write_clip
from roadloom.scene.jobs import SceneSummary, opened
from roadloom.scene.registry import open_source

Summary = SceneSummary


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
    folder = Path(folder)
    source, mine = opened(
        request.source, partial(open_source, request.source), workers=workers, shard=shard
    )
    first = source[0]
    for name in request.cameras:
        first.rig.camera(name)
    manifest = manifest_of(request, first.licence, tuple(source.scenes))
    FOLDER.claim(folder, manifest)
    todo = [scene for scene in mine if not is_whole(folder, scene, request)]
    task, what = partial(_write, request, manifest, folder), f"preparing {request.source}"
    frames = sum(each_shown(task, todo, workers, what=what, unit="clip"))
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


def _write(request: Request, manifest: dict[str, Any], folder: Path, scene: str) -> int:
    with FOLDER.writing(folder, manifest):
        return write_clip(request, scene, folder)
