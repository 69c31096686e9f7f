"""Parts of a prepared image, cut alike for training and for prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def cut(
    array: NDArray[Any], start: Sequence[int] | NDArray[np.int64], patch: Sequence[int], dtype: DTypeLike | None = None
) -> NDArray[Any]:
    """Copy a patch out of (C, X, Y, Z), zeros where it leaves the array.

    Args:
        array: prepared images.
        start: the patch's first voxel along each axis; may be negative.
        patch: voxels per axis.
        dtype: of the copy; None: the array's.
    """
    shape = np.array(array.shape[1:])
    inside = [slice(max(0, a), min(n, a + p)) for a, p, n in zip(start, patch, shape, strict=True)]
    there = [slice(part.start - a, part.stop - a) for part, a in zip(inside, start, strict=True)]
    result = np.zeros((len(array), *patch), dtype or array.dtype)
    result[(slice(None), *there)] = array[(slice(None), *inside)]
    return result


def cut_stack(
    array: NDArray[Any],
    start: Sequence[int] | NDArray[np.int64],
    patch: Sequence[int],
    neighbours: int,
    dtype: DTypeLike | None = None,
) -> NDArray[Any]:
    """Copy a slice's patch with those of its neighbours; beyond the first and the last slice these are repeated.

    Args:
        array: prepared images, shape (C, X, Y, Z).
        start: the patch's first voxel along each axis; its slice is one of the array's.
        patch: voxels per axis, 1 across slices.
        neighbours: slices on each side; 0 copies the patch alone, whatever its shape.
        dtype: of the copy; None: the array's.

    Returns:
        the patch with 2 * `neighbours` + 1 voxels across slices, the slice itself in the middle.
    """
    if not neighbours:
        return cut(array, start, patch, dtype)
    axis = list(patch).index(1)
    middle, last = int(start[axis]), array.shape[axis + 1] - 1
    numbers = [min(max(0, number), last) for number in range(middle - neighbours, middle + neighbours + 1)]
    corners = [[number if place == axis else int(first) for place, first in enumerate(start)] for number in numbers]
    return np.concatenate([cut(array, corner, patch, dtype) for corner in corners], axis=axis + 1)
