"""Numba kernels that walk rays through a grid, cell by cell; ``ray_grid`` is their door.

Order of the walk: Amanatides and Woo, "A Fast Voxel Traversal Algorithm for Ray Tracing", 1987.
There the distance to the next plane grows by repeated addition, and the errors add up. Here it
is ``(plane - origin) / direction`` at every step, with the very planes of ``VoxelGrid.faces``:
a ray crosses a cell exactly when the slab test with these numbers says so.

The small functions take scalars and tuples of scalars only. An array handed to one would be
reference-counted at every step, which makes the walk ten times slower.
"""

from math import inf
from typing import no_type_check

from numba import njit


@njit(cache=True, nogil=True)
@no_type_check
def plane(index, lower, size):
    """Coordinate of a face; the same two operations as in ``VoxelGrid.faces``."""
    return lower + index * size


@njit(cache=True, nogil=True)
@no_type_check
def locate(value, lower, size, count):
    """Cell along one axis whose lower face is at or below ``value``, its upper face above it.

    Values outside give the nearest cell. The division rounds, so it only guesses.
    """
    cell = int(max(0.0, min((value - lower) / size, count - 1.0)))
    while cell > 0 and plane(cell, lower, size) > value:
        cell -= 1
    while cell < count - 1 and plane(cell + 1, lower, size) <= value:
        cell += 1
    return cell


@njit(cache=True, nogil=True)
@no_type_check
def span(origin, direction, lower, size, count):
    """Inverse direction along one axis (0: does not move), and where it enters and leaves."""
    first, last = plane(0, lower, size), plane(count, lower, size)
    inverse = 1.0 / direction if direction != 0.0 else inf
    if abs(inverse) < inf:
        one, other = (first - origin) * inverse, (last - origin) * inverse
        return inverse, min(one, other), max(one, other)
    if first <= origin and origin < last:  # so slow that it never leaves its cell
        return 0.0, -inf, inf
    return 0.0, inf, -inf


@njit(cache=True, nogil=True)
@no_type_check
def _start(origin, direction, inverse, t, lower, size, count):
    """Cell along one axis at distance ``t``, step, distances to the planes behind and ahead.

    The rounded position only guesses the cell; the distances to the planes decide.
    """
    if inverse == 0.0:
        return locate(origin, lower, size, count), 0, -inf, inf
    step = 1 if inverse > 0.0 else -1
    rear, front = int(inverse < 0.0), int(inverse > 0.0)  # which faces of the cell these are
    cell = locate(origin + t * direction, lower, size, count)
    behind = (plane(cell + rear, lower, size) - origin) * inverse
    while behind > t and cell - step >= 0 and cell - step < count:
        cell -= step
        behind = (plane(cell + rear, lower, size) - origin) * inverse
    ahead = (plane(cell + front, lower, size) - origin) * inverse
    while ahead <= t and cell + step >= 0 and cell + step < count:
        cell += step
        behind, ahead = ahead, (plane(cell + front, lower, size) - origin) * inverse
    return cell, step, behind, ahead


@njit(cache=True, nogil=True)
@no_type_check
def enter(o, d, lower, size, shape, limit, begin=0.0):
    """Where a ray's walk begins: where it enters the grid, or at ``begin`` if that is farther.

    Returns: whether it crosses the grid before ``limit``; how far that is; the axis it enters
    by; then for x, y and z the cell, the distance to the plane ahead, the step (-1, 0, 1) and
    the inverse direction.
    """
    inverse_x, near_x, far_x = span(o[0], d[0], lower[0], size[0], shape[0])
    inverse_y, near_y, far_y = span(o[1], d[1], lower[1], size[1], shape[1])
    inverse_z, near_z, far_z = span(o[2], d[2], lower[2], size[2], shape[2])
    inverse = (inverse_x, inverse_y, inverse_z)
    t = max(begin, max(near_x, max(near_y, near_z)))
    if not t < min(limit, min(far_x, min(far_y, far_z))):
        return False, t, 0, (0, 0, 0), (inf, inf, inf), (0, 0, 0), inverse
    i, step_x, _, x = _start(o[0], d[0], inverse_x, t, lower[0], size[0], shape[0])
    j, step_y, behind_y, y = _start(o[1], d[1], inverse_y, t, lower[1], size[1], shape[1])
    k, step_z, behind_z, z = _start(o[2], d[2], inverse_z, t, lower[2], size[2], shape[2])
    axis = 2 if behind_z == t else (1 if behind_y == t else 0)
    return True, t, axis, (i, j, k), (x, y, z), (step_x, step_y, step_z), inverse


@njit(cache=True, nogil=True)
@no_type_check
def advance(leave, cell, ahead, step, inverse, o, lower, size, shape):
    """Step through the nearest plane; of planes met at once the lower axis steps first.

    So the highest axis is the one by which the next cell of some length is entered. The plane
    ahead of cell i is number i + 1 going up and number i going down.
    """
    i, j, k = cell
    x, y, z = ahead
    if x == leave:
        i += step[0]
        x = (plane(i + (step[0] > 0), lower[0], size[0]) - o[0]) * inverse[0]
        return i >= 0 and i < shape[0], 0, (i, j, k), (x, y, z)
    if y == leave:
        j += step[1]
        y = (plane(j + (step[1] > 0), lower[1], size[1]) - o[1]) * inverse[1]
        return j >= 0 and j < shape[1], 1, (i, j, k), (x, y, z)
    k += step[2]
    z = (plane(k + (step[2] > 0), lower[2], size[2]) - o[2]) * inverse[2]
    return k >= 0 and k < shape[2], 2, (i, j, k), (x, y, z)


@njit(cache=True, nogil=True)
@no_type_check
def first_hits(origins, directions, limits, lower, size, occupied, distance, cells, face):
    """Fill distance (inf), cell (-1) and face (-1) of the first occupied cell on each ray."""
    shape = occupied.shape
    for ray in range(origins.shape[0]):
        limit = limits[ray]
        o = (origins[ray, 0], origins[ray, 1], origins[ray, 2])
        d = (directions[ray, 0], directions[ray, 1], directions[ray, 2])
        distance[ray] = inf
        cells[ray, 0], cells[ray, 1], cells[ray, 2] = -1, -1, -1
        face[ray] = -1
        within, t, axis, cell, ahead, step, inverse = enter(o, d, lower, size, shape, limit)
        while within and t < limit:
            leave = min(ahead[0], min(ahead[1], ahead[2]))
            if leave > t and occupied[cell[0], cell[1], cell[2]]:
                distance[ray] = t
                cells[ray, 0], cells[ray, 1], cells[ray, 2] = cell
                if t > 0.0:
                    face[ray] = 2 * axis + int(directions[ray, axis] < 0.0)
                break
            t = leave
            within, axis, cell, ahead = advance(
                leave, cell, ahead, step, inverse, o, lower, size, shape
            )


@njit(cache=True, nogil=True)
@no_type_check
def crossed_cells(origins, directions, limits, lower, size, shape, cursor, cells, entries, exits):
    """Write what each ray crosses from row ``cursor[ray]`` on, and move the cursor.

    With an empty ``cells`` nothing is written: the cursors then only count.
    """
    counting = cells.shape[0] == 0
    for ray in range(origins.shape[0]):
        limit = limits[ray]
        o = (origins[ray, 0], origins[ray, 1], origins[ray, 2])
        d = (directions[ray, 0], directions[ray, 1], directions[ray, 2])
        within, t, axis, cell, ahead, step, inverse = enter(o, d, lower, size, shape, limit)
        while within and t < limit:
            leave = min(ahead[0], min(ahead[1], ahead[2]))
            if leave > t:
                row = cursor[ray]
                cursor[ray] += 1
                if not counting:
                    cells[row, 0], cells[row, 1], cells[row, 2] = cell
                    entries[row], exits[row] = t, min(leave, limit)
            t = leave
            within, axis, cell, ahead = advance(
                leave, cell, ahead, step, inverse, o, lower, size, shape
            )


@njit(cache=True, nogil=True)
@no_type_check
def carve_rays(origins, directions, end_cells, lower, size, crossed):
    """Add one to each cell on the way from an origin to, but not including, its end's cell.

    The end is one direction's length away; a ray without length crosses nothing.
    """
    shape = crossed.shape
    for ray in range(origins.shape[0]):
        o = (origins[ray, 0], origins[ray, 1], origins[ray, 2])
        d = (directions[ray, 0], directions[ray, 1], directions[ray, 2])
        end = (end_cells[ray, 0], end_cells[ray, 1], end_cells[ray, 2])
        within, t, axis, cell, ahead, step, inverse = enter(o, d, lower, size, shape, 1.0)
        if d == (0.0, 0.0, 0.0):
            within = False
        while within and t < 1.0 and cell != end:
            leave = min(ahead[0], min(ahead[1], ahead[2]))
            if leave > t:
                crossed[cell[0], cell[1], cell[2]] += 1
            t = leave
            within, axis, cell, ahead = advance(
                leave, cell, ahead, step, inverse, o, lower, size, shape
            )
