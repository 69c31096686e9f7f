"""Labels of a whole scan from the streams of one plan or of several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import Labels
from segkit.inference.restoring import labels_on_scan
from segkit.inference.scoring import places_of, scores_on_scan
from segkit.inference.streaming import Stream, Work
from segkit.volumes.grid import Grid


def segmented(streams: Sequence[Stream], scan_grid: Grid, labels: Labels, work: Work) -> NDArray[np.uint8]:
    """Return the class, or the last region, of each voxel of the scan, shape `scan_grid.shape`."""
    if len(streams) == 1:
        return labels_on_scan(streams[0], scan_grid, labels, work)
    places = np.zeros(scan_grid.shape, np.uint8)
    for scores in scores_on_scan(streams, scan_grid, labels, work):
        scores.within(places)[...] = places_of(scores.mean, is_regions=labels.is_regions)
    return places
