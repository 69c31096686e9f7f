"""Labels between voxels, in compiled loops over the planes of a scan; what is compiled is kept for the next process."""

from __future__ import annotations

from typing import Any

import numpy as np

from segkit.foundation.compiling import compiled
from segkit.preparation.resampling import EXACT


@compiled
def class_of(logits: Any) -> int:
    """Return the index of the largest of K logits, the first of equals."""
    best = 0
    for index in range(1, len(logits)):
        if logits[index] > logits[best]:
            best = index
    return best


@compiled
def region_of(logits: Any) -> int:
    """Return the number (1..R) of the last region whose logit is above zero, or 0."""
    for index in range(len(logits) - 1, -1, -1):
        if logits[index] > 0:
            return index + 1
    return 0


@compiled
def settle(logits: Any, is_regions: bool, places: Any) -> None:
    """Write the label at each voxel of finished planes.

    Args:
        logits: shape (planes, A, B, K).
        is_regions: whether outputs are regions, each of which may win.
        places: uint8, shape (planes, A, B).
    """
    for i in range(logits.shape[0]):
        for j in range(logits.shape[1]):
            for k in range(logits.shape[2]):
                places[i, j, k] = region_of(logits[i, j, k]) if is_regions else class_of(logits[i, j, k])


@compiled
def cell(place: float, size: int, first: int) -> Any:
    """Return the voxels on both sides of a place along an axis, counted from `first`, and how far it is from the lower.

    The edge is repeated beyond the outermost centres.
    """
    inside = min(max(place, 0.0), size - 1.0)
    whole = int(inside)
    low, share = whole - first, inside - whole
    if share > 1 - EXACT:
        low, share = low + 1, 0.0
    if share < EXACT:
        return (low, low), 0.0
    return (low, low + 1), share


@compiled
def is_beyond(place: float, size: int) -> bool:
    """Say whether a place lies beyond the outer faces of an axis."""
    return place < -0.5 - EXACT or place > size - 0.5 + EXACT


@compiled
def blend(logits: Any, i: Any, j: Any, k: Any, shares: Any, total: Any) -> None:
    """Interpolate the K logits linearly between the eight voxels around a place, into `total`."""
    s, t, w = shares
    total[:] = 0
    for corner in range(8):
        x, y, z = corner >> 2, (corner >> 1) & 1, corner & 1
        weight = np.float32((s if x else 1 - s) * (t if y else 1 - t) * (w if z else 1 - w))
        if weight > 0:
            around = logits[i[x], j[y], k[z]]
            for index in range(len(total)):
                total[index] += weight * around[index]


@compiled
def is_settled(places: Any, i: Any, j: Any, k: Any) -> bool:
    """Say whether the voxels around a place all have one label: any mean of their logits then has it too."""
    label = places[i[0], j[0], k[0]]
    for x in i:
        for y in j:
            for z in k:
                if places[x, y, z] != label:
                    return False
    return True


@compiled
def label_plane(logits: Any, places: Any, held: Any, begin: Any, steps: Any, is_regions: bool, plane: Any) -> None:
    """Write the label at each voxel of one plane of the scan; what lies beyond the prepared grid is left as it is.

    Args:
        logits: of the planes at hand, shape (planes, A, B, K), axes in the order in which planes are finished.
        places: the label at each of their voxels, uint8, shape (planes, A, B).
        held: where they lie in the prepared grid: first plane, planes of the whole, first row, rows of the whole,
            columns of the whole.
        begin: the place of the scan plane's first voxel in the prepared grid, 3 fractional indices.
        steps: shape (2, 3), how far the place moves with each voxel along the plane's two axes.
        is_regions: whether outputs are regions.
        plane: labels, uint8, shape (U, V), written here.
    """
    first, depth, row, rows, columns = held
    total = np.empty(logits.shape[3], np.float32)
    for u in range(plane.shape[0]):
        for v in range(plane.shape[1]):
            x = begin[0] + u * steps[0, 0] + v * steps[1, 0]
            y = begin[1] + u * steps[0, 1] + v * steps[1, 1]
            z = begin[2] + u * steps[0, 2] + v * steps[1, 2]
            if is_beyond(x, depth) or is_beyond(y, rows) or is_beyond(z, columns):
                continue
            (i, s), (j, t), (k, w) = cell(x, depth, first), cell(y, rows, row), cell(z, columns, 0)
            if is_settled(places, i, j, k):
                plane[u, v] = places[i[0], j[0], k[0]]
            else:
                blend(logits, i, j, k, (s, t, w), total)
                plane[u, v] = region_of(total) if is_regions else class_of(total)


@compiled
def label_planes(logits: Any, places: Any, held: Any, begins: Any, steps: Any, is_regions: bool, planes: Any) -> None:
    """Write the labels of several planes of the scan, shape (P, U, V), that begin at places of shape (P, 3)."""
    for index in range(len(begins)):
        label_plane(logits, places, held, begins[index], steps, is_regions, planes[index])


@compiled
def score_plane(logits: Any, held: Any, begin: Any, steps: Any, scores: Any) -> None:
    """Write the interpolated logits at each voxel of one plane of the scan, as `label_plane` writes labels.

    Args:
        logits: of the planes at hand, shape (planes, A, B, K).
        held: where they lie in the prepared grid.
        begin: the place of the scan plane's first voxel.
        steps: how far it moves along the plane's axes.
        scores: float32, shape (U, V, K), written here.
    """
    first, depth, row, rows, columns = held
    for u in range(scores.shape[0]):
        for v in range(scores.shape[1]):
            x = begin[0] + u * steps[0, 0] + v * steps[1, 0]
            y = begin[1] + u * steps[0, 1] + v * steps[1, 1]
            z = begin[2] + u * steps[0, 2] + v * steps[1, 2]
            if not (is_beyond(x, depth) or is_beyond(y, rows) or is_beyond(z, columns)):
                (i, s), (j, t), (k, w) = cell(x, depth, first), cell(y, rows, row), cell(z, columns, 0)
                blend(logits, i, j, k, (s, t, w), scores[u, v])
