"""All scenes of a source into a nuScenes root: by several processes, resumed where it was left.

    source -> claim names and places -> scenes, each whole or not there -> tables of all

Several machines may work on one root, each with its own part of the scenes: whoever is last makes
the tables of all. The same export gives the same bytes however often it was cut off.
"""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from roadloom.export.nuscenes.channels import camera_channels, check_sensors
from roadloom.export.nuscenes.manifest import Claim, claim, writing
from roadloom.export.nuscenes.merge import merge_root, read_fragment
from roadloom.export.nuscenes.options import NuScenesOptions
from roadloom.export.nuscenes.outbox import tidy
from roadloom.export.nuscenes.scene import fragment_path, write_scene
from roadloom.export.trim import trimmed
from roadloom.io.read import is_file
from roadloom.io.workers import each_shown
from roadloom.scene.clip import Clip
from roadloom.scene.jobs import opened
from roadloom.scene.registry import open_source
from roadloom.sensors.rig import Rig
from roadloom.sensors.rig_yaml import rig_from_yaml, rig_to_yaml


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run did, and what its part of the export holds."""

    written: int
    """Scenes."""
    kept: int
    """Scenes that were whole already."""
    counts: dict[str, int]
    """Of the written scenes: key_frames, images, sweeps, boxes, absent_files and others."""
    left_out: dict[str, int]
    """Boxes of the written scenes whose class nuScenes does not annotate, by class."""
    names: tuple[str, ...] = field(default=())
    """Of all scenes of this part."""
    cameras: tuple[str, ...] = field(default=())
    """Channels that the cameras of the first scene became."""


def trimmed_for(clip: Clip, options: NuScenesOptions) -> Clip:
    """What an export writes of a clip, and what reading it back gives."""
    return trimmed(
        clip, lead=options.lead_sweeps, key_hz=options.key_hz, images=options.images,
        between=options.camera_sweeps,
    )  # fmt: skip


def export_nuscenes(
    source: str,
    root: str | Path,
    options: NuScenesOptions | None = None,
    *,
    labels: str | Path | None = None,
    rig: Rig | None = None,
    workers: int = 1,
    shard: tuple[int, int] = (0, 1),
) -> Summary:
    """Write what is absent of an export, then the tables of all scenes that are whole.

    Args:
        source: KIND:PLACE[:SCENE].
        root: a new folder, or one that an export has begun.
        options: the defaults if left out.
        labels: folder of labels whose occupancy ``options.occupancy`` writes.
        rig: seen through it, for a made source.
        workers: processes; 1 works in this one.
        shard: (i, n): only scenes i, i + n, i + 2n, ...

    Raises:
        BadInput: the root holds something else, or a clip does not fit into nuScenes.
        MissingInput: a recording's file is absent, unless ``options.partial``.
        RoadloomError: a worker was killed.
    """
    root, options = Path(root), options or NuScenesOptions()
    yaml = None if rig is None else rig_to_yaml(rig)
    labels = None if labels is None else str(labels)
    open_it = partial(open_source, source, labels=labels, rig=rig)
    opened_source, mine = opened(source, open_it, workers=workers, shard=shard)
    first = opened_source[0]
    scenes, licence = tuple(opened_source.scenes), first.licence
    held = claim(root, source, scenes, options, licence=licence, labels=labels, rig=yaml)
    todo = [scene for scene in mine if not is_file(_fragment(root, held, scene))]
    task = partial(_write, source, labels, yaml, root, options, held)
    counts: Counter[str] = Counter()
    for done in each_shown(task, todo, workers, what=f"exporting {source}", unit="scene"):
        counts.update(done)
    merge_root(root)
    tidy(root, lambda name: is_file(fragment_path(root, name)))
    left_out: Counter[str] = Counter()
    for scene in todo:
        left_out.update(read_fragment(root, held.slot(scene).name)["left_out"])
    return Summary(
        written=len(todo), kept=len(mine) - len(todo), counts=dict(counts),
        left_out=dict(sorted(left_out.items())),
        names=tuple(held.slot(scene).name for scene in mine),
        cameras=camera_channels(first.rig, options),
    )  # fmt: skip


def _fragment(root: Path, held: Claim, scene: str) -> Path:
    return fragment_path(root, held.slot(scene).name)


def _write(
    source: str,
    labels: str | None,
    rig: str | None,
    root: Path,
    options: NuScenesOptions,
    held: Claim,
    scene: str,
) -> dict[str, int]:
    seen_through = None if rig is None else rig_from_yaml(rig)
    clip = open_source(source, labels=labels, rig=seen_through).clip(scene)
    check_sensors(clip, options)
    trimmed = trimmed_for(clip, options)
    with writing(root, held.source, options):
        counts = write_scene(trimmed, held.slot(scene), options, root)
    return counts | {"key_frames_left_out": len(clip) - len(trimmed)}
