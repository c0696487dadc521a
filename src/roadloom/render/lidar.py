"""What a spinning LiDAR measures in occupancy: every ray of a turn, cast exactly.

turn -> each ray from where the sensor is at its own time -> cells that stand, and cells that
go with the box of a mover -> the nearest -> range, class, incidence, fate -> Sweep
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int16, Int64, UInt8

from roadloom.errors import BadInput, MissingExtra, NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.geometry.ray_grid import cast_reference
from roadloom.render.moving import STOPS, Movers, ego_path, packed_path
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.sweep import LidarOrigin, Sweep
from roadloom.sensors.lidar import SpinningLidar
from roadloom.sensors.rig import MountedLidar

CHUNKS_PER_THREAD = 4
"""Rays one way round walk further than others: several chunks even that out."""
SLACK_M = 1e-6
"""Around the ball that holds a mover, for rounding."""
_NOTHING = np.zeros((0, 0, 0), np.int16)


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
        device = _device(self.mount)
        rows = np.flatnonzero(np.ones(self.fate.size, bool) if lost else self.returned)
        reach = np.where(self.returned, self.range_m, device.max_range_m).ravel()[rows, None]
        if motion_compensated:
            points = (
                self.origins.reshape(-1, 3)[rows] + self.directions.reshape(-1, 3)[rows] * reach
            )
        else:
            points = self.mount.ego_from_lidar.apply(_table(device)[0][rows] * reach)
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
            another grid, or a turn off the path ``ego``.
        MissingExtra: ``device`` asks for what this machine lacks.
    """
    lidar = _device(mount)
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
    turn = _Turn(occupancy, mount, times, movers, (knots, packed_path(path)))
    if device is None:
        _shared(turn.cast, len(times), num_threads)
    else:
        turn.aim(slice(0, len(times)))
        _meet_on(device, turn)
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
    """
    times: np.ndarray = time_ns + mount.trigger_offset_ns + _table(_device(mount))[1]
    return times


class _Turn:
    """Rays of one turn in the grid's frame, and what is found on them."""

    def __init__(
        self,
        occupancy: Occupancy,
        mount: MountedLidar,
        times: np.ndarray,
        movers: Movers | None,
        ego: tuple[np.ndarray, np.ndarray],
    ) -> None:
        from roadloom.render.lidar_kernels import solid_cells

        self.grid, self.labels = occupancy.grid, np.ascontiguousarray(occupancy.labels)
        self.lidar, self.mount = _device(mount), mount.ego_from_lidar
        self.times, self.movers, (self.knots, self.path) = times, movers, ego
        self.beams = mount.ego_from_lidar.rotate(_table(self.lidar)[0])
        self.owner = _NOTHING if movers is None else movers.owner
        self.solid = np.empty(self.grid.shape, np.uint8)
        solid_cells(self.labels, STOPS, self.owner, self.solid)
        self.limit = np.full(len(times), np.inf)
        self.origins, self.directions = np.empty((len(times), 3)), np.empty((len(times), 3))
        self.distance, self.cosine = np.empty(len(times)), np.empty(len(times))
        self.angle, self.cell = np.empty(len(times)), np.empty((len(times), 3), np.int64)
        self.face, self.met = np.empty(len(times), np.int8), np.full(len(times), -1, np.int16)
        self.label, self.fate = np.empty(len(times), np.uint8), np.empty(len(times), np.uint8)
        self.bodies = [] if movers is None else _bodies(movers)

    def aim(self, part: slice) -> None:
        """Rays as they are fired, carried into the grid's frame."""
        from roadloom.render.lidar_kernels import carry_rays

        carry_rays(
            self.mount.translation, self.beams[part], self.times[part], self.knots, self.path,
            self.origins[part], self.directions[part],
        )  # fmt: skip

    def cast(self, part: slice) -> None:
        """The nearest of what stands and of what moves, for some of the rays."""
        from roadloom.geometry.ray_kernels import first_hits
        from roadloom.render.lidar_kernels import meet_mover

        self.aim(part)
        lower, size = self.grid.lower_m, self.grid.cell_m
        distance, cell, face = self.distance[part], self.cell[part], self.face[part]
        first_hits(
            self.origins[part], self.directions[part], self.limit[part], lower, size, self.solid,
            distance, cell, face,
        )  # fmt: skip
        room = _Room(len(distance)) if self.bodies else None
        for body in self.bodies:
            assert room is not None
            count = self.picked(body, part, room)
            meet_mover(
                count, *room.rays, lower, size, self.owner, body.number, distance, cell, face,
                self.met[part], self.cosine[part],
            )  # fmt: skip
        self.tell(part)

    def picked(self, body: "_Body", part: slice, room: "_Room") -> int:
        """How many rays of the part may meet a mover; ``room`` takes them, in its frame."""
        from roadloom.render.lidar_kernels import rays_to_mover

        assert self.movers is not None
        count: int = rays_to_mover(
            self.origins[part], self.directions[part], self.times[part], self.distance[part],
            self.movers.knots_ns, body.path, body.now, body.ball, *room.rays,
        )  # fmt: skip
        return count

    def tell(self, part: slice) -> None:
        from roadloom.render.lidar_kernels import tell

        tell(
            self.directions[part], self.lidar.min_range_m, self.lidar.max_range_m, self.labels,
            self.distance[part], self.cell[part], self.face[part], self.met[part],
            self.cosine[part], self.label[part], self.angle[part], self.fate[part],
        )  # fmt: skip


@dataclass(frozen=True)
class _Body:
    """A mover as the kernels take it."""

    number: int
    now: np.ndarray
    """Rotation by rows and translation in the occupancy."""
    path: np.ndarray
    ball: np.ndarray
    """Centre and radius of where its cells stay during the turn."""


class _Room:
    """For the rays that one mover is asked about; taken once for all movers."""

    def __init__(self, count: int) -> None:
        self.rays = (
            np.empty(count, np.int64), np.empty((count, 3)), np.empty((count, 3)), np.empty(count),
        )  # fmt: skip


def _bodies(movers: Movers) -> list[_Body]:
    """The movers that own a cell."""
    found = []
    for number in np.flatnonzero(movers.reach_m > 0):
        pose, path = movers.grid_from_box[number], movers.path[number]
        middle = (path.translation.min(axis=0) + path.translation.max(axis=0)) / 2
        swing = np.sqrt(((path.translation - middle) ** 2).sum(axis=-1)).max()
        ball = np.append(middle, movers.reach_m[number] + swing + SLACK_M)
        now = np.append(pose.rotation.ravel(), pose.translation)
        found.append(_Body(int(number), now, packed_path(path), ball))
    return found


def _meet_on(device: str, turn: _Turn) -> None:
    """The same by torch: all rays at once on what stands, then those near each mover."""
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise MissingExtra(
            "torch sees no CUDA device", field="device", remedy="leave device out, or name cpu"
        )

    def on(array: np.ndarray) -> Any:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    def cast(starts: np.ndarray, ways: np.ndarray, cells: Any, limit: Any) -> list[np.ndarray]:
        hits = cast_reference(on(starts), on(ways), cells, turn.grid, max_range=limit)
        return [part.cpu().numpy() for part in hits]

    hits = cast(turn.origins, turn.directions, on(turn.solid), float("inf"))
    turn.distance[:], turn.cell[:], turn.face[:] = hits
    room, owner = _Room(len(turn.times)), on(turn.owner)
    for body in turn.bodies:
        count = turn.picked(body, slice(0, len(turn.times)), room)
        rows, starts, ways, _ = (part[:count] for part in room.rays)
        limit = on(turn.distance[rows])
        distance, cell, face = cast(starts, ways, owner == body.number, limit)
        met = np.isfinite(distance)
        hit, axis = rows[met], np.maximum(face[met], 0) // 2
        turn.distance[hit], turn.cell[hit], turn.face[hit] = distance[met], cell[met], face[met]
        turn.met[hit] = body.number
        turn.cosine[hit] = np.abs(ways[met][np.arange(len(hit)), axis])


def _shared(work: Callable[[slice], None], count: int, num_threads: int) -> None:
    """Parts of the rays on several threads; each takes the next part."""
    if num_threads <= 1:
        work(slice(0, count))
        return
    bounds = np.linspace(0, count, num_threads * CHUNKS_PER_THREAD + 1).astype(int)
    with ThreadPoolExecutor(num_threads) as pool:
        list(pool.map(work, map(slice, bounds[:-1], bounds[1:])))


@lru_cache(maxsize=8)
def _table(lidar: SpinningLidar) -> tuple[np.ndarray, np.ndarray]:
    """Directions [ray 3] and times [ns] of a turn; the same for every turn of a device."""
    directions, offset_ns = lidar.rays()
    return np.ascontiguousarray(directions.reshape(-1, 3)), offset_ns.ravel()


def _device(mount: MountedLidar) -> SpinningLidar:
    if mount.lidar is None:
        raise NotRecorded(
            "the rig does not say how its beams are arranged", field=mount.name,
            remedy="give a LiDAR with a beam table, such as lidar_models.lidar_model makes",
        )  # fmt: skip
    return mount.lidar


def _grid_from_ego(occupancy: Occupancy, given: Pose | None) -> Pose:
    if given is None and occupancy.frame != "ego":
        raise BadInput(
            f"the occupancy lies in the {occupancy.frame} frame", field="grid_from_ego",
            remedy="give grid_from_ego, or occupancy in the ego frame",
        )  # fmt: skip
    return Pose.identity() if given is None else given
