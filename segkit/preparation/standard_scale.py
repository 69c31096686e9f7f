"""A standard scale of intensities for MR, which has none: landmarks of each histogram are moved to the same places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError

PERCENTS = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)
SCALE = 100.0  # the standard scale runs from 0, the first landmark, to this, the last


def percentiles_of(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return `PERCENTS` of an image's anatomy, the voxels above its mean, shape (11,), in the image's units.

    Source: Nyul, Udupa, Zhang 2000, IEEE Transactions on Medical Imaging 19; the mean as threshold of the background
        and the percentiles as in Shah et al. 2011, Medical Image Analysis 15.
    """
    inside = values[values > values.mean(dtype=np.float64)]
    return np.asarray(np.percentile(inside if inside.size else values, PERCENTS), np.float32)


def standard_landmarks(percentiles: NDArray[Any]) -> tuple[float, ...]:
    """Return where landmarks lie on the standard scale: mean over images whose first and last were moved to its ends.

    Args:
        percentiles: of each image, shape (images, 11).

    Raises:
        DataError: when no image has more than one intensity.
    """
    spread = percentiles[:, -1] - percentiles[:, 0]
    telling = np.asarray(percentiles, np.float64)[spread > 0]
    if not len(telling):
        raise DataError("plan.normalisation: nyul needs images with more than one intensity")
    first, last = telling[:, :1], telling[:, -1:]
    scaled = (telling - first) / (last - first) * SCALE
    return tuple(float(place) for place in scaled.mean(axis=0))


def onto_standard_scale(values: NDArray[np.float32], landmarks: Sequence[float]) -> NDArray[np.float32]:
    """Move an image's own landmarks to those of the standard scale, straight between and beyond them.

    Args:
        values: shape (X, Y, Z), in the image's units.
        landmarks: of `standard_landmarks`.

    Returns:
        float32 of the same shape; an image of one intensity becomes the middle of the scale.
    """
    own = percentiles_of(values).astype(np.float64)
    places = np.asarray(landmarks)
    kept = np.concatenate([[True], np.diff(own) > 0])  # of landmarks that share an intensity the first counts
    if kept.sum() < 2:
        return np.full(values.shape, SCALE / 2, np.float32)
    own, places = own[kept], places[kept]
    slopes = np.diff(places) / np.diff(own)
    moved = np.interp(values, own, places)
    moved += np.minimum(values - own[0], 0) * slopes[0] + np.maximum(values - own[-1], 0) * slopes[-1]
    return np.asarray(moved, np.float32)
