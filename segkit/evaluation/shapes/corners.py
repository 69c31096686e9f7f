"""Squares and cubes of neighbouring voxel centres, told apart by which of their corners are inside a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def corners_inside(padded: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the number of each square or cube of neighbours: which of its corners are inside.

    Bit n stands for corner n in the order of `itertools.product((0, 1), repeat=dims)`; one axis is joined at a time.

    Args:
        padded: 1 inside and 0 outside, shape (X, Y[, Z]); what lies beyond it is in no square or cube.

    Returns:
        One number for each, 0 to 15 or 255, one fewer along each axis.
    """
    numbers = padded
    for axis in reversed(range(padded.ndim)):
        ahead = [slice(None)] * padded.ndim
        behind = list(ahead)
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        bits = np.uint8(1 << (padded.ndim - 1 - axis))
        numbers = np.bitwise_or(np.left_shift(numbers[tuple(ahead)], bits), numbers[tuple(behind)])
    return numbers
