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

SLAB = 1 << 16  # voxels counted at a time
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


def voxels_of_values(mask: NDArray[np.integer]) -> dict[int, int]:
    """Return how many voxels each value has that a mask holds, slab by slab, so that nothing as large is made.

    Args:
        mask: of any shape and integer type.
    """
    flat = mask.reshape(-1, order="A")
    slabs = (flat[start : start + SLAB] for start in range(0, flat.size, SLAB))
    if mask.dtype == np.uint8:
        table = np.zeros(BYTES, np.int64)
        for slab in slabs:
            table += np.bincount(slab, minlength=BYTES)
        return {value: int(table[value]) for value in np.flatnonzero(table).tolist()}
    counts: dict[int, int] = {}
    for slab in slabs:
        for value, count in zip(*(each.tolist() for each in np.unique(slab, return_counts=True)), strict=True):
            counts[value] = counts.get(value, 0) + count
    return dict(sorted(counts.items()))
