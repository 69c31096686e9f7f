"""Intensities to numbers near zero, as the plan says per channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segkit.config.plan import RGB, Normalisation
from segkit.foundation.errors import DataError

SMALLEST_STD = 1e-8  # a constant image becomes zeros instead of NaN
ROUNDING = 1e-5  # of the mean: what resampling a constant image leaves is noise of float32, not contrast
FloatArray = NDArray[np.float32]


def normalise(channel: NDArray[np.generic], normalisation: Normalisation) -> FloatArray:
    """Normalise one channel.

    Args:
        channel: shape (X, Y, Z) in the channel's own units (HU for CT).
        normalisation: scheme and its parameters.

    Returns:
        float32 of the same shape.

    Raises:
        DataError: when the scheme is not one that segkit knows.
    """
    values = np.array(channel, dtype=np.float32)
    if normalisation.scheme == "clip_zscore":
        np.clip(values, normalisation.low, normalisation.high, out=values)
        return standardised(values, float(normalisation.mean or 0), float(normalisation.std or 1))
    if normalisation.scheme == "zscore":
        mean, std = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
        return standardised(values, mean, max(std, ROUNDING * abs(mean)))
    if normalisation.scheme == "unit":
        return standardised(values, 0.0, 255.0)
    if normalisation.scheme == "none":
        return values
    raise DataError(f"the plan asks for the normalisation {normalisation.scheme!r}, which does not exist")


def channels_of(family: str) -> int:
    """Return how many array channels one named channel of `family` brings."""
    return RGB if family == "rgb" else 1


def standardised(values: FloatArray, mean: float, std: float) -> FloatArray:
    """Subtract and divide in place."""
    values -= mean
    values /= max(std, SMALLEST_STD)
    return values


def normalisation_for(family: str, foreground: Sequence[float] | NDArray[np.float64]) -> Normalisation:
    """Choose the normalisation of a channel.

    Args:
        family: `ct`, `mr`, `pet`, `rgb` or `none`.
        foreground: intensities of labelled voxels over the data set, in the channel's units.

    Returns:
        CT: clip to the 0.5th and 99.5th percentile, then z-score, all from the foreground, since HU mean the same
        in every scan; MR and PET: z-score of each image; RGB: 0..1.

    Source: Isensee et al. 2021, Nature Methods 18, supplement, "Intensity normalization".
    """
    if family == "ct" and len(foreground):
        values = np.asarray(foreground, dtype=np.float64)
        low, high = np.percentile(values, (0.5, 99.5))
        return Normalisation("clip_zscore", float(low), float(high), float(values.mean()), float(values.std()))
    return Normalisation({"ct": "zscore", "mr": "zscore", "pet": "zscore", "rgb": "unit", "none": "none"}[family])
