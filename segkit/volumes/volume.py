"""A volume: an array with its geometry, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import GeometryError
from segkit.volumes.grid import Grid


@dataclass(frozen=True)
class Source:
    """What a volume was read from; a mask that leaves in the same format is written with it.

    Attributes:
        path: the file or folder that was read; None for a volume made in memory.
        format: name of the format that read it, e.g. `nifti`.
        header: the format's own header (a `nibabel` header, a list of DICOM headers ...), pixel data not included.
    """

    path: Path | None = None
    format: str | None = None
    header: Any = None


@dataclass(frozen=True, eq=False)
class Volume:
    """Channel-first voxels on a grid.

    Attributes:
        array: shape (C, X, Y) or (C, X, Y, Z); the file's axis order and, where lossless, its dtype.
        grid: shape and RAS+ affine of the spatial axes.
        source: where it came from.
        note: who made it, in a few words without names of people; written where a format has a field for that (all that
            segkit writes but DICOM, which has fields of its own).
    """

    array: NDArray[Any]
    grid: Grid
    source: Source = field(default_factory=Source)
    note: str = ""

    def __post_init__(self) -> None:
        """Check that array and grid fit.

        Raises:
            GeometryError: when the array's spatial shape is not the grid's.
        """
        if self.array.shape[1:] != self.grid.shape:
            raise GeometryError(f"an array of shape (C, *{self.array.shape[1:]}) on a grid of {self.grid.shape}")

    @property
    def affine(self) -> NDArray[np.float64]:
        """4x4, voxel index to RAS+ mm."""
        return self.grid.affine

    @property
    def spacing(self) -> tuple[float, ...]:
        """Voxel spacing in mm, in array axis order."""
        return self.grid.spacing

    def with_array(self, array: NDArray[Any]) -> Volume:
        """Return other voxels on the same grid, from the same source."""
        return Volume(array, self.grid, self.source, self.note)
