"""Boxes of any moment: where the objects were when a point was measured, and where they are now.

A made world is asked for the moment itself (``ClipReader.boxes_at``). Of a recording, boxes run
between key frames as ``clip.at`` has them: both neighbours must hold the object. Short gaps in
what is annotated are bridged (``tracks.py``). A point measured shortly before the first or after
the last box of an object belongs to it too (a turn begins before its stamp), so a path is
continued by ``EDGE_NS`` where it ends.
"""

from functools import cached_property

import numpy as np

from roadloom.errors import NotRecorded
from roadloom.geometry.interpolate import blend
from roadloom.geometry.pose import Pose
from roadloom.label.drive import Drive
from roadloom.label.objects import Objects, joined, objects_of, rows_of_both
from roadloom.label.tracks import DriveTracks
from roadloom.scene.box_tracks import boxes_between
from roadloom.scene.boxes import Boxes, Strings
from roadloom.scene.clip import Clip

EDGE_NS = 150_000_000

_REMEDY = "label without boxes: boxes=False, on the command line --no-boxes"


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
        parts = []
        times = self._clip.times_ns
        after = int(np.searchsorted(times, time_ns))
        at_key = after < len(times) and int(times[after]) == time_ns
        if self.exact:
            parts.append(self._asked(time_ns, world_from_frame))
        elif at_key:
            parts.append(objects_of(self._in(after, world_from_frame)))
        elif 0 < after < len(times):
            between = boxes_between(
                self._key(after - 1), self._clip[after - 1].world_from_ego,
                self._key(after), self._clip[after].world_from_ego, time_ns, world_from_frame,
            )  # fmt: skip
            parts.append(objects_of(between))
        parts.append(self.tracks.bridged(time_ns, world_from_frame, joined(parts).track))
        found = joined(parts)
        if self.exact or at_key:
            return found
        return joined([found, *self._ends(after, time_ns, world_from_frame, found.track)])

    def resting(self, time_ns: int, world_from_frame: Pose, without: Strings) -> Objects:
        """Objects that stand still whenever they are annotated, where they are not annotated:
        see ``DriveTracks.resting``."""
        return self.tracks.resting(time_ns, world_from_frame, without)

    @cached_property
    def tracks(self) -> DriveTracks:
        """The annotations of all key frames."""
        keys = range(len(self._clip))
        if not self.exact:
            frames = [self._clip[key].world_from_ego for key in keys]
            return DriveTracks([self._key(key) for key in keys], frames)
        world = Pose.identity()
        times = [self._on_path(int(time_ns)) for time_ns in self._clip.times_ns]
        return DriveTracks([self._moment(time_ns, world) for time_ns in times], [world] * len(keys))

    def _asked(self, time_ns: int, world_from_frame: Pose) -> Objects:
        return objects_of(self._moment(self._on_path(time_ns), world_from_frame))

    def _on_path(self, time_ns: int) -> int:
        """The world is not asked beyond the recorded path."""
        path = self._clip.ego.time_ns
        return int(np.clip(time_ns, path[0], path[-1]))

    def _moment(self, time_ns: int, world_from_frame: Pose) -> Boxes:
        boxes = self._clip.reader.boxes_at(time_ns)
        _check_tracks(boxes)
        world_from_ego = self._drive.at(np.array([time_ns], np.int64))[0]
        return boxes.moved(world_from_frame.inverse() @ world_from_ego, time_ns)

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

    def _ends(
        self, after: int, time_ns: int, world_from_frame: Pose, without: Strings
    ) -> list[Objects]:
        """Objects whose path ends shortly before or begins shortly after a moment."""
        times = self._clip.times_ns
        return [
            self._beyond(key, inner, time_ns, world_from_frame, without)
            for key, inner in ((after - 1, after - 2), (after, after + 1))
            if 0 <= key < len(times) and abs(int(times[key]) - time_ns) <= EDGE_NS
        ]

    def _beyond(
        self, key: int, inner: int, time_ns: int, world_from_frame: Pose, without: Strings
    ) -> Objects:
        """Objects whose path ends at ``key``, a little later or earlier: at the speed between it
        and the key frame ``inner``, else at the annotated one, else where they were."""
        edge = self._in(key, world_from_frame)
        here = objects_of(edge)
        alone = ~np.isin(here.track, without)
        seconds = (time_ns - edge.time_ns) / 1e9
        velocity = np.nan_to_num(edge.velocity[edge.track_id != ""], nan=0.0)
        pose = Pose(here.pose.rotation.copy(), here.pose.translation + seconds * velocity)
        if 0 <= inner < len(self._clip):
            there = self._in(inner, world_from_frame)
            share = (time_ns - edge.time_ns) / (there.time_ns - edge.time_ns)
            other = objects_of(there)
            mine, theirs = rows_of_both(here, other)
            onward = blend(here.pose[mine], other.pose[theirs], np.full(len(mine), share))
            pose.rotation[mine], pose.translation[mine] = onward.rotation, onward.translation
        return here._replace(pose=pose).rows(alone)


def _check_tracks(boxes: Boxes) -> None:
    if len(boxes) and not (boxes.track_id != "").any():
        raise NotRecorded(
            "the source does not say which boxes are the same object", field="track_id",
            remedy=_REMEDY,
        )  # fmt: skip
