"""The surface of a binary mask as points with weights.

Two conventions stand in the literature, and their figures differ. `area`: an element lies between two, four or eight
voxel centres that are not all inside or all outside, and weighs as much as its piece of the marching-cubes surface
(marching squares in 2D). `voxel`: an element is the centre of a voxel of the mask that has a face on the outside, and
all weigh the same. What lies beyond the image is outside in both.

Source: Nikolov et al. 2021, JMIR 23(7):e26151, "Clinically applicable segmentation of head and neck anatomy", whose
`surface-distance` is the first; MedPy and MONAI are the second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segkit.evaluation.shapes.corners import corners_inside
from segkit.evaluation.shapes.cubes import KINDS, separated_triangles_of
from segkit.evaluation.shapes.outline import SQUARES, length_in_square
from segkit.evaluation.shapes.surface import area_of

Convention = Literal["area", "voxel"]
SLAB = 1 << 21  # voxels looked at together: some MB, whatever the box


@dataclass(frozen=True, eq=False)
class Elements:
    """Surface elements of one mask.

    Attributes:
        places: flat index of each in a lattice of `shape`, ascending, shape (n,).
        shape: of the lattice; the same for all masks of one shape and convention.
        weights: mm2 of each (mm in 2D), or 1 by voxels, shape (n,).
    """

    places: NDArray[np.intp]
    shape: tuple[int, ...]
    weights: NDArray[np.float64]

    def points(self, steps: NDArray[np.float64], chosen: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """Return where elements lie in mm from the lattice's first place, shape (n, 3).

        Args:
            steps: shape (3, dims), column n the step in mm from a voxel to the next along axis n.
            chosen: which elements, by number; None means all.
        """
        indices = self.indices if chosen is None else tuple(axis[chosen] for axis in self.indices)
        return np.stack(indices, axis=1) @ steps.T

    @cached_property
    def indices(self) -> tuple[NDArray[np.intp], ...]:
        """Place of each along each axis of the lattice, dims times shape (n,)."""
        return np.unravel_index(self.places, self.shape)


def elements_of(mask: NDArray[np.bool_], steps: NDArray[np.float64], convention: Convention) -> Elements:
    """Find the surface elements of a mask.

    Args:
        mask: shape (X, Y[, Z]); may be empty.
        steps: shape (3, dims), column n the step in mm from a voxel to the next along axis n.
        convention: `area` or `voxel`.
    """
    if convention == "voxel":
        return _boundary_voxels(mask)
    padded = np.zeros([size + 2 for size in mask.shape], np.uint8)
    padded[(slice(1, -1),) * mask.ndim] = mask
    shape = tuple(size + 1 for size in mask.shape)
    places, kinds = [], []
    for start, stop in _slabs(shape):
        numbers = corners_inside(padded[start : stop + 1]).reshape(-1)
        last = numbers.dtype.type(KINDS - 1 if mask.ndim > 2 else SQUARES - 1)
        crossed = np.flatnonzero((numbers != 0) & (numbers != last))
        places.append(crossed + start * int(np.prod(shape[1:])))
        kinds.append(numbers[crossed])
    weights = _weights(tuple(map(tuple, steps.tolist())))
    return Elements(np.concatenate(places), shape, weights[np.concatenate(kinds)])


def _slabs(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield first and last-but-one index along the first axis of pieces that are small in memory."""
    rows = max(1, SLAB // int(np.prod(shape[1:])))
    for start in range(0, shape[0], rows):
        yield start, min(start + rows, shape[0])


@lru_cache(maxsize=64)  # masks of one cohort share few grids
def _weights(steps: tuple[tuple[float, ...], ...]) -> NDArray[np.float64]:
    """Return the surface within one square or cube of each kind, in mm or mm2."""
    columns = np.array(steps)
    if columns.shape[1] == 2:
        return np.array([length_in_square(kind, columns) for kind in range(SQUARES)])
    areas = np.zeros(KINDS)
    for kind in range(1, KINDS - 1):
        areas[kind] = area_of(np.array(separated_triangles_of(kind), np.float64) / 2, columns)
    return areas


def boundary_of(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the voxels of a mask that have a face on the outside or on the array's border, shape of `mask`."""
    inner = np.zeros_like(mask)
    middle = (slice(1, -1),) * mask.ndim
    inner[middle] = mask[middle]
    for axis in range(mask.ndim):
        for side in (slice(None, -2), slice(2, None)):
            beside = list(middle)
            beside[axis] = side
            inner[middle] &= mask[tuple(beside)]
    return mask & ~inner


def _boundary_voxels(mask: NDArray[np.bool_]) -> Elements:
    places = np.flatnonzero(boundary_of(mask))
    return Elements(places, mask.shape, np.ones(places.size))
