"""The largest distances between the vertices of a mask's surface."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import cdist

FEW = 64  # points that are compared sooner than their hull is found
ROWS = 512  # points compared at a time with all others

Vertices = NDArray[np.intp]  # in half voxels, shape (n, dims)


def vertices_of(mask: NDArray[np.bool_]) -> Vertices:
    """Return the vertices of the surface at half height: the middles between an inside and an outside neighbour.

    Args:
        mask: shape (X, Y[, Z]).

    Returns:
        Places in half voxels, shape (n, dims), counted from the voxel before the array's first.
    """
    padded = np.pad(mask, 1)
    found = []
    for axis in range(mask.ndim):
        crossed = np.flatnonzero(np.diff(padded, axis=axis))
        shape = [size - (each == axis) for each, size in enumerate(padded.shape)]
        places = 2 * np.stack(np.unravel_index(crossed, shape), axis=1)
        places[:, axis] += 1
        found.append(places)
    return np.concatenate(found)


def maximum_diameter(vertices: Vertices, steps: NDArray[np.float64]) -> float:
    """Return the largest distance in mm between two vertices.

    Args:
        vertices: as `vertices_of` returns them, at least one.
        steps: shape (3, dims), column n the step in mm from a voxel to the next along axis n.

    Source: IBSI reference manual, "Maximum 3D diameter" L0JK.
    """
    last = vertices.shape[1] - 1
    lines = np.ravel_multi_index(tuple(vertices[:, :last].T), tuple(vertices[:, :last].max(axis=0) + 1))
    low, high = _ends(lines, vertices[:, last])  # what lies between the ends of a line is on no hull
    is_end = (vertices[:, last] == low[lines]) | (vertices[:, last] == high[lines])
    return _farthest(vertices[is_end], steps)


def diameter_in_planes(vertices: Vertices, axis: int, steps: NDArray[np.float64]) -> float:
    """Return the largest distance in mm between two vertices that have the same place along `axis`.

    Args:
        vertices: as `vertices_of` returns them, shape (n, 3), at least one.
        axis: array axis across the planes.
        steps: shape (3, 3), as for `maximum_diameter`.
    """
    row_axis, column_axis = (other for other in range(3) if other != axis)
    size = tuple(vertices[:, [axis, row_axis]].max(axis=0) + 1)
    low, high = _ends(np.ravel_multi_index((vertices[:, axis], vertices[:, row_axis]), size), vertices[:, column_axis])
    low, high = (np.pad(ends, (0, size[0] * size[1] - ends.size), constant_values=-1) for ends in (low, high))
    low, high = low.reshape(size), high.reshape(size)
    within = steps[:, [row_axis, column_axis]]
    bounds = _box_diagonals(low, high, within)
    largest = 0.0
    for plane in np.argsort(-bounds):
        if bounds[plane] <= largest:
            break  # no plane from here on is large enough
        rows = np.flatnonzero(high[plane] >= 0)
        points = np.concatenate([np.stack([rows, ends[plane][rows]], axis=1) for ends in (low, high)])
        largest = max(largest, _farthest(points, within))
    return largest


def _ends(lines: NDArray[np.intp], places: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first and last place on each line, shape (lines,); `high` is -1 where a line holds nothing."""
    low = np.full(lines.max() + 1, places.max() + 1)
    high = np.full(lines.max() + 1, -1)
    np.minimum.at(low, lines, places)
    np.maximum.at(high, lines, places)
    return low, high


def _box_diagonals(low: NDArray[np.intp], high: NDArray[np.intp], within: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each plane a length in mm that no distance in it exceeds, 0 for an empty plane."""
    is_used = high >= 0
    used_rows = np.where(is_used, np.arange(low.shape[1]), -1)
    first_row = np.where(is_used, np.arange(low.shape[1]), low.shape[1]).min(axis=1)
    heights = np.where(is_used.any(axis=1), used_rows.max(axis=1) - first_row, 0)
    widths = np.where(is_used.any(axis=1), high.max(axis=1) - np.where(is_used, low, high.max() + 1).min(axis=1), 0)
    diagonals = [heights[:, None] * within[:, 0] + sign * widths[:, None] * within[:, 1] for sign in (1, -1)]
    return np.asarray(np.max([np.linalg.norm(each, axis=1) for each in diagonals], axis=0) / 2)


def _farthest(points: NDArray[np.intp], steps: NDArray[np.float64]) -> float:
    """Return the largest distance in mm between points in half voxels, all of which may be on one line."""
    if len(points) > FEW:
        with suppress(QhullError):  # all lie on one line, whose ends are found all the same
            points = points[ConvexHull(points).vertices]
    places = points @ steps.T / 2
    starts = range(0, len(places), ROWS)
    return max(float(cdist(places[start : start + ROWS], places[start:]).max()) for start in starts)
