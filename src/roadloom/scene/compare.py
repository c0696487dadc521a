"""Are two clips the same, field by field and bit by bit?

    Clip, Clip -> clips_differ -> one line per difference; none: they are equal

NaN equals NaN. A field that neither recorded is equal, and so is a file that both lack. Where a
clip was opened from does not matter, only what it says of itself.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from roadloom.errors import MissingInput, NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Clip
from roadloom.scene.equality import same_array, same_pose
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import EXTRA_IMAGES, Records
from roadloom.scene.road_map import RoadMap
from roadloom.scene.sweep import Sweep

META = ("scene_id", "source", "licence", "lidar", "attributes", "rig")


def clips_differ(a: Clip, b: Clip) -> list[str]:
    """Read both clips whole and say in which fields they differ; an empty list means equal."""
    found = list(_meta(a, b))
    if not np.array_equal(a.times_ns, b.times_ns):
        return [*found, "key_times_ns"]
    found += _values("ego", lambda c: c.ego, _same_track, a, b)
    found += _values("commands", lambda c: c.commands, tuple.__eq__, a, b)
    found += _values("map", lambda c: c.map, RoadMap.same_as, a, b)
    for sensor in (*a.rig.camera_names, *a.rig.lidar_names):
        found += _sensor(sensor, a, b)
    grids = a.occupancy_grids
    if set(grids) != set(b.occupancy_grids):
        found.append("occupancy_grids")
    for key in range(len(a)):
        where = f"of key frame {key}"
        found += _values(f"boxes {where}", partial(_boxes, key), Boxes.same_as, a, b)
        for grid in grids:
            read = partial(_occupancy, key, grid)
            found += _values(f"occupancy {where}", read, Occupancy.same_as, a, b)
    return found


def _boxes(key: int, clip: Clip) -> Boxes:
    return clip[key].boxes


def _occupancy(key: int, grid: VoxelGrid, clip: Clip) -> Occupancy:
    return clip[key].occupancy(grid)


def _records(sensor: str, clip: Clip) -> Records:
    return clip.reader.records(sensor)


def _sweep(lidar: str, index: int, clip: Clip) -> Sweep:
    return clip.reader.sweep(lidar, index)


def _image(kind: str, camera: str, index: int, clip: Clip) -> np.ndarray:
    if kind == "image":
        return clip.reader.image(camera, index)
    return clip.reader.extra_image(kind, camera, index)


def _meta(a: Clip, b: Clip) -> Iterator[str]:
    for name in META:
        if getattr(a.meta, name) != getattr(b.meta, name):
            yield name
    if not same_pose(a.meta.our_from_vehicle, b.meta.our_from_vehicle):
        yield "our_from_vehicle"


def _sensor(sensor: str, a: Clip, b: Clip) -> list[str]:
    """Records of one camera or LiDAR, and what each of them holds."""
    if sensor not in (*b.rig.camera_names, *b.rig.lidar_names):
        return [f"{sensor}: only one has it"]
    found = _values(f"{sensor} records", partial(_records, sensor), _same_records, a, b)
    records = _outcome(a, partial(_records, sensor))
    if found or isinstance(records, type):
        return found
    for index in range(len(records)):
        where = f"{sensor} record {index}"
        if sensor in a.rig.lidar_names:
            found += _values(where, partial(_sweep, sensor, index), Sweep.same_as, a, b)
            continue
        for kind in ("image", *EXTRA_IMAGES):
            read = partial(_image, kind, sensor, index)
            found += _values(f"{where} {kind}", read, same_array, a, b)
    return found


def _values(
    what: str,
    read: Callable[[Clip], Any],
    same: Callable[[Any, Any], bool],
    a: Clip,
    b: Clip,
) -> list[str]:
    """One line if the values differ, or if only one of the clips has one."""
    first, second = _outcome(a, read), _outcome(b, read)
    if isinstance(first, type) or isinstance(second, type):
        if first is second:
            return []
        names = [v.__name__ if isinstance(v, type) else "there" for v in (first, second)]
        return [f"{what}: {names[0]} in one, {names[1]} in the other"]
    return [] if same(first, second) else [what]


def _outcome(clip: Clip, read: Callable[[Clip], Any]) -> Any:
    """What reading gives, or the class of the error by which it is absent."""
    try:
        return read(clip)
    except NotRecorded:
        return NotRecorded
    except MissingInput:
        return MissingInput


def _same_records(a: Records, b: Records) -> bool:
    return (
        same_array(a.time_ns, b.time_ns)
        and same_array(a.key, b.key)
        and same_pose(a.world_from_ego, b.world_from_ego)
    )


def _same_track(a: PoseTrack, b: PoseTrack) -> bool:
    return same_array(a.time_ns, b.time_ns) and same_pose(a.world_from_ego, b.world_from_ego)
