"""Siemens mosaics: a whole volume on one sheet of tiles."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from segkit.foundation.errors import DataError
from segkit.volumes.dicom.datasets import Attributes, numbers, tag_of
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.frames import rescale_of, traits_of
from segkit.volumes.dicom.instances import Encoding, Frame, Place
from segkit.volumes.dicom.planes import place_of, spacing_of, thickness_of

MOSAIC = "MOSAIC"
MOST_TILES = 1 << 12  # more are no sheet of any scanner, and a header may claim them on a few bytes of pixels
COUNT, CSA = 0x0019100A, 0x00291010  # NumberOfImagesInMosaic and the CSA image header, both private to Siemens


def mosaic_side(header: Attributes) -> int:
    """Return how many tiles lie along each side of a mosaic's sheet; 1 for every other image."""
    if MOSAIC not in (header.get("ImageType") or ()):
        return 1
    return max(1, math.ceil(math.sqrt(_tiles(header))))


def mosaic_frames(header: Attributes, encoding: Encoding, file: DicomFile) -> tuple[Frame, ...]:
    """Return one frame a tile.

    The position in the header is the corner that the whole sheet would have around the same centre; each tile's own
    corner lies half the difference further in. Slices follow one another along the normal of the CSA header.

    Raises:
        DataError: when the sheet cannot be divided, or no spacing between slices is stated.
    """
    side, count = encoding.tiles, _tiles(header)
    if count > MOST_TILES or encoding.rows % side or encoding.columns % side:
        raise DataError(f"{file}: its mosaic of {count} slices does not divide into {side} x {side} tiles")
    sheet, spacing = place_of(header, file), spacing_of(header, file)
    gap = numbers(header, "SpacingBetweenSlices", 1, file) or numbers(header, "SliceThickness", 1, file)
    if spacing is None or gap is None:
        missing = "PixelSpacing" if spacing is None else "SpacingBetweenSlices"
        raise DataError(f"{file}: is a mosaic without {tag_of(missing)}")
    axes = np.array(sheet.axes).reshape(2, 3)
    columns, rows = encoding.shape
    inward = np.array([(encoding.columns - columns) / 2 * spacing[0], (encoding.rows - rows) / 2 * spacing[1]])
    first, step = np.array(sheet.position) + inward @ axes, _normal(header, sheet) * gap[0]
    thickness, rescale, traits = thickness_of(header, file), rescale_of(header, file), traits_of(header)
    return tuple(
        Frame(
            0, tile, Place(_vector(first + tile * step), sheet.axes, _vector(step)), spacing, thickness, rescale, traits
        )
        for tile in range(count)
    )


def _vector(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _csa_reader() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nibabel calls its DICOM readers experimental; this part is plain parsing
        from nibabel.nicom import csareader
    return csareader


def _csa(header: Attributes) -> dict[str, Any]:
    csareader = _csa_reader()
    value = header.get(CSA)
    try:
        return dict(csareader.read(value)) if value else {}
    except (csareader.CSAReadError, ValueError, TypeError, IndexError, UnicodeDecodeError):
        return {}


def _tiles(header: Attributes) -> int:
    """Return the number of slices, 1 where it is stated nowhere."""
    value = header.get(COUNT)
    if value:
        return max(1, int.from_bytes(value[:2], "little") if isinstance(value, bytes) else int(value))
    csa = _csa(header)
    return max(1, int(_csa_reader().get_n_mosaic(csa) or 1)) if csa else 1


def _normal(header: Attributes, sheet: Place) -> Any:
    """Return the unit vector along which slices follow one another, LPS."""
    csa = _csa(header)
    stated = _csa_reader().get_slice_normal(csa) if csa else None
    along = sheet.normal
    return along if stated is None else along * (1.0 if float(np.dot(stated, along)) >= 0 else -1.0)
