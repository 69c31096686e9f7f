"""Labels between voxels: which of those around a place has the largest linearly interpolated share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The voxels on both sides of n places along one axis.

    Attributes:
        low: index below each place, shape (n,).
        high: index above it; the same at an edge.
        share: how far each place lies from `low` (0) towards `high` (1), float32.
    """

    low: Indices
    high: Indices
    share: NDArray[np.float32]

    def at(self, chosen: Indices | slice, step: int = 1) -> Neighbours:
        """Return those of some places, their indices multiplied by `step`."""
        return Neighbours(self.low[chosen] * step, self.high[chosen] * step, self.share[chosen])


def neighbours(coordinates: NDArray[np.float64], size: int) -> Neighbours:
    """Return the neighbours of fractional indices along an axis of `size` voxels; its edges are repeated."""
    inside = np.clip(coordinates, 0, size - 1)
    low = inside.astype(np.intp)
    return Neighbours(low, np.minimum(low + 1, size - 1), (inside - low).astype(np.float32))


def mixed_cells(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Say for each voxel whether the cube from it to the next voxel along every axis holds more than one label."""
    lowest, highest = labels.copy(), labels.copy()
    for axis in range(labels.ndim):
        here = (slice(None),) * axis + (slice(None, -1),)
        following = (slice(None),) * axis + (slice(1, None),)
        np.minimum(lowest[here], lowest[following], out=lowest[here])
        np.maximum(highest[here], highest[following], out=highest[here])
    return np.asarray(lowest != highest)


def largest_share(labels: NDArray[np.integer], around: Sequence[Neighbours]) -> NDArray[Any]:
    """Return the label with the largest linear share at each place; of equal shares 0 wins, then the smaller label.

    Args:
        labels: any label map, flat.
        around: for each of three axes the neighbours of n places, their indices times the axis's step in `labels`.

    Returns:
        the dtype of `labels`, shape (n,).
    """
    sides = [((axis.low, 1 - axis.share), (axis.high, axis.share)) for axis in around]
    corners = list(product(*sides))
    values = [labels.take(x[0] + y[0] + z[0]) for x, y, z in corners]
    weights = [x[1] * y[1] * z[1] for x, y, z in corners]
    best = np.full(len(weights[0]), -1, np.float32)
    chosen: NDArray[Any] = values[0].copy()
    for value in values:
        total = np.zeros_like(best)
        # Summed in one order whatever the label, so that equal shares come out equal to the last bit.
        for other, weight in zip(values, weights, strict=True):
            total += weight * (other == value)
        is_before = (value == 0) | ((chosen != 0) & (value < chosen))
        wins = (total > best) | ((total == best) & is_before)
        np.copyto(chosen, value, where=wins)
        np.maximum(best, total, out=best)
    return chosen
