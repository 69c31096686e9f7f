"""One series of an export as something that reads like a file, with what the user chose about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.options import DicomOptions
from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.dicom.files import FORMAT_NAME, DicomFile, digest
from segkit.volumes.dicom.geometry import RESAMPLE, even_places, grid_of
from segkit.volumes.dicom.pixels import voxels_of
from segkit.volumes.dicom.series import Lost
from segkit.volumes.dicom.stacks import Stack, along_normal, is_even
from segkit.volumes.grid import Grid
from segkit.volumes.selection import Selection
from segkit.volumes.volume import Source, Volume

DEFAULTS = DicomOptions(gaps="refuse", volumes="split", padding="keep")


@dataclass(frozen=True, eq=False)
class SeriesSelection(Selection):
    """One volume of an export, or several of one series as channels.

    Attributes:
        stacks: the volumes; each is a channel (three of colours).
        where: the file, folder or zip that was named.
        options: what the user chose.
    """

    stacks: tuple[Stack, ...]
    where: Path
    options: DicomOptions = DEFAULTS

    @property
    def name(self) -> str:
        """A name that tells nothing of the patient: the series', or that of the first volume where others are left."""
        first = self.stacks[0]
        return first.name.partition("_")[0] if len(self.stacks) == first.of else first.name

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes two selections equal."""
        return (self.where, self.options, *((stack.name, self.files) for stack in self.stacks))

    def __eq__(self, other: object) -> bool:
        """Compare by files and choices."""
        return isinstance(other, SeriesSelection) and self.key == other.key

    def __hash__(self) -> int:
        """Return a hash that fits `==`."""
        return hash(self.key)

    @cached_property
    def files(self) -> tuple[DicomFile, ...]:
        """Every file, sorted."""
        return tuple(sorted({plane.instance.file for stack in self.stacks for plane in stack.planes}))

    def exists(self) -> bool:
        """Tell whether every file is there."""
        return all(path.exists() for path in {file.path for file in self.files})

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def parent(self) -> Path:
        """The folder of the first file."""
        return self.files[0].path.parent

    def content(self) -> list[str]:
        """Return the sha256 of every file, and which planes are read how."""
        taken = [str((plane.frame.index, plane.frame.tile)) for stack in self.stacks for plane in stack.planes]
        # How gaps are filled is no part of a volume that has none.
        gaps = [self.options.gaps for stack in self.stacks if not stack.is_picture and not is_even(stack.planes)]
        return [*map(digest, self.files), *taken, *gaps, self.options.volumes, self.options.padding]

    def __str__(self) -> str:
        """Return the export and the series' hashed name."""
        return f"{self.where} (series {self.name})"

    def read_grid(self) -> Grid:
        """Return the grid of all volumes.

        Raises:
            DataError: when the series has a fault; the message names file and tag.
            GeometryError: when slices lie unevenly, or channels lie on several grids.
        """
        for stack in self.stacks:
            if stack.faults:
                raise DataError(stack.faults[0])
        grids = [grid_of(stack, self.options.gaps) for stack in self.stacks]
        for stack, grid in zip(self.stacks[1:], grids[1:], strict=True):
            grid.check_same_as(grids[0], what=f"the volumes {self.stacks[0].name} and {stack.name}")
        return grids[0]

    def read(self) -> Volume:
        """Return the voxels, (C, X = column, Y = row, Z), slices along their normal; a picture (C, X, Y).

        Raises:
            DataError: when the series has a fault, or pixels cannot be decoded.
            GeometryError: when slices lie unevenly, or channels lie on several grids.
        """
        grid = self.read_grid()
        parts = [self._voxels(stack, grid) for stack in self.stacks]
        array = parts[0] if len(parts) == 1 else np.concatenate(parts)
        planes = [plane for stack in self.stacks for plane in stack.planes]
        return Volume(array, grid, Source(self.where, FORMAT_NAME, planes))

    def _voxels(self, stack: Stack, grid: Grid) -> NDArray[Any]:
        array = voxels_of(stack.planes, padding=self.options.padding)
        if grid.dims == 2:
            return array[..., 0]
        if self.options.gaps == RESAMPLE and not is_even(stack.planes):
            return between_slices(array, stack)
        return array


@dataclass(frozen=True)
class LostSelection(Selection):
    """A series of which no image can be used; reading it says why.

    Attributes:
        lost: what is known of it.
        where: the export.
    """

    lost: Lost
    where: Path

    @property
    def name(self) -> str:
        """A name that tells nothing of the patient."""
        return self.lost.name

    @property
    def size(self) -> int:
        """Bytes of its file."""
        return self.lost.file.size

    @property
    def parent(self) -> Path:
        """The folder of its file."""
        return self.lost.file.path.parent

    def exists(self) -> bool:
        """Tell whether its file is there."""
        return self.lost.file.path.exists()

    def content(self) -> list[str]:
        """Return the sha256 of its file."""
        return [digest(self.lost.file)]

    def __str__(self) -> str:
        """Return the export and the series' hashed name."""
        return f"{self.where} (series {self.name})"

    def read_grid(self) -> Grid:
        """Raise a DataError that says why the series cannot be used."""
        raise DataError(self.lost.reason)

    def read(self) -> Volume:
        """Raise a DataError that says why the series cannot be used."""
        raise DataError(self.lost.reason)


def between_slices(array: NDArray[Any], stack: Stack) -> NDArray[Any]:
    """Interpolate linearly from uneven slices to even ones.

    Args:
        array: shape (C, X, Y, slices), in the order of the stack's planes.
        stack: tells where they lie.

    Returns:
        shape (C, X, Y, places) of the same type; integers are rounded.
    """
    along = along_normal(stack.planes)
    places, _ = even_places(stack.planes)
    above = np.clip(np.searchsorted(along - along[0], places), 1, len(along) - 1)
    share = (places - (along - along[0])[above - 1]) / np.diff(along)[above - 1]
    filled = np.empty((*array.shape[:-1], len(places)), array.dtype)
    for place, (upper, weight) in enumerate(zip(above, np.clip(share, 0, 1), strict=True)):
        blended = array[..., upper - 1] * np.float32(1 - weight) + array[..., upper] * np.float32(weight)
        filled[..., place] = np.rint(blended) if array.dtype.kind in "iu" else blended
    return filled


def selections(stacks: Sequence[Stack], where: Path, options: DicomOptions) -> list[SeriesSelection]:
    """Return what is read as one volume each: every volume, or with `volumes=channels` every series of one grid."""
    if options.volumes == "split":
        return [SeriesSelection((stack,), where, options) for stack in stacks]
    groups: dict[tuple[Any, ...], list[Stack]] = {}
    for stack in stacks:
        groups.setdefault((stack.first.series_key, *_shape_of(stack)), []).append(stack)
    return [SeriesSelection(tuple(group), where, options) for group in groups.values()]


def _shape_of(stack: Stack) -> tuple[Any, ...]:
    try:
        grid = grid_of(stack)
    except GeometryError:
        return (stack.name,)
    return (grid.shape, *np.round(grid.affine, 3).ravel())
