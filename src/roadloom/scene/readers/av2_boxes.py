"""The boxes of an Argoverse 2 log: one table, sorted by time, with velocities from its tracks."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from roadloom.errors import BadInput, UnknownClass
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.io.read import RESTORE
from roadloom.scene.boxes import Boxes
from roadloom.scene.class_maps import ids_from
from roadloom.scene.readers import av2_tables as tables
from roadloom.scene.readers.av2_calibration import OUR_FROM_VEHICLE, poses_of
from roadloom.scene.readers.av2_tables import Columns, LogFiles

VELOCITY_REACH_NS = 550_000_000
"""Half a second and half a sweep: sweeps are 99.5 to 100.2 ms apart."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Annotations:
    """All boxes of a log, by time."""

    time_ns: Int64[np.ndarray, " row"]
    columns: Columns
    class_id: np.ndarray
    ego_from_box: Pose
    velocity: Float[np.ndarray, "row 3"]
    """Along the axes of each row's ego frame."""

    def boxes(self, rows: slice, time_ns: int) -> Boxes:
        tracks = self.columns["track_uuid"][rows]
        return Boxes.make(
            time_ns,
            self.class_id[rows],
            self.ego_from_box[rows],
            np.stack([self.columns[n][rows] for n in ("length_m", "width_m", "height_m")], axis=1),
            track_id=tracks,
            velocity=self.velocity[rows],
            num_lidar_points=self.columns["num_interior_pts"][rows].astype(np.int32),
            token=np.array([f"{time_ns}:{track}" for track in tracks], dtype=np.str_),
        )


def read_annotations(files: LogFiles, ego: PoseTrack) -> Annotations:
    columns = tables.read_table(files.annotations, tables.ANNOTATIONS)
    tables.unique_rows(columns, ("timestamp_ns", "track_uuid"), files.annotations)
    order = np.argsort(columns["timestamp_ns"], kind="stable")
    columns = {name: column[order] for name, column in columns.items()}
    time_ns = columns["timestamp_ns"].astype(np.int64)
    times, which = np.unique(time_ns, return_inverse=True)
    try:
        class_id = ids_from("av2", columns["category"])
        world_from_ego = ego.at(times)[which]
    except UnknownClass as error:
        raise BadInput(
            error.message, file=files.annotations, field="category", remedy=error.remedy
        ) from error
    except BadInput as error:
        raise BadInput(
            f"boxes at times without a pose: {error.message}",
            file=files.annotations, field="timestamp_ns",
            remedy=RESTORE,
        ) from error  # fmt: skip
    ego_from_box = OUR_FROM_VEHICLE @ poses_of(columns)
    middles = (world_from_ego @ ego_from_box).translation
    velocity = track_velocities(time_ns, columns["track_uuid"], middles)
    return Annotations(
        time_ns=time_ns,
        columns=columns,
        class_id=class_id,
        ego_from_box=ego_from_box,
        velocity=world_from_ego.inverse().rotate(velocity[:, None])[:, 0],
    )


def track_velocities(
    time_ns: Int64[np.ndarray, " row"],
    track: np.ndarray,
    middles: Float[np.ndarray, "row 3"],
) -> Float[np.ndarray, "row 3"]:
    """Velocity over ground [m/s] from the world positions of each track.

    The difference between the last and the first sighting within half a second before and after,
    so central in the middle of a track, one-sided at its ends, and NaN for a single sighting.
    """
    velocity = np.full((len(time_ns), 3), np.nan)
    order = np.lexsort((time_ns, track))
    starts = np.flatnonzero(np.r_[True, track[order][1:] != track[order][:-1]])
    for rows in np.split(order, starts[1:]):
        times, places = time_ns[rows], middles[rows]
        first = np.searchsorted(times, times - VELOCITY_REACH_NS)
        last = np.searchsorted(times, times + VELOCITY_REACH_NS, side="right") - 1
        seconds = (times[last] - times[first]) / 1e9
        seconds[seconds == 0] = np.nan
        velocity[rows] = (places[last] - places[first]) / seconds[:, None]
    return velocity
