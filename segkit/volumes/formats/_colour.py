"""Colours as channels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError


def without_alpha(array: NDArray[Any]) -> NDArray[Any]:
    """Drop an alpha channel (the last of 2 or 4) that says nothing.

    Args:
        array: (C, X, Y[, Z]) with C grey, grey + alpha, RGB or RGBA.

    Returns:
        One or three channels.

    Raises:
        DataError: when the image is not fully opaque, so that its colours depend on what lies behind.
    """
    if len(array) not in (2, 4):
        return array
    opaque = np.iinfo(array.dtype).max if array.dtype.kind in "iu" else 1
    if not (array[-1] == opaque).all():
        raise DataError("has a transparent alpha channel: flatten it onto a background first")
    return array[:-1]
