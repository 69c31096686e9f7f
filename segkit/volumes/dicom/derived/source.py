"""The series beneath a mask: which plane lies in which slice of the grid, and what the headers say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError
from segkit.volumes.dicom.datasets import guarded, quietly, read_dataset, tag_of
from segkit.volumes.dicom.files import FORMAT_NAME
from segkit.volumes.dicom.instances import Instance, Plane
from segkit.volumes.dicom.stacks import EVEN_GAP, FAR, ROUNDING
from segkit.volumes.grid import SIGNS, Grid, as_3d
from segkit.volumes.volume import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

# What highdicom and every derived object take from the source, and what some sources lack (PS3.3, types 1 and 2).
COPIED = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "ReferringPhysicianName"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
)


@dataclass(frozen=True, eq=False)
class DicomSource:
    """A series that a volume was read from.

    Attributes:
        grid: of the volume; of a picture 2D.
        planes: for each slice of the grid (Z) the plane of pixels that lies there; None in a gap that was resampled.
    """

    grid: Grid
    planes: tuple[Plane | None, ...]

    @property
    def first(self) -> Instance:
        """The object that holds the first plane."""
        return next(plane.instance for plane in self.planes if plane is not None)

    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        """Each object once, in the order of slices."""
        found = {plane.instance.file: plane.instance for plane in self.planes if plane is not None}
        return tuple(found.values())

    @cached_property
    def headers(self) -> dict[str, Dataset]:
        """The header of each object by its SOPInstanceUID, read anew, without pixels.

        Raises:
            DataError: when one cannot be read, or lacks a UID that what is derived must name.
        """
        return {instance.uid: header_of(instance) for instance in self.instances}

    @property
    def header(self) -> Dataset:
        """The header of the first object."""
        return self.headers[self.first.uid]

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Centre of the first pixel of each slice, LPS mm, shape (Z, 3): the plane's own, in a gap the grid's."""
        own = slice_positions(self.grid)
        placed = [plane is not None and plane.frame.place is not None for plane in self.planes]
        return np.array([p.position if ok and p else at for p, at, ok in zip(self.planes, own, placed, strict=True)])

    @property
    def is_picture(self) -> bool:
        """Whether it has no place in the patient."""
        return self.grid.dims == 2


def dicom_source(volume: Volume) -> DicomSource | None:
    """Return the series that a volume was read from; None where it was none."""
    planes = volume.source.header
    if volume.source.format != FORMAT_NAME or not planes or not all(isinstance(plane, Plane) for plane in planes):
        return None
    if volume.grid.dims == 2:
        return DicomSource(volume.grid, (planes[0],))
    return DicomSource(volume.grid, planes_by_slice(planes, volume.grid))


def planes_by_slice(planes: Sequence[Plane], grid: Grid) -> tuple[Plane | None, ...]:
    """Return the plane in each slice of a grid; of several in one place the first; None where none lies.

    A plane may lie as far off its slice as `is_even` allows.
    """
    positions, own = slice_positions(grid), np.array([plane.position for plane in planes])
    gap = grid.spacing[2]
    allowed = max(EVEN_GAP * gap, min(ROUNDING, FAR * gap)) + 1e-6
    found: list[Plane | None] = []
    for at in positions:
        distances = np.linalg.norm(own - at, axis=1)
        nearest = int(distances.argmin())
        found.append(planes[nearest] if distances[nearest] <= allowed else None)
    return tuple(found)


def slice_positions(grid: Grid) -> NDArray[np.float64]:
    """Return the centre of the first voxel of each slice, LPS mm, shape (Z, 3)."""
    count = as_3d(grid).shape[2]
    along = np.arange(count)[:, None]
    return np.asarray((grid.affine[:3, 3] + along * grid.affine[:3, 2]) * SIGNS["LPS"])


def header_of(instance: Instance) -> Dataset:
    """Read an object's header; elements that derived objects copy and that may be empty are there, empty.

    Raises:
        DataError: when it cannot be read, or has no UIDs.
    """
    with guarded(instance.file), quietly():
        header = read_dataset(instance.file)
        for keyword in ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID"):
            if not header.get(keyword):
                raise DataError(f"{instance.file}: has no {tag_of(keyword)}, so nothing can refer to it")
        for keyword in COPIED:
            if keyword not in header:
                setattr(header, keyword, None if keyword.startswith("Study") else "")
        return header
