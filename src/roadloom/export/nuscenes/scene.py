"""One scene of the root: its sensor files, then its fragment of the tables.

    trimmed clip -> samples/, sweeps/, lidarseg/, gts/, can_bus/ -> .roadloom/scenes/SCENE.json

The fragment is written last: where it is, the scene is whole. Files that an earlier run finished
before it was cut off stay; all others are made again.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from roadloom.errors import MissingInput, NotRecorded
from roadloom.export.nuscenes import beside, records
from roadloom.export.nuscenes.annotations import Annotations
from roadloom.export.nuscenes.channels import Channel, channels_of, key_times_us
from roadloom.export.nuscenes.images import image_file
from roadloom.export.nuscenes.lidar import sweep_rows
from roadloom.export.nuscenes.lidarseg import lidarseg_row, point_labels
from roadloom.export.nuscenes.map_tiles import Tile, place
from roadloom.export.nuscenes.options import NuScenesOptions
from roadloom.export.nuscenes.outbox import WORK, Outbox
from roadloom.export.nuscenes.radar import empty_file
from roadloom.export.nuscenes.tokens import token
from roadloom.io.atomic import write_bytes
from roadloom.io.progress import show_progress
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Clip
from roadloom.scene.sweep import Sweep

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Slot:
    """Where a scene goes."""

    name: str
    """Such as scene-0001; unique in the root."""
    number: int
    """In the root, from 0, in the order of exports and of their scenes."""
    split: str


def fragment_path(root: Path, name: str) -> Path:
    return root / WORK / "scenes" / f"{name}.json"


def tile_of(clip: Clip, number: int, options: NuScenesOptions) -> Tile:
    """Where the scene lies in the map of its city."""
    sensors = (*clip.rig.camera_names, *clip.rig.lidar_names)
    paths = [clip.reader.records(sensor).world_from_ego.translation for sensor in sensors]
    paths.append(np.stack([frame.world_from_ego.translation for frame in clip]))
    return place(number, np.concatenate(paths), city=options.city, edge_m=options.tile_m)


def write_scene(
    clip: Clip,
    slot: Slot,
    options: NuScenesOptions,
    root: Path,
) -> dict[str, int]:
    """Write a trimmed clip as one scene; what was written, counted.

    Raises:
        BadInput: the clip does not fit into nuScenes, or its files are damaged.
        MissingInput: one of its files is absent, unless ``options.partial``.
    """
    with Outbox(root, slot.name) as box:
        writer = _Writer(clip, slot, options, box)
        fragment = writer.write()
        write_bytes(fragment_path(root, slot.name), json.dumps(fragment, allow_nan=False).encode())
    return dict(fragment["counts"])


class _Writer:
    """State while a scene is written."""

    def __init__(self, clip: Clip, slot: Slot, options: NuScenesOptions, box: Outbox) -> None:
        self.clip, self.slot, self.options, self.box = clip, slot, options, box
        self.tile = tile_of(clip, slot.number, options)
        identity = (slot.name, clip.scene_id, int(clip.times_ns[0]))
        self.token = partial(token, *identity)
        self.channels = channels_of(clip, options)
        self.key_us = key_times_us(clip)
        self.samples = records.sample_rows(self.token, self.key_us)
        self.annotations = Annotations(self.token, self.tile.shift)
        self.counts: Counter[str] = Counter(key_frames=len(clip))
        self.lidarseg: list[Row] = []
        self.rows_of_key: dict[int, np.ndarray] = {}
        """Points of the main LiDAR's files at key frames, as rows."""

    def write(self) -> dict[str, Any]:
        tables: dict[str, list[Row]] = {
            "log": [records.log_row(self.token, self.clip, self.key_us, self.tile.city)],
            "scene": [
                records.scene_row(self.token, self.clip, self.slot.name, self.samples)
            ],
            "sensor": [], "calibrated_sensor": [], "ego_pose": [], "sample_data": [],
        }  # fmt: skip
        for channel, files in self._files():
            tables["sensor"].append(records.sensor_row(channel))
            tables["calibrated_sensor"].append(records.calibration_row(self.token, channel))
            tables["ego_pose"] += records.pose_rows(self.token, channel, self.tile.shift)
            tables["sample_data"] += records.record_rows(self.token, channel, self.samples, files)
        tables["sample"] = self.samples
        self._annotate()
        tables["instance"] = self.annotations.instances()
        tables["sample_annotation"] = self.annotations.rows
        tables["lidarseg"] = self.lidarseg
        self._beside()
        self.counts["boxes"] = len(self.annotations.rows)
        self.counts["boxes_left_out"] = self.annotations.left_out.total()
        return {
            "scene": self.slot.name,
            "number": self.slot.number,
            "split": self.slot.split,
            "source_scene": self.clip.scene_id,
            "shift": self.tile.shift.tolist(),
            "cell": [self.tile.column, self.tile.row],
            "city": self.tile.city,
            "counts": dict(sorted(self.counts.items())),
            "left_out": dict(sorted(self.annotations.left_out.items())),
            "attributes_left_out": dict(sorted(self.annotations.attributes_left_out.items())),
            "tables": tables,
        }

    def _files(self) -> Iterator[tuple[Channel, list[str]]]:
        """Write the files of every channel; their names. Images that are drawn take minutes."""
        total = sum(len(channel.times_us) for channel in self.channels)
        with show_progress(total=total, desc=self.slot.name, unit="file") as bar:
            for channel in self.channels:
                files = []
                for i in range(len(channel.times_us)):
                    files.append(self._file(channel, i))
                    bar.update()
                yield channel, files

    def _file(self, channel: Channel, i: int) -> str:
        """Write the file of one record; its name relative to the root."""
        folder = "samples" if channel.key[i] >= 0 else "sweeps"
        stem = f"{self.slot.name}__{channel.name}__{channel.times_us[i]}"
        name = f"{folder}/{channel.name}/{stem}"
        if channel.modality == "camera":
            return self._image(channel, i, name)
        if channel.modality == "lidar":
            return self._sweep(channel, i, f"{name}.pcd.bin")
        if not self.box.has(f"{name}.pcd"):
            self.box.put(f"{name}.pcd", empty_file())
        return f"{name}.pcd"

    def _image(self, channel: Channel, i: int, name: str) -> str:
        for there in (f"{name}.jpg", f"{name}.png"):
            if self.box.has(there):
                self.counts["images"] += 1
                return there
        try:
            data, kind = image_file(self.clip, channel.sensor, i, self.options.image_format)
        except MissingInput as error:
            self._absent(error)
            return f"{name}.{self.options.image_format}"
        self.box.put(f"{name}.{kind}", data)
        self.counts["images"] += 1
        return f"{name}.{kind}"

    def _absent(self, error: MissingInput) -> None:
        """Count a file that is not there, if gaps are allowed."""
        if not self.options.partial:
            raise error
        self.counts["absent_files"] += 1

    def _sweep(self, channel: Channel, i: int, name: str) -> str:
        judged = channel.key[i] >= 0 and channel.sensor == self.clip.meta.lidar
        there = self.box.has(name)
        if not there or judged:
            try:
                sweep = self.clip.sweeps[channel.sensor][i]
            except MissingInput as error:
                self._absent(error)
                return name
            rows, points = sweep_rows(sweep, channel.ego_from_sensor, self.clip.ego)
            if not there:
                self.box.put(name, rows.astype("<f4").tobytes())
            if judged:
                self.rows_of_key[int(channel.key[i])] = rows
                self._label(channel, i, sweep, points)
        self.counts["sweeps"] += 1
        return name

    def _label(self, channel: Channel, i: int, sweep: Sweep, points: np.ndarray) -> None:
        labels = point_labels(sweep, points)
        if labels is None:
            return
        if not len(points):
            labels = np.zeros(1, np.uint8)  # of the shot that stands for none
        own = self.token("sample_data", channel.name, int(channel.times_us[i]))
        row = lidarseg_row(self.options.version, own)
        if not self.box.has(row["filename"]):
            self.box.put(row["filename"], labels.tobytes())
        self.lidarseg.append(row)

    def _annotate(self) -> None:
        lidar = self.clip.meta.lidar
        mount = None if lidar is None else self.clip.rig.lidar(lidar).ego_from_lidar
        for key, frame in enumerate(self.clip):
            boxes = Boxes.empty(frame.time_ns)
            try:
                boxes = frame.boxes
            except NotRecorded:
                self.counts["key_frames_without_boxes"] += 1
            rows = self.rows_of_key.get(key)
            points = None if rows is None else rows[:, :3]
            self.annotations.add(
                self.samples[key]["token"], boxes, frame.world_from_ego, points, mount
            )

    def _beside(self) -> None:
        """What lies beside the tables: buses, map, occupancy."""
        clip, tile, scene, root = self.clip, self.tile, self.slot.name, self.box.root
        self.counts["can_bus_files"] = beside.write_can_bus(clip, tile, scene, self.box)
        self.counts["maps"] = int(beside.write_map(clip, tile, scene, root))
        if self.options.occupancy:
            self._occupancy()

    def _occupancy(self) -> None:
        for key, frame in enumerate(self.clip):
            name = beside.occupancy_file(self.slot.name, self.samples[key]["token"])
            if not self.box.has(name):
                try:
                    data = beside.occupancy_bytes(frame)
                except NotRecorded as error:
                    if self.options.partial:
                        continue
                    raise NotRecorded(
                        f"key frame {frame.key} of {self.clip.scene_id} has no Occ3D occupancy: "
                        f"{error.message}", field="--occupancy",
                        remedy="name labels on Occ3D's grid with --labels; --partial allows gaps",
                    ) from error  # fmt: skip
                self.box.put(name, data)
            self.counts["occupancy"] += 1
