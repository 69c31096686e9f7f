"""The values of a reference or mask, however its file holds them: as numbers, as colours, as a palette."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.channels import RGB
from segkit.config.labels import COLOUR_BASE
from segkit.foundation.errors import DataError
from segkit.volumes.formats.pictures import Palette
from segkit.volumes.volume import Volume

SLAB = 1 << 22  # voxels counted at a time
BYTES = 256  # values of a uint8


def label_values(volume: Volume, what: str, *, in_colour: bool = False) -> NDArray[Any]:
    """Return one value per voxel.

    Args:
        volume: a reference or mask as it was read.
        what: names the file in errors.
        in_colour: whether labels are colours.

    Returns:
        shape (X, Y[, Z]): the stored numbers; of a picture with a palette the places in it; with labels in colour
        red * 65536 + green * 256 + blue.

    Raises:
        DataError: when it has several channels which are no colours, or colours where numbers are declared.
    """
    if len(volume.array) == RGB and in_colour:
        red, green, blue = volume.array.astype(np.int32)
        return np.asarray((red * COLOUR_BASE + green) * COLOUR_BASE + blue)
    if len(volume.array) == RGB and isinstance(volume.source.header, Palette):
        return np.asarray(volume.source.header.places)
    if len(volume.array) == 1 and in_colour:
        return np.asarray(volume.array[0].astype(np.int32) * (COLOUR_BASE**2 + COLOUR_BASE + 1))
    if len(volume.array) != 1:
        hint = "; for colours, declare data.labels as '#RRGGBB'" if len(volume.array) == RGB else ""
        raise DataError(f"{what} has {len(volume.array)} channels; a reference or mask has one{hint}")
    return np.asarray(volume.array[0])


def as_colours(values: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return values of labels in colour as red, green and blue, shape (3, *values.shape)."""
    channels = [values // COLOUR_BASE**2, values // COLOUR_BASE, values]
    return np.stack([channel % COLOUR_BASE for channel in channels]).astype(np.uint8)


def value_counts(array: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the values of an array, sorted, and how many voxels hold each; NaN is one value.

    They are counted slab by slab, so that nothing as large as the array is made.
    """
    flat = array.reshape(-1, order="A")
    slabs = (flat[start : start + SLAB] for start in range(0, flat.size, SLAB))
    if array.dtype == np.uint8:
        table = np.zeros(BYTES, np.int64)
        for slab in slabs:
            table += np.bincount(slab, minlength=BYTES)
        held = np.flatnonzero(table)
        return held.astype(np.uint8), table[held]
    values, counts = flat[:0], np.zeros(0, np.int64)
    for slab in slabs:
        found, times = np.unique(slab, return_counts=True)
        values, places = np.unique(np.concatenate([values, found]), return_inverse=True)
        totals = np.zeros(values.size, np.int64)
        np.add.at(totals, places, np.concatenate([counts, times]))
        counts = totals
    return values, counts


def voxels_of_values(mask: NDArray[np.integer]) -> dict[int, int]:
    """Return how many voxels each value has that a mask holds, in ascending order."""
    values, counts = value_counts(mask)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
