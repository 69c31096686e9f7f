"""The warp's loop over voxels, compiled by numba; what is compiled is kept in numba's cache for the next process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Function = TypeVar("Function", bound=Callable[..., Any])
MIXED = -1  # among the cells: the eight corners differ


def compiled(function: Function) -> Function:
    """Compile a function; sums may be reordered, and other threads run meanwhile."""
    return cast("Function", numba.njit(cache=True, fastmath=True, nogil=True)(function))


def cells_of(labels: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return the class of each cell between a voxel and its upper neighbours, `MIXED` where they differ.

    Args:
        labels: shape (X, Y, Z). Cells at the upper rim say nothing.
    """
    mixed = np.zeros(labels.shape, np.bool_)
    for axis in range(3):
        lower, upper = (_without(labels, axis, last) for last in (True, False))
        _without(mixed, axis, True)[...] |= lower != upper
    # An edge that differs makes every cell mixed that it bounds.
    for axis in range(3):
        spread = mixed.copy()
        _without(spread, axis, True)[...] |= _without(mixed, axis, False)
        mixed = spread
    cells = labels.astype(np.int16)
    cells[mixed] = MIXED
    return cells


def _without(values: NDArray[Any], axis: int, last: bool) -> NDArray[Any]:
    """Return a view without the last, or else the first, plane along an axis."""
    kept = slice(None, -1) if last else slice(1, None)
    view: NDArray[Any] = values[tuple(kept if place == axis else slice(None) for place in range(3))]
    return view


@compiled
def _weight(corner: int, u: Any, v: Any, w: Any) -> Any:
    """Return the linear weight of one of the eight corners around a place."""
    first = u if corner >> 2 else np.float32(1) - u
    second = v if (corner >> 1) & 1 else np.float32(1) - v
    third = w if corner & 1 else np.float32(1) - w
    return first * second * third


@compiled
def _at(values: Any, shape: Any, corner: int, i: Any, j: Any, k: Any) -> Any:
    """Return the value at one of the corners of a cell, 0 outside."""
    a, b, c = i + (corner >> 2), j + ((corner >> 1) & 1), k + (corner & 1)
    if 0 <= a < shape[0] and 0 <= b < shape[1] and 0 <= c < shape[2]:
        return values[np.uint64((a * shape[1] + b) * shape[2] + c)]
    return values.dtype.type(0)


@compiled
def _value(source: Any, shape: Any, i: Any, j: Any, k: Any, u: Any, v: Any, w: Any) -> Any:
    """Return the linear interpolation within a cell at the rim; what lies outside counts as 0."""
    value = np.float32(0)
    for corner in range(8):
        value += np.float32(_at(source, shape, corner, i, j, k)) * _weight(corner, u, v, w)
    return value


@compiled
def _heaviest(labels: Any, shape: Any, i: Any, j: Any, k: Any, u: Any, v: Any, w: Any) -> Any:
    """Return the class of the largest summed weight within a cell, of equals the lowest; outside is class 0."""
    best, winner = np.float32(-1), 0
    for corner in range(8):
        label = int(_at(labels, shape, corner, i, j, k))
        total = np.float32(0)
        for other in range(8):
            if int(_at(labels, shape, other, i, j, k)) == label:
                total += _weight(other, u, v, w)
        if total > best or (total == best and label < winner):
            best, winner = total, label
    return winner


@compiled
def _is_empty(labels: Any, shape: Any, i: Any, j: Any, k: Any) -> Any:
    """Tell whether all corners of a cell at the rim are class 0."""
    found = 0
    for corner in range(8):
        found |= int(_at(labels, shape, corner, i, j, k))
    return found == 0


@compiled
def _heavier(labels: Any, p: Any, down: Any, across: Any, u: Any, v: Any, w: Any) -> Any:
    """Return the class of the largest summed weight within a cell inside the volume, where it has two; else `MIXED`."""
    one = np.uint64(1)
    first, second = int(labels[p]), MIXED
    total = np.float32(0)
    for corner in range(8):
        q = p
        if corner & 4:
            q += down
        if corner & 2:
            q += across
        if corner & 1:
            q += one
        label = int(labels[q])
        if label == first:
            total += _weight(corner, u, v, w)
        elif second == MIXED:
            second = label
        elif label != second:
            return MIXED
    rest = np.float32(1) - total
    if total == rest:
        return min(first, second)
    return first if total > rest else second


@compiled
def _place(matrix: Any, offset: Any, bend: Any, place: Any, a: Any, b: Any, c: Any) -> Any:
    """Return the source's index for one output index."""
    x = matrix[0, 0] * np.float32(a) + matrix[0, 1] * np.float32(b) + matrix[0, 2] * np.float32(c) + offset[0]
    y = matrix[1, 0] * np.float32(a) + matrix[1, 1] * np.float32(b) + matrix[1, 2] * np.float32(c) + offset[1]
    z = matrix[2, 0] * np.float32(a) + matrix[2, 1] * np.float32(b) + matrix[2, 2] * np.float32(c) + offset[2]
    if bend.shape[1] > 0:
        return x + bend[0, place], y + bend[1, place], z + bend[2, place]
    return x, y, z


@compiled
def sample_image(source: Any, shape: Any, matrix: Any, offset: Any, bend: Any, points: Any, out: Any) -> None:
    """Fill `out` with the linear interpolation at matrix @ index + offset (+ bend at that index); outside is 0.

    Args:
        source: shape (X * Y * Z,).
        shape: X, Y, Z.
        matrix: (3, 3), output index to source index.
        offset: (3,).
        bend: (3, A * B * C), voxels; (3, 0) for none.
        points: A, B, C, the size of the output.
        out: written, shape (A * B * C,).
    """
    down, across, one, place = np.uint64(shape[1] * shape[2]), np.uint64(shape[2]), np.uint64(1), np.uint64(0)
    ends = np.float32(shape[0] - 1), np.float32(shape[1] - 1), np.float32(shape[2] - 1)
    for a in range(points[0]):
        for b in range(points[1]):
            for c in range(points[2]):
                x, y, z = _place(matrix, offset, bend, place, a, b, c)
                i, j, k = np.int64(np.floor(x)), np.int64(np.floor(y)), np.int64(np.floor(z))
                u, v, w = x - np.float32(i), y - np.float32(j), z - np.float32(k)
                if x >= 0 and y >= 0 and z >= 0 and x < ends[0] and y < ends[1] and z < ends[2]:
                    p = np.uint64(i) * down + np.uint64(j) * across + np.uint64(k)
                    q = p + down
                    e = source[p] + (source[p + one] - source[p]) * w
                    f = source[p + across] + (source[p + across + one] - source[p + across]) * w
                    g = source[q] + (source[q + one] - source[q]) * w
                    h = source[q + across] + (source[q + across + one] - source[q + across]) * w
                    e, g = e + (f - e) * v, g + (h - g) * v
                    out[place] = e + (g - e) * u
                elif _is_outside(shape, i, j, k):
                    out[place] = 0
                else:
                    out[place] = _value(source, shape, i, j, k, u, v, w)
                place += one


@compiled
def _cubic(u: Any) -> Any:
    """Return the weights of the four coefficients around a place, `u` beyond the second."""
    one, six = np.float32(1), np.float32(6)
    v = one - u
    second = (np.float32(4) - six * u * u + np.float32(3) * u * u * u) / six
    first, last = v * v * v / six, u * u * u / six
    return first, second, one - first - second - last, last


@compiled
def sample_cubic(controls: Any, shape: Any, matrix: Any, offset: Any, bend: Any, points: Any, out: Any) -> None:
    """Fill `out` with the cubic spline at the places that `sample_image` describes; 0 two voxels outside and beyond.

    Args:
        controls: `coefficients` of the source, shape (X + 6, Y + 6, Z + 6).
        shape: X, Y, Z.
        matrix: (3, 3), output index to source index.
        offset: (3,).
        bend: (3, A * B * C), voxels; (3, 0) for none.
        points: A, B, C, the size of the output.
        out: written, shape (A * B * C,).
    """
    place = np.uint64(0)
    for a in range(points[0]):
        for b in range(points[1]):
            for c in range(points[2]):
                x, y, z = _place(matrix, offset, bend, place, a, b, c)
                i, j, k = np.int64(np.floor(x)), np.int64(np.floor(y)), np.int64(np.floor(z))
                value = np.float32(0)
                if -2 <= i <= shape[0] and -2 <= j <= shape[1] and -2 <= k <= shape[2]:
                    along = _cubic(z - np.float32(k))
                    for row, share in enumerate(_cubic(x - np.float32(i))):
                        for column, other in enumerate(_cubic(y - np.float32(j))):
                            line = controls[i + 2 + row, j + 2 + column]
                            value += share * other * (
                                along[0] * line[k + 2] + along[1] * line[k + 3]
                                + along[2] * line[k + 4] + along[3] * line[k + 5]
                            )  # fmt: skip
                out[place] = value
                place += np.uint64(1)


@compiled
def _is_outside(shape: Any, i: Any, j: Any, k: Any) -> Any:
    """Tell whether no corner of a cell is a voxel of the volume."""
    return i < -1 or j < -1 or k < -1 or i >= shape[0] or j >= shape[1] or k >= shape[2]


@compiled
def sample_labels(
    labels: Any, cells: Any, shape: Any, matrix: Any, offset: Any, bend: Any, points: Any, out: Any
) -> None:
    """Fill `out` with the class of largest linear weight at the places that `sample_image` describes.

    Args:
        labels: shape (X * Y * Z,).
        cells: `cells_of(labels)`, of the same shape.
        shape: X, Y, Z.
        matrix: (3, 3), output index to source index.
        offset: (3,).
        bend: (3, A * B * C), voxels; (3, 0) for none.
        points: A, B, C, the size of the output.
        out: written, shape (A * B * C,).
    """
    down, across, one, place = np.uint64(shape[1] * shape[2]), np.uint64(shape[2]), np.uint64(1), np.uint64(0)
    ends = np.float32(shape[0] - 1), np.float32(shape[1] - 1), np.float32(shape[2] - 1)
    for a in range(points[0]):
        for b in range(points[1]):
            for c in range(points[2]):
                x, y, z = _place(matrix, offset, bend, place, a, b, c)
                i, j, k = np.int64(np.floor(x)), np.int64(np.floor(y)), np.int64(np.floor(z))
                u, v, w = x - np.float32(i), y - np.float32(j), z - np.float32(k)
                label = MIXED
                if x >= 0 and y >= 0 and z >= 0 and x < ends[0] and y < ends[1] and z < ends[2]:
                    p = np.uint64(i) * down + np.uint64(j) * across + np.uint64(k)
                    label = int(cells[p])
                    if label == MIXED:
                        label = _heavier(labels, p, down, across, u, v, w)
                elif _is_outside(shape, i, j, k) or _is_empty(labels, shape, i, j, k):
                    label = 0
                out[place] = label if label != MIXED else _heaviest(labels, shape, i, j, k, u, v, w)
                place += one
