"""Rays through a voxel grid, exactly: the first thing met, every cell crossed, space carved free.

    origins, directions, grid -> cells in the order a ray meets them, with entry and exit

A ray crosses a cell if it spends some length in it; touching a corner or an edge is not crossing.
A ray that runs within a face belongs to the upper of the two cells, as points do in ``VoxelGrid``.
Directions need not be unit vectors: distances count in lengths of the direction. All arithmetic
is float64. The work is done by numba kernels; ``cast_reference`` is their plain twin in torch,
and runs where tensors are on a GPU.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int8, Int32, Int64, UInt8

from roadloom.errors import BadInput
from roadloom.geometry.arrays import Array, is_tensor, like, namespace, numpy_door
from roadloom.geometry.checks import all_finite, check_numbers, check_one_kind, check_shape
from roadloom.geometry.voxel_grid import VoxelGrid

CHUNKS_PER_THREAD = 4
"""Rays that look up walk further than rays that look down: several chunks even that out."""


class FirstHit(NamedTuple):
    """The first occupied cell on each ray."""

    distance: Float[Array, " ray"]
    """To the face through which the ray enters the cell; 0 from inside it, infinity for none."""
    cell: Int64[Array, "ray 3"]
    """Index in the grid, -1 for none."""
    face: Int8[Array, " ray"]
    """``2 * axis``, plus one if the ray comes down that axis; -1 for none and from inside."""


class Crossings(NamedTuple):
    """Cells that each ray crosses, near to far, one ray after the other.

    Ray r owns rows ``offsets[r]`` to ``offsets[r + 1]``.
    """

    cells: Int64[Array, "crossing 3"]
    offsets: Int64[Array, " offset"]
    """One more than there are rays."""
    entry: Float[Array, " crossing"]
    exit: Float[Array, " crossing"]


class Carved(NamedTuple):
    """How often each cell was seen through, and how often a ray ended in it."""

    crossed: Int32[Array, "x y z"]
    hits: Int32[Array, "x y z"]


def cast(
    origins: Float[Array, "ray 3"],
    directions: Float[Array, "ray 3"],
    occupied: Bool[Array, "x y z"] | UInt8[Array, "x y z"],
    grid: VoxelGrid,
    *,
    max_range: float | Float[Array, " ray"] = float("inf"),
    num_threads: int = 1,
) -> FirstHit:
    """Find the first occupied cell that each ray crosses before ``max_range``.

    Args:
        occupied: what stops a ray: anything but 0.
        max_range: of all rays, or of each.
        num_threads: the kernel lets go of the interpreter, so threads help; results are the same.

    The distance of tensors is differentiable in origins and directions.

    Raises:
        BadInput: a ray that is not finite or has no direction, other numbers of origins,
            directions and ranges, or ``occupied`` is of another shape.
        TypeError: of origins and directions one is a tensor and one is not.
    """
    check_one_kind(origins=origins, directions=directions)
    if is_tensor(origins) and origins.is_cuda:
        return cast_reference(origins, directions, occupied, grid, max_range=max_range)
    from roadloom.geometry.ray_kernels import first_hits

    start, way, limit = _rays(origins, directions, max_range)
    solid = _solid(occupied, grid)
    count = start.shape[0]
    distance, face = np.empty(count), np.empty(count, np.int8)
    cell = np.empty((count, 3), np.int64)

    def work(part: slice) -> None:
        first_hits(
            start[part], way[part], limit[part], grid.lower_m, grid.cell_m, solid,
            distance[part], cell[part], face[part],
        )  # fmt: skip

    _shared(work, count, num_threads)
    if not is_tensor(origins):
        return FirstHit(distance, cell, face)
    return _differentiable(origins, directions, grid, *_like(origins, distance, cell, face))


def _shared(work: Callable[[slice], None], count: int, num_threads: int) -> None:
    """Do parts of the rays on several threads, this one among them; each takes the next part."""
    if num_threads <= 1:
        work(slice(0, count))
        return
    bounds = np.linspace(0, count, num_threads * CHUNKS_PER_THREAD + 1).astype(int)
    parts = iter(list(map(slice, bounds[:-1], bounds[1:])))  # a list's iterator is thread-safe

    def take() -> None:
        for part in parts:
            work(part)

    with ThreadPoolExecutor(num_threads - 1) as pool:
        others = [pool.submit(take) for _ in range(num_threads - 1)]
        take()
        for other in others:
            other.result()


def traverse(
    origins: Float[Array, "ray 3"],
    directions: Float[Array, "ray 3"],
    grid: VoxelGrid,
    *,
    max_range: float | Float[Array, " ray"] = float("inf"),
) -> Crossings:
    """List every cell that each ray crosses before ``max_range``, near to far.

    Raises:
        BadInput: a ray that is not finite or has no direction, or other numbers of origins,
            directions and ranges.
    """
    from roadloom.geometry.ray_kernels import crossed_cells

    start, way, limit = _rays(origins, directions, max_range)
    grid_numbers = (grid.lower_m, grid.cell_m, grid.shape)
    count = np.zeros(start.shape[0], np.int64)
    none = np.empty((0, 3), np.int64), np.empty(0), np.empty(0)
    crossed_cells(start, way, limit, *grid_numbers, count, *none)
    offsets = np.concatenate([[0], np.cumsum(count)])
    rows = int(offsets[-1])
    cells, entry, leave = np.empty((rows, 3), np.int64), np.empty(rows), np.empty(rows)
    crossed_cells(start, way, limit, *grid_numbers, offsets[:-1].copy(), cells, entry, leave)
    return Crossings(*_like(origins, cells, offsets, entry, leave))


def carve(
    origins: Float[Array, "ray 3"],
    endpoints: Float[Array, "ray 3"],
    grid: VoxelGrid,
    *,
    returned: Bool[Array, " ray"] | None = None,
) -> Carved:
    """Count how often each cell is crossed on the way to an endpoint, and how often one is in it.

    The cell that holds a ray's endpoint counts as hit by that ray, not as crossed. A ray that did
    not return (``returned`` False) hits nothing: its endpoint is as far as it was free.

    Raises:
        BadInput: an origin or endpoint that is not finite, or other numbers of origins,
            endpoints and ``returned``.
    """
    from roadloom.geometry.ray_kernels import carve_rays

    start, stop = _rows(origins, endpoints, "endpoints")
    cell, inside = grid.cell_of(stop)
    crossed = np.zeros(grid.shape, np.int32)
    ends = np.where(inside[:, None], cell, -1)
    carve_rays(start, stop - start, ends, grid.lower_m, grid.cell_m, crossed)
    seen = inside if returned is None else inside & _returned(returned, len(start))
    flat = np.ravel_multi_index(tuple(cell[seen].T), grid.shape)
    hits = np.bincount(flat, minlength=crossed.size).astype(np.int32).reshape(grid.shape)
    return Carved(*_like(origins, crossed, hits))


@numpy_door
def cast_reference(
    origins: Float[Array, "ray 3"],
    directions: Float[Array, "ray 3"],
    occupied: Bool[Array, "x y z"] | UInt8[Array, "x y z"],
    grid: VoxelGrid,
    *,
    max_range: float | Float[Array, " ray"] = float("inf"),
) -> FirstHit:
    """The plain twin of ``cast``: all rays step together, in torch, on any device."""
    import torch

    _rays(origins, directions, max_range)
    _solid(occupied, grid)
    o, d = origins.detach().double(), directions.detach().double()
    limit = torch.as_tensor(max_range, dtype=torch.float64, device=o.device).expand(o.shape[0])
    found = _cast_together(o, d, limit, occupied != 0, grid)
    return _differentiable(origins, directions, grid, *found)


def _cast_together(
    o: Array, d: Array, limit: Array, solid: Array, grid: VoxelGrid
) -> tuple[Array, ...]:
    """Distances, cells and faces; what the comments of the kernels say holds here too."""
    import torch

    lower, size, shape = (
        torch.tensor(v, dtype=torch.float64, device=o.device)
        for v in (grid.lower_m, grid.cell_m, grid.shape)
    )
    inverse = torch.where(d != 0, 1 / d, torch.inf)
    inverse = torch.where(inverse.isfinite(), inverse, 0.0)
    step = inverse.sign()
    ends = torch.stack([lower, lower + shape * size])[:, None] - o  # [2 R 3]
    outside = torch.where((ends[0] <= 0) & (ends[1] > 0), -torch.inf, torch.inf)
    near = torch.where(step == 0, outside, (ends * inverse).amin(dim=0))
    far = torch.where(step == 0, -outside, (ends * inverse).amax(dim=0))
    t = near.amax(dim=-1).clamp(min=0)
    distance = torch.full_like(t, torch.inf)
    cells = torch.full(d.shape, -1, dtype=torch.int64, device=o.device)
    faces = torch.full(t.shape, -1, dtype=torch.int8, device=o.device)

    rows = (t < torch.minimum(limit, far.amin(dim=-1))).nonzero()[:, 0]
    o, d, inverse, step, limit, t = (a[rows] for a in (o, d, inverse, step, limit, t))
    cell = _start_cells(o, d, inverse, t, lower, size, shape)
    up = (step > 0).double()
    met = ((lower + (cell + 1 - up) * size - o) * inverse == t[:, None]) & (step != 0)
    axis = torch.where(met[:, 2], 2, torch.where(met[:, 1], 1, 0))
    while rows.numel():
        ahead = torch.where(step == 0, torch.inf, (lower + (cell + up) * size - o) * inverse)
        leave = ahead.amin(dim=-1)
        i, j, k = cell.long().unbind(-1)
        hit = solid[i, j, k] & (leave > t)
        at, down = rows[hit], step[hit].gather(1, axis[hit, None])[:, 0] < 0
        distance[at], cells[at] = t[hit], cell[hit].long()
        faces[at] = torch.where(t[hit] > 0, 2 * axis[hit] + down, -1).to(torch.int8)
        axis = torch.where(ahead[:, 0] == leave, 0, torch.where(ahead[:, 1] == leave, 1, 2))
        cell = cell + torch.nn.functional.one_hot(axis, 3) * step
        on = ~hit & (leave < limit) & ((cell >= 0) & (cell < shape)).all(dim=-1)
        rows, o, inverse, step, up, limit, t, axis, cell = (
            a[on] for a in (rows, o, inverse, step, up, limit, leave, axis, cell)
        )
    return distance, cells, faces


def _start_cells(
    o: Array, d: Array, inverse: Array, t: Array, lower: Array, size: Array, shape: Array
) -> Array:
    """Cells at distance ``t`` as whole float64: a guess, moved until the planes agree."""
    import torch

    still = inverse == 0  # then it is the origin that must lie between the planes
    scale, level = torch.where(still, 1.0, inverse), torch.where(still, 0.0, t[:, None])
    step = scale.sign()
    up = (step > 0).double()
    cell = ((o + t[:, None] * d - lower) / size).floor().clamp(min=0).minimum(shape - 1)
    while True:
        behind = (lower + (cell + 1 - up) * size - o) * scale
        ahead = (lower + (cell + up) * size - o) * scale
        move = step * ((ahead <= level).double() - (behind > level).double())
        moved = (cell + move).clamp(min=0).minimum(shape - 1)
        if bool((moved == cell).all()):
            return cell
        cell = moved


def _differentiable(
    origins: Array, directions: Array, grid: VoxelGrid, distance: Array, cell: Array, face: Array
) -> FirstHit:
    """The same distances once more, from the faces that were found, so that gradients flow."""
    xp = namespace(origins)
    if not (origins.requires_grad or directions.requires_grad):
        return FirstHit(distance, cell, face)
    enters = face >= 0
    axis = xp.where(enters, xp.astype(face, xp.int64) // 2, xp.zeros_like(cell[:, 0]))[:, None]
    number = xp.take_along_axis(cell, axis, axis=1)[:, 0] + face % 2
    lower, size = (like(np.array(v), origins)[axis[:, 0]] for v in (grid.lower_m, grid.cell_m))
    o, d = (
        xp.take_along_axis(xp.astype(a, xp.float64), axis, axis=1)[:, 0]
        for a in (origins, directions)
    )
    speed = xp.where(enters, d, xp.ones_like(d))
    exact = (lower + xp.astype(number, xp.float64) * size - o) * (1 / speed)
    return FirstHit(xp.where(enters, exact, distance), cell, face)


def _rays(origins: Array, directions: Array, max_range: Any) -> tuple[np.ndarray, ...]:
    """Origins, directions and one limit per ray, float64 and contiguous; refuses bad ones."""
    start, way = _rows(origins, directions, "directions")
    still = (way[:, 0] == 0) & (way[:, 1] == 0) & (way[:, 2] == 0)
    if still.any():
        raise BadInput(f"ray {int(still.argmax())} has the direction (0, 0, 0)", field="directions")
    limit = np.asarray(_numpy(max_range))
    check_numbers(limit, "max_range")
    if limit.shape not in ((), start.shape[:1]):
        raise BadInput(
            f"has the shape {limit.shape}, for {start.shape[0]} rays",
            field="max_range",
            remedy="give one distance for all rays, or one for each",
        )
    if not np.all(limit >= 0):  # NaN too
        raise BadInput(
            "a range must be a distance, 0 or more",
            field="max_range",
            remedy="use inf for no limit",
        )
    limit = np.broadcast_to(limit, start.shape[:1])
    return start, way, np.ascontiguousarray(limit, np.float64)


def _rows(origins: Array, others: Array, field: str) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 rows of three, as many of one as of the other: kernels do not ask."""
    check_one_kind(**{"origins": origins, field: others})
    start, other = _float64(origins, "origins"), _float64(others, field)
    if len(start) != len(other):
        raise BadInput(
            f"there are {len(other)}, but {len(start)} origins",
            field=field,
            remedy="give one for each origin; broadcast_to repeats a single one",
        )
    return start, other


def _float64(rows: Array, field: str) -> np.ndarray:
    array = np.asarray(_numpy(rows))
    check_numbers(array, field)
    check_shape(array, (None, 3), field, "one row of x, y, z for each ray")
    array = np.ascontiguousarray(array, np.float64)
    if not all_finite(array):
        first = int((~np.isfinite(array).all(axis=-1)).argmax())
        raise BadInput(f"ray {first} has {array[first].tolist()}", field=field)
    return array


def _returned(returned: Array, count: int) -> np.ndarray:
    array = np.asarray(_numpy(returned))
    if array.dtype != np.bool_ or array.shape != (count,):
        raise BadInput(
            f"{array.dtype} {array.shape} does not fit {count} rays",
            field="returned",
            remedy="give one bool for each ray",
        )
    return array


def _solid(occupied: Array, grid: VoxelGrid) -> np.ndarray:
    array = np.ascontiguousarray(_numpy(occupied))
    if array.shape != tuple(grid.shape) or array.dtype not in (np.bool_, np.uint8):
        raise BadInput(
            f"{array.dtype} {array.shape} does not fit the grid's {tuple(grid.shape)}",
            field="occupied",
            remedy="give one bool or uint8 per cell",
        )
    return array.view(np.uint8)


def _numpy(value: Any) -> Any:
    return value.detach().cpu().numpy() if is_tensor(value) else value


def _like(reference: Array, *results: np.ndarray) -> tuple[Array, ...]:
    return tuple(like(r, reference) for r in results)
