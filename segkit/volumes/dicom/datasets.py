"""The one door to pydicom: a file's dataset, quietly, with errors that name file and tag and nobody's identity."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from segkit.foundation.errors import DataError
from segkit.volumes.dicom.files import DicomFile

if TYPE_CHECKING:
    from pydicom import Dataset

PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def read_dataset(file: DicomFile, *, pixels: bool = False, only: Sequence[str] = ()) -> Dataset:
    """Read a DICOM object.

    Args:
        file: where it lies.
        pixels: whether its pixel data is read too.
        only: keywords of the elements that are wanted; empty for all.

    Raises:
        DataError: when it is no DICOM object, is damaged or cannot be read; the message names the file.
    """
    from pydicom import dcmread

    try:
        with quietly(), file.open() as stream:
            return dcmread(stream, stop_before_pixels=not pixels, specific_tags=list(only) or None)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {(error.strerror or type(error).__name__).lower()}") from error
    except Exception as error:
        # What pydicom says may quote values, and values may be names of people.
        raise DataError(f"{file}: is no DICOM object, or damaged ({type(error).__name__})") from error


@contextmanager
def quietly() -> Iterator[None]:
    """Keep pydicom from printing values of a header that break a rule of the standard."""
    from pydicom.config import IGNORE, disable_value_validation, settings

    before = settings.reading_validation_mode
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        settings.reading_validation_mode = IGNORE
        try:
            yield
        finally:
            settings.reading_validation_mode = before


def tag_of(keyword: str) -> str:
    """Return a keyword with its tag, as messages name elements: `ImagePositionPatient (0020,0032)`."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword) or 0
    return f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def numbers(dataset: Any, keyword: str, count: int, file: DicomFile) -> tuple[float, ...] | None:
    """Return the numbers of an element; None where the dataset lacks it or holds it empty.

    Raises:
        DataError: when it holds another number of values, or other than finite numbers.
    """
    from math import isfinite

    try:
        value = dataset.get(keyword)
        found = () if value is None or value == "" else (value,) if isinstance(value, int | float) else tuple(value)
        values = tuple(float(each) for each in found)
    except (TypeError, ValueError) as error:
        raise DataError(f"{file}: {tag_of(keyword)} holds no number") from error
    if not values:
        return None
    if len(values) != count or not all(isfinite(each) for each in values):
        raise DataError(f"{file}: {tag_of(keyword)} holds {len(values)} values where {count} finite numbers are due")
    return values
