"""Length of the outline around a 2D mask, and the area within."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segkit.evaluation.shapes.corners import corners_inside

SQUARES = 16  # kinds of four neighbouring pixel centres, (0, 0), (0, 1), (1, 0), (1, 1) of which bits 0 to 3 tell
CROSSWISE = (0b0110, 0b1001)  # two inside corners, of which each is cut off


class Outline(NamedTuple):
    """Length in mm and area in mm2."""

    length: float
    area: float


def outline_of(mask: NDArray[np.bool_], steps: NDArray[np.float64]) -> Outline:
    """Return length and area of the marching-squares outline at half height between inside and outside.

    Args:
        mask: shape (X, Y), with at least one pixel.
        steps: shape (3, 2), column n the step in mm from a pixel to the next along axis n.

    Source: Lorensen and Cline 1987, SIGGRAPH Computer Graphics 21(4), "Marching cubes", in two dimensions.
    """
    counts = np.bincount(corners_inside(np.pad(mask, 1).view(np.uint8)).reshape(-1), minlength=SQUARES)
    pixel = float(np.linalg.norm(np.cross(steps[:, 0], steps[:, 1])))
    area = sum(int(count) * _inside(number) for number, count in enumerate(counts)) * pixel
    return Outline(sum(int(count) * length_in_square(number, steps) for number, count in enumerate(counts)), area)


def _inside(number: int) -> float:
    """Return how much of a square lies inside, from 0 to 1."""
    return 1 / 4 if number in CROSSWISE else (0, 1 / 8, 1 / 2, 7 / 8, 1)[number.bit_count()]


def length_in_square(number: int, steps: NDArray[np.float64]) -> float:
    """Return the length in mm of the outline within a square: between middles of the sides whose ends differ.

    Args:
        number: which corners are inside, as `corners_inside` numbers them.
        steps: shape (3, 2), column n the step in mm from a pixel to the next along axis n.
    """
    inside = [bool(number >> bit & 1) for bit in range(4)]
    along, across = steps.T
    if number.bit_count() in (1, 3):
        odd = inside.index(number.bit_count() == 1)
        # The outline around corners 0 and 3 runs along one diagonal, that around 1 and 2 along the other.
        return float(np.linalg.norm(along - across if odd in (0, 3) else along + across)) / 2
    if number in CROSSWISE:
        return float(np.linalg.norm(along - across if inside[0] else along + across))
    if number.bit_count() == 2:  # side by side along the first axis where corners 0 and 2 agree
        return float(np.linalg.norm(along if inside[0] == inside[2] else across))
    return 0.0
