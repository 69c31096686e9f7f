"""Logits back onto the scan's own grid, plane by plane: those of all classes never exist there at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import Labels
from segkit.inference.interpolation import around, labels_between, slabs
from segkit.inference.planes import LabelledPlanes, runs_at_hand
from segkit.inference.route import Route, parts, route_across
from segkit.inference.streaming import Stream, Work, finished_planes
from segkit.volumes.grid import Grid


def labels_on_scan(
    stream: Stream, scan_grid: Grid, labels: Labels, work: Work, settled: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Return the label of each voxel of the scan, of logits that are interpolated linearly.

    What the prepared grid does not cover is background.

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
    result = np.zeros(scan_grid.shape, np.uint8, order="F")  # as files hold it
    for rows in parts(route.planes[1], work.pieces):
        # Where every prepared voxel is wanted, those between this piece and the next are too.
        first, last = route.rows_below(rows if settled is None else range(rows.start - 1, rows.stop + 1))
        wanted = None if settled is None else settled.transpose(route.source)[:, first : last + 1]
        finished = finished_planes(stream, route, (first, last), work, is_regions=labels.is_regions)
        planes = LabelledPlanes(finished, is_regions=labels.is_regions, every=wanted)
        write_labels(planes, route, rows, first, result)
        if settled is not None:  # planes beyond the last one of the scan
            planes.reach(planes.first, route.shape[0] - 1)
    return result


def write_labels(planes: LabelledPlanes, route: Route, rows: range, first: int, result: NDArray[np.uint8]) -> None:
    """Write the labels of some rows of every plane of the scan.

    Args:
        planes: of the prepared grid, as they are finished.
        route: from there to the scan.
        rows: of the scan's planes.
        first: the prepared row that is held first.
        result: labels of the whole scan, shape (X, Y, Z), written here.
    """
    turned = result.transpose(route.target)
    for run in runs_at_hand(planes, route):
        for slab in slabs(run, route, rows):
            labels = labels_between(planes, around(planes, route, first, slab, rows))
            turned[slab.start : slab.stop, rows.start : rows.stop] = labels


def as_values(places: NDArray[np.uint8], labels: Labels) -> NDArray[np.integer]:
    """Turn 0..K-1 into the values that masks hold, of the smallest type that holds all of them."""
    values = np.array(labels.mask_values)
    if np.array_equal(values, np.arange(len(values))):
        return places
    smallest = np.min_scalar_type(int(values.max())) if values.min() >= 0 else np.dtype(np.int32)
    return values.astype(smallest)[places]
