"""Are two clips the same, field by field and bit by bit?

    Clip, Clip -> clips_differ -> one line per difference; none: they are equal

NaN equals NaN. A field that neither recorded is equal, and so is a file that both lack. Where a
clip was opened from does not matter, only what it says of itself.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from roadloom.errors import MissingInput, NotRecorded
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Clip
from roadloom.scene.equality import same_array, same_pose
from roadloom.scene.reader import EXTRA_IMAGES, Records
from roadloom.scene.sweep import Sweep

META = ("scene_id", "source", "licence", "lidar", "attributes", "rig")


def clips_differ(a: Clip, b: Clip) -> list[str]:
    """Read both clips whole and say in which fields they differ; an empty list means equal."""
    differences = list(_meta(a, b))
    if not np.array_equal(a.times_ns, b.times_ns):
        return [*differences, "key_times_ns"]
    differences += _values("ego", lambda c: c.ego, _same_track, a, b)
    differences += _values("map", lambda c: c.map, lambda x, y: x.same_as(y), a, b)
    for sensor in (*a.rig.camera_names, *a.rig.lidar_names):
        differences += _sensor(sensor, a, b)
    grids = a.occupancy_grids
    if set(grids) != set(b.occupancy_grids):
        differences.append("occupancy_grids")
    for key in range(len(a)):
        differences += _values(
            f"boxes of key frame {key}", lambda c, key=key: c[key].boxes, Boxes.same_as, a, b
        )
        for grid in grids:
            differences += _values(
                f"occupancy of key frame {key}",
                lambda c, key=key, grid=grid: c[key].occupancy(grid),
                lambda x, y: x.same_as(y), a, b,
            )  # fmt: skip
    return differences


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
    found = _values(f"{sensor} records", lambda c: c.reader.records(sensor), _same_records, a, b)
    records = _outcome(a, lambda c: c.reader.records(sensor))
    if found or isinstance(records, type):
        return found
    for index in range(len(records)):
        where = f"{sensor} record {index}"
        if sensor in a.rig.lidar_names:
            found += _values(
                where, lambda c, i=index: c.reader.sweep(sensor, i), Sweep.same_as, a, b
            )
            continue
        found += _values(where, lambda c, i=index: c.reader.image(sensor, i), same_array, a, b)
        for kind in EXTRA_IMAGES:
            found += _values(
                f"{where} {kind}",
                lambda c, i=index, kind=kind: c.reader.extra_image(kind, sensor, i),
                same_array, a, b,
            )  # fmt: skip
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


def _same_track(a: Any, b: Any) -> bool:
    return same_array(a.time_ns, b.time_ns) and same_pose(a.world_from_ego, b.world_from_ego)
