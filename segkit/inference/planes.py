"""The finished planes of a prepared grid that planes of the scan still need: a few at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from segkit.inference.route import Route
from segkit.preparation.label_shares import mixed_cells

FloatArray = NDArray[np.float32]


class Planes:
    """Logits of the planes at hand.

    Args:
        finished: logits of planes in order, arrays (planes, rows, columns, K).

    Attributes:
        first: the plane that is at hand first.
        logits: shape (planes, rows, columns, K).
    """

    def __init__(self, finished: Iterator[FloatArray]) -> None:
        self.finished = finished
        self.first, self.logits = 0, np.empty((0, 0, 0, 0), np.float32)

    @property
    def end(self) -> int:
        """The plane behind the last one at hand."""
        return self.first + len(self.logits)

    def reach(self, first: int, last: int) -> None:
        """Make the planes first to last be at hand; those before are let go of where others have to be finished."""
        while self.end <= last:
            self.let_go(min(max(0, first - self.first), len(self.logits)))
            self.take(next(self.finished))

    def let_go(self, gone: int) -> None:
        """Let go of the first planes; of the others, copies are kept, as a view would hold on to all of them."""
        self.first += gone
        self.logits = self.logits[gone:].copy() if gone else self.logits

    def take(self, logits: FloatArray) -> None:
        """Add planes that are finished."""
        self.logits = np.concatenate([self.logits, logits]) if len(self.logits) else logits


class LabelledPlanes(Planes):
    """Planes at hand with the label of each of their voxels.

    Args:
        finished: logits of planes in order, arrays (planes, rows, columns, K).
        is_regions: whether outputs are regions.
        every: labels on the prepared grid in the route's order of axes, filled in as planes are finished; None where
            nobody wants them.

    Attributes:
        places: the label of each voxel, uint8, shape (planes, rows, columns).
        mixed: whether the cube from each voxel to the next along every axis holds several labels.
    """

    def __init__(
        self, finished: Iterator[FloatArray], *, is_regions: bool, every: NDArray[np.uint8] | None = None
    ) -> None:
        super().__init__(finished)
        self.is_regions, self.every = is_regions, every
        self.places = np.empty((0, 0, 0), np.uint8)
        self.mixed = self.places > 0

    def let_go(self, gone: int) -> None:
        """Let go of the first planes."""
        super().let_go(gone)
        self.places = self.places[gone:]

    def take(self, logits: FloatArray) -> None:
        """Add planes that are finished."""
        places = places_of(logits, is_regions=self.is_regions)
        if self.every is not None:
            self.every[self.end : self.end + len(places)] = places
        super().take(logits)
        self.places = np.concatenate([self.places, places]) if len(self.places) else places
        self.mixed = mixed_cells(self.places)


def places_of(values: FloatArray, *, is_regions: bool, above: float = 0.0) -> NDArray[np.uint8]:
    """Return what stands at each voxel, shape `values.shape[:-1]`.

    Args:
        values: logits or probabilities, shape (..., K).
        is_regions: whether outputs are regions, each of which may win.
        above: the value beyond which a region is there.

    Returns:
        the class with the largest value, the first of equals; of regions the number (1..R) of the last one that is
        there, or 0.
    """
    if not is_regions:
        return np.asarray(values.argmax(axis=-1), np.uint8)
    places = np.zeros(values.shape[:-1], np.uint8)
    for index in range(values.shape[-1]):
        places[values[..., index] > above] = index + 1
    return places


def runs_at_hand(planes: Planes, route: Route) -> Iterator[range]:
    """Yield the planes of the scan, each time as many as lie between prepared planes that are at hand."""
    order = route.order
    while order:
        planes.reach(*route.planes_below(order[0]))
        count = bisect_left(order, planes.end, key=lambda plane: route.planes_below(plane)[1])
        run, order = order[:count], order[count:]
        yield range(min(run), max(run) + 1)
