"""What the voxels of one array say: which values, which levels, and whether another array holds the same."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = (1.0, 50.0, 99.0)  # percentiles of a channel's intensities
SAMPLED = 1 << 20  # voxels that percentiles are taken from: of a large array every second, third ... one
SLAB = 1 << 22  # voxels whose values are counted at a time


def levels(array: NDArray[Any]) -> tuple[float, ...]:
    """Return the percentiles `LEVELS` of the finite voxels; () where there is none."""
    flat = array.reshape(-1, order="A")
    flat = flat[:: max(1, -(-flat.size // SAMPLED))]
    flat = flat[np.isfinite(flat)] if flat.dtype.kind == "f" else flat
    return tuple(np.percentile(flat, LEVELS).tolist()) if flat.size else ()


def value_counts(array: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the values of an array, sorted, and how many voxels hold each; NaN is one value."""
    flat = array.reshape(-1, order="A")
    values, counts = flat[:0], np.zeros(0, np.int64)
    for start in range(0, flat.size, SLAB):
        found, times = np.unique(flat[start : start + SLAB], return_counts=True)
        values, places = np.unique(np.concatenate([values, found]), return_inverse=True)
        totals = np.zeros(values.size, np.int64)
        np.add.at(totals, places, np.concatenate([counts, times]))
        counts = totals
    return values, counts


def voxel_hash(array: NDArray[Any]) -> str:
    """Return a hash of shape and voxel values that is the same for every number type and order that holds them.

    Values are compared as float32, so that a copy which was rounded to it counts as the same image.

    Args:
        array: shape (C, X, Y[, Z]).
    """
    digest = blake2b(repr(array.shape).encode(), digest_size=16)
    for channel in array:
        for index in range(channel.shape[-1]):  # what lies together in most files is hashed together
            with np.errstate(over="ignore"):
                plane = channel[..., index].T.astype(np.float32, order="C")
            digest.update(plane + np.float32(0))  # -0.0 is 0.0
    return digest.hexdigest()
