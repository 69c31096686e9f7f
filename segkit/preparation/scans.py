"""A case as it is on disk, brought to one 3D grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.channels import Channel
from segkit.config.labels import Labels
from segkit.datasets.case import check_has
from segkit.foundation.errors import DataError
from segkit.foundation.suggestions import some_of
from segkit.preparation.resampling import image_onto
from segkit.volumes.grid import APART, Grid, as_3d
from segkit.volumes.label_values import label_values, value_counts
from segkit.volumes.reading import read
from segkit.volumes.selection import Location
from segkit.volumes.volume import Volume


@dataclass(frozen=True, eq=False)
class Scan:
    """The images of a case on their own grid.

    Attributes:
        array: shape (C, X, Y, Z); a picture has Z = 1.
        grid: its 3D grid.
        first: the first channel's volume as it was read, whose grid and header masks take.
        previous: stored classes of an earlier stage's mask, shape (X, Y, Z); None where there is none.
    """

    array: NDArray[Any]
    grid: Grid
    first: Volume
    previous: NDArray[np.integer] | None = None


def read_scan(images: Mapping[str, Location], channels: Mapping[str, Channel]) -> Scan:
    """Read the channels of a case.

    Args:
        images: channel name to file, DICOM folder or series; channels that share one are its array channels in order.
        channels: those wanted, in order; one with `onto` is resampled onto that one's grid by linear interpolation,
            0 beyond its own extent.

    Raises:
        DataError: when a channel is missing, cannot be read, holds values that are not finite, or a file has more or
            fewer array channels than are declared for it.
        GeometryError: when the channels do not share one grid.
    """
    check_has(images, channels)
    together: dict[Location, dict[str, Channel]] = {}
    for name, channel in channels.items():
        together.setdefault(images[name], {})[name] = channel
    volumes = {path: read_channels(path, inside) for path, inside in together.items()}
    first = volumes[images[next(iter(channels))]]
    parts = {
        name: part
        for path, inside in together.items()
        for name, part in zip(inside, split_channels(volumes[path].array, inside), strict=True)
    }
    for name, channel in channels.items():
        own = volumes[images[name]].grid
        if channel.onto:
            parts[name] = resampled(parts[name], own, volumes[images[channel.onto]].grid)
        else:
            what = f"the channels {next(iter(channels))} and {name} ({images[name]})"
            own.check_same_as(first.grid, what=what, tolerance=APART * min(first.grid.spacing))
    # A single channel stays as it was read: no copy, and its own number type.
    array = next(iter(parts.values())) if len(parts) == 1 else np.concatenate([parts[name] for name in channels])
    return Scan(array.reshape(len(array), *as_3d(first.grid).shape), as_3d(first.grid), first)


def read_channels(path: Location, channels: Mapping[str, Channel]) -> Volume:
    """Read the file of one channel, or of several.

    Raises:
        DataError: when it cannot be read, holds values that are not finite, or has other array channels.
    """
    volume = read(path)
    wanted = sum(channel.width for channel in channels.values())
    if len(volume.array) != wanted:
        raise DataError(f"{path} has {len(volume.array)} channels; {', '.join(channels)} takes {wanted}")
    if volume.array.dtype.kind == "f" and not np.isfinite(volume.array).all():
        raise DataError(f"{path} holds NaN or infinite values; mend or leave out the scan")
    return volume


def split_channels(array: NDArray[Any], channels: Mapping[str, Channel]) -> list[NDArray[Any]]:
    """Return the part of an array (C, ...) that each channel takes."""
    return np.split(array, np.cumsum([channel.width for channel in channels.values()])[:-1])


def resampled(channels: NDArray[Any], grid: Grid, target: Grid) -> NDArray[np.float32]:
    """Return array channels (C, *grid.shape) on another grid, linearly; 0 beyond their own extent."""
    source, wanted = as_3d(grid), as_3d(target)
    stacked = [image_onto(channel.reshape(source.shape), source, wanted, order=1, fill=0.0) for channel in channels]
    return np.stack(stacked).reshape(len(channels), *target.shape)


def read_reference(path: Location, grid: Grid, labels: Labels) -> NDArray[np.uint8]:
    """Read a reference and number its labels.

    Args:
        path: the reference.
        grid: the 3D grid of its scan.
        labels: of the data set.

    Returns:
        classes 0..K-1 as `Labels.stored` numbers them, 255 where ignored, shape (X, Y, Z).

    Raises:
        DataError: when it has several channels, values that are not whole, or values that no label declares.
        GeometryError: when it does not lie on the scan's grid.
    """
    volume = read(path)
    values = label_values(volume, str(path), in_colour=labels.in_colour)
    tolerance = APART * min(grid.spacing)
    as_3d(volume.grid).check_same_as(grid, what=f"the reference {path} and its scan", tolerance=tolerance)
    return numbered(values.reshape(grid.shape), labels, str(path))


def numbered(values: NDArray[Any], labels: Labels, what: str) -> NDArray[np.uint8]:
    """Return the stored class of each value.

    Raises:
        DataError: when a value is not declared; `what` names the file.
    """
    present = value_counts(values)[0].tolist()
    unknown = [value for value in present if value not in labels.stored]
    if unknown:
        shown = some_of([f"{value:g}" for value in unknown])
        example = f"name them there, e.g. NAME: {unknown[0]:g}"
        raise DataError(f"{what} holds the values {shown}, which data.labels does not declare; {example}")
    numbers = {value: labels.stored[value] for value in present}
    if values.dtype == np.uint8:  # one pass, however many labels
        table = np.zeros(256, np.uint8)
        table[list(numbers)] = list(numbers.values())
        return np.asarray(table[values])
    classes = np.zeros(values.shape, np.uint8)
    for value, index in numbers.items():
        if index:
            classes[values == value] = index
    return classes
