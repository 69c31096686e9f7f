"""The one door to pydicom: a file's dataset, quietly, with errors that name file and tag and nobody's identity."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

from segkit.foundation.errors import DataError, SegkitError
from segkit.volumes.dicom.files import DicomFile, begins_as_dicom, is_suspect
from segkit.volumes.dicom.uids import DEFLATED

if TYPE_CHECKING:
    from pydicom import Dataset

Attributes = Mapping[str | int, Any]
META_GROUP, SYNTAX_TAG = 0x0002, 0x00020010
PIECE = 1 << 20  # bytes inflated at a time


def read_dataset(file: DicomFile, *, pixels: bool = False, only: Sequence[str | int] = ()) -> Dataset:
    """Read a DICOM object.

    Args:
        file: where it lies.
        pixels: whether its pixel data is read too.
        only: keywords or tags of the elements that are wanted; empty for all.

    Raises:
        DataError: when it is no DICOM object, is damaged or cannot be read; the message names the file.
    """
    with guarded(file), file.open() as stream:
        return dataset_in(stream, pixels=pixels, only=only)


def dataset_in(stream: IO[bytes], *, pixels: bool = False, only: Sequence[str | int] = ()) -> Dataset:
    """Read a DICOM object from an open file, as `read_dataset` does; without pixels it is left where those begin."""
    from pydicom import dcmread

    tags: Any = list(only) or None
    with quietly():
        check_deflated(stream)
        return dcmread(stream, stop_before_pixels=not pixels, specific_tags=tags)


def modality_of(file: DicomFile) -> str:
    """Return the Modality of an object, "" where it has none.

    Raises:
        DataError: when it is no DICOM object, is damaged or cannot be read; the message names the file.
    """
    with guarded(file), quietly():
        return str(read_dataset(file, only=["Modality"]).get("Modality") or "")


def check_deflated(stream: IO[bytes]) -> None:
    """Refuse a deflated object that would inflate to far more than a scan does: pydicom inflates it in one go.

    Raises:
        DataError: when it is such a bomb.
    """
    start = stream.tell()
    if begins_as_dicom(stream) and _is_deflated(stream):
        _check_inflated(stream)
    stream.seek(start)


def _is_deflated(stream: IO[bytes]) -> bool:
    """Tell whether pydicom will find a deflated transfer syntax, and leave the stream behind the meta information.

    The meta information is parsed as pydicom parses it; the length that stands before it may lie.
    """
    from pydicom.filereader import _read_file_meta_info, data_element_generator
    from pydicom.values import converters

    start, source = stream.tell(), cast("BinaryIO", stream)
    meta = list(data_element_generator(source, False, True, stop_when=lambda tag, vr, length: tag >> 16 != META_GROUP))
    if all(element.VR in converters for element in meta):
        return any(element.tag == SYNTAX_TAG and DEFLATED.encode() in (element.value or b"") for element in meta)
    stream.seek(start)  # written without value representations, against the standard
    return str(_read_file_meta_info(source).get("TransferSyntaxUID", "")) == DEFLATED


def _check_inflated(stream: IO[bytes]) -> None:
    inflater, stored, inflated = zlib.decompressobj(-zlib.MAX_WBITS), 0, 0
    while piece := stream.read(PIECE):
        stored += len(piece)
        while piece:
            inflated += len(inflater.decompress(piece, PIECE))
            piece = inflater.unconsumed_tail
            if is_suspect(inflated, stored):
                raise DataError(f"inflates {stored} bytes to more than {inflated}, as a bomb does; nothing was read")


@contextmanager
def guarded(file: DicomFile) -> Iterator[None]:
    """Turn whatever reading a DICOM object raises into one line that names the file.

    Raises:
        DataError: in place of the other exception.
    """
    try:
        yield
    except SegkitError as error:
        if str(file) in str(error):
            raise
        raise type(error)(f"{file}: {error}") from error
    except MemoryError as error:
        raise DataError(f"{file}: does not fit into memory") from error
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


def attributes_of(dataset: Dataset) -> dict[str | int, Any]:
    """Return the values of a dataset by keyword, of private elements by tag: what is looked up often is looked up fast.

    Values that cannot be parsed count as missing.
    """
    from pydicom.errors import BytesLengthException

    found: dict[str | int, Any] = {}
    for tag in dataset.keys():  # noqa: SIM118  (a dataset iterates over elements, and one of them may be damaged)
        try:
            element = dataset[tag]
        except (
            ValueError,
            TypeError,
            NotImplementedError,
            KeyError,
            OverflowError,
            struct.error,
            BytesLengthException,
        ):
            continue
        found[element.keyword or int(tag)] = element.value
    return found


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
