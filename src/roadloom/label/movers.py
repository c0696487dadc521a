"""Boxes of any moment: where the objects were when a point was measured, and where they are now.

A made world is asked for the moment itself (``ClipReader.boxes_at``). Of a recording, boxes run
between key frames as ``clip.at`` has them: both neighbours must hold the object. A point measured
shortly before the first or after the last box of an object belongs to it too (a turn begins
before its stamp), so a path is continued by ``EDGE_NS`` where it ends.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from roadloom.errors import NotRecorded
from roadloom.geometry.box import corners
from roadloom.geometry.interpolate import blend
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.label.drive import Drive
from roadloom.scene.box_tracks import boxes_between
from roadloom.scene.boxes import Boxes, Strings
from roadloom.scene.clip import Clip

EDGE_NS = 150_000_000
FLOOR_M, FLOOR_SHARE = 0.15, 0.2
"""Of an object's lowest 15 cm, or fifth of its height where that is less, points without a label
stay where they are: annotators draw boxes down to the road, and the road does not drive off."""

_REMEDY = "label without boxes: boxes=False, on the command line --no-boxes"


class Objects(NamedTuple):
    """Objects of one moment; every one has a track."""

    track: Strings
    class_id: UInt8[np.ndarray, " box"]
    pose: Pose
    """frame_from_box, batch axis " box"."""
    size: Float[np.ndarray, "box 3"]

    def rows(self, index: np.ndarray) -> "Objects":
        return Objects(self.track[index], self.class_id[index], self.pose[index], self.size[index])

    @property
    def floor_m(self) -> Float[np.ndarray, " box"]:
        """Height above a box's bottom from which what lies in it is the object's."""
        floor: np.ndarray = np.minimum(FLOOR_M, FLOOR_SHARE * self.size[:, 2])
        return floor


class ObjectPaths:
    """Objects of a clip at any moment of its drive."""

    def __init__(self, clip: Clip, drive: Drive) -> None:
        """
        Raises:
            NotRecorded: the clip has no boxes.
        """
        self._clip, self._drive = clip, drive
        self._keys: dict[int, Boxes] = {}
        self.exact = self._knows_all()
        """Whether the source answers for any moment: a point is then met by the box of its own
        time. Annotators draw a box around a sweep's points as they are, so a recorded box is
        that of the whole sweep with its stamp."""

    def _knows_all(self) -> bool:
        if not len(self._clip):
            return False
        try:
            self._clip.reader.boxes_at(int(self._clip.times_ns[0]))
        except NotRecorded:
            self._key(0)
            return False
        return True

    def at(self, time_ns: int, world_from_frame: Pose) -> Objects:
        """Objects at a moment, in the frame that is named.

        Raises:
            NotRecorded: the clip has no boxes, or does not say which are the same object.
        """
        if self.exact:
            return self._asked(time_ns, world_from_frame)
        times = self._clip.times_ns
        after = int(np.searchsorted(times, time_ns))
        if after < len(times) and int(times[after]) == time_ns:
            return _objects(self._in(after, world_from_frame))
        found, both = [], np.zeros(0, "<U1")
        if 0 < after < len(times):
            between = boxes_between(
                self._key(after - 1), self._clip[after - 1].world_from_ego,
                self._key(after), self._clip[after].world_from_ego, time_ns, world_from_frame,
            )  # fmt: skip
            found.append(_objects(between))
            both = found[0].track
        for key, inner in ((after - 1, after - 2), (after, after + 1)):
            if 0 <= key < len(times) and abs(int(times[key]) - time_ns) <= EDGE_NS:
                found.append(self._beyond(key, inner, time_ns, world_from_frame, both))
        return _joined(found)

    def _asked(self, time_ns: int, world_from_frame: Pose) -> Objects:
        path = self._clip.ego.time_ns
        time_ns = int(np.clip(time_ns, path[0], path[-1]))  # beyond it the world is not asked
        boxes = self._clip.reader.boxes_at(time_ns)
        _check_tracks(boxes)
        world_from_ego = self._drive.at(np.array([time_ns], np.int64))[0]
        return _objects(boxes.moved(world_from_frame.inverse() @ world_from_ego, time_ns))

    def _key(self, key: int) -> Boxes:
        if key not in self._keys:
            try:
                boxes = self._clip.reader.boxes(key)
            except NotRecorded as error:
                raise NotRecorded(
                    error.message, file=error.file, field="boxes", remedy=_REMEDY
                ) from error
            _check_tracks(boxes)
            self._keys[key] = boxes
        return self._keys[key]

    def _in(self, key: int, world_from_frame: Pose) -> Boxes:
        carry = world_from_frame.inverse() @ self._clip[key].world_from_ego
        return self._key(key).moved(carry, int(self._clip.times_ns[key]))

    def _beyond(
        self, key: int, inner: int, time_ns: int, world_from_frame: Pose, without: Strings
    ) -> Objects:
        """Objects whose path ends at ``key``, a little later or earlier: at the speed between it
        and the key frame ``inner``, else at the annotated one, else where they were."""
        edge = self._in(key, world_from_frame)
        here = _objects(edge)
        alone = ~np.isin(here.track, without)
        seconds = (time_ns - edge.time_ns) / 1e9
        velocity = np.nan_to_num(edge.velocity[edge.track_id != ""], nan=0.0)
        pose = Pose(here.pose.rotation.copy(), here.pose.translation + seconds * velocity)
        if 0 <= inner < len(self._clip):
            there = self._in(inner, world_from_frame)
            share = (time_ns - edge.time_ns) / (there.time_ns - edge.time_ns)
            other = _objects(there)
            row = {track: i for i, track in enumerate(other.track.tolist())}
            mine = np.array([i for i, t in enumerate(here.track.tolist()) if t in row], np.int64)
            theirs = np.array([row[t] for t in here.track[mine].tolist()], np.int64)
            onward = blend(here.pose[mine], other.pose[theirs], np.full(len(mine), share))
            pose.rotation[mine], pose.translation[mine] = onward.rotation, onward.translation
        return here._replace(pose=pose).rows(alone)


def _check_tracks(boxes: Boxes) -> None:
    if len(boxes) and not (boxes.track_id != "").any():
        raise NotRecorded(
            "the source does not say which boxes are the same object", field="track_id",
            remedy=_REMEDY,
        )  # fmt: skip


def _objects(boxes: Boxes) -> Objects:
    known = boxes[boxes.track_id != ""]
    return Objects(known.track_id, known.class_id, known.pose, known.size)


def _joined(parts: list[Objects]) -> Objects:
    if not parts:
        return _objects(Boxes.empty(0))
    return Objects(
        np.concatenate([p.track for p in parts]),
        np.concatenate([p.class_id for p in parts]),
        Pose(
            np.concatenate([p.pose.rotation for p in parts]),
            np.concatenate([p.pose.translation for p in parts]),
        ),
        np.concatenate([p.size for p in parts]),
    )


def matched(first: Objects, second: Objects) -> tuple[Objects, Objects]:
    """The objects that both moments hold, in the order of the first."""
    row = {track: i for i, track in enumerate(second.track.tolist())}
    mine = np.array([i for i, t in enumerate(first.track.tolist()) if t in row], np.int64)
    theirs = np.array([row[t] for t in first.track[mine].tolist()], np.int64)
    return first.rows(mine), second.rows(theirs)


def cells_within(objects: Objects, margin_m: float, grid: VoxelGrid) -> Bool[np.ndarray, "x y z"]:
    """Cells whose centre an object's box holds, by the rule for points without a label."""
    mask = np.zeros(grid.shape, bool)
    if not len(objects.track):
        return mask
    outline = corners(objects.pose, objects.size + 2 * margin_m)
    half, floor = objects.size / 2, objects.floor_m
    for row in range(len(half)):
        low = grid.cell_of(np.maximum(outline[row].min(axis=0), grid.lower_m))[0]
        high = grid.cell_of(np.maximum(outline[row].max(axis=0), grid.lower_m))[0] + 1
        high = np.minimum(high, grid.shape)
        if (low >= high).any():
            continue
        window = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        cells = np.moveaxis(np.indices(tuple(high - low)), 0, -1) + low
        away = grid.center_of(cells) - objects.pose.translation[row]
        local = away @ objects.pose.rotation[row]
        held = (np.abs(local) <= half[row] + margin_m).all(axis=-1)
        mask[window] |= held & (local[..., 2] >= floor[row] - half[row, 2])
    return mask
