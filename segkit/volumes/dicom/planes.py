"""Where a plane lies, as the attributes of one image or of one functional group say."""

from __future__ import annotations

import numpy as np

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.dicom.datasets import Attributes, numbers, tag_of
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.instances import Place

# A coordinate beyond this, in mm, is no place in a patient; it guards the arithmetic that follows.
FARTHEST = 1e6
SLANT = 1e-2  # cosine between rows and columns beyond which they are not at right angles


def place_of(attributes: Attributes, file: DicomFile) -> Place:
    """Return the plane of ImagePositionPatient and ImageOrientationPatient (PS3.3, C.7.6.2).

    Raises:
        DataError: when one of them is missing or holds other than numbers.
        GeometryError: when the orientation is no pair of axes at right angles.
    """
    position = numbers(attributes, "ImagePositionPatient", 3, file)
    orientation = numbers(attributes, "ImageOrientationPatient", 6, file)
    for keyword, value in (("ImageOrientationPatient", orientation), ("ImagePositionPatient", position)):
        if value is None:
            raise DataError(f"{file}: has no {tag_of(keyword)}, so its place in the patient is unknown")
    assert position is not None
    axes = np.array(orientation).reshape(2, 3)
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    if not (lengths > 0).all() or abs(float(np.dot(*(axes / np.maximum(lengths, 1e-12))))) > SLANT:
        raise GeometryError(f"{file}: {tag_of('ImageOrientationPatient')} is no pair of axes at right angles")
    if max(map(abs, position)) > FARTHEST:
        raise GeometryError(f"{file}: {tag_of('ImagePositionPatient')} lies {max(map(abs, position)):.3g} mm away")
    x, y, z = position
    return Place((x, y, z), tuple(float(cosine) for cosine in (axes / lengths).ravel()))


def spacing_of(attributes: Attributes, file: DicomFile, keyword: str = "PixelSpacing") -> tuple[float, float] | None:
    """Return the distances in mm between columns and between rows; DICOM writes them the other way round.

    Raises:
        DataError: when they are no two positive numbers.
    """
    found = numbers(attributes, keyword, 2, file)
    if found is None:
        return None
    between_rows, between_columns = found
    if not (0 < between_rows < FARTHEST and 0 < between_columns < FARTHEST):
        raise DataError(f"{file}: {tag_of(keyword)} holds {between_rows:g} and {between_columns:g} mm")
    return between_columns, between_rows


def thickness_of(attributes: Attributes, file: DicomFile) -> float | None:
    """Return SliceThickness in mm; None where it is missing or 0."""
    found = numbers(attributes, "SliceThickness", 1, file)
    return abs(found[0]) or None if found else None
