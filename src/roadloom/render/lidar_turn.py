"""The rays of one LiDAR turn: aimed, cast on the CPU or by torch, and told what they met."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from roadloom.errors import BadInput, MissingExtra, NotRecorded
from roadloom.geometry.ray_grid import cast_reference
from roadloom.render.moving import STOPS, Movers, packed_path
from roadloom.scene.occupancy import Occupancy
from roadloom.sensors.lidar import SpinningLidar
from roadloom.sensors.rig import MountedLidar

CHUNKS_PER_THREAD = 4
"""Rays one way round walk further than others: several chunks even that out."""
SLACK_M = 1e-6
"""Around the ball that holds a mover, for rounding."""
_NOTHING = np.zeros((0, 0, 0), np.int16)


class Turn:
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
        self.lidar, self.mount = known_device(mount), mount.ego_from_lidar
        self.times, self.movers, (self.knots, self.path) = times, movers, ego
        self.beams = mount.ego_from_lidar.rotate(beam_table(self.lidar)[0])
        self.owner = _NOTHING if movers is None else movers.owner
        self.solid = np.empty(self.grid.shape, np.uint8)
        solid_cells(self.labels, STOPS, self.owner, self.solid)
        self.limit = np.full(len(times), np.inf)
        self.origins, self.directions = np.empty((len(times), 3)), np.empty((len(times), 3))
        self.distance, self.cosine = np.empty(len(times)), np.empty(len(times))
        self.angle, self.cell = np.empty(len(times)), np.empty((len(times), 3), np.int64)
        self.face, self.met = np.empty(len(times), np.int8), np.full(len(times), -1, np.int16)
        self.label, self.fate = np.empty(len(times), np.uint8), np.empty(len(times), np.uint8)
        self.bodies = [] if movers is None else _bodies(movers, times)

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
                count, *room.rays, 2 * body.ball[3], lower, size, self.owner, body.number,
                distance, cell, face, self.met[part], self.cosine[part],
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


def _bodies(movers: Movers, times: np.ndarray) -> list[_Body]:
    """The movers that own a cell."""
    found = []
    for number in np.flatnonzero(movers.reach_m > 0):
        pose, path = movers.grid_from_box[number], movers.path[number]
        places = _places(movers.knots_ns, path.translation, times)
        middle = (places.min(axis=0) + places.max(axis=0)) / 2
        swing = np.sqrt(((places - middle) ** 2).sum(axis=-1)).max()
        ball = np.append(middle, movers.reach_m[number] + swing + SLACK_M)
        now = np.append(pose.rotation.ravel(), pose.translation)
        found.append(_Body(int(number), now, packed_path(path), ball))
    return found


def _places(knots: np.ndarray, places: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Corners of a path that is continued, at both ends, as far as the turn reaches."""
    found = [places]
    if len(knots) > 1 and len(times):
        for end, after, time in ((0, 1, times.min()), (-1, -2, times.max())):
            share = (time - knots[end]) / (knots[after] - knots[end])
            if share < 0:
                found.append((places[end] + share * (places[after] - places[end]))[None])
    return np.concatenate(found)


def meet_on(device: str, turn: Turn) -> None:
    """The same by torch: all rays at once on what stands, then those near each mover."""
    import torch

    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise BadInput(
            f"{device!r} is no torch device", field="device", remedy="name cpu or cuda"
        ) from error
    if kind == "cuda" and not torch.cuda.is_available():
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


def shared(work: Callable[[slice], None], count: int, num_threads: int) -> None:
    """Parts of the rays on several threads; each takes the next part."""
    if num_threads <= 1:
        work(slice(0, count))
        return
    bounds = np.linspace(0, count, num_threads * CHUNKS_PER_THREAD + 1).astype(int)
    with ThreadPoolExecutor(num_threads) as pool:
        list(pool.map(work, map(slice, bounds[:-1], bounds[1:])))


@lru_cache(maxsize=8)
def beam_table(lidar: SpinningLidar) -> tuple[np.ndarray, np.ndarray]:
    """Directions [ray 3] and times [ns] of a turn; the same for every turn of a device."""
    directions, offset_ns = lidar.rays()
    return np.ascontiguousarray(directions.reshape(-1, 3)), offset_ns.ravel()


def known_device(mount: MountedLidar) -> SpinningLidar:
    if mount.lidar is None:
        raise NotRecorded(
            "the rig does not say how its beams are arranged", field=mount.name,
            remedy="give a LiDAR with a beam table, such as lidar_models.lidar_model makes",
        )  # fmt: skip
    return mount.lidar
