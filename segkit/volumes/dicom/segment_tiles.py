"""Segments of microscope slides: tiles of one total pixel matrix (DICOM PS3.3, C.7.6.17.3)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.dicom.datasets import numbers, tag_of
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.grid import Grid, affine_from, affine_from_steps

if TYPE_CHECKING:
    from pydicom import Dataset

Corner = tuple[int | None, int, int]  # segment where the tiles' order tells it, column, row of a tile's first pixel


def is_tiled(header: Dataset) -> bool:
    """Tell whether the frames are tiles of one large image."""
    return bool(header.get("TotalPixelMatrixColumns") and header.get("TotalPixelMatrixRows"))


def tiled_grid(header: Dataset, spacing: tuple[float, float], file: DicomFile) -> Grid:
    """Return the 2D grid of the total pixel matrix.

    Args:
        header: the object's dataset.
        spacing: mm between columns and between rows.
        file: named in errors.

    Returns:
        Shape (columns, rows). A slide's coordinates are turned as a patient's are, so that whatever takes the grid to
        DICOM's axes comes back to the slide's; at the origin where the object does not say how the matrix lies.

    Raises:
        GeometryError: when the orientation spans no plane.
    """
    shape = int(header.TotalPixelMatrixColumns), int(header.TotalPixelMatrixRows)
    orientation = numbers(header, "ImageOrientationSlide", 6, file)
    if orientation is None:
        return Grid(shape, affine_from(spacing))
    axes = np.array(orientation).reshape(2, 3)
    if not np.cross(*axes).any():
        raise GeometryError(f"{file}: {tag_of('ImageOrientationSlide')} spans no plane")
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    return Grid(shape, affine_from_steps(axes * np.array(spacing)[:, None], _origin(header, file), space="LPS"))


def tile_corners(header: Dataset, file: DicomFile, segments: tuple[int, ...] | None) -> Iterator[Corner]:
    """Give each tile's place in the total pixel matrix, counted from 0, in the order in which they are stored.

    Args:
        header: the object's dataset.
        file: named in errors.
        segments: segment numbers in the object's order; None of a label map.

    Raises:
        DataError: when there are more or fewer tiles than the header says, or focal planes lie above each other.
    """
    if int(header.get("TotalPixelMatrixFocalPlanes") or 1) > 1:
        raise DataError(
            f"{file}: has several focal planes ({tag_of('TotalPixelMatrixFocalPlanes')}), which is not read"
        )
    count = int(header.get("NumberOfFrames") or 1)
    if header.get("DimensionOrganizationType") == "TILED_FULL":
        return _full(header, file, segments, count)
    return _sparse(header, file, count)


def _full(header: Dataset, file: DicomFile, segments: tuple[int, ...] | None, count: int) -> Iterator[Corner]:
    """Give the tiles of an object that stores all, row by row, one segment after the other."""
    columns = range(0, int(header.TotalPixelMatrixColumns), int(header.Columns))
    rows = range(0, int(header.TotalPixelMatrixRows), int(header.Rows))
    shown = segments or (None,)
    due = len(columns) * len(rows) * len(shown)
    if due != count:
        raise DataError(f"{file}: {tag_of('NumberOfFrames')} says {count} where {due} tiles make up the whole")
    return ((segment, column, row) for segment, row, column in product(shown, rows, columns))


def _sparse(header: Dataset, file: DicomFile, count: int) -> Iterator[Corner]:
    """Give the tiles of an object whose frames say where they lie."""
    groups = header.get("PerFrameFunctionalGroupsSequence") or ()
    if len(groups) != count:
        what = f"{tag_of('NumberOfFrames')} says {count}, {tag_of('PerFrameFunctionalGroupsSequence')} lists"
        raise DataError(f"{file}: {what} {len(groups)}")
    keywords = ("ColumnPositionInTotalImagePixelMatrix", "RowPositionInTotalImagePixelMatrix")
    for index, group in enumerate(groups):
        sequence = group.get("PlanePositionSlideSequence")
        corner = [numbers(sequence[0], keyword, 1, file) for keyword in keywords] if sequence else [None]
        if None in corner:
            raise DataError(f"{file}: frame {index + 1} has no {tag_of(keywords[0])}, so its place is unknown")
        column, row = (int(values[0]) - 1 for values in corner if values)
        yield None, column, row


def _origin(header: Dataset, file: DicomFile) -> tuple[float, float, float]:
    sequence = header.get("TotalPixelMatrixOriginSequence")
    if not sequence:
        return 0.0, 0.0, 0.0
    values = [numbers(sequence[0], f"{axis}OffsetInSlideCoordinateSystem", 1, file) for axis in "XYZ"]
    x, y, z = (value[0] if value else 0.0 for value in values)
    return x, y, z
