"""Intensities to numbers near zero, as the plan says per channel."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.channels import Channel
from segkit.config.plan import Normalisation
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.suggestions import did_you_mean, listed
from segkit.preparation.standard_scale import PERCENTS, onto_standard_scale, standard_landmarks

SCHEMES = ("clip_zscore", "zscore", "zscore_nonzero", "percentile", "nyul", "unit", "none")
OF_FAMILY = {"ct": "clip_zscore", "mr": "zscore", "pet": "zscore", "rgb": "unit", "none": "none"}
PERCENTILES = (0.5, 99.5)
CROPPED = 0.75  # where cropping keeps less of a scan than this, what it removed is no anatomy but a mask
SMALLEST_STD = 1e-8  # a constant image becomes zeros instead of NaN
ROUNDING = 1e-5  # of the mean: what resampling a constant image leaves is noise of float32, not contrast
SLAB = 1 << 18  # voxels summed at a time
FloatArray = NDArray[np.float32]
NO_IMAGES: FloatArray = np.zeros((0, len(PERCENTS)), np.float32)


def normalise(channel: NDArray[np.generic], normalisation: Normalisation) -> FloatArray:
    """Normalise one array channel.

    Args:
        channel: shape (X, Y, Z) in the channel's own units (HU for CT).
        normalisation: scheme and its parameters.

    Returns:
        float32 of the same shape.

    Raises:
        DataError: when the scheme is not one that segkit knows.
    """
    values = np.array(channel, dtype=np.float32)
    scheme = normalisation.scheme
    if scheme == "clip_zscore":
        np.clip(values, normalisation.low, normalisation.high, out=values)
        return standardised(values, float(normalisation.mean or 0), float(normalisation.std or 1))
    if scheme == "zscore":
        return standardised(values, *moments(values))
    if scheme == "zscore_nonzero":
        mask = values != 0
        values[mask] = standardised(values[mask], *moments(values[mask]))
        return values
    if scheme == "percentile":
        low, high = np.percentile(values, PERCENTILES) if values.size else (0.0, 1.0)
        np.clip(values, low, high, out=values)
        return standardised(values, float(low), float(max(high - low, ROUNDING * abs(low))))
    if scheme == "nyul":
        moved = onto_standard_scale(values, normalisation.landmarks or ())
        return standardised(moved, float(normalisation.mean or 0), float(normalisation.std or 1))
    if scheme == "unit":
        return standardised(values, 0.0, 255.0)
    if scheme == "none":
        return values
    raise DataError(f"the plan asks for the normalisation {scheme!r}, which does not exist")


def moments(values: FloatArray) -> tuple[float, float]:
    """Return mean and standard deviation, the latter not below what rounding alone may leave; 0 and 1 of nothing."""
    if not values.size:
        return 0.0, 1.0
    # In float64, and slab by slab: NumPy's own would hold the whole image once more, twice as wide.
    flat = values.ravel(order="K")
    slabs = [flat[start : start + SLAB] for start in range(0, flat.size, SLAB)]
    mean = sum(float(slab.sum(dtype=np.float64)) for slab in slabs) / flat.size
    squares = sum(float(np.square(slab - np.float64(mean)).sum()) for slab in slabs)
    return mean, max(math.sqrt(squares / flat.size), ROUNDING * abs(mean))


def standardised(values: FloatArray, mean: float, std: float) -> FloatArray:
    """Subtract and divide in place."""
    values -= mean
    values /= max(std, SMALLEST_STD)
    return values


def check_schemes(wanted: Mapping[str, str], channels: Collection[str]) -> None:
    """Check `plan.normalisation`, the schemes that replace those of the channels' families.

    Args:
        wanted: channel name to scheme.
        channels: the data set's names.

    Raises:
        UsageError: when a channel or a scheme does not exist.
    """
    for channel, scheme in wanted.items():
        if channel not in channels:
            hint = did_you_mean(channel, channels) or f"; channels: {listed(channels)}"
            raise UsageError(f"plan.normalisation: {channel} is no channel of the data set{hint}")
        if scheme not in SCHEMES:
            hint = did_you_mean(scheme, SCHEMES)
            raise UsageError(f"plan.normalisation.{channel}: {scheme} is not one of {listed(SCHEMES)}{hint}")


def scheme_for(channel: Channel, kept: float, foreground: int) -> tuple[str, str]:
    """Choose the scheme of a channel.

    Args:
        channel: its family decides.
        kept: the share of a scan that cropping to nonzero voxels leaves, median over cases.
        foreground: how many intensities of labelled voxels are known.

    Returns:
        the scheme, and why in a sentence.

    Source: Isensee et al. 2021, Nature Methods 18, supplement, "Intensity normalization".
    """
    scheme, unscaled = OF_FAMILY[channel.family], f"{channel.family.upper()} has no fixed scale"
    if channel.family == "ct" and not foreground:
        return "zscore", "no labelled voxel tells which HU matter, so each scan is scaled by its own mean and deviation"
    if channel.family in ("mr", "pet") and kept < CROPPED:
        removed = f"{1 - kept:.0%} of a scan is cut off as zero, so only nonzero voxels count"
        return "zscore_nonzero", f"{unscaled}, and {removed}"
    sentences = {
        "ct": "HU mean the same in every scan; clipped to what labelled voxels hold, 0.5th to 99.5th percentile",
        "rgb": "0 to 255 in every picture",
        "none": "kept as stored",
    }
    return scheme, sentences.get(
        channel.family, f"{channel.family.upper()} has no fixed scale, so each scan gives its own"
    )


def normalisation_of(
    scheme: str, width: int, foreground: NDArray[Any], percentiles: NDArray[Any] = NO_IMAGES
) -> Normalisation:
    """Return a scheme with its parameters.

    Args:
        scheme: one of `SCHEMES`.
        width: array channels that it is for.
        foreground: intensities of labelled voxels over the data set, shape (width, n), in the channel's units.
        percentiles: of the images' anatomy, shape (images, 11), for `nyul`.

    Raises:
        DataError: when `clip_zscore` is asked for and no labelled voxel is known, or `nyul` of images that are flat.
    """
    if scheme == "nyul":
        landmarks = standard_landmarks(percentiles)
        mean, std = float(np.mean(landmarks)), float(np.std(landmarks))
        return Normalisation(scheme, mean=mean, std=std, width=width, landmarks=landmarks)
    if scheme != "clip_zscore":
        return Normalisation(scheme, width=width)
    values = np.asarray(foreground, dtype=np.float64)
    if not values.size:
        raise DataError("clip_zscore takes its limits from labelled voxels, of which no case has any; write zscore")
    low, high = np.percentile(values, PERCENTILES)
    return Normalisation(scheme, float(low), float(high), float(values.mean()), float(values.std()), width)
