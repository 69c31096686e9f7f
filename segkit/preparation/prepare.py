"""One scan to its prepared array: the only way there is, in training, validation and prediction alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.plan import Plan
from segkit.foundation.errors import DataError
from segkit.preparation.grids import cropped, nonzero_box, orthogonal, target_grid
from segkit.preparation.intensity_transforms import apply_transforms
from segkit.preparation.normalisation import normalise
from segkit.preparation.resampling import image_onto
from segkit.preparation.scans import Scan
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
    """Crop, make orthogonal, orient, resample and normalise a scan.

    Args:
        scan: channels on their own grid, as many as the plan normalises.
        plan: decides all of it.

    Raises:
        UsageError: when a transform of `preprocessing.transforms` moves voxels or is random.
        DataError: when the result is not finite.
    """
    box = nonzero_box(scan.array)
    source = cropped(scan.grid, box)
    grid = target_grid(orthogonal(source), plan)
    channels = [
        normalise(image_onto(channel[box], source, grid, fill=float(channel.min())), how)
        for channel, how in zip(scan.array, plan.channels, strict=True)
    ]
    image = np.stack(channels)
    if plan.transforms:
        image = apply_transforms(image, grid, plan.transforms)
    peak = np.abs(image).max()
    if not np.isfinite(peak):
        raise DataError("the prepared image holds NaN or infinite values; look at preprocessing.transforms")
    dtype = np.float16 if peak < HALF_LIMIT else np.float32
    return Prepared(image.astype(dtype), grid, scan.grid)
