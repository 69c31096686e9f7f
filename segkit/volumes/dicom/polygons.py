"""Polygons turned into pixels: a pixel is inside when its centre is, by the even-odd rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 1 << 20  # edges times rows that are worked on together, which bounds the memory at some 100 MB


def filled(polygons: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Fill closed polygons of one plane; where they overlap they combine by XOR, so that an inner one is a hole.

    Args:
        polygons: corners of each, shape (N, 2), as finite (x, y) in index coordinates: pixel (i, j) has its centre at
            x = i, y = j. The last corner is joined to the first.
        shape: pixels along x and y.

    Returns:
        shape (X, Y). A centre on an edge belongs to the side of larger x, on a horizontal edge to that of larger y:
        two polygons that share an edge neither overlap there nor leave a gap.

    Source:
        Foley et al., Computer Graphics, "Scan conversion of polygons": the crossings of each row, in pairs.
    """
    rows_first = np.zeros(shape[::-1], np.bool_)
    corners = np.concatenate([np.empty((0, 2)), *polygons])
    if len(corners):
        left, top = _first_pixel(corners.min(axis=0), shape)
        right, bottom = _first_pixel(corners.max(axis=0), shape)  # as edges are half-open, the first pixel outside
        box = rows_first[top:bottom, left:right]
        box[:] = _parity(_edges(polygons), (top, bottom), (left, right))
    return rows_first.T


def _first_pixel(place: NDArray[np.float64], shape: tuple[int, int]) -> tuple[int, int]:
    """Return the indices of the first pixel in the image that does not lie before a place."""
    x, y = np.clip(np.ceil(place), 0, shape).astype(int)
    return int(x), int(y)


def _edges(polygons: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the edges that go up or down, as rows of x, y of the end with the smaller y, then of the other."""
    edges = np.concatenate([np.hstack([polygon, np.roll(polygon, -1, axis=0)]) for polygon in polygons])
    # Keyholes run along one edge both ways: the same end first, both cross a row at the very same float, and cancel.
    falls = edges[:, 1] > edges[:, 3]
    edges[falls] = edges[falls][:, [2, 3, 0, 1]]
    return np.asarray(edges[edges[:, 1] < edges[:, 3]])


def _parity(edges: NDArray[np.float64], rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[np.bool_]:
    """Return, per row and column of a box, whether an odd number of edges crosses the row at or before the column."""
    (top, bottom), (left, right) = rows, columns
    width = right - left + 1  # the last column takes the crossings behind the box
    toggles = np.zeros((bottom - top) * width, np.uint8)
    for some in np.array_split(edges, 1 + len(edges) * (bottom - top) // AT_ONCE):
        row, x = _crossings(some, top, bottom)
        column = np.clip(np.ceil(x), left, right).astype(np.int64)
        places = (row - top) * width + column - left
        toggles ^= (np.bincount(places, minlength=len(toggles)) & 1).astype(np.uint8)
    inside = np.bitwise_xor.accumulate(toggles.reshape(-1, width), axis=1)
    return inside[:, :-1].astype(np.bool_)


def _crossings(edges: NDArray[np.float64], top: int, bottom: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return row and x of every crossing of an edge with a row from `top` to before `bottom`."""
    first, last = np.clip(np.ceil(edges[:, [1, 3]]), top, bottom).astype(np.int64).T
    counts = last - first
    starts = np.cumsum(counts) - counts
    row = np.arange(counts.sum()) - np.repeat(starts - first, counts)
    x0, y0, x1, y1 = np.repeat(edges, counts, axis=0).T
    return row, x0 + (row - y0) * (x1 - x0) / (y1 - y0)
