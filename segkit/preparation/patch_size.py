"""How large a patch is: as configured, within a number of voxels, or within memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.preparation.pyramid import SMALLEST_FEATURE, Pyramid, fixed_pyramid, pyramid

START_VOXELS = {2: 2048**2, 3: 256**3}  # of the first, too large patch, by number of axes
SMALLEST = 2 * SMALLEST_FEATURE  # voxels: an axis of a patch is not cut below this for memory's sake

Vector = NDArray[Any]


@dataclass(frozen=True)
class Space:
    """What patches are cut from, along the axes that the network sees.

    Attributes:
        sizes: voxels of the median scan.
        spacing: mm.
        levels: the most that the network has.
        halvings: how often the network halves every axis, whatever the patch; None: as the patch allows.
    """

    sizes: Vector
    spacing: Vector
    levels: int
    halvings: int | None = None

    def pyramid(self, patch: Sequence[float] | Vector) -> Pyramid:
        """Return the levels of a patch."""
        if self.halvings is not None:
            return fixed_pyramid(len(self.sizes), self.halvings)
        return pyramid(patch, self.spacing, self.levels)


@dataclass(frozen=True)
class Patch:
    """A patch and its levels: each size is a multiple of the strides.

    Attributes:
        sizes: voxels per axis.
        pyramid: strides and kernels.
    """

    sizes: tuple[int, ...]
    pyramid: Pyramid

    @property
    def voxels(self) -> int:
        """Voxels of the patch."""
        return int(np.prod(self.sizes))


def configured_patch(wanted: Sequence[int], space: Space) -> Patch:
    """Return the patch that was asked for, each axis rounded to a multiple of the strides (`rounded`)."""
    levels = space.pyramid(wanted)
    sizes = zip(wanted, space.sizes, levels.multiples, strict=True)
    return Patch(tuple(rounded(*each) for each in sizes), levels)


def patch_of_voxels(space: Space, most: int) -> Patch:
    """Return the largest patch of at most `most` voxels that is a cube in mm, cut to the median scan."""
    wanted = cube(space.sizes, space.spacing, most)
    levels = space.pyramid(wanted)
    sizes = [rounded(*each) for each in zip(wanted, space.sizes, levels.multiples, strict=True)]
    while np.prod(sizes) > most and sizes != list(levels.multiples):  # rounding up cost too much somewhere
        # Only a network that halves every axis alike leaves an axis nothing to give.
        spare = np.array(sizes) > levels.multiples
        excess = int(np.argmax(np.array(sizes) / wanted * spare))
        sizes[excess] -= levels.multiples[excess]
    if space.halvings is not None:
        sizes = grown(sizes, wanted, levels.multiples, most)
    return Patch(tuple(sizes), levels)


def grown(sizes: Sequence[int], wanted: Vector, multiples: Sequence[int], most: int) -> list[int]:
    """Return sizes in large multiples with what rounding left unused: the axis that lost most grows first.

    One multiple along each axis would leave the coarsest level a single voxel, which cannot be normalised.
    """
    grown_sizes = list(sizes)
    for axis in map(int, np.argsort(np.array(sizes) / wanted, kind="stable")):
        longer = [size + multiples[axis] * (index == axis) for index, size in enumerate(grown_sizes)]
        is_short = grown_sizes[axis] < wanted[axis] or grown_sizes == list(multiples)
        if is_short and np.prod(longer) <= most:
            grown_sizes = longer
    return grown_sizes


def patch_that_fits(space: Space, fits: Callable[[Patch], bool]) -> Patch | None:
    """Shrink a patch that is a cube in mm, cut to the median scan, until it fits.

    Each time the axis of which the patch sees the largest part gives way, the first of equals.

    Args:
        space: what patches are cut from.
        fits: whether a patch is small enough.

    Returns:
        the first patch that fits; None when not even the smallest does.

    Source: nnU-Net 2, `get_plans_for_configuration`.
    """
    per_mm = 1 / space.spacing
    edge = (START_VOXELS[len(per_mm)] / per_mm.prod()) ** (1 / len(per_mm))
    patch: Patch | None = _of_levels(np.minimum(np.round(edge * per_mm), space.sizes), space)
    while patch is not None and not fits(patch):
        patch = smaller(patch, space)
    return patch


def smaller(patch: Patch, space: Space) -> Patch | None:
    """Return the next smaller patch, None when no axis may give way."""
    seen = np.array(patch.sizes) / space.sizes
    for axis in np.argsort(-seen, kind="stable"):
        sizes = list(patch.sizes)
        if sizes[axis] <= max(SMALLEST, patch.pyramid.multiples[axis]):
            continue
        # A shorter axis may be halved less often; its finer multiple, not the present one, is the step to take.
        sizes[axis] -= patch.pyramid.multiples[axis]
        step = space.pyramid(sizes).multiples[axis]
        sizes[axis] = patch.sizes[axis] - step
        shrunk = _of_levels(sizes, space)
        if shrunk.voxels < patch.voxels:
            return shrunk
    return None


def _of_levels(wanted: Sequence[float] | Vector, space: Space) -> Patch:
    """Round each axis up to a multiple of the strides, where these are the network's own to two along one axis."""
    levels = space.pyramid(wanted)
    sizes = np.ceil(np.asarray(wanted) / levels.multiples) * levels.multiples
    if space.halvings is not None and np.array_equal(sizes, levels.multiples):
        sizes[np.argmax(wanted)] *= 2  # a single voxel at the coarsest level cannot be normalised
    return Patch(tuple(int(size) for size in sizes), levels)


def cube(sizes: Vector, spacing: Vector, most: int) -> Vector:
    """Return the sides in voxels of the largest cube in mm of at most `most` voxels, cut to `sizes`."""
    low, high = 0.0, float((sizes * spacing).max())
    for _ in range(50):
        edge = (low + high) / 2
        low, high = (edge, high) if np.clip(edge / spacing, 1, sizes).prod() <= most else (low, edge)
    return np.clip(high / spacing, 1, sizes)


def rounded(wanted: float, whole: float, multiple: int) -> int:
    """Return a multiple of `multiple`: not below `wanted` where the patch spans the whole axis, else not above."""
    count = np.ceil(wanted / multiple - 1e-6) if wanted >= whole else np.floor(wanted / multiple + 1e-6)
    return int(max(1, count) * multiple)
