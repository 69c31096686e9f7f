"""The voxels of a mask that lie near its outside."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

LOOKED_UP = 20  # shifts of the rim that take as long as looking up an inner voxel: measured
SLACK = 1e-9  # of the width: rounding must not leave a voxel out


def band_of(mask: NDArray[np.bool_], steps: NDArray[np.float64], width: float | None = None) -> NDArray[np.bool_]:
    """Return the voxels of a mask that are near a voxel outside; what lies beyond the array is outside.

    Where the band is thin, the outside's rim is shifted by every step that is short enough; where it is wide, the inner
    voxels are looked up in a tree of that rim.

    Args:
        mask: shape (X, Y[, Z]).
        steps: shape (3, dims), column n the step in mm from a voxel to the next along axis n.
        width: largest distance in mm between the centres of both voxels; None takes the 26 neighbours (8 in 2D).

    Returns:
        Booleans, shape of `mask`.
    """
    if width is None:
        outside = np.pad(~mask, 1, constant_values=True)
        return mask & _grown(outside)[(slice(1, -1),) * mask.ndim]
    width *= 1 + SLACK
    reach = np.maximum(1, np.floor(width * np.linalg.norm(np.linalg.pinv(steps), axis=1)).astype(int))
    padded = np.pad(mask, [(most, most) for most in reach])
    rim = np.flatnonzero(_grown(padded) & ~padded)
    shifts = np.array(list(product(*[range(-most, most + 1) for most in reach])))
    shifts = shifts[np.linalg.norm(shifts @ steps.T, axis=1) <= width]
    inner = tuple(slice(most, -most) for most in reach)
    if len(shifts) * rim.size > LOOKED_UP * int(mask.sum()):
        return _looked_up(padded, rim, steps, width)[inner]
    near = np.zeros(padded.shape, bool)
    strides = np.array(near.strides)  # a boolean is a byte
    for offset in shifts @ strides:
        near.reshape(-1)[np.clip(rim + offset, 0, near.size - 1)] = True
    return (near & padded)[inner]


def _grown(array: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return booleans that are true where a voxel or one of its 26 neighbours (8 in 2D) is, same shape."""
    for axis in range(array.ndim):
        ahead = (slice(None),) * axis + (slice(1, None),)
        behind = (slice(None),) * axis + (slice(None, -1),)
        grown = array.copy()
        grown[ahead] |= array[behind]
        grown[behind] |= array[ahead]
        array = grown
    return array


def _looked_up(
    padded: NDArray[np.bool_], rim: NDArray[np.intp], steps: NDArray[np.float64], width: float
) -> NDArray[np.bool_]:
    inside = np.flatnonzero(padded)
    places, targets = (np.stack(np.unravel_index(flat, padded.shape), axis=1) @ steps.T for flat in (inside, rim))
    near = np.zeros(padded.shape, bool)
    near.reshape(-1)[inside[KDTree(targets).query(places)[0] <= width]] = True
    return near
