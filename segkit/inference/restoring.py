"""Logits back onto the scan's own grid, as labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import Labels
from segkit.preparation.resampling import axis_maps, image_onto, labels_onto
from segkit.volumes.grid import Grid

IN_REGION = 0.0  # the logit of a probability of one half
FAR = 1e4  # a logit that no other reaches


def mask_on_scan(logits: NDArray[np.float32], grid: Grid, scan_grid: Grid, labels: Labels) -> NDArray[np.integer]:
    """Return the label value of each voxel of the scan.

    Args:
        logits: shape (outputs, X, Y, Z) on `grid`.
        grid: the prepared grid.
        scan_grid: the scan's 3D grid.
        labels: what the outputs stand for.

    Returns:
        values of shape `scan_grid.shape`, of the smallest type that holds all of them.
    """
    classify = regions_on_scan if labels.is_regions else labels_on_scan
    return as_values(classify(logits, grid, scan_grid), labels)


def as_values(places: NDArray[np.uint8], labels: Labels) -> NDArray[np.integer]:
    """Turn 0..K-1 into the values that masks hold, of the smallest type that holds all of them."""
    values = np.array(labels.mask_values)
    smallest = np.min_scalar_type(int(values.max())) if values.min() >= 0 else np.dtype(np.int32)
    return values.astype(smallest)[places]


def regions_on_scan(logits: NDArray[np.float32], grid: Grid, scan_grid: Grid) -> NDArray[np.uint8]:
    """Return, for each voxel of the scan, the last region (1..R) whose interpolated logit is above zero, or 0.

    Regions come one at a time, as wide as the scan's grid; what the prepared grid does not cover is background.

    Source: Isensee et al. 2021, "Region-based training": regions overwrite each other in the order declared.
    """
    places = np.zeros(scan_grid.shape, np.uint8)
    for index, logit in enumerate(logits, start=1):
        places[image_onto(logit, grid, scan_grid, order=1, fill=-FAR) > IN_REGION] = index
    return places


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
