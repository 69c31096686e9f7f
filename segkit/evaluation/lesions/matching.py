"""Pairs the lesions of a mask with those of its reference, one to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segkit.evaluation.settings import LesionSettings


@dataclass(frozen=True, eq=False)
class Lesions:
    """The lesions of one label in one case.

    Attributes:
        predicted: voxels of each predicted lesion, shape (P,).
        expected: voxels of each reference lesion, shape (R,).
        pairs: places in `predicted` and `expected` of those that belong together, shape (n, 2), by reference lesion.
        shared: voxels that each pair has in common, shape (n,).
    """

    predicted: NDArray[np.int64]
    expected: NDArray[np.int64]
    pairs: NDArray[np.intp]
    shared: NDArray[np.int64]

    @property
    def found(self) -> int:
        """Reference lesions that have a partner: true positives."""
        return len(self.pairs)

    @property
    def missed(self) -> int:
        """Reference lesions without one: false negatives."""
        return len(self.expected) - len(self.pairs)

    @property
    def invented(self) -> int:
        """Predicted lesions without one: false positives."""
        return len(self.predicted) - len(self.pairs)

    @property
    def sensitivity(self) -> float:
        """Found lesions over those of the reference, which has at least one."""
        return self.found / len(self.expected)

    @property
    def precision(self) -> float:
        """Found lesions over the predicted ones, of which there is at least one."""
        return self.found / len(self.predicted)

    @property
    def f1(self) -> float:
        """Harmonic mean of sensitivity and precision: what panoptica calls recognition quality."""
        return 2 * self.found / (len(self.expected) + len(self.predicted))

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair, shape (n,)."""
        return np.asarray(self.shared / (self._sizes.sum(axis=1) - self.shared))

    @property
    def dice(self) -> NDArray[np.float64]:
        """Dice of each pair, shape (n,)."""
        return np.asarray(2 * self.shared / self._sizes.sum(axis=1))

    @property
    def segmentation_quality(self) -> float:
        """Mean IoU of the pairs; 0 where there are none."""
        return float(self.iou.mean()) if self.found else 0.0

    @property
    def panoptic_quality(self) -> float:
        """Sum of the pairs' IoU over found + missed / 2 + invented / 2 lesions.

        Source: Kirillov et al. 2019, CVPR, "Panoptic segmentation".
        """
        return self.segmentation_quality * self.f1

    @property
    def dice_of_expected(self) -> NDArray[np.float64]:
        """Dice of each reference lesion with its partner, 0 where it is missed, shape (R,)."""
        values = np.zeros(len(self.expected))
        values[self.pairs[:, 1]] = self.dice
        return values

    @property
    def _sizes(self) -> NDArray[np.int64]:
        return np.stack([self.predicted[self.pairs[:, 0]], self.expected[self.pairs[:, 1]]], axis=1)


def match_lesions(mask: NDArray[Any], reference: NDArray[Any], settings: LesionSettings | None = None) -> Lesions:
    """Find the lesions of two masks and pair them, one to one.

    Among all ways of pairing lesions that reach the threshold, that of most pairs is taken, and of several such ways
    that of the largest sum of their IoU (or covered share). Above an IoU of 1/2 there is but one way.

    Args:
        mask: booleans, whose connected components are lesions; or numbers, of which each but 0 is a lesion; shape
            (X, Y[, Z]).
        reference: the expert's, likewise, same shape.
        settings: what a lesion is and when it is found; the default ones when None.

    Source: Maier-Hein et al. 2024, Nature Methods 21, "Metrics reloaded", assignment by IoU or overlap; Kuhn 1955,
    Naval Research Logistics Quarterly 2, "The Hungarian method for the assignment problem".
    """
    settings = settings or LesionSettings()
    ours, theirs = (_numbered(array, settings) for array in (mask, reference))
    predicted, expected = (np.bincount(numbers[numbers > 0], minlength=1)[1:] for numbers in (ours, theirs))
    both = np.flatnonzero((ours.reshape(-1) > 0) & (theirs.reshape(-1) > 0))
    # One number for each pair of lesions that share a voxel, so that they are counted in one pass.
    codes = (ours.reshape(-1)[both] - 1).astype(np.int64) * max(1, expected.size) + (theirs.reshape(-1)[both] - 1)
    found, shared = np.unique(codes, return_counts=True)
    rows, columns = np.divmod(found, max(1, expected.size))
    union = predicted[rows] + expected[columns] - shared
    scores = shared / (union if settings.match == "iou" else expected[columns])
    reached = scores >= settings.threshold
    rows, columns, shared, scores = (array[reached] for array in (rows, columns, shared, scores))
    kept = _assigned(rows, columns, scores, (predicted.size, expected.size))
    kept = kept[np.argsort(columns[kept], kind="stable")]
    return Lesions(predicted, expected, np.stack([rows[kept], columns[kept]], axis=1), shared[kept])


def _numbered(array: NDArray[Any], settings: LesionSettings) -> NDArray[np.int32]:
    """Return the lesions numbered from 1 without gaps, same shape."""
    if array.dtype != np.bool_:
        values = np.unique(array)
        values = values[values != 0]
        places = np.minimum(np.searchsorted(values, array), max(0, values.size - 1))
        return np.where(array != 0, places + 1, 0).astype(np.int32)
    connected = ndimage.generate_binary_structure(array.ndim, array.ndim if settings.connectivity == "corners" else 1)
    numbers = np.empty(array.shape, np.int32)
    ndimage.label(array, connected, output=numbers)
    return numbers


def _assigned(
    rows: NDArray[np.intp], columns: NDArray[np.intp], scores: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.intp]:
    """Return which candidates are taken: each row and column once, most pairs first, then the largest sum of scores.

    Lesions that touch no common one are assigned on their own, so that thousands of them take no large matrix.
    """
    if not rows.size:
        return np.empty(0, np.intp)
    nodes = sum(shape)
    graph = coo_array((np.ones(rows.size), (rows, columns + shape[0])), shape=(nodes, nodes))
    group = connected_components(graph, directed=False)[1][rows]
    order = np.argsort(group, kind="stable")
    taken = []
    for members in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if members.size == 1:
            taken.append(members)
            continue
        (own_rows, row), (own_columns, column) = (
            np.unique(places[members], return_inverse=True) for places in (rows, columns)
        )
        place = np.full((own_rows.size, own_columns.size), -1)
        place[row, column] = np.arange(members.size)
        # A pair outweighs whatever the others' scores could add: none exceeds 1.
        worth = np.where(place >= 0, scores[members][place] + 2 * min(place.shape), 0)
        pairs = place[linear_sum_assignment(worth, maximize=True)]
        taken.append(members[pairs[pairs >= 0]])
    return np.concatenate(taken)
