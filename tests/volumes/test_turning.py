"""Masks turned onto a scan's grid: any exchange and reversal of axes is undone exactly, anything else refused."""

from itertools import permutations, product

import numpy as np
import pytest

from segkit.foundation.errors import GeometryError
from segkit.volumes.grid import Grid, affine_from
from segkit.volumes.turning import turned_onto

GRID = Grid((4, 5, 6), affine_from((0.7, 1.3, 2.5), (-10, 20, 5)))
VALUES = np.arange(120).reshape(GRID.shape)


def turned(order, flips):
    """Return the same voxels with other axes: each value stays where it is in space."""
    values = VALUES.transpose(order)
    affine = GRID.affine.copy()
    affine[:, :3] = GRID.affine[:, order]
    for axis, is_flipped in enumerate(flips):
        if is_flipped:
            values = np.flip(values, axis)
            affine[:3, 3] += affine[:3, axis] * (values.shape[axis] - 1)
            affine[:3, axis] *= -1
    return values, Grid(values.shape, affine)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_every_turn_is_undone(order):
    for flips in product((False, True), repeat=3):
        values, grid = turned(list(order), flips)
        index = (1, 2, 3)
        place = grid.affine @ [*index, 1]
        own = np.rint(np.linalg.solve(GRID.affine, place)[:3]).astype(int)
        assert values[index] == VALUES[tuple(own)]  # the turn is what it says it is
        assert np.array_equal(turned_onto(values, grid, GRID, what="a and b"), VALUES)


def test_a_slice_of_a_picture_is_the_picture():
    picture = Grid((4, 5), np.diag([0.7, 1.3, 1.0, 1.0]))
    values = np.arange(20).reshape(4, 5)
    assert np.array_equal(turned_onto(values[..., None], Grid((4, 5, 1), picture.affine), picture, what="x"), values)


@pytest.mark.parametrize(
    "grid",
    [
        Grid((4, 5, 7), GRID.affine),
        Grid(GRID.shape, affine_from((0.7, 1.3, 2.5), (-10, 20, 5.2))),
        Grid(GRID.shape, affine_from((0.7, 1.3, 2.4), (-10, 20, 5))),
        Grid(GRID.shape, GRID.affine @ np.array([[1, 1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])),
    ],
    ids=["more slices", "shifted", "other spacing", "askew"],
)
def test_other_voxels_are_refused(grid):
    with pytest.raises(GeometryError, match="mask and scan"):
        turned_onto(np.zeros(grid.shape), grid, GRID, what="mask and scan")
