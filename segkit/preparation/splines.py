"""B-spline interpolation along one axis as a matrix product, which BLAS does faster than any loop over voxels."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Order = Literal[1, 2, 3]  # of a B-spline
FloatArray = NDArray[np.float32]

PADDING = 12  # voxels that repeat the edge: what lies beyond moves a cubic spline inside by less than 2e-7
SMALLEST = 1e-7  # weights below this are left out: 13 voxels away from the place that is interpolated
BLOCK = 64  # rows of a weight matrix multiplied at a time, with the few columns that they touch
LAST = 2  # the fastest axis of a C-ordered 3D array


def spline_weights(coordinates: NDArray[np.float64], size: int, order: Order) -> FloatArray:
    """Return the matrix that interpolates a line of voxels with a B-spline.

    Args:
        coordinates: fractional indices wanted, each within the outer faces of the line, -0.5 to `size` - 0.5.
        size: voxels of the line, which repeats its edges.
        order: 1 (linear) to 3 (cubic).

    Returns:
        shape (wanted, size), each row the weights of the line's voxels.

    Source: Unser 1999, IEEE Signal Processing Magazine 16(6), "Splines: a perfect fit"; equal to SciPy's
    `map_coordinates(mode="nearest")`.
    """
    # Volumes of one data set share shapes, and the channels of a case share all of it.
    return _weights(np.ascontiguousarray(coordinates, np.float64).tobytes(), size, order)


@lru_cache(maxsize=16)
def _weights(coordinates: bytes, size: int, order: Order) -> FloatArray:
    places = np.frombuffer(coordinates) + PADDING
    first, shares = _basis(places, order)
    controls = _control_points(size, order)
    rows = np.zeros((len(places), size))
    for step, share in enumerate(shares):
        rows += share[:, None] * controls[np.clip(first + step, 0, len(controls) - 1)]
    rows[np.abs(rows) < SMALLEST] = 0
    weights: FloatArray = rows.astype(np.float32)
    weights.setflags(write=False)
    return weights


def _basis(places: NDArray[np.float64], order: Order) -> tuple[NDArray[np.intp], list[NDArray[np.float64]]]:
    """Return the first control point that each place sees, and the share of it and of those that follow."""
    first = np.floor(places + (0.5 if order == 2 else 0)).astype(np.intp)
    t = places - first
    if order == 1:
        return first, [1 - t, t]
    if order == 2:
        return first - 1, [(0.5 - t) ** 2 / 2, 0.75 - t**2, (0.5 + t) ** 2 / 2]
    inner = (4 - 6 * t**2 + 3 * t**3) / 6
    return first - 1, [(1 - t) ** 3 / 6, inner, 1 - inner - (1 - t) ** 3 / 6 - t**3 / 6, t**3 / 6]


def _control_points(size: int, order: Order) -> NDArray[np.float64]:
    """Return the matrix from a line's voxels to the spline's control points, the edges repeated `PADDING` times."""
    repeated = np.pad(np.eye(size), ((PADDING, PADDING), (0, 0)), "edge")
    if order == 1:
        return repeated
    # A spline passes through its voxels: at each, these are the shares of the control points left, here and right.
    side = 1 / 8 if order == 2 else 1 / 6
    count = len(repeated)
    through = (1 - 2 * side) * np.eye(count) + side * (np.eye(count, k=1) + np.eye(count, k=-1))
    through[0, 1] = through[-1, -2] = 2 * side  # mirrored at the far end of the padding
    return np.asarray(np.linalg.solve(through, repeated))


def along(array: FloatArray, axis: int, weights: FloatArray) -> FloatArray:
    """Multiply one axis of an array by a matrix, without copying the array into another memory order first.

    Args:
        array: three axes, contiguous in any order of axes.
        axis: the one to multiply.
        weights: shape (wanted, array.shape[axis]).

    Returns:
        `array` with `wanted` voxels along `axis`; in C order as soon as that costs nothing.
    """
    by_stride = sorted(range(array.ndim), key=lambda a: -array.strides[a])
    fastest = by_stride[-1]
    # BLAS reads and writes matrices in which one of the two axes is contiguous.
    in_c_order = fastest in (axis, LAST) or axis == LAST
    layout = list(range(array.ndim)) if in_c_order else by_stride
    across = LAST if in_c_order and axis != LAST else fastest if fastest != axis else by_stride[1]
    over = ({0, 1, 2} - {axis, across}).pop()
    shape = [len(weights) if a == axis else array.shape[a] for a in layout]
    result: FloatArray = np.empty(shape, np.float32).transpose(np.argsort(layout))
    source, target = (each.transpose(over, axis, across) for each in (array, result))
    for rows, columns in _blocks(weights):
        np.matmul(weights[rows, columns], source[:, columns], out=target[:, rows])
    return result


def _blocks(weights: FloatArray) -> list[tuple[slice, slice]]:
    """Return rows of a matrix with the columns in which any of them is not zero."""
    if weights.shape[1] <= 2 * BLOCK:
        return [(slice(None), slice(None))]
    blocks = []
    for start in range(0, len(weights), BLOCK):
        columns = np.flatnonzero(weights[start : start + BLOCK].any(axis=0))
        blocks.append((slice(start, start + BLOCK), slice(int(columns[0]), int(columns[-1]) + 1)))
    return blocks
