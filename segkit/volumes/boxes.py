"""The box of an array that is worth looking at: beyond it all voxels are zero."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, ...]  # with start and stop, one slice per axis


def occupied_box(array: NDArray[np.generic], leading: int = 0) -> Box | None:
    """Return the smallest box that holds every value but zero.

    Args:
        array: shape (X, Y[, Z]), with `leading` axes before it.
        leading: axes that the box does not cut, such as the channels of (C, X, Y, Z).

    Returns:
        a slice for each axis after the leading ones; None where all is zero.
    """
    box = [slice(0, size) for size in array.shape]
    # Axes whose slices lie together in memory go first: what they cut off, the others need not look at.
    for axis in sorted(range(leading, array.ndim), key=lambda axis: -abs(array.strides[axis])):
        part = np.moveaxis(array[tuple(box)], axis, 0)
        if part[0].any() and part[-1].any():
            continue
        places = np.flatnonzero(part.any(axis=tuple(range(1, part.ndim))))
        if not places.size:
            return None
        start = box[axis].start
        box[axis] = slice(start + int(places[0]), start + int(places[-1]) + 1)
    return tuple(box[leading:])
