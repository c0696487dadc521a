"""Labels of a whole source into a folder: by several processes, resumed where it was left.

    source -> scenes of this shard -> key frames in order -> SceneLabeller -> SCENE.labels

Each label is appended when it is made, so an interrupted run goes on amid a scene. A scene's file
is locked while it is written: a worker that has lost its parent and the next run never meet.
Several machines may share a folder, each with its own part of the scenes.
"""

import multiprocessing
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial as bind
from pathlib import Path
from typing import Any

import numpy as np

from roadloom.errors import BadInput, MissingInput, RoadloomError
from roadloom.io.progress import show_progress
from roadloom.io.workers import each
from roadloom.label.recipe import Recipe
from roadloom.scene.clip import Clip
from roadloom.scene.jobs import ItemSummary, opened
from roadloom.scene.labels import LabelFolder
from roadloom.scene.registry import open_source
from roadloom.scene.source import Source
from roadloom.scene.store_format import remedy

Summary = ItemSummary
_LOOK_S = 1.0
"""How often the bar looks at what the workers have appended."""


def label_source(
    source: str,
    recipe: Recipe,
    folder: str | Path,
    *,
    workers: int = 1,
    shard: tuple[int, int] = (0, 1),
    partial: bool = False,
) -> Summary:
    """Label every key frame of a source, as far as ``folder`` lacks it.

    Args:
        source: KIND:PLACE[:SCENE]; scenes of one KIND:PLACE may be labelled one after the other
            into one folder.
        folder: created if missing, and bound to the source and recipe it was begun with.
        workers: processes; 1 works in this one.
        shard: (i, n): only scenes i, i + n, i + 2n, ...
        partial: label a cut-down recording with the sweeps that are there; key frames without
            any in their window get no label.

    Raises:
        BadInput: the folder was begun with another recipe or source, or is damaged; or a scene in
            it was labelled with ``partial``, and now whole ones are asked for.
        MissingInput: a key frame has no sweep, or a file is absent, and not ``partial``.
        NotRecorded: the source lacks what the recipe needs, such as LiDAR sweeps.
        RoadloomError: a worker was killed, or another process keeps writing a scene.
    """
    whole, mine = opened(source, bind(open_source, source), workers=workers, shard=shard)
    first = whole[0]
    facts = facts_of(whole, first, recipe)
    labels = LabelFolder.open_or_create(folder, facts)
    kept = {scene: len(labels.keys(scene)) for scene in mine if labels.finished(scene)}
    if not partial:
        _check_not_partial(labels, kept)
    todo = [scene for scene in mine if scene not in kept]
    written = old = 0
    task = bind(_label_scene, whole, recipe, facts, labels, partial)
    with _counted(labels, todo, f"labelling {source}", len(first) * len(recipe.future_offsets)):
        for new, there in each(task, todo, workers):
            written, old = written + new, old + there
    return Summary(written, old + sum(kept.values()), len(mine))


def facts_of(source: Source, first: Clip, recipe: Recipe) -> dict[str, Any]:
    """What the manifest says of a run's labels."""
    return {
        "source": f"{source.name.kind}:{source.name.place}",
        "licence": first.licence,
        "recipe": recipe.to_json(),
    }


def wanted_keys(clip: Clip, recipe: Recipe) -> Iterator[tuple[int, int]]:
    """(key frame, offset) of every label, in the order in which they are made.

    What lies past the end of the drive is left out.
    """
    for key in range(len(clip)):
        for offset in recipe.future_offsets:
            if key + offset < len(clip):
                yield key, offset


def _label_scene(
    source: Source,
    recipe: Recipe,
    facts: dict[str, Any],
    labels: LabelFolder,
    partial: bool,
    scene: str,
) -> tuple[int, int]:
    """Make what a scene lacks; labels written, and labels that were there."""
    from roadloom.label.scene import SceneLabeller

    clip = source.clip(scene)
    with labels.writer(scene) as writer:
        labels.check_facts(facts)  # another run may have taken the folder meanwhile
        wanted = list(wanted_keys(clip, recipe))
        names = [(int(clip.times_ns[key]), offset) for key, offset in wanted]
        there = list(writer.keys)
        begin = _begin(names, there, gaps=partial)
        if begin is None:
            raise BadInput(
                f"its labels are not those of the first {len(there)} key frames of {source.name}",
                file=writer.path, field="time_ns", remedy=remedy(writer.path),
            )  # fmt: skip
        if begin < len(wanted) and not partial:
            _check_whole(clip)
        labeller = SceneLabeller(clip, recipe, partial=partial) if begin < len(wanted) else None
        for (key, offset), (time_ns, _) in zip(wanted[begin:], names[begin:], strict=True):
            _stop_with_parent()
            assert labeller is not None
            if not partial or labeller.has_sweeps(key + offset):
                writer.add(time_ns, labeller.label(key, offset), offset)
        writer.flush()
        labels.finish(scene, {"licence": clip.licence} | ({"partial": True} if partial else {}))
    return len(writer.keys) - len(there), len(there)


def _begin(
    names: Sequence[tuple[int, int]], there: Sequence[tuple[int, int]], *, gaps: bool
) -> int | None:
    """Where to go on in ``names``: after the last that is there; None if others are there.

    With ``gaps`` some of the names before may be absent.
    """
    begin = 0
    for name in there:
        if name not in names[begin:] or not (gaps or names[begin] == name):
            return None
        begin = names.index(name, begin) + 1
    return begin


def _check_not_partial(labels: LabelFolder, scenes: Iterable[str]) -> None:
    """Refuse finished scenes whose labels may lack sweeps: they would pass for whole ones."""
    for scene in scenes:
        if (labels.finished_facts(scene) or {}).get("partial"):
            path = labels.path(scene)
            raise BadInput(
                "was labelled with the sweeps that were there", file=path, field="--partial",
                remedy=f"give --partial to keep it; or {remedy(path)}",
            )  # fmt: skip


def _check_whole(clip: Clip) -> None:
    """Refuse a clip that was cut down: most of its labels would lack what they are made of."""
    lidar = clip.meta.lidar
    if lidar is None:
        return
    bare = np.flatnonzero(clip.sweeps[lidar].records.key < 0)
    if len(bare):
        raise MissingInput(
            f"{len(bare)} of {len(clip)} key frames of {clip.scene_id} have no sweep, the first "
            f"is {bare[0]}", field=lidar,
            remedy="restore the recording; or label it with the sweeps that are there: "
            "partial=True, on the command line --partial",
        )  # fmt: skip


def _stop_with_parent() -> None:
    """End a worker whose run was killed, so that the next run need not wait for it."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        raise RoadloomError("the run that this worker belonged to is gone")


@contextmanager
def _counted(
    labels: LabelFolder, scenes: Sequence[str], what: str, each_scene: int
) -> Iterator[None]:
    """A bar of labels; what workers append is read from their files."""
    over = threading.Event()
    start = sum(len(labels.keys(scene)) for scene in scenes)
    with show_progress(
        total=each_scene * len(scenes), initial=start, desc=what, unit="label"
    ) as bar:

        def look() -> None:
            whole: dict[str, int] = {}
            while not over.wait(_LOOK_S):
                try:
                    growing = _count(labels, scenes, whole)
                except BadInput:
                    return  # the process that writes the scene says so
                now = growing + sum(whole.values())
                # The scenes to come are taken to be as long as those that are done.
                mean = sum(whole.values()) / len(whole) if whole else each_scene
                bar.total = max(now, round(mean * len(scenes)))
                bar.update(now - bar.n)

        watch = threading.Thread(target=look, name="progress", daemon=True)
        watch.start()
        try:
            yield
        finally:
            over.set()
            watch.join()


def _count(labels: LabelFolder, scenes: Sequence[str], whole: dict[str, int]) -> int:
    """Labels of unfinished scenes; finished ones are entered into ``whole``."""
    growing = 0
    for scene in scenes:
        if scene in whole:
            continue
        finished, count = labels.finished(scene), len(labels.keys(scene))
        if finished:
            whole[scene] = count
        else:
            growing += count
    return growing
