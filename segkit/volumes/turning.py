"""A mask whose axes run another way than a scan's, turned onto the scan's grid without touching a value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import GeometryError
from segkit.volumes.grid import APART, Grid, as_3d


def turned_onto(array: NDArray[Any], grid: Grid, target: Grid, *, what: str) -> NDArray[Any]:
    """Return voxels on another grid that holds the same places in another order, as converters of DICOM write them.

    Args:
        array: shape `grid.shape`.
        grid: where its voxels lie.
        target: the grid that is wanted: its axes may be exchanged and reversed, its voxels are the same.
        what: names both in the error, e.g. `"a_mask.nii.gz and the series"`.

    Returns:
        the values in the target's order, shape `target.shape`.

    Raises:
        GeometryError: when the grids are not made of the same voxels.
    """
    own, wanted = as_3d(grid), as_3d(target)
    steps = own.index_to(wanted)[:3, :3]
    order = [int(axis) for axis in np.abs(steps).argmax(axis=1)]
    if sorted(order) != [0, 1, 2]:
        raise GeometryError(f"{what} lie askew: no turn by right angles takes one's voxels to the other's")
    turned, affine = array.reshape(own.shape).transpose(order), own.affine.copy()
    affine[:, :3] = own.affine[:, order]
    for axis, source in enumerate(order):
        if steps[axis, source] < 0:
            turned = np.flip(turned, axis)
            affine[:3, 3] += affine[:3, axis] * (turned.shape[axis] - 1)
            affine[:3, axis] *= -1
    Grid(turned.shape, affine).check_same_as(wanted, what=what, tolerance=APART * min(wanted.spacing))
    return turned.reshape(target.shape)
