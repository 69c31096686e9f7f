"""Labels and logits between voxels, interpolated linearly; where all labels around a place agree, only looked up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from segkit.inference.planes import FloatArray, LabelledPlanes, Planes, places_of
from segkit.inference.route import Route
from segkit.preparation.resampling import EXACT, beyond_faces

SLAB = 1 << 18  # voxels of the scan that are looked at together
BATCH = 100_000  # numbers interpolated at a time, which stay in the processor's cache

Indices = NDArray[np.intp]
Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Along:
    """Where voxels of the scan lie along one axis of the planes at hand; arrays broadcast to (planes, rows, columns).

    Attributes:
        low: the voxel below each, as its share of the index in the planes at hand, flat.
        share: how far each lies from that voxel (0) towards the next one (1).
        step: from a voxel to the next one in the planes at hand, flat.
        inside: whether it lies within the outer faces of the prepared grid; beyond the outermost centres the edge is
            repeated.
    """

    low: Indices
    share: NDArray[np.float64]
    step: int
    inside: NDArray[np.bool_]

    def sides(self, index: Sequence[Indices]) -> list[tuple[Indices, NDArray[np.float64]]]:
        """Return the voxels on both sides of some voxels of the scan, each with its weight; one where none is needed.

        Args:
            index: of n voxels along the three axes.
        """
        low, share = picked(self.low, index), picked(self.share, index)
        if not self.share.any():
            return [(low, np.ones_like(share))]
        return [(low, 1 - share), (low + np.where(share > 0, self.step, 0), share)]


def slabs(run: range, route: Route, rows: range) -> Iterator[range]:
    """Cut planes of the scan into runs of so few voxels that they are looked at together."""
    thickness = max(1, SLAB // (len(rows) * route.planes[2]))
    yield from (run[start : start + thickness] for start in range(0, len(run), thickness))


def around(planes: Planes, route: Route, row: int, run: range, rows: range) -> list[Along]:
    """Return where some planes and rows of the scan lie along each axis of the planes at hand.

    Args:
        planes: of the prepared grid, from its row `row` on.
        route: from there to the scan.
        row: the prepared row that is held first.
        run: planes of the scan.
        rows: of these.
    """
    _, height, width, _ = planes.logits.shape
    firsts, steps = (planes.first, row, 0), (height * width, width, 1)
    return [
        _along(place, *axis) for place, *axis in zip(route.places(run, rows), route.shape, firsts, steps, strict=True)
    ]


def _along(places: NDArray[np.float64], size: int, first: int, step: int) -> Along:
    within = np.clip(places, 0, size - 1)
    low = within.astype(np.intp)
    share = within - low
    low += share > 1 - EXACT
    share[(share > 1 - EXACT) | (share < EXACT)] = 0
    return Along((low - first) * step, share, step, ~beyond_faces(places, size))


def labels_between(planes: LabelledPlanes, axes: Sequence[Along]) -> NDArray[np.uint8]:
    """Return the label of each voxel of the scan, shape (planes, rows, columns); 0 beyond the prepared grid.

    Where the eight voxels around a place share their label, it has that label too, as any mean of their logits has its
    largest value there; only elsewhere are logits interpolated.
    """
    below = axes[0].low + axes[1].low + axes[2].low
    found = planes.places.take(below)
    if any(axis.share.any() for axis in axes):
        unsettled = np.flatnonzero(planes.mixed.take(below))
        for batch in batches(unsettled, planes.logits.shape[-1]):
            logits = logits_between(planes, axes, np.unravel_index(batch, below.shape))
            found.reshape(-1)[batch] = places_of(logits, is_regions=planes.is_regions)
    for axis in axes:
        found *= axis.inside
    return found


def logits_between(planes: Planes, axes: Sequence[Along], index: Sequence[Indices]) -> FloatArray:
    """Interpolate the logits at n voxels of the scan, of which all axes are given.

    Returns:
        shape (n, K).
    """
    flat = planes.logits.reshape(-1, planes.logits.shape[-1])
    total = np.zeros((len(index[0]), flat.shape[1]), np.float32)
    for (x, s), (y, t), (z, w) in product(*(axis.sides(index) for axis in axes)):
        part = flat.take(x + y + z, axis=0)
        part *= (s * t * w).astype(np.float32)[:, None]
        total += part
    return total


def picked(array: NDArray[Scalar], index: Sequence[Indices]) -> NDArray[Scalar]:
    """Return n entries of an array that broadcasts; `index` has theirs along each axis of the whole."""
    return np.broadcast_to(
        array[tuple(each if size > 1 else 0 for each, size in zip(index, array.shape, strict=True))], index[0].shape
    )


def batches(chosen: Indices, outputs: int) -> Iterator[Indices]:
    """Cut voxels into as many as are interpolated at a time."""
    count = max(1, BATCH // outputs)
    yield from (chosen[start : start + count] for start in range(0, len(chosen), count))
