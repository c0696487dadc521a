"""What a spinning LiDAR measures in occupancy: every ray of a turn, cast exactly.

turn -> each ray from where the sensor is at its own time -> cells that stand, and cells that
go with the box of a mover -> the nearest -> range, class, incidence, fate -> Sweep
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float64, Int16, Int64, UInt8

from roadloom.errors import BadInput
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.render.lidar_turn import Turn, beam_table, known_device, meet_on, shared
from roadloom.render.moving import Movers, ego_path, packed_path
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.sweep import LidarOrigin, Sweep
from roadloom.sensors.rig import MountedLidar


class Fate(IntEnum):
    """What became of a ray."""

    RETURNED = 0
    MISSED = 1
    """It met no occupied cell in the grid: what is beyond is not known."""
    TOO_NEAR = 2
    """What it met is nearer than the device measures; it ends there all the same."""
    TOO_FAR = 3


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CastSweep:
    """All rays of one turn, column by column in the order of the device's beams."""

    mount: MountedLidar
    time_ns: int
    """The moment of the occupancy, in whose ego frame points are [ns]."""
    world_from_ego: Pose
    """Of that moment; the identity where no path is known."""
    ray_time_ns: Int64[np.ndarray, "column beam"]
    """When each ray was fired."""
    origins: Float64[np.ndarray, "column beam 3"]
    """Where each ray starts, in the ego frame of ``time_ns`` [m]."""
    directions: Float64[np.ndarray, "column beam 3"]
    """Unit vectors in the same frame."""
    range_m: Float64[np.ndarray, "column beam"]
    """To the face of the cell that is met; infinite where nothing returned."""
    label: UInt8[np.ndarray, "column beam"]
    """Class of that cell; 0 where nothing returned."""
    incidence_rad: Float64[np.ndarray, "column beam"]
    """Between ray and the normal of that face, 0 (head on) to pi / 2; NaN where nothing returned
    and where the ray began in the cell."""
    fate: UInt8[np.ndarray, "column beam"]
    """Of ``Fate``."""
    cell: Int64[np.ndarray, "column beam 3"]
    """Index in the grid, a mover's where it is in the occupancy; -1 where nothing returned."""
    mover: Int16[np.ndarray, "column beam"]
    """Number of the mover that was met; -1 for what stands and where nothing returned."""

    @property
    def returned(self) -> Bool[np.ndarray, "column beam"]:
        found: np.ndarray = self.fate == Fate.RETURNED
        return found

    @property
    def points(self) -> Float64[np.ndarray, "column beam 3"]:
        """Positions in the ego frame of ``time_ns``, carried by the vehicle's motion alone; NaN
        where nothing returned."""
        distance = np.where(self.returned, self.range_m, np.nan)
        return self.origins + self.directions * distance[..., None]

    def sweep(self, *, motion_compensated: bool = True, lost: bool = False) -> Sweep:
        """The same as points with labels; intensity is unknown.

        Args:
            motion_compensated: False leaves each point in the ego frame of its own time.
            lost: also give the rays that returned nothing, at the device's largest range;
                their ``returned`` is False and their label 0.
        """
        device = known_device(self.mount)
        rows = np.flatnonzero(np.ones(self.fate.size, bool) if lost else self.returned)
        reach = np.where(self.returned, self.range_m, device.max_range_m).ravel()[rows, None]
        if motion_compensated:
            points = (
                self.origins.reshape(-1, 3)[rows] + self.directions.reshape(-1, 3)[rows] * reach
            )
        else:
            points = self.mount.ego_from_lidar.apply(beam_table(device)[0][rows] * reach)
        return Sweep(
            points=points.astype(np.float32),
            time_ns=self.time_ns,
            world_from_ego=self.world_from_ego,
            motion_compensated=motion_compensated,
            point_time_ns=self.ray_time_ns.ravel()[rows],
            ring=(rows % device.beams).astype(np.int16),
            intensity=np.full(len(rows), np.nan, np.float32),
            origin_id=np.zeros(len(rows), np.uint8),
            origins=(LidarOrigin(name=self.mount.name, ego_from_lidar=self.mount.ego_from_lidar),),
            returned=self.returned.ravel()[rows],
            label=self.label.ravel()[rows],
        )


def cast_sweep(
    occupancy: Occupancy,
    mount: MountedLidar,
    *,
    time_ns: int,
    ego: PoseTrack | None = None,
    movers: Movers | None = None,
    grid_from_ego: Pose | None = None,
    num_threads: int = 1,
    device: str | None = None,
) -> CastSweep:
    """Cast one turn of a LiDAR in occupancy of the moment ``time_ns``.

    A ray ends at the face of the first occupied cell that it crosses; unknown cells stop none.
    Ranges are exact: distances to the planes between cells, in float64. The turn begins
    ``mount.trigger_offset_ns`` after ``time_ns``, and the world around stands but for ``movers``.

    Args:
        ego: the vehicle's path in the world: every ray leaves from where the sensor is at its
            own time. None: the vehicle stands.
        movers: objects that move during the turn; of ``moving.movers_of``. Rays meet their cells
            where the box is at the ray's time, and pass where they are in the occupancy.
        grid_from_ego: for occupancy that does not lie in the ego frame.
        num_threads: the kernels let go of the interpreter; results are the same.
        device: a torch device, such as ``cuda``, on which cells are looked for instead; the
            results are the same.

    Raises:
        NotRecorded: the beams of this LiDAR are not known.
        BadInput: the occupancy is in another frame and ``grid_from_ego`` is not given, movers of
            another grid, a turn off the path ``ego``, or times beyond 64 bits.
        MissingExtra: ``device`` asks for what this machine lacks.
    """
    lidar = known_device(mount)
    carry = _grid_from_ego(occupancy, grid_from_ego)
    if movers is not None and movers.owner.shape != tuple(occupancy.grid.shape):
        raise BadInput("is of another grid than the occupancy", field="movers")
    times = device_times_ns(mount, time_ns)
    if ego is None:
        knots, path, pose = np.array([time_ns], np.int64), Pose.stack([carry]), Pose.identity()
    else:
        knots, moved = ego_path(ego, time_ns, int(times.min()), int(times.max()))
        path = carry @ moved
        pose = ego.at(np.array([time_ns], np.int64))[0]
    turn = Turn(occupancy, mount, times, movers, (knots, packed_path(path)))
    if device is None:
        shared(turn.cast, len(times), num_threads)
    else:
        turn.aim(slice(0, len(times)))
        meet_on(device, turn)
        turn.tell(slice(0, len(times)))
    origins, directions = turn.origins, turn.directions
    if grid_from_ego is not None:
        back = carry.inverse()
        origins, directions = back.apply(origins), back.rotate(directions)
    shape = lidar.columns, lidar.beams
    return CastSweep(
        mount=mount,
        time_ns=time_ns,
        world_from_ego=pose,
        ray_time_ns=times.reshape(shape),
        origins=origins.reshape(*shape, 3),
        directions=directions.reshape(*shape, 3),
        range_m=turn.distance.reshape(shape),
        label=turn.label.reshape(shape),
        incidence_rad=turn.angle.reshape(shape),
        fate=turn.fate.reshape(shape),
        cell=turn.cell.reshape(*shape, 3),
        mover=turn.met.reshape(shape),
    )


def device_times_ns(mount: MountedLidar, time_ns: int) -> Int64[np.ndarray, " ray"]:
    """When each ray of the sweep with the stamp ``time_ns`` is fired, column by column [ns].

    Raises:
        NotRecorded: the beams of this LiDAR are not known.
        BadInput: they do not fit into 64 bits.
    """
    offsets = beam_table(known_device(mount))[1]
    begin = int(time_ns) + mount.trigger_offset_ns
    if min(time_ns, begin) < -(2**63) or max(time_ns, begin + int(offsets.max())) >= 2**63:
        raise BadInput(f"a turn at {time_ns} ns does not fit into 64 bits", field="time_ns")
    times: np.ndarray = begin + offsets
    return times


def _grid_from_ego(occupancy: Occupancy, given: Pose | None) -> Pose:
    if given is None and occupancy.frame != "ego":
        raise BadInput(
            f"the occupancy lies in the {occupancy.frame} frame", field="grid_from_ego",
            remedy="give grid_from_ego, or occupancy in the ego frame",
        )  # fmt: skip
    return Pose.identity() if given is None else given
