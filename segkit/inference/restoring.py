"""Logits back onto the scan's own grid, plane by plane: those of all classes never exist there at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import Labels
from segkit.inference.loops import label_planes, settle
from segkit.inference.route import Route, parts, route_across
from segkit.inference.streaming import Stream, Work, finished_planes
from segkit.volumes.grid import Grid

FloatArray = NDArray[np.float32]


class Planes:
    """The finished planes of a prepared grid that planes of the scan still need.

    Args:
        finished: logits of planes in order, arrays (planes, rows, columns, K).
        is_regions: whether outputs are regions.
        settled: labels on the prepared grid in the route's order of axes, filled in as planes are finished; None where
            nobody wants them.
    """

    def __init__(
        self, finished: Iterator[FloatArray], *, is_regions: bool, settled: NDArray[np.uint8] | None = None
    ) -> None:
        self.finished, self.is_regions, self.settled = finished, is_regions, settled
        self.first, self.logits = 0, np.empty((0, 0, 0, 0), np.float32)
        self.places: NDArray[np.uint8] = np.empty((0, 0, 0), np.uint8)

    def reach(self, first: int, last: int) -> None:
        """Make the planes first to last be at hand, and let go of those before."""
        while self.first + len(self.logits) <= last:
            self._take(next(self.finished), first)

    def _take(self, logits: FloatArray, first: int) -> None:
        places = np.empty(logits.shape[:3], np.uint8)
        settle(logits, self.is_regions, places)
        end = self.first + len(self.logits)
        if self.settled is not None:
            self.settled[end : end + len(places)] = places
        gone = min(max(0, first - self.first), len(self.logits))
        kept = len(self.logits) - gone
        self.first += gone
        self.logits = np.concatenate([self.logits[gone:], logits]) if kept else logits
        self.places = np.concatenate([self.places[gone:], places]) if kept else places


def labels_on_scan(
    stream: Stream, scan_grid: Grid, labels: Labels, work: Work, settled: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Return the label of each voxel of the scan, of logits that are interpolated linearly.

    Where the eight prepared voxels around a voxel share their label, it has that label too, as any mean of their logits
    has its largest value there; only elsewhere are logits interpolated. What the prepared grid does not cover is
    background.

    Args:
        stream: networks and the prepared image.
        scan_grid: the scan's 3D grid.
        labels: what the outputs stand for.
        work: how much is worked on at once.
        settled: an array on the prepared grid that is given its labels; None where nobody wants them.

    Returns:
        classes 0..K-1, or the last region (1..R) whose logit is above zero, shape `scan_grid.shape`.
    """
    route = route_across(work.axis, stream.grid, scan_grid)
    result = np.zeros(scan_grid.shape, np.uint8)
    for rows in parts(route.planes[1], work.pieces):
        # Where every prepared voxel is wanted, those between this piece and the next are too.
        first, last = route.rows_below(rows if settled is None else range(rows.start - 1, rows.stop + 1))
        wanted = None if settled is None else settled.transpose(route.source)[:, first : last + 1]
        finished = finished_planes(stream, route, (first, last), work, is_regions=labels.is_regions)
        planes = Planes(finished, is_regions=labels.is_regions, settled=wanted)
        write_labels(planes, route, rows, first, result)
        if settled is not None:  # planes beyond the last one of the scan
            planes.reach(planes.first, route.shape[0] - 1)
    return result


def write_labels(planes: Planes, route: Route, rows: range, first: int, result: NDArray[np.uint8]) -> None:
    """Write the labels of some rows of every plane of the scan.

    Args:
        planes: of the prepared grid, as they are finished.
        route: from there to the scan.
        rows: of the scan's planes.
        first: the prepared row that is held first.
        result: labels of the whole scan, shape (X, Y, Z), written here.
    """
    for run in runs_at_hand(planes, route):
        target = result.transpose(route.target)[run.start : run.stop, rows.start : rows.stop]
        begins, held = np.stack([route.begin(plane, rows.start) for plane in run]), held_at(planes, route, first)
        label_planes(planes.logits, planes.places, held, begins, route.steps, planes.is_regions, target)


def runs_at_hand(planes: Planes, route: Route) -> Iterator[range]:
    """Yield the planes of the scan, each time as many as lie between prepared planes that are at hand."""
    order = route.order
    while order:
        planes.reach(*route.planes_below(order[0]))
        end = planes.first + len(planes.logits)
        count = next((i for i, plane in enumerate(order) if route.planes_below(plane)[1] >= end), len(order))
        run, order = order[:count], order[count:]
        yield range(min(run), max(run) + 1)


def held_at(planes: Planes, route: Route, row: int) -> tuple[int, int, int, int, int]:
    """Return where the planes at hand lie, as the compiled loops take it."""
    return planes.first, route.shape[0], row, route.shape[1], route.shape[2]


def as_values(places: NDArray[np.uint8], labels: Labels) -> NDArray[np.integer]:
    """Turn 0..K-1 into the values that masks hold, of the smallest type that holds all of them."""
    values = np.array(labels.mask_values)
    if np.array_equal(values, np.arange(len(values))):
        return places
    smallest = np.min_scalar_type(int(values.max())) if values.min() >= 0 else np.dtype(np.int32)
    return values.astype(smallest)[places]
