"""Centre and principal axes of a mask's voxels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-12  # of the largest variance: what is below is a flat mask's zero


def centre_of(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean index of the voxels, shape (dims,).

    Args:
        mask: shape (X, Y[, Z]), with at least one voxel.
    """
    margins = [_projected(mask, (axis,)) for axis in range(mask.ndim)]
    return np.array([np.arange(margin.size) @ margin / margin.sum() for margin in margins])


def axis_lengths(mask: NDArray[np.bool_], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the principal axes in mm, longest first, shape (dims,).

    Each is four standard deviations of the voxel centres; one along which the mask is one voxel thin is 0.

    Args:
        mask: shape (X, Y[, Z]), with at least one voxel.
        steps: shape (3, dims), column n the step in mm from a voxel to the next along axis n.

    Source: IBSI reference manual, "Major axis length" TDIC, "Minor axis length" P9VJ, "Least axis length" 7J51.
    """
    dims = mask.ndim
    offsets = [np.arange(size) - mean for size, mean in zip(mask.shape, centre_of(mask), strict=True)]
    covariance = np.empty((dims, dims))
    for one in range(dims):
        margin = _projected(mask, (one,))
        covariance[one, one] = margin @ offsets[one] ** 2 / margin.sum()
        for other in range(one):
            plane = _projected(mask, (other, one))
            covariance[one, other] = covariance[other, one] = offsets[other] @ plane @ offsets[one] / plane.sum()
    variances = np.linalg.eigvalsh(steps @ covariance @ steps.T)[::-1][:dims]
    return np.asarray(4 * np.sqrt(np.where(variances > ROUNDING * variances[0], variances, 0)))


def _projected(mask: NDArray[np.bool_], axes: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the number of voxels over each index of `axes`, in their order."""
    return np.asarray(mask.sum(axis=tuple(axis for axis in range(mask.ndim) if axis not in axes), dtype=np.int64))
