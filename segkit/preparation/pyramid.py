"""How a U-Net halves a patch on its way down: strides and kernels per level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST_FEATURE = 4  # voxels: an axis is not halved below this
ALONE = 3 * SMALLEST_FEATURE  # voxels that an axis needs to be halved when no other is
ANISOTROPY = 2.0  # an axis this many times coarser than the finest waits until the others have caught up

Vector = NDArray[Any]
Levels = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Pyramid:
    """The levels of a U-Net.

    Attributes:
        strides: per level, one stride per axis; the first level's are 1.
        kernels: per level, one kernel size per axis, 3 or 1.
    """

    strides: Levels
    kernels: Levels

    @property
    def multiples(self) -> tuple[int, ...]:
        """What each axis of a patch must be a multiple of."""
        return tuple(int(multiple) for multiple in np.prod(self.strides, axis=0))


def pyramid(patch: Sequence[float] | Vector, spacing: Sequence[float] | Vector, levels: int) -> Pyramid:
    """Return the levels for a patch.

    An axis is halved while it has voxels enough and is not the coarsest by far; a kernel is 1 along an axis until the
    others have become as coarse. The coarsest level looks along every axis.

    Args:
        patch: voxels per axis.
        spacing: mm per axis.
        levels: the most that there may be.

    Source: Isensee et al. 2021, Nature Methods 18, supplement, "Network topology"; nnU-Net 2,
    `get_pool_and_conv_props`.
    """
    sizes, steps = np.asarray(patch, dtype=float), np.asarray(spacing, dtype=float)
    strides, kernels = [(1,) * len(sizes)], [kernel_sizes(steps)]
    while len(strides) < levels:
        roomy = sizes >= 2 * SMALLEST_FEATURE
        if not roomy.any():
            break
        halved = roomy & (steps < ANISOTROPY * steps[roomy].min())
        if halved.sum() == 1 < len(sizes) and sizes[halved][0] < ALONE:
            break
        strides.append(tuple(np.where(halved, 2, 1).tolist()))
        sizes, steps = np.where(halved, np.ceil(sizes / 2), sizes), np.where(halved, steps * 2, steps)
        # An axis too short to halve stays fine while the others grow coarse: they keep their kernels.
        kernels.append(tuple(map(max, kernels[-1], kernel_sizes(steps))))
    if len(kernels) > 1:
        kernels[-1] = (3,) * len(sizes)
    return Pyramid(tuple(strides), tuple(kernels))


def fixed_pyramid(dims: int, halvings: int) -> Pyramid:
    """Return the levels of a network that halves every axis, whatever the patch and its spacing."""
    return Pyramid(((1,) * dims, *((2,) * dims,) * halvings), ((3,) * dims,) * (halvings + 1))


def kernel_sizes(spacing: Vector) -> tuple[int, ...]:
    """Return 3 along each axis, 1 along those that are much coarser than the finest."""
    return tuple(np.where(spacing < ANISOTROPY * spacing.min(), 3, 1).tolist())
