"""What the voxels of one image say: which levels, and whether another image holds the same."""

from __future__ import annotations

import math
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = (1.0, 50.0, 99.0)  # percentiles of a channel's intensities
SAMPLED = 1 << 20  # voxels that percentiles are taken from: of a large array every second, third ... one


def levels(array: NDArray[Any]) -> tuple[float, ...]:
    """Return the percentiles `LEVELS` of the finite voxels; () where there is none."""
    flat = array.reshape(-1, order="A")
    step = max(1, -(-flat.size // SAMPLED))
    while math.gcd(step, flat.size) > 1:  # else 1024 x 1024 x 1024 voxels would be judged by their first column
        step += 1
    flat = flat[::step]
    flat = flat[np.isfinite(flat)] if flat.dtype.kind == "f" else flat
    return tuple(np.percentile(flat, LEVELS).tolist()) if flat.size else ()


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
