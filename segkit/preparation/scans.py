"""A case as it is on disk, brought to one 3D grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError
from segkit.preparation.grids import as_3d
from segkit.volumes.grid import Grid
from segkit.volumes.reading import read
from segkit.volumes.volume import Volume

APART = 0.01  # voxels that a reference may lie off its scan: tools round affines differently


@dataclass(frozen=True, eq=False)
class Scan:
    """The images of a case on their own grid.

    Attributes:
        array: shape (C, X, Y, Z); a picture has Z = 1.
        grid: its 3D grid.
        first: the first channel's volume as it was read, whose grid and header masks take.
    """

    array: NDArray[Any]
    grid: Grid
    first: Volume


def read_scan(images: Mapping[str, Path], *, channels: int) -> Scan:
    """Read the channels of a case.

    Args:
        images: channel name to file or DICOM folder, in channel order; an RGB picture brings three channels at once.
        channels: how many the data set declares, an RGB one counted as three.

    Raises:
        DataError: when an image cannot be read, holds values that are not finite, or has other channels.
        GeometryError: when the channels do not share one grid.
    """
    volumes = [read(path) for path in images.values()]
    for path, volume in zip(images.values(), volumes, strict=True):
        volume.grid.check_same_as(volumes[0].grid, what=f"the channels {next(iter(images.values()))} and {path}")
        if volume.array.dtype.kind == "f" and not np.isfinite(volume.array).all():
            raise DataError(f"{path} holds NaN or infinite values; mend or leave out the scan")
    array = volumes[0].array if len(volumes) == 1 else np.concatenate([volume.array for volume in volumes])
    if len(array) != channels:
        raise DataError(
            f"{', '.join(map(str, images.values()))} has {len(array)} channels; the data set has {channels}"
        )
    return Scan(array.reshape(len(array), *as_3d(volumes[0].grid).shape), as_3d(volumes[0].grid), volumes[0])


def read_reference(path: Path, grid: Grid, values: Mapping[str, int]) -> NDArray[np.uint8]:
    """Read a reference and number its labels.

    Args:
        path: the reference.
        grid: the 3D grid of its scan.
        values: label name to the value in the file, in class order.

    Returns:
        class indices 0..K-1, shape (X, Y, Z).

    Raises:
        DataError: when it has several channels, values that are not whole, or values that no label declares.
        GeometryError: when it does not lie on the scan's grid.
    """
    volume = read(path)
    if len(volume.array) != 1:
        raise DataError(f"{path} has {len(volume.array)} channels; a reference has one")
    tolerance = APART * min(grid.spacing)
    as_3d(volume.grid).check_same_as(grid, what=f"the reference {path} and its scan", tolerance=tolerance)
    stored = volume.array[0].reshape(grid.shape)
    found = np.unique(stored)
    unknown = sorted(set(found.tolist()) - set(values.values()))
    if unknown:
        shown = ", ".join(f"{value:g}" for value in unknown[:5])
        raise DataError(f"{path} holds the values {shown}, which data.labels does not declare")
    classes = np.zeros(stored.shape, np.uint8)
    for index, value in enumerate(values.values()):
        if index:
            classes[stored == value] = index
    return classes
