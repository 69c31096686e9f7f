"""One scan to its prepared array: the only way there is, in training, validation and prediction alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from segkit.config.plan import Plan
from segkit.foundation.errors import DataError
from segkit.preparation.grids import cropped, nonzero_box, orthogonal, target_grid
from segkit.preparation.intensity_transforms import apply_transforms, on_scan
from segkit.preparation.normalisation import normalise
from segkit.preparation.resampling import image_onto, labels_onto
from segkit.preparation.scans import Scan
from segkit.preparation.splines import FloatArray, Order
from segkit.volumes.boxes import Box
from segkit.volumes.grid import Grid

HALF_LIMIT = 6e4  # float16 ends at 65504


@dataclass(frozen=True, eq=False)
class Prepared:
    """A scan as the network sees it.

    Attributes:
        image: shape (C, X, Y, Z), float16 where its range allows, else float32.
        grid: its grid.
        scan_grid: the scan's own 3D grid, onto which masks return.
    """

    image: NDArray[Any]
    grid: Grid
    scan_grid: Grid


def prepare(scan: Scan, plan: Plan) -> Prepared:
    """Crop, normalise, make orthogonal, orient and resample a scan.

    Args:
        scan: channels on their own grid, as many as the plan normalises.
        plan: decides all of it.

    Raises:
        UsageError: when a transform of `preprocessing.transforms` moves voxels or is random.
        DataError: when the result is not finite, or the plan shows the network an earlier mask that is not there.
    """
    scan = on_scan(scan, plan.on_scan)
    box = nonzero_box(scan.array)
    source = cropped(scan.grid, box)
    grid = target_grid(orthogonal(source), plan)
    channels: Iterable[FloatArray] = prepared_channels(scan.array[(slice(None), *box)], source, grid, plan)
    if plan.transforms:
        channels = apply_transforms(np.stack(list(channels)), grid, plan.transforms)
    if plan.previous:
        channels = chain(channels, earlier_classes(scan, box, source, grid, plan.previous))
    return Prepared(narrowed(channels, (plan.width, *grid.shape)), grid, scan.grid)


def prepared_channels(array: NDArray[Any], source: Grid, grid: Grid, plan: Plan) -> Iterator[FloatArray]:
    """Yield one channel after another, so that no two are in memory as float32.

    Intensities are normalised before they are resampled, so that statistics are those of the voxels that were measured
    and zeros are still zero; and a spline, which overshoots beside edges, leaves their range as it was.
    """
    for channel, how in zip(array, plan.channels, strict=True):
        values = normalise(channel, how)
        low, high = float(values.min()), float(values.max())
        # Beyond a sheared scan lies what is darkest in it, as outside of the body.
        values = image_onto(values, source, grid, order=cast("Order", plan.order), fill=low)
        yield np.clip(values, low, high, out=values)


def earlier_classes(scan: Scan, box: Box, source: Grid, grid: Grid, classes: int) -> Iterator[FloatArray]:
    """Yield one image for each class but the background of an earlier stage's mask: 1 inside, 0 elsewhere.

    Raises:
        DataError: when the scan came without that mask.
    """
    if scan.previous is None:
        raise DataError("the network takes the mask of an earlier stage, and there is none")
    found = labels_onto(scan.previous[box], source, grid)
    for place in range(1, classes + 1):
        yield (found == place).astype(np.float32)


def narrowed(channels: Iterable[FloatArray], shape: tuple[int, ...]) -> NDArray[Any]:
    """Put channels into one array, float16 unless a value leaves its range.

    Raises:
        DataError: when a value is not finite.
    """
    image: NDArray[Any] = np.empty(shape, np.float16)
    for index, channel in enumerate(channels):
        peak = max(float(channel.max()), -float(channel.min()))
        if not np.isfinite(peak):
            raise DataError("the prepared image holds NaN or infinite values; look at preprocessing.transforms")
        if peak >= HALF_LIMIT:
            image = image.astype(np.float32, copy=False)
        image[index] = channel
        del channel  # before the next one is made
    return image
