"""Logits back onto the scan's own grid, as labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segkit.preparation.resampling import axis_maps, image_onto, labels_onto
from segkit.volumes.grid import Grid

FAR = 1e4  # a logit that no other reaches


def labels_on_scan(logits: NDArray[np.float32], grid: Grid, scan_grid: Grid) -> NDArray[np.uint8]:
    """Return the class of the largest logit at each voxel of the scan.

    Logits are interpolated linearly, one class at a time against a running maximum, so that those of all classes never
    exist on the scan's grid at once. What the prepared grid does not cover is background.

    Args:
        logits: shape (K, X, Y, Z) on `grid`.
        grid: the prepared grid.
        scan_grid: the scan's 3D grid.

    Returns:
        classes 0..K-1 of shape `scan_grid.shape`.
    """
    maps = axis_maps(grid, scan_grid)
    if maps is not None and all(axis_map.exact is not None for axis_map in maps):
        return labels_onto(logits.argmax(axis=0).astype(np.uint8), grid, scan_grid).astype(np.uint8, copy=False)
    classes = np.zeros(scan_grid.shape, np.uint8)
    best = image_onto(logits[0], grid, scan_grid, order=1, fill=FAR)
    for index in range(1, len(logits)):
        candidate = image_onto(logits[index], grid, scan_grid, order=1, fill=-FAR)
        larger = candidate > best
        classes[larger] = index
        np.maximum(best, candidate, out=best)
    return classes
