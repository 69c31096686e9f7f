"""A mask as DICOM SEG: binary, a plane of bits per segment and slice, or a label map, a value per voxel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.options import ObjectOptions
from segkit.foundation.errors import DataError, MissingExtraError, UsageError
from segkit.volumes.dicom.derived.mask import Author, Segment
from segkit.volumes.dicom.derived.objects import MANUFACTURER, equipment, making, moment, series_number, settle, uid_for
from segkit.volumes.dicom.derived.slices import refer, slice_headers
from segkit.volumes.dicom.derived.source import DicomSource
from segkit.volumes.dicom.derived.terms import SIDE_CODES, code, term_for
from segkit.volumes.dicom.stacks import SAME_PLACE
from segkit.volumes.dicom.uids import DEFLATED, EXPLICIT, JPEG_2000, JPEG_LS, LABEL_MAP, RLE, SEGMENTATION
from segkit.volumes.outlines import colour_of

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription
    from pydicom import Dataset

SERIES_PLACE = 1  # of a series derived from series 2: number 201
LABELMAP, BINARY = "labelmap", "binary"
MOST = 65535  # the largest number that a label map holds
SOP_CLASSES = {BINARY: SEGMENTATION, LABELMAP: LABEL_MAP}
SYNTAXES = {"none": EXPLICIT, "deflate": DEFLATED, "rle": RLE, "jpeg_ls": JPEG_LS, "jpeg_2000": JPEG_2000}
BY_FRAME = ("rle", "jpeg_ls", "jpeg_2000")
ENCODERS = {"jpeg_ls": ("jpeg_ls", "pyjpegls"), "jpeg_2000": ("openjpeg", "pylibjpeg-openjpeg")}
FEWEST = 8  # pixels of a slice in a binary SEG: below that one byte holds bits of several whole frames
LONGEST = 64  # characters of a label


def segmentation_uid(source: DicomSource, identity: str, options: ObjectOptions) -> str:
    """Return the SOPInstanceUID of the SEG that is made of a mask, whether it has been made or not.

    Args:
        source: the series.
        identity: a hash of the mask, its labels and its author.
        options: kind and compression.
    """
    terms = repr(sorted(options.terms.items()))
    return uid_for(
        "SEG",
        identity,
        options.segmentation,
        options.compression,
        terms,
        *(instance.uid for instance in source.instances),
    )


def segmentation_series_uid(uid: str) -> str:
    """Return the SeriesInstanceUID of the SEG of this SOPInstanceUID."""
    return uid_for("SEG series", uid)


def tracking_uid(uid: str, segment: Segment) -> str:
    """Return what a segment is followed by, in the SEG of this SOPInstanceUID and in reports on it."""
    return uid_for("segment", uid, segment.name)


def sop_class_of(options: ObjectOptions) -> str:
    """Return the SOP class of the SEG that is made with these options."""
    return SOP_CLASSES[options.segmentation]


def segmentation_of(
    array: NDArray[Any],
    segments: Sequence[Segment],
    source: DicomSource,
    author: Author,
    options: ObjectOptions,
    identity: str,
) -> Dataset:
    """Return a DICOM SEG beside its series.

    Args:
        array: label values on the source's grid, shape (X, Y[, Z]).
        segments: what the values mean; in a binary SEG numbered from 1 without gaps.
        source: the series.
        author: of the mask.
        options: kind, compression, terms.
        identity: a hash of mask, labels and author, from which UIDs follow.

    Returns:
        an object whose frames lie where the source's slices do and refer to them. A binary one leaves out planes
        without a voxel, but for the first and the last of the grid, so that the grid can be told from it alone.

    Raises:
        DataError: when the source lacks what a SEG needs.
        UsageError: when the options exclude one another, or labels overlap in a label map.
        MissingExtraError: when the compression's encoder is not installed.
    """
    check_options(options, segments)
    from highdicom.seg import Segmentation
    from pydicom.uid import UID

    header, stored = source.header, stored_planes(array, segments, options)
    uid = segmentation_uid(source, identity, options)
    is_binary = options.segmentation == BINARY
    if is_binary and stored[0].size < FEWEST:
        raise DataError(f"its slices have fewer than {FEWEST} pixels, whose bits highdicom packs wrongly")
    marked = _mark_ends(stored) if is_binary and not source.is_picture else []
    date, time = moment(header)
    with making("DICOM SEG"):
        made: Dataset = Segmentation(
            source_images=slice_headers(source),
            pixel_array=stored,
            segmentation_type="BINARY" if is_binary else "LABELMAP",
            segment_descriptions=[_described(segment, author, options.terms, uid) for segment in segments],
            series_instance_uid=segmentation_series_uid(uid),
            series_number=series_number(source, SERIES_PLACE),
            sop_instance_uid=uid,
            instance_number=1,
            transfer_syntax_uid=SYNTAXES[options.compression if options.compression in BY_FRAME else "none"],
            omit_empty_frames=is_binary,
            content_label="SEGMENTATION",
            content_description=f"Segments of {author.name}"[:LONGEST],
            series_description=f"Segmentation by {author.name}"[:LONGEST],
            content_date=date,
            content_time=time,
            **equipment(author),
        )
        _clear_marks(made, [source.positions[plane] for plane in marked])
        if options.compression not in BY_FRAME:
            _pad_with_null(made)
        refer(made, source)
        _settle_dimensions(made, uid_for("dimensions", uid))
        if source.is_picture:
            made.PatientOrientation = header.get("PatientOrientation")  # of pictures without a place, maybe empty
        settle(made, header)
    if options.compression == "deflate":
        made.file_meta.TransferSyntaxUID = UID(SYNTAXES["deflate"])
    return made


def check_options(options: ObjectOptions, segments: Sequence[Segment]) -> None:
    """Make sure that a SEG can be written so; raises as `segmentation_of` does."""
    is_map = options.segmentation == LABELMAP
    if options.compression in BY_FRAME and not is_map:
        raise UsageError(
            f"objects.compression={options.compression} is for label maps, for it cannot hold single bits: pass "
            "objects.segmentation=labelmap, or objects.compression=deflate"
        )
    values = [value for segment in segments for value in segment.values]
    if is_map and len(set(values)) < len(values):
        raise UsageError("labels overlap, and a label map holds one per voxel: pass objects.segmentation=binary")
    module, package = ENCODERS.get(options.compression, ("", ""))
    if module and not _is_installed(module):
        raise MissingExtraError(package, "dicom", f"objects.compression={options.compression}")


def _is_installed(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def stored_planes(array: NDArray[Any], segments: Sequence[Segment], options: ObjectOptions) -> NDArray[Any]:
    """Return segment numbers as highdicom takes them, shape (Z, Y, X); of overlapping segments (Z, Y, X, segments).

    Raises:
        DataError: when the mask holds no more than background and no segment is described.
    """
    if not segments:
        raise DataError("the mask has no labels, so there is nothing to write")
    planes = array.reshape(*array.shape[:2], -1).transpose(2, 1, 0)
    values = [value for segment in segments for value in segment.values]
    if len(set(values)) < len(values):
        return np.stack([np.isin(planes, segment.values) for segment in segments], axis=-1).astype(np.uint8)
    highest = max(segment.number for segment in segments)
    kind = np.dtype(np.uint8 if highest <= np.iinfo(np.uint8).max else np.uint16)
    if planes.dtype.kind in "ub" and planes.dtype.itemsize <= 2:
        table = np.zeros(np.iinfo(np.uint16).max + 1, kind)  # in one pass, however many segments there are
        for segment in segments:
            table[[value for value in segment.values if 0 <= value < len(table)]] = segment.number
        return np.ascontiguousarray(table[planes])
    numbers = np.zeros(planes.shape, kind)
    for segment in segments:
        numbers[np.isin(planes, segment.values)] = segment.number
    return numbers


def _mark_ends(stored: NDArray[Any]) -> list[int]:
    """Put one voxel of the first segment into the first and the last plane where those are empty; return which."""
    marked = [plane for plane in sorted({0, len(stored) - 1}) if not stored[plane].any()]
    for plane in marked:
        stored[plane].reshape(-1)[0] = 1
    return marked


def _clear_marks(made: Dataset, positions: Sequence[Sequence[float]]) -> None:
    """Take the marks in planes at these positions out again: the planes stay, empty."""
    if not positions:
        return
    bits, pixels = bytearray(made.PixelData), int(made.Rows) * int(made.Columns)
    for index, frame in enumerate(made.PerFrameFunctionalGroupsSequence):
        number = frame.get("SegmentIdentificationSequence")
        if number and number[0].ReferencedSegmentNumber != 1:
            break  # the first segment's frames come first
        place = [float(value) for value in frame.PlanePositionSequence[0].ImagePositionPatient]
        if any(np.allclose(place, position, rtol=0, atol=SAME_PLACE) for position in positions):
            bits[index * pixels // 8] &= ~(1 << index * pixels % 8) & 0xFF
    made.PixelData = bytes(bits)


def _pad_with_null(made: Dataset) -> None:
    """Make the last byte null where it only makes the length even: highdicom pads with the digit 0."""
    used = -(-int(made.NumberOfFrames) * int(made.Rows) * int(made.Columns) * int(made.BitsAllocated) // 8)
    if len(made.PixelData) == used + 1:
        made.PixelData = made.PixelData[:used] + bytes(1)


def _described(segment: Segment, author: Author, terms: Mapping[str, Any], uid: str) -> SegmentDescription:
    """Return a segment's name, meaning, colour and author."""
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription
    from highdicom.sr import CodedConcept
    from pydicom.sr.codedict import codes

    term = term_for(segment.name, terms)
    algorithm = AlgorithmIdentificationSequence(
        author.name[:LONGEST], codes.DCM.ArtificialIntelligence, author.version[:LONGEST], source=MANUFACTURER
    )
    described = SegmentDescription(
        segment.number,
        segment.name[:LONGEST],
        code(term.category),
        code(term.kind),
        "AUTOMATIC" if author.is_algorithm else "MANUAL",
        algorithm_identification=algorithm if author.is_algorithm else None,
        tracking_uid=tracking_uid(uid, segment),
        tracking_id=segment.name[:LONGEST],
        display_color=CIELabColor.from_rgb(*colour_of(segment.number)),
    )
    if term.side:
        described.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [
            CodedConcept.from_code(code(SIDE_CODES[term.side]))
        ]
    return described


def _settle_dimensions(made: Dataset, uid: str) -> None:
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
