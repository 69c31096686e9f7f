"""The connected components of one label."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


class Connectivity(IntEnum):
    """Which voxels count as connected, by the most axes along which they may lie one apart.

    The foreground is connected by corners, as in MONAI and nnU-Net (26 neighbours, 8 in a picture), the background by
    faces (6, or 4): no path through the one then crosses a path through the other.

    Source: Rosenfeld 1970, Journal of the ACM 17, "Connectivity in digital pictures".
    """

    FACES = 1
    CORNERS = 3


def connected(inside: NDArray[np.bool_], connectivity: Connectivity) -> tuple[NDArray[np.int32], int]:
    """Number the components, 1 to n in the order of their first voxels, and count them; 0 where `inside` is false.

    It takes 4 bytes for each voxel of `inside`, which is why callers crop first.
    """
    structure = ndimage.generate_binary_structure(inside.ndim, min(connectivity, inside.ndim))
    labelled = np.empty(inside.shape, np.int32)
    return labelled, ndimage.label(inside, structure, output=labelled)


def largest_component(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the component with the most voxels; of equal ones that whose first voxel comes first, in index order.

    Args:
        inside: of one label, shape (X, Y[, Z]).

    Returns:
        the same shape; all false where `inside` is.
    """
    labelled, count = connected(inside, Connectivity.CORNERS)
    if count <= 1:
        return inside
    return np.equal(labelled, 1 + int(np.argmax(sizes_of(labelled, count))))


def components_from(inside: NDArray[np.bool_], least: float) -> NDArray[np.bool_]:
    """Return the components of at least so many voxels.

    Args:
        inside: of one label, shape (X, Y[, Z]).
        least: voxels; need not be whole.

    Returns:
        the same shape.
    """
    labelled, count = connected(inside, Connectivity.CORNERS)
    large = sizes_of(labelled, count) >= least
    return inside if large.all() else np.concatenate([[False], large]).take(labelled)


def sizes_of(labelled: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return the voxels of the components 1 to `count`, shape (count,)."""
    return np.bincount(labelled.reshape(-1, order="A"), minlength=count + 1)[1:]
