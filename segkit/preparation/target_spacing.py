"""The spacing that a data set is resampled to, and the median scan there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.options import PlanOptions
from segkit.config.plan import AXES
from segkit.preparation.fingerprint import Fingerprint

ANISOTROPIC = 3.0  # times coarser, and times fewer voxels, than any other axis: thick slices
FINE_PERCENTILE = 10  # of the spacings across thick slices
COARSER = 1.03  # a step on the way to the low resolution
ALIKE = 2.0  # axes within this factor of the coarsest grow coarse together

Vector = NDArray[Any]


@dataclass(frozen=True, eq=False)
class TargetGrid:
    """The grid of the median scan once it is prepared.

    Attributes:
        spacing: mm per axis, shape (3,); of an axis that keeps each scan's own, their median.
        sizes: voxels per axis, shape (3,).
        slice_axis: the axis that a 2D network does not see, along which each scan keeps its own spacing; None in 3D.
        thick: the axis of thick slices, along which the spacing is finer than the median; None where there is none.
    """

    spacing: Vector
    sizes: Vector
    slice_axis: int | None
    thick: int | None

    @property
    def seen(self) -> list[int]:
        """The axes that the network sees."""
        return [axis for axis in range(AXES) if axis != self.slice_axis]

    @property
    def of_plan(self) -> tuple[float | None, ...]:
        """The spacing as plans hold it: None keeps each scan's own."""
        return tuple(None if axis == self.slice_axis else float(step) for axis, step in enumerate(self.spacing))

    def coarser(self) -> TargetGrid:
        """Return the grid one step coarser: the fine axes first, all of them once they are alike.

        Source: nnU-Net 2, `plan_experiment`.
        """
        spacing, seen = self.spacing.copy(), self.spacing[self.seen]
        fine = seen.max() / seen > ALIKE
        spacing[self.seen] = np.where(fine | ~fine.any(), seen * COARSER, seen)
        return replace(self, spacing=spacing, sizes=self.sizes * self.spacing / spacing)


def target_grid_of(fingerprint: Fingerprint, options: PlanOptions) -> TargetGrid:
    """Return the grid of a data set at full resolution."""
    median, sizes = np.median(fingerprint.spacings, axis=0), np.median(fingerprint.shapes, axis=0)
    slice_axis = None if options.dims == AXES else through_plane(median, sizes, options.patch)
    spacing, thick = median_spacing(fingerprint.spacings, fingerprint.shapes)
    if options.spacing:
        spacing, thick = np.array(options.spacing, dtype=float), None
    if slice_axis is not None:
        spacing[slice_axis], thick = median[slice_axis], None
    scale = fingerprint.spacings / spacing
    if slice_axis is not None:
        scale[:, slice_axis] = 1
    resampled = np.median(np.maximum(1, np.round(fingerprint.shapes * scale)), axis=0)
    return TargetGrid(spacing, resampled, slice_axis, thick)


def median_spacing(spacings: Vector, shapes: Vector) -> tuple[Vector, int | None]:
    """Return the spacing for a data set, and the axis along which it is finer than the median.

    The median along each axis keeps most scans as they are. Across thick slices, however, it would cost the scans
    with thinner ones most of their detail, so there the 10th percentile counts, though never finer than the other axes.

    Args:
        spacings: mm, shape (cases, 3).
        shapes: voxels, shape (cases, 3).

    Returns:
        mm per axis, and the axis across thick slices, None where there is none.

    Source: Isensee et al. 2021, Nature Methods 18, supplement, "Target spacing"; nnU-Net 2,
    `determine_fullres_target_spacing`.
    """
    spacing, sizes = np.median(spacings, axis=0), np.median(shapes, axis=0)
    coarsest = int(np.argmax(spacing))
    others = [axis for axis in range(len(spacing)) if axis != coarsest]
    thick = spacing[coarsest] > ANISOTROPIC * spacing[others].max()
    few = sizes[coarsest] * ANISOTROPIC < sizes[others].min()
    if not (thick and few):
        return spacing, None
    finer = float(np.percentile(spacings[:, coarsest], FINE_PERCENTILE))
    spacing[coarsest] = max(finer, spacing[others].max())
    return spacing, coarsest


def through_plane(spacing: Vector, sizes: Vector, patch: Sequence[int] | None) -> int:
    """Return the axis across slices: the configured patch's, one of a single voxel (pictures), else the coarsest.

    Of equally coarse axes it is the last.
    """
    if patch:
        return patch.index(1)
    if sizes.min() == 1:
        return int(np.argmin(sizes))
    return AXES - 1 - int(np.argmax(spacing[::-1]))
