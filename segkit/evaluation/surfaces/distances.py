"""Distances from each element of one surface to the nearest of the other, and the figures made of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segkit.evaluation.surfaces.elements import Convention, Elements, elements_of
from segkit.evaluation.surfaces.nearest import nearest

MAXIMUM = 100  # per cent
SLACK = 1e-9  # of the tolerance and in mm: three steps of 0.1 mm are within 0.3 mm


@dataclass(frozen=True, eq=False)
class Direction:
    """From one surface to the other.

    Attributes:
        distances: of each element to the nearest one of the other surface, in mm, ascending, shape (n,).
        weights: of the elements in the same order, shape (n,).
        counted: whether all weights are 1.
    """

    distances: NDArray[np.float64]
    weights: NDArray[np.float64]
    counted: bool

    @property
    def mean(self) -> float:
        """Weighted mean distance in mm."""
        return float(self.distances @ self.weights / self.weights.sum())

    def percentile(self, percent: float) -> float:
        """Return a percentile of the distances in mm.

        Of counted elements it is NumPy's, with linear interpolation; of weighted ones the smallest distance within
        which at least `percent` of the surface lies.
        """
        if percent == MAXIMUM:
            return float(self.distances[-1])
        if self.counted:
            return float(np.percentile(self.distances, percent))
        place = np.searchsorted(self._shares, percent / 100)
        return float(self.distances[min(int(place), self.distances.size - 1)])

    @cached_property
    def _shares(self) -> NDArray[np.float64]:
        """The part of the surface that is as near as each element or nearer, shape (n,)."""
        shares = np.cumsum(self.weights)
        shares /= shares[-1]
        return shares

    def within(self, tolerance: float) -> float:
        """Return the weight of the elements that are at most `tolerance` mm away."""
        place = np.searchsorted(self.distances, tolerance + SLACK * (1 + tolerance), side="right")
        return float(self.weights[:place].sum())


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Both directions between the surfaces of a mask and its reference, neither of them empty.

    Attributes:
        from_mask: from the mask's surface to the reference's.
        from_reference: the other way.
    """

    from_mask: Direction
    from_reference: Direction

    def hausdorff(self, percent: float = 100, *, pooled: bool = False) -> float:
        """Return the Hausdorff distance in mm, or its robust form at a percentile.

        Args:
            percent: 100 for the maximum, 95 for HD95.
            pooled: take the percentile of both directions' distances together, as MedPy does, instead of the larger
                of the two directions' percentiles, as MONAI, `surface-distance` and Metrics Reloaded do.

        Source: Huttenlocher et al. 1993, IEEE TPAMI 15(9), "Comparing images using the Hausdorff distance"; Maier-Hein
        et al. 2024, Nature Methods 21, "Metrics reloaded", HD95.
        """
        if pooled:
            return self._pooled.percentile(percent)
        return max(self.from_mask.percentile(percent), self.from_reference.percentile(percent))

    @property
    def assd(self) -> float:
        """Average symmetric surface distance in mm: the mean over the elements of both surfaces together.

        Source: Heimann et al. 2009, IEEE TMI 28(8), "Comparison and evaluation of methods for liver segmentation from
        CT datasets". MONAI's symmetric average and MedPy's `assd` since 0.5 are this one; older MedPy's is `masd` here.
        """
        sides = (self.from_mask, self.from_reference)
        total = sum(float(side.weights.sum()) for side in sides)
        return sum(float(side.distances @ side.weights) for side in sides) / total

    @property
    def masd(self) -> float:
        """Mean average surface distance in mm: the mean of the two directions' means, whatever their areas.

        Source: Benes and Zitova 2015, Journal of Microscopy 257(1); Maier-Hein et al. 2024, "Metrics reloaded", MASD.
        """
        return (self.from_mask.mean + self.from_reference.mean) / 2

    def surface_dice(self, tolerance: float) -> float:
        """Return the share of both surfaces that is at most `tolerance` mm from the other, from 0 to 1.

        A distance that exceeds the tolerance by rounding alone counts as within, which `surface-distance` leaves to
        chance.

        Source: Nikolov et al. 2021, JMIR 23(7):e26151, "surface Dice similarity coefficient".
        """
        close = self.from_mask.within(tolerance) + self.from_reference.within(tolerance)
        return min(1.0, close / float(self.from_mask.weights.sum() + self.from_reference.weights.sum()))

    @property
    def _pooled(self) -> Direction:
        distances = np.concatenate([self.from_mask.distances, self.from_reference.distances])
        weights = np.concatenate([self.from_mask.weights, self.from_reference.weights])
        order = np.argsort(distances, kind="stable")
        return Direction(distances[order], weights[order], self.from_mask.counted)


def surface_distances(
    mask: NDArray[np.bool_], reference: NDArray[np.bool_], steps: NDArray[np.float64], convention: Convention = "area"
) -> SurfaceDistances:
    """Measure the distances between the surfaces of two masks.

    Args:
        mask: prediction, shape (X, Y[, Z]), with at least one voxel; best cropped to what both masks hold.
        reference: the expert's, same shape, with at least one voxel.
        steps: shape (3, dims), column n the step in mm from a voxel to the next along axis n: the affine's columns.
        convention: `area` or `voxel`, as `elements` says.

    Raises:
        ValueError: when a mask is empty: there is no distance to a surface that is not there.
    """
    if not mask.any() or not reference.any():
        raise ValueError("an empty mask has no surface")
    ours, theirs = (elements_of(array, steps, convention) for array in (mask, reference))
    return SurfaceDistances(_direction(ours, theirs, steps, convention), _direction(theirs, ours, steps, convention))


def _direction(start: Elements, target: Elements, steps: NDArray[np.float64], convention: Convention) -> Direction:
    distances = nearest(start, target, steps)
    order = np.argsort(distances, kind="stable")
    return Direction(distances[order], start.weights[order], convention == "voxel")
