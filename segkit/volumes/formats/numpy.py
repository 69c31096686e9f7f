"""NumPy's .npy: an array without geometry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError
from segkit.foundation.strangers import load_array
from segkit.volumes.formats import Format
from segkit.volumes.grid import Grid
from segkit.volumes.volume import Source, Volume
from segkit.volumes.voxel_bytes import native

NAME = "numpy"


def read(path: Path) -> Volume:
    """Read an array.

    Args:
        path: a `.npy` file of numbers with shape (X, Y), (X, Y, Z) or (C, X, Y, Z).

    Returns:
        The voxels on the 4x4 identity; bool becomes uint8.

    Raises:
        DataError: for other shapes and types; objects are never unpickled.
    """
    array = _channel_first(load_array(path))
    return Volume(native(array), Grid(array.shape[1:], np.eye(4)), Source(path, NAME))


def read_grid(path: Path) -> Grid:
    """Read the shape from the header; the affine is the identity."""
    return Grid(_channel_first(load_array(path, mmap=True)).shape[1:], np.eye(4))


def _channel_first(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind not in "biuf":
        raise DataError(f"holds {array.dtype}, not real numbers")
    if array.dtype.kind == "b":
        array = array.view(np.uint8)
    if array.ndim not in (2, 3, 4):
        raise DataError(f"has the shape {array.shape}: a volume is (X, Y), (X, Y, Z) or (C, X, Y, Z)")
    return array if array.ndim == 4 else array[None]


FORMAT = Format(NAME, (".npy",), read, read_grid)
