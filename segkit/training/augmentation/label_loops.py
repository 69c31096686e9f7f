"""The warp's loop over the voxels of a reference, compiled as that over images is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.compiling import compiled
from segkit.training.augmentation.loops import at, cell_of, is_outside, locate_inside, row_of, weight

MIXED = -1  # among the cells: the eight corners differ


def cells_of(labels: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return the class of each cell between a voxel and its upper neighbours, `MIXED` where they may differ.

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
def _heaviest(labels: Any, shape: Any, i: Any, j: Any, k: Any, u: Any, v: Any, w: Any) -> Any:
    """Return the class of the largest summed weight within a cell, of equals the lowest; outside is class 0."""
    best, winner = np.float32(-1), 0
    for corner in range(8):
        label = int(at(labels, shape, corner, i, j, k))
        total = np.float32(0)
        for other in range(8):
            if int(at(labels, shape, other, i, j, k)) == label:
                total += weight(other, u, v, w)
        if total > best or (total == best and label < winner):
            best, winner = total, label
    return winner


@compiled
def _is_empty(labels: Any, shape: Any, i: Any, j: Any, k: Any) -> Any:
    """Tell whether all corners of a cell at the rim are class 0."""
    found = 0
    for corner in range(8):
        found |= int(at(labels, shape, corner, i, j, k))
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
            total += weight(corner, u, v, w)
        elif second == MIXED:
            second = label
        elif label != second:
            return MIXED
    rest = np.float32(1) - total
    if total == rest:
        return min(first, second)
    return first if total > rest else second


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
    strides = np.int32(shape[1] * shape[2]), np.int32(shape[2])
    ends = np.float32(shape[0] - 1), np.float32(shape[1] - 1), np.float32(shape[2] - 1)
    step, count = (matrix[0, 2], matrix[1, 2], matrix[2, 2]), points[2]
    corners, parts = np.empty(count, np.int32), np.empty((3, count), np.float32)
    for a in range(points[0]):
        for b in range(points[1]):
            row, begin = (a * points[1] + b) * count, row_of(matrix, offset, a, b)
            first, last = locate_inside(begin, step, bend, ends, strides, corners, parts)
            for c in range(first, last):
                label = int(cells[np.uint64(corners[c])])
                if label == MIXED:
                    label = _of_cell(labels, shape, strides, corners[c], parts[0, c], parts[1, c], parts[2, c])
                out[np.uint64(row + c)] = label
            _label_anywhere(labels, cells, shape, strides, ends, begin, step, bend, row, 0, first, out)
            _label_anywhere(labels, cells, shape, strides, ends, begin, step, bend, row, last, count, out)


@compiled
def _label_anywhere(
    labels: Any, cells: Any, shape: Any, strides: Any, ends: Any, begin: Any, step: Any, bend: Any, row: int,
    first: int, last: int, out: Any,
) -> None:  # fmt: skip
    """Do a part of a row whose places may lie at the rim or outside."""
    for c in range(first, last):
        i, j, k, u, v, w, has_corners = cell_of(begin, step, bend, ends, row + c, c)
        if has_corners:
            p = np.int32(i * strides[0] + j * strides[1] + k)
            label = int(cells[np.uint64(p)])
            out[np.uint64(row + c)] = label if label != MIXED else _of_cell(labels, shape, strides, p, u, v, w)
        elif is_outside(shape, i, j, k) or _is_empty(labels, shape, i, j, k):
            out[np.uint64(row + c)] = 0
        else:
            out[np.uint64(row + c)] = _heaviest(labels, shape, i, j, k, u, v, w)


@compiled
def _of_cell(labels: Any, shape: Any, strides: Any, corner: Any, u: Any, v: Any, w: Any) -> Any:
    """Return the class of the largest summed weight in a cell inside the volume with several classes."""
    p = np.uint64(corner)
    label = _heavier(labels, p, np.uint64(strides[0]), np.uint64(strides[1]), u, v, w)
    if label != MIXED:
        return label
    i, rest = corner // strides[0], corner % strides[0]
    return _heaviest(labels, shape, i, rest // strides[1], rest % strides[1], u, v, w)
