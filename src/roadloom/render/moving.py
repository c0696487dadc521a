"""What moves while a LiDAR turns: the vehicle's own path, and the cells that go with their boxes.

boxes at the turn's ends and at the occupancy's moment -> those that move -> their cells
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int16, Int64

from roadloom.errors import BadInput, NotRecorded
from roadloom.geometry.box import corners, inside
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose, quaternion_from_rotation
from roadloom.scene.boxes import Boxes
from roadloom.scene.classes import CLASSES, FREE, UNKNOWN
from roadloom.scene.occupancy import Occupancy

if TYPE_CHECKING:
    from roadloom.scene.clip import Frame

MOVES_M = 0.01
"""What no corner of a box moves by during a turn stands: annotations tremble by more."""
MOST_MOVERS = 2**15 - 1
STOPS = np.isin(np.arange(256), (FREE, UNKNOWN), invert=True).astype(np.uint8)
"""1 for each label that stops a ray: unknown cells stop none."""
_FLAT = np.array([row.id for row in CLASSES if row.group == "flat"], np.uint8)


@dataclass(frozen=True, kw_only=True, eq=False)
class Movers:
    """Objects that move, the cells that they own, and where they are when."""

    owner: Int16[np.ndarray, "x y z"]
    """Number of the mover that a cell belongs to; -1 for what stands."""
    row: Int64[np.ndarray, " mover"]
    """Row of each in the boxes of the occupancy's moment."""
    reach_m: Float[np.ndarray, " mover"]
    """No cell of it is farther from the box's middle; 0 where it owns none."""
    grid_from_box: Pose
    """In the occupancy, batch axis " mover"."""
    knots_ns: Int64[np.ndarray, " knot"]
    """Moments between which poses are interpolated (and, beyond the ends, continued) [ns]."""
    path: Pose
    """``grid_from_box`` at each of them, batch axes " mover knot", in the grid's frame at the
    moment of the occupancy."""

    def __len__(self) -> int:
        return len(self.row)


def movers_of(
    occupancy: Occupancy,
    boxes: Boxes,
    others: Sequence[Boxes],
    grid_from_ego: Pose | None = None,
) -> Movers | None:
    """The boxes that move between the given moments, with the cells in them; None if none does.

    A cell belongs to a box if its centre lies in it and it is no ground, or if it has the box's
    class and its centre lies at most half a cell outside. Of two such boxes the nearer has it.

    Args:
        boxes: of the occupancy's own moment.
        others: the same objects at other moments, best at both ends of the turn, in the ego
            frame of ``boxes``; matched by track id. Objects that are not found there move on at
            their velocity, or stand where that is unknown.
        grid_from_ego: where the grid's frame is not the ego frame.

    Raises:
        BadInput: two moments are the same.
    """
    times = np.array([boxes.time_ns, *(other.time_ns for other in others)], np.int64)
    order = np.argsort(times)
    if (np.diff(times[order]) == 0).any():
        raise BadInput("two of the moments are the same", field="others")
    poses = [boxes.pose, *(_poses_at(boxes, other) for other in others)]
    outlines = [corners(pose, boxes.size) for pose in poses]
    apart = [np.sqrt(((a - b) ** 2).sum(axis=-1)).max(axis=-1) for a in outlines for b in outlines]
    moving = np.flatnonzero(np.max(apart, axis=0, initial=0.0) > MOVES_M)
    if len(moving) > MOST_MOVERS:
        raise BadInput(f"{len(moving)} boxes move; at most {MOST_MOVERS} can", field="boxes")
    if not len(moving):
        return None
    carry = Pose.identity() if grid_from_ego is None else grid_from_ego
    now = carry @ boxes.pose[moving]
    owner, reach = _owners(occupancy, now, boxes.size[moving], boxes.class_id[moving])
    path = [carry @ poses[i][moving] for i in order]
    return Movers(
        owner=owner,
        row=moving,
        reach_m=reach,
        grid_from_box=now,
        knots_ns=times[order],
        path=Pose(
            np.stack([p.rotation for p in path], axis=1),
            np.stack([p.translation for p in path], axis=1),
        ),
    )


def _poses_at(boxes: Boxes, other: Boxes) -> Pose:
    """Where each box of ``boxes`` is at the moment of ``other``."""
    seconds = (other.time_ns - boxes.time_ns) * 1e-9
    drift = np.where(np.isfinite(boxes.velocity), boxes.velocity, 0.0) * seconds
    rotation, translation = boxes.pose.rotation.copy(), boxes.pose.translation + drift
    there = {track: row for row, track in enumerate(other.track_id.tolist()) if track}
    pairs = [(i, there[t]) for i, t in enumerate(boxes.track_id.tolist()) if t in there]
    for mine, theirs in pairs:
        rotation[mine] = other.pose.rotation[theirs]
        translation[mine] = other.pose.translation[theirs]
    return Pose(rotation, translation)


def _owners(
    occupancy: Occupancy, pose: Pose, size: np.ndarray, class_id: np.ndarray
) -> tuple[Int16[np.ndarray, "x y z"], Float[np.ndarray, " mover"]]:
    grid = occupancy.grid
    owner, reach = np.full(grid.shape, -1, np.int16), np.zeros(len(size))
    margin = max(grid.cell_m) / 2
    half = float(np.sqrt((np.array(grid.cell_m) ** 2).sum())) / 2
    for number in range(len(size)):
        outline = corners(pose[number], size[number] + 2 * margin)
        low, _ = grid.cell_of(outline.min(axis=0))
        high, _ = grid.cell_of(outline.max(axis=0))
        low, high = np.clip(low, 0, grid.shape), np.clip(high + 1, 0, grid.shape)
        part = tuple(map(slice, low, high))
        labels, solid = occupancy.labels[part], STOPS[occupancy.labels[part]] > 0
        if not solid.any():
            continue
        cells = np.moveaxis(np.indices(labels.shape, dtype=np.int64), 0, -1) + low
        centers = grid.center_of(cells).reshape(-1, 3)
        deep, near = (
            inside(centers, pose[[number]], size[[number]] + grow)[0].reshape(labels.shape)
            for grow in (0.0, 2 * margin)
        )
        held = solid & ((deep & ~np.isin(labels, _FLAT)) | (near & (labels == class_id[number])))
        centers = centers.reshape(*labels.shape, 3)
        apart = ((centers - pose.translation[number]) ** 2).sum(axis=-1)
        taken = owner[part] >= 0
        rival = pose.translation[np.maximum(owner[part], 0)]
        held &= ~taken | (apart < ((centers - rival) ** 2).sum(axis=-1))
        owner[part][held] = number
        reach[number] = np.sqrt(apart[held].max()) + half if held.any() else 0.0
    return owner, reach


def packed_path(pose: Pose) -> Float[np.ndarray, "knot 19"]:
    """A path as the kernels take it: rotation, translation, step, axis and angle of the turn.

    The last row has no next one: step and angle are 0.
    """
    count = len(pose)
    rows = np.zeros((count, 19))
    rows[:, :9], rows[:, 9:12] = pose.rotation.reshape(count, 9), pose.translation
    rows[:-1, 12:15] = np.diff(pose.translation, axis=0)
    turn = np.swapaxes(pose.rotation[:-1], -1, -2) @ pose.rotation[1:]
    wxyz = quaternion_from_rotation(turn)
    sine = np.sqrt((wxyz[:, 1:] ** 2).sum(axis=-1))
    still = sine < 1e-12
    rows[:-1, 15:18] = wxyz[:, 1:] / np.where(still, 1.0, sine)[:, None]
    rows[:-1, 18] = np.where(still, 0.0, 2 * np.arctan2(sine, wxyz[:, 0]))
    return rows


def ego_path(
    ego: PoseTrack, time_ns: int, begin_ns: int, end_ns: int
) -> tuple[Int64[np.ndarray, " knot"], Pose]:
    """Knots from ``begin_ns`` to ``end_ns``, and the vehicle's pose at each in its own frame of
    ``time_ns``.

    Outside the track it goes on as in its first or last piece, by at most as much as the turn
    reaches from ``time_ns``.

    Raises:
        BadInput: the moments lie further outside the track.
    """
    between = (ego.time_ns > begin_ns) & (ego.time_ns < end_ns)
    ends = [begin_ns, end_ns] if end_ns > begin_ns else [begin_ns]
    knots = np.unique(np.concatenate([ego.time_ns[between], np.array(ends, np.int64)]))
    beyond = max(abs(begin_ns - time_ns), abs(end_ns - time_ns))
    reference = ego.at(np.array([time_ns], np.int64))[0]
    return knots, reference.inverse() @ ego.at(knots, extrapolate_ns=beyond)


def boxes_around(frame: "Frame", begin_ns: int, end_ns: int) -> tuple[Boxes, list[Boxes]]:
    """Boxes of a frame, and those of the ends of a turn where the source tells them, all in the
    frame's ego frame; counts of points and visibility may be unknown.

    Raises:
        NotRecorded: the frame has no boxes.
    """
    boxes, others = _bare(frame), []
    for time_ns in dict.fromkeys((begin_ns, end_ns)):
        if time_ns == boxes.time_ns:
            continue
        try:
            then = frame.clip.at(time_ns)
            found = _bare(then)
        except NotRecorded:
            found = Boxes.empty(time_ns)
        except BadInput as error:
            if error.field != "time_ns":  # it is not the moment that lies off the path
                raise
            found = Boxes.empty(time_ns)
        else:
            found = found.moved(frame.world_from_ego.inverse() @ then.world_from_ego, time_ns)
        others.append(found)
    return boxes, others


def _bare(frame: "Frame") -> Boxes:
    with suppress(NotRecorded):
        return frame.clip.reader.boxes_at(frame.time_ns)
    return frame.boxes
