"""Validation of a nuScenes root: every table, record, link and file, and what is wrong with each.

    tables -> fields and tokens -> links that agree -> scenes -> sensor files, point labels, maps

Nothing here raises for bad data: each problem is yielded as the ``BadInput`` that reading would
meet, or that would go unseen.
"""

from collections.abc import Iterator
from functools import partial as bind
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.io.image import read_image, read_mask
from roadloom.io.progress import show_progress
from roadloom.io.read import exists, read_bytes
from roadloom.scene.read_all import raised
from roadloom.scene.readers.nuscenes_columns import load_tables
from roadloom.scene.readers.nuscenes_index import progress_bar
from roadloom.scene.readers.nuscenes_lidar import read_labels, read_points
from roadloom.scene.readers.nuscenes_map import expansion_path, read_map
from roadloom.scene.readers.nuscenes_tables import Complain
from roadloom.scene.readers.nuscenes_tokens import NO_ROW, Table

if TYPE_CHECKING:
    from roadloom.scene.readers.nuscenes import NuScenesClip, NuScenesSource

POSE_OFF_US = 100_000
"""An ego pose may be this far in time from the record that names it; in the published tables
both have the same stamp."""


def problems(source: "NuScenesSource", scene: str | None, *, partial: bool) -> Iterator[BadInput]:
    """Everything that is wrong with the tables, and with the files of ``scene`` or of all.

    Files are looked at once every record of every table can be read and no token dangles.
    """
    found: list[BadInput] = []
    tables_folder = source.root / source.version
    with progress_bar(tables_folder, "checking tables") as progress:
        tables = load_tables(tables_folder, found.append, all_links=True, progress=progress)
    if found:
        yield from found
        return  # damaged tables name no files for certain
    check_links(tables, found.append)
    del tables
    yield from found
    names = source.scenes if scene is None else (scene,)
    if scene is not None and scene not in source.scenes:
        yield MissingInput(f"no scene {scene!r}", file=source.place, field="SCENE")
        return
    maps: set[tuple[str, str | None]] = set()
    for name in show_progress(names, desc="checking files", unit="scene"):
        try:
            clip = source.open_scene(name)
        except BadInput as error:
            yield error
            continue
        yield from _file_problems(clip, partial)
        yield from _occupancy_problems(clip, partial)
        maps.add((clip.rows.location, clip.mask))
    for location, mask in sorted(maps, key=str):
        yield from _map_problems(source.root, location, mask, partial)


def _occupancy_problems(clip: "NuScenesClip", partial: bool) -> Iterator[BadInput]:
    """Occ3D's labels beside the tables, where there is a folder of this scene."""
    for key in range(clip.rows.count if clip.occupancy_grids() else 0):
        for problem in raised(bind(clip.occupancy, key, OCC3D)):
            if not (partial and isinstance(problem, MissingInput)):
                yield problem


def absent_files(source: "NuScenesSource", scene: str | None) -> Iterator[str]:
    """Files that the tables name and the disk lacks, relative to the root."""
    masks: set[str] = set()
    for name in source.scenes if scene is None else (scene,):
        clip = source.open_scene(name)
        for row in _rows(clip):
            for path in (clip.path_of(row), clip.labels_of(row)):
                if path is not None and not exists(path):
                    yield path.relative_to(source.root).as_posix()
        for key in range(clip.rows.count if clip.occupancy_grids() else 0):
            if not exists(path := clip.occupancy_file(key)):
                yield path.relative_to(source.root).as_posix()
        if clip.mask is not None and clip.mask not in masks:
            masks.add(clip.mask)
            if not exists(source.root / clip.mask):
                yield clip.mask


def _rows(clip: "NuScenesClip") -> Iterator[int]:
    for span in clip.rows.rows.values():
        yield from range(span.start, span.stop)


def _file_problems(clip: "NuScenesClip", partial: bool) -> Iterator[BadInput]:
    for sensor, span in clip.rows.rows.items():
        for row in range(span.start, span.stop):
            path = clip.path_of(row)
            if partial and not exists(path):
                continue
            try:
                _check_file(clip, sensor, row, path)
            except BadInput as error:
                yield error


def _check_file(clip: "NuScenesClip", sensor: str, row: int, path: Path) -> None:
    if sensor in clip.rows.cameras:
        plane = clip.meta.rig.camera(sensor).camera
        read_image(path, size=(plane.width, plane.height))
        return
    if sensor not in clip.rows.lidars:
        read_bytes(path)
        return
    count = len(read_points(path))
    labels = clip.labels_of(row)
    if labels is not None:
        read_labels(labels, count, clip.label_names())


def _map_problems(root: Path, location: str, mask: str | None, partial: bool) -> Iterator[BadInput]:
    if mask is not None and not (partial and not exists(root / mask)):
        try:
            read_mask(root / mask)
        except BadInput as error:
            yield error
    if exists(expansion_path(root, location)):
        try:
            read_map(root, location, None)
        except NotRecorded:
            return
        except BadInput as error:
            yield error


def check_links(tables: dict[str, Table], complain: Complain) -> None:
    """Whether sound tables agree with each other."""
    _check_chain(tables["sample"], ("scene_token",), tables["sample"]["timestamp"], complain)
    _check_counts(tables, complain)
    _check_records(tables, complain)
    _check_annotations(tables, complain)


def _check_chain(
    table: Table, same: tuple[str, ...], times: np.ndarray, complain: Complain
) -> None:
    """``prev`` and ``next`` must point at each other, within one scene, sensor or instance."""
    prev, following = table["prev"], table["next"]
    for name, other, back, ahead in (
        ("prev", prev, following, False), ("next", following, prev, True)
    ):  # fmt: skip
        rows = np.flatnonzero(other != NO_ROW)
        to = other[rows]
        lost = back[to] != rows
        table.complain_of(rows[lost], name, "that record does not point back", complain)
        for key in same:
            differ = table[key][to] != table[key][rows]
            what = f"that record has another {key}"
            table.complain_of(rows[differ & ~lost], name, what, complain)
        wrong = (times[to] <= times[rows]) if ahead else (times[to] >= times[rows])
        what = f"that record is not {'later' if ahead else 'earlier'}"
        table.complain_of(rows[wrong & ~lost], name, what, complain)


def _check_counts(tables: dict[str, Table], complain: Complain) -> None:
    """Numbers and ends that scenes and instances state of their samples and annotations."""
    for owner, count, first, last, member, link in (
        ("scene", "nbr_samples", "first_sample_token", "last_sample_token", "sample",
         "scene_token"),
        ("instance", "nbr_annotations", "first_annotation_token", "last_annotation_token",
         "sample_annotation", "instance_token"),
    ):  # fmt: skip
        table, members = tables[owner], tables[member]
        there = np.bincount(members[link], minlength=len(table))
        wrong = np.flatnonzero(there != table[count])
        for row in wrong.tolist():
            what = f"says {table[count][row]}, but {member}.json has {there[row]}"
            table.complain_of([row], count, what, complain)
        rows = np.arange(len(table))
        for end, chain in ((first, "prev"), (last, "next")):
            to = table[end]
            foreign = members[link][to] != rows
            table.complain_of(rows[foreign], end, f"belongs to another {owner}", complain)
            inner = (members[chain][to] != NO_ROW) & ~foreign
            table.complain_of(rows[inner], end, f"that record has a {chain}", complain)


def _check_records(tables: dict[str, Table], complain: Complain) -> None:
    record, sample = tables["sample_data"], tables["sample"]
    calibration, sensor = tables["calibrated_sensor"], tables["sensor"]
    of_sensor = calibration["sensor_token"][record["calibrated_sensor_token"]]
    modality = sensor["modality"][of_sensor]
    record.columns["sensor"] = of_sensor
    record.columns["scene"] = sample["scene_token"][record["sample_token"]]
    _check_chain(record, ("sensor", "scene"), record["timestamp"], complain)
    pose = tables["ego_pose"]
    apart = np.abs(record["timestamp"] - pose["timestamp"][record["ego_pose_token"]])
    for row in np.unique(record["ego_pose_token"][apart > POSE_OFF_US]).tolist():
        what = f"is more than {POSE_OFF_US / 1e6:g} s from that of the record that names it"
        pose.complain_of([row], "timestamp", what, complain)
    camera = modality == b"camera"
    for name in ("width", "height"):
        empty = np.flatnonzero(camera & (record[name] == 0))
        record.complain_of(empty, name, "an image cannot be 0 px", complain)
    kinds = sensor["modality"][calibration["sensor_token"]] == b"camera"
    bare = np.flatnonzero(kinds & np.isnan(calibration["camera_intrinsic"][:, 0]))
    calibration.complain_of(bare, "camera_intrinsic", "a camera needs it", complain)


def _check_annotations(tables: dict[str, Table], complain: Complain) -> None:
    box, sample = tables["sample_annotation"], tables["sample"]
    _check_chain(box, ("instance_token",), sample["timestamp"][box["sample_token"]], complain)
    pairs = np.stack([box["sample_token"], box["instance_token"]], axis=-1)
    order = np.lexsort(pairs.T)
    same = (pairs[order[1:]] == pairs[order[:-1]]).all(axis=-1)
    what = "the same object is annotated twice in its sample"
    box.complain_of(np.sort(order[1:][same]), "instance_token", what, complain)
    points = tables["lidarseg"]
    _no_row_twice(points, "sample_data_token", "an earlier record labels the same", complain)


def _no_row_twice(table: Table, link: str, what: str, complain: Complain) -> None:
    order = np.argsort(table[link], kind="stable")
    same = table[link][order[1:]] == table[link][order[:-1]]
    table.complain_of(np.sort(order[1:][same]), link, what, complain)
