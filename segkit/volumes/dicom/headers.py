"""From a DICOM header to an `Instance`: read once, without pixels, and never trusted further than its file is long."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import IO, Any, BinaryIO, Literal, cast

from segkit.foundation.console import progress_bar
from segkit.foundation.errors import DataError
from segkit.foundation.parallel import Outcome, parallel_map
from segkit.volumes.dicom.datasets import Attributes, attributes_of, dataset_in, guarded, quietly, tag_of
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.frames import PHILIPS_SCALE, frames_of, is_enhanced
from segkit.volumes.dicom.instances import Encoding, Frame, Instance, Other, hashed
from segkit.volumes.dicom.mosaic import mosaic_frames, mosaic_side
from segkit.volumes.dicom.uids import BIG_ENDIAN, DEFLATED

KEYWORDS = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID"),
    *("Modality", "SeriesDescription", "SeriesNumber", "InstanceNumber", "ImageType"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated"),
    *("BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "ModalityLUTSequence"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing", "SliceThickness"),
    *("NominalScannedPixelSpacing", "SpacingBetweenSlices", "RescaleSlope", "RescaleIntercept", "StackID"),
    *("EchoTime", "TemporalPositionIdentifier", "DiffusionBValue", "DiffusionGradientOrientation", "TriggerTime"),
    *("InversionTime", "FlipAngle", "KVP", "ConvolutionKernel", "AcquisitionNumber", "AcquisitionTime"),
    *("FrameReferenceTime", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
# Of mosaics, b-values and Philips' scale: see their readers.
PRIVATE = (0x0019100A, 0x0019100C, 0x00291010, 0x00431039, 0x20011003, PHILIPS_SCALE)
SERIES_TAG = 0x0020000E
PIXEL_GROUP, FLOAT_ELEMENTS = 0x7FE0, (0x0008, 0x0009)
PIXEL_VRS = (b"OB", b"OW", b"OF", b"OD", b"UN")
UNDEFINED = 0xFFFFFFFF
SIZES = (1, 8, 16, 32, 64)  # bits of a pixel
MOST_FRAMES = 1 << 20
MOST_DECODED = 20_000  # bytes that one compressed byte can stand for, in empty frames of JPEG 2000
NO_IMAGES = ("SEG", "RTDOSE")  # they have rows and columns, and mean something else
DRAWN = {"Segmentation": "SEG", "Label Map Segmentation": "SEG", "RT Structure Set": "RTSTRUCT"}  # modality by class
DIRECTORY = "Media Storage Directory"
CHUNK, FEW = 64, 512  # files a task, and how many are read sooner than worker processes start

ChunkRead = Outcome[Sequence[DicomFile], list[Instance | Other | str]]


@dataclass(frozen=True)
class Headers:
    """What the headers of many objects say, each in the order of the files.

    Attributes:
        images: objects with an image.
        others: objects without one, segmentations among them.
        unreadable: files that could not be read, with the reason in one line.
        torn: SeriesInstanceUID of those of them that still tell it.
    """

    images: list[Instance]
    others: list[Other]
    unreadable: dict[DicomFile, str]
    torn: dict[DicomFile, str]


def read_headers(files: Sequence[DicomFile], workers: int | None = None) -> Headers:
    """Read the headers of many objects, side by side where there are many."""
    chunks = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    outcomes = parallel_map(_read_chunk, chunks, workers=1 if len(files) <= FEW else workers, name=lambda _: "headers")
    shown = outcomes if len(files) <= FEW else _counted(outcomes, len(files))
    said: dict[DicomFile, Instance | Other | str] = {}
    for outcome in shown:
        said.update(zip(outcome.item, outcome.value or [str(outcome.error)] * len(outcome.item), strict=True))
    ordered = [said[file] for file in files]
    unreadable = {file: each for file, each in said.items() if isinstance(each, str)}
    return Headers(
        [each for each in ordered if isinstance(each, Instance)],
        [each for each in ordered if isinstance(each, Other)],
        unreadable,
        {file: uid for file in unreadable if (uid := series_of(file))},
    )


def _counted(outcomes: Iterable[ChunkRead], count: int) -> Iterator[ChunkRead]:
    """Pass chunks through and show of how many files the headers are read."""
    with progress_bar(count, "reading DICOM headers") as advance:
        for outcome in outcomes:
            yield outcome
            advance(len(outcome.item))


@cache
def wanted_tags() -> tuple[int, ...]:
    """Return the tags of `KEYWORDS` and `PRIVATE`."""
    from pydicom.datadict import tag_for_keyword

    return tuple(tag_for_keyword(keyword) or 0 for keyword in KEYWORDS) + PRIVATE


def _read_chunk(files: Sequence[DicomFile]) -> list[Instance | Other | str]:
    return [_attempt(file) for file in files]


def _attempt(file: DicomFile) -> Instance | Other | str:
    try:
        return read_instance(file)
    except DataError as error:
        return str(error)


def series_of(file: DicomFile) -> str:
    """Return the SeriesInstanceUID of a file that is cut short behind it; "" where it is not there."""
    from pydicom.filereader import read_partial

    try:
        with guarded(file), file.open() as stream, quietly():
            header = read_partial(cast("BinaryIO", stream), lambda tag, vr, length: tag > SERIES_TAG)
            is_cut_here = not stream.read(1)  # so the UID itself may be
            return "" if is_cut_here else _text(attributes_of(header), "SeriesInstanceUID")
    except DataError:
        return ""


def read_instance(file: DicomFile) -> Instance | Other:
    """Read the header of one object.

    Returns:
        what it says. What makes an image unusable stands in `fault`.

    Raises:
        DataError: when the file is no DICOM object, or its header is damaged.
    """
    with guarded(file), quietly(), file.open() as stream:
        dataset = dataset_in(stream, only=wanted_tags())
        header = attributes_of(dataset)
        meta = getattr(dataset, "file_meta", {})
        classes = [_kind(_text(header, "SOPClassUID")), _kind(_text(meta, "MediaStorageSOPClassUID"))]
        modality = _text(header, "Modality") or next((DRAWN[each] for each in classes if each in DRAWN), "")
        is_image = ("Rows" in header and "Columns" in header) or _has_lost_its_end(*classes)
        if modality in NO_IMAGES or not is_image:
            return Other(file, modality)
        if not any(tag > SERIES_TAG for tag in dataset.keys()):  # noqa: SIM118  (else the UID may be cut itself)
            raise DataError(f"ends before {tag_of('Rows')}: is it cut short?")
        encoding = _encoding(header, _text(meta, "TransferSyntaxUID"), stream)
        return _instance(header, file, encoding, *_frames_or_fault(header, encoding, file))


def _has_lost_its_end(own_class: str, meta_class: str) -> bool:
    """Tell whether an object without rows and columns must have had them: pydicom reads what is left without a word.

    Args:
        own_class: name of its SOP class, which every object has but a DICOMDIR.
        meta_class: the same from the beginning of the file.
    """
    return (not own_class and meta_class != DIRECTORY) or "Image" in own_class + meta_class


def _instance(
    header: Attributes, file: DicomFile, encoding: Encoding, frames: tuple[Frame, ...], fault: str
) -> Instance:
    text = partial(_text, header)
    return Instance(
        file=file,
        uid=text("SOPInstanceUID"),
        series=text("SeriesInstanceUID"),
        study=text("StudyInstanceUID"),
        frame_of_reference=text("FrameOfReferenceUID"),
        patient=hashed(text("PatientID")),
        kind=_kind(text("SOPClassUID")),
        modality=text("Modality"),
        description=text("SeriesDescription"),
        series_number=_whole(header, "SeriesNumber"),
        number=_whole(header, "InstanceNumber"),
        image_type=tuple(str(part) for part in _listed(header.get("ImageType"))),
        encoding=encoding,
        frames=frames,
        padding=_whole(header, "PixelPaddingValue"),
        fault=fault,
    )


def _frames_or_fault(header: Attributes, encoding: Encoding, file: DicomFile) -> tuple[tuple[Frame, ...], str]:
    """Return the planes of an image and "", or none and what makes it unusable."""
    try:
        with guarded(file):
            _check_pixels(encoding, file)
            is_mosaic = encoding.tiles > 1
            return mosaic_frames(header, encoding, file) if is_mosaic else frames_of(header, encoding.frames, file), ""
    except DataError as error:
        return (), str(error)


def _text(header: Any, keyword: str) -> str:
    value = header.get(keyword)
    return "" if value is None else str(value).strip()


def _listed(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]


def _whole(header: Attributes, keyword: str, default: int | None = None) -> int | None:
    """Return a whole number; `default` where the element is missing, empty or no number."""
    value = header.get(keyword)
    if isinstance(value, bytes):  # padding values whose representation pydicom could not tell
        return int.from_bytes(value[:2], "little")
    try:
        return default if value is None or value == "" else int(float(value))
    except (TypeError, ValueError, OverflowError):
        return default


def _kind(sop_class: str) -> str:
    from pydicom.uid import UID

    return re.sub(r" Storage(?! Directory).*$", "", UID(sop_class).name)


def _encoding(header: Attributes, syntax: str, stream: IO[bytes]) -> Encoding:
    number = partial(_whole, header)
    allocated = number("BitsAllocated", 16) or 16
    stored = number("BitsStored", allocated) or allocated
    start, length, is_float = _pixel_span(stream, syntax)
    return Encoding(
        syntax=syntax,
        rows=number("Rows", 0) or 0,
        columns=number("Columns", 0) or 0,
        frames=max(1, number("NumberOfFrames", 1) or 1),
        samples=number("SamplesPerPixel", 1) or 1,
        photometric=_text(header, "PhotometricInterpretation"),
        allocated=allocated,
        stored=stored,
        high=number("HighBit", stored - 1) or stored - 1,
        is_signed=bool(number("PixelRepresentation", 0)),
        start=start,
        length=length,
        is_float=is_float,
        has_lut=bool(header.get("ModalityLUTSequence")),
        tiles=mosaic_side(header) if not is_enhanced(header) else 1,
    )


def _pixel_span(stream: IO[bytes], syntax: str) -> tuple[int, int, bool]:
    """Return where native pixel data begins in the file, its declared bytes, and whether it holds floating point.

    pydicom has stopped at the element's tag. Encapsulated and deflated data: -1, and the bytes that are left.
    """
    at = stream.tell()
    head = stream.read(12)
    end = stream.seek(0, 2)
    if syntax == DEFLATED:
        return -1, end, False  # pydicom has inflated the whole file
    order: Literal["big", "little"] = "big" if syntax == BIG_ENDIAN else "little"
    group, element = (int.from_bytes(head[start : start + 2], order) for start in (0, 2))
    if group != PIXEL_GROUP or len(head) < 12:
        return -1, 0, False
    is_explicit = head[4:6] in PIXEL_VRS  # as bytes of a length these would be odd, which no length is
    length, start = (head[8:12], at + 12) if is_explicit else (head[4:8], at + 8)
    declared = int.from_bytes(length, order)
    is_float = element in FLOAT_ELEMENTS
    return (-1, end - at, is_float) if declared == UNDEFINED else (start, declared, is_float)


def _check_pixels(encoding: Encoding, file: DicomFile) -> None:
    """Compare what the header asks for with what the file holds, before any memory is taken.

    Raises:
        DataError: naming file and tag.
    """
    pixels = tag_of("PixelData")
    if encoding.length == 0:
        raise DataError(f"{file}: has no {pixels}: is it cut short?")
    _check_bits(encoding, file)
    if min(encoding.rows, encoding.columns) < 1:
        raise DataError(f"{file}: {tag_of('Rows')} or {tag_of('Columns')} is 0")
    wanted = encoding.frame_bytes * encoding.frames
    shown = f"{tag_of('Rows')}, {tag_of('Columns')} and {tag_of('NumberOfFrames')} ask for {wanted} bytes"
    if encoding.frames > MOST_FRAMES:
        raise DataError(f"{file}: {shown}, more frames than any scan has")
    if encoding.start < 0:
        if wanted > encoding.length * MOST_DECODED:
            raise DataError(f"{file}: {shown}, and {encoding.length} compressed bytes cannot be so: is it cut short?")
        return
    there = file.size - encoding.start
    if there < encoding.length and there < wanted:
        raise DataError(f"{file}: is cut short: {pixels} declares {encoding.length} bytes, {there} are there")
    if encoding.length < wanted:
        raise DataError(f"{file}: {pixels} holds {encoding.length} bytes, but {shown}")


def _check_bits(encoding: Encoding, file: DicomFile) -> None:
    allocated, stored, high = encoding.allocated, encoding.stored, encoding.high
    # HighBit counts where there are bits to spare; where there are none, sloppy writers do not keep it right.
    if allocated not in SIZES or stored > allocated or (stored < allocated and not stored <= high + 1 <= allocated):
        named = ", ".join(map(tag_of, ("BitsAllocated", "BitsStored", "HighBit")))
        raise DataError(f"{file}: {named} hold {allocated}, {stored} and {high}, as no pixel can be stored")
