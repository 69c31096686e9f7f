"""The warp's loop over voxels, compiled by numba; what is compiled is kept in numba's cache for the next process."""

from __future__ import annotations

from typing import Any

import numpy as np

from segkit.foundation.compiling import compiled

ROUNDING = np.float32(1e-3)  # voxels: far more than a place in float32 is off by


@compiled
def weight(corner: int, u: Any, v: Any, w: Any) -> Any:
    """Return the linear weight of one of the eight corners around a place."""
    first = u if corner >> 2 else np.float32(1) - u
    second = v if (corner >> 1) & 1 else np.float32(1) - v
    third = w if corner & 1 else np.float32(1) - w
    return first * second * third


@compiled
def at(values: Any, shape: Any, corner: int, i: Any, j: Any, k: Any) -> Any:
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
        value += np.float32(at(source, shape, corner, i, j, k)) * weight(corner, u, v, w)
    return value


@compiled
def _place_of(begin: Any, step: Any, bend: Any, place: Any, c: Any) -> Any:
    """Return the source's index for one place of a row."""
    far = np.float32(c)
    x, y, z = begin[0] + step[0] * far, begin[1] + step[1] * far, begin[2] + step[2] * far
    if bend.shape[1] > 0:
        return x + bend[0, place], y + bend[1, place], z + bend[2, place]
    return x, y, z


@compiled
def _span(begin: Any, step: Any, ends: Any, count: int) -> Any:
    """Return the first index of a row whose cell lies inside the volume, and the one after the last."""
    low: Any = np.float32(0)
    high: Any = np.float32(count - 1)
    for axis in range(3):
        if step[axis] == 0:
            if begin[axis] < 0 or begin[axis] >= ends[axis]:
                return 0, 0
        else:
            one, other = -begin[axis] / step[axis], (ends[axis] - begin[axis]) / step[axis]
            low, high = max(low, min(one, other)), min(high, max(one, other))
    if low > high:
        return 0, 0
    # The quotients are rounded: the very places decide, and along a row they are inside without a gap.
    first: Any = max(0, np.int64(low) - 1)
    last: Any = min(count, np.int64(high) + 3)
    while first < last and not _is_inside(begin, step, ends, first):
        first += 1
    while last > first and not _is_inside(begin, step, ends, last - 1):
        last -= 1
    return first, last


@compiled
def _is_inside(begin: Any, step: Any, ends: Any, index: int) -> Any:
    """Tell whether a place of a row lies in a cell with eight corners, however the sum is rounded."""
    for axis in range(3):
        place = begin[axis] + step[axis] * np.float32(index)
        if place < ROUNDING or place > ends[axis] - ROUNDING:
            return False
    return True


@compiled
def _locate(begin: Any, step: Any, first: int, last: int, strides: Any, corners: Any, parts: Any) -> None:
    """Write the first corner of each cell of a row, and where in it the place lies; without branches, for SIMD."""
    u, v, w = parts[0], parts[1], parts[2]
    for c in range(first, last):
        far = np.float32(c)
        x, y, z = begin[0] + step[0] * far, begin[1] + step[1] * far, begin[2] + step[2] * far
        i, j, k = np.int32(x), np.int32(y), np.int32(z)
        u[c], v[c], w[c] = x - np.float32(i), y - np.float32(j), z - np.float32(k)
        corners[c] = i * strides[0] + j * strides[1] + k


@compiled
def locate_inside(begin: Any, step: Any, bend: Any, ends: Any, strides: Any, corners: Any, parts: Any) -> Any:
    """Locate the part of a row whose cells lie inside the volume, and return its ends; of a bent row nothing."""
    first, last = 0, 0
    if bend.shape[1] == 0:
        first, last = _span(begin, step, ends, len(corners))
    _locate(begin, step, first, last, strides, corners, parts)
    return first, last


@compiled
def cell_of(begin: Any, step: Any, bend: Any, ends: Any, place: Any, c: Any) -> Any:
    """Return the cell of any place of a row, where in it the place lies, and whether it has all eight corners."""
    x, y, z = _place_of(begin, step, bend, place, c)
    i, j, k = np.int64(np.floor(x)), np.int64(np.floor(y)), np.int64(np.floor(z))
    has_corners = x >= 0 and y >= 0 and z >= 0 and x < ends[0] and y < ends[1] and z < ends[2]
    return i, j, k, x - np.float32(i), y - np.float32(j), z - np.float32(k), has_corners


@compiled
def row_of(matrix: Any, offset: Any, a: int, b: int) -> Any:
    """Return the source's index for the first place of a row."""
    first, second = np.float32(a), np.float32(b)
    return (
        matrix[0, 0] * first + matrix[0, 1] * second + offset[0],
        matrix[1, 0] * first + matrix[1, 1] * second + offset[1],
        matrix[2, 0] * first + matrix[2, 1] * second + offset[2],
    )


@compiled
def _within(source: Any, p: Any, strides: Any, u: Any, v: Any, w: Any) -> Any:
    """Return the linear interpolation in a cell inside the volume."""
    one, across, down = np.uint64(1), np.uint64(strides[1]), np.uint64(strides[0])
    q = p + down
    e = source[p] + (source[p + one] - source[p]) * w
    f = source[p + across] + (source[p + across + one] - source[p + across]) * w
    g = source[q] + (source[q + one] - source[q]) * w
    h = source[q + across] + (source[q + across + one] - source[q + across]) * w
    e, g = e + (f - e) * v, g + (h - g) * v
    return e + (g - e) * u


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
    strides = np.int32(shape[1] * shape[2]), np.int32(shape[2])
    ends = np.float32(shape[0] - 1), np.float32(shape[1] - 1), np.float32(shape[2] - 1)
    step, count = (matrix[0, 2], matrix[1, 2], matrix[2, 2]), points[2]
    corners, parts = np.empty(count, np.int32), np.empty((3, count), np.float32)
    for a in range(points[0]):
        for b in range(points[1]):
            row, begin = (a * points[1] + b) * count, row_of(matrix, offset, a, b)
            first, last = locate_inside(begin, step, bend, ends, strides, corners, parts)
            for c in range(first, last):
                p = np.uint64(corners[c])
                out[np.uint64(row + c)] = _within(source, p, strides, parts[0, c], parts[1, c], parts[2, c])
            _sample_anywhere(source, shape, strides, ends, begin, step, bend, row, 0, first, out)
            _sample_anywhere(source, shape, strides, ends, begin, step, bend, row, last, count, out)


@compiled
def _sample_anywhere(
    source: Any, shape: Any, strides: Any, ends: Any, begin: Any, step: Any, bend: Any, row: int, first: int,
    last: int, out: Any,
) -> None:  # fmt: skip
    """Do a part of a row whose places may lie at the rim or outside."""
    for c in range(first, last):
        i, j, k, u, v, w, has_corners = cell_of(begin, step, bend, ends, row + c, c)
        if has_corners:
            p = np.uint64(i * strides[0] + j * strides[1] + k)
            out[np.uint64(row + c)] = _within(source, p, strides, u, v, w)
        elif is_outside(shape, i, j, k):
            out[np.uint64(row + c)] = 0
        else:
            out[np.uint64(row + c)] = _value(source, shape, i, j, k, u, v, w)


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
    step, place = (matrix[0, 2], matrix[1, 2], matrix[2, 2]), np.uint64(0)
    for a in range(points[0]):
        for b in range(points[1]):
            begin = row_of(matrix, offset, a, b)
            for c in range(points[2]):
                x, y, z = _place_of(begin, step, bend, place, c)
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
def is_outside(shape: Any, i: Any, j: Any, k: Any) -> Any:
    """Tell whether no corner of a cell is a voxel of the volume."""
    return i < -1 or j < -1 or k < -1 or i >= shape[0] or j >= shape[1] or k >= shape[2]


@compiled
def refine(source: Any, places: Any, out: Any) -> None:
    """Fill `out` (A, B, C) with the linear interpolation of a coarser lattice (X, Y, Z), axis by axis.

    Args:
        source: the lattice.
        places: of each axis, where the output's points lie on the lattice, each within it.
        out: written.
    """
    plane, line = np.empty(source.shape[1:], np.float32), np.empty(source.shape[2], np.float32)
    last = (source.shape[0] - 1, source.shape[1] - 1, source.shape[2] - 1)
    lower = places[2].astype(np.int32)
    upper, share = np.minimum(lower + 1, np.int32(last[2])), places[2] - lower.astype(np.float32)
    for a in range(out.shape[0]):
        i = np.int64(places[0][a])
        t, above = places[0][a] - np.float32(i), min(i + 1, last[0])
        for y in range(plane.shape[0]):
            for z in range(plane.shape[1]):
                plane[y, z] = source[i, y, z] + (source[above, y, z] - source[i, y, z]) * t
        for b in range(out.shape[1]):
            j = np.int64(places[1][b])
            t, above = places[1][b] - np.float32(j), min(j + 1, last[1])
            for z in range(line.shape[0]):
                line[z] = plane[j, z] + (plane[above, z] - plane[j, z]) * t
            for c in range(out.shape[2]):
                value = line[np.uint64(lower[c])]
                out[a, b, c] = value + (line[np.uint64(upper[c])] - value) * share[c]
