"""A mask as RTSTRUCT: closed contours in the planes of the slices that it was drawn on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, log10
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError
from segkit.volumes.dicom.contours import contours_of
from segkit.volumes.dicom.derived.mask import Author, Segment
from segkit.volumes.dicom.derived.objects import (
    MANUFACTURER,
    MODEL_NAME,
    identity_of,
    making,
    moment,
    series_number,
    software_versions,
    uid_for,
)
from segkit.volumes.dicom.derived.slices import frame_of_reference
from segkit.volumes.dicom.derived.source import DicomSource
from segkit.volumes.dicom.derived.terms import CATEGORIES, term_for
from segkit.volumes.dicom.instances import Plane
from segkit.volumes.dicom.uids import IMPLICIT, STRUCTURE_SET, STUDY
from segkit.volumes.grid import SIGNS
from segkit.volumes.outlines import colour_of

if TYPE_CHECKING:
    from pydicom import Dataset

SERIES_PLACE = 2  # of a series derived from series 2: number 202
SYNTAX = IMPLICIT  # EXPLICIT counts the bytes of a contour's coordinates in 16 bits, which long contours exceed
CONTOUR_DATA = 0x30060050
ITS_OWN = "iso8859"  # what pydicom takes for the characters of a dataset that names none
LONGEST, SHORTEST = 64, 16  # characters of names and descriptions, of labels
PER_VOXEL = 1000  # coordinates are written to a thousandth of the smallest spacing within a slice, or finer
MOST_DECIMALS = 8  # which leaves seven characters of a decimal string before the point


def structure_set_uid(source: DicomSource, identity: str, terms: Mapping[str, Any]) -> str:
    """Return the SOPInstanceUID of the RTSTRUCT that is made of a mask, whether it has been made or not.

    Args:
        source: the series.
        identity: a hash of the mask, its labels and its author.
        terms: the user's own.
    """
    return uid_for("RTSTRUCT", identity, repr(sorted(terms.items())), *(each.uid for each in source.instances))


def structure_set_of(
    array: NDArray[Any],
    segments: Sequence[Segment],
    source: DicomSource,
    author: Author,
    terms: Mapping[str, Any],
    identity: str,
) -> Dataset:
    """Return an RTSTRUCT beside its series.

    Args:
        array: label values on the source's grid, shape (X, Y, Z).
        segments: what the values mean; each becomes a region of its number, without contours where it has no voxel.
        source: the series; oblique and tilted ones too, for contours lie in the plane of their own slice.
        author: of the mask.
        terms: the user's own meanings of names.
        identity: a hash of mask, labels and author, from which UIDs follow.

    Returns:
        an object whose contours are drawn within `array` as `contours_of` says, and refer to the image (and frame) of
        their slice; those in a gap that was resampled refer to none.

    Raises:
        DataError: when the source is a picture without a place in the patient, or the mask has no labels.
    """
    if source.is_picture:
        raise DataError("a structure set lies in the patient, and this picture has no place there: take dicom_seg")
    if not segments:
        raise DataError("the mask has no labels, so there is nothing to write")
    with making("RTSTRUCT"):
        made = _object(source, structure_set_uid(source, identity, terms))
        made.SoftwareVersions = list(software_versions(author))
        made.StructureSetLabel = "SEGMENTATION"
        made.StructureSetName = f"Segments of {author.name}"[:LONGEST]
        made.SeriesDescription = f"Contours by {author.name}"[:LONGEST]
        made.StructureSetDate, made.StructureSetTime = moment(source.header)
        made.ReferencedFrameOfReferenceSequence = [_frame(source)]
        drawn = contours(array, segments, source)
        made.StructureSetROISequence = [_region(segment, source, author) for segment in segments]
        made.ROIContourSequence = [_drawn(segment, drawn[segment.number]) for segment in segments]
        made.RTROIObservationsSequence = [_observation(segment, terms) for segment in segments]
        made.ApprovalStatus = "UNAPPROVED"
    return made


def contours(array: NDArray[Any], segments: Sequence[Segment], source: DicomSource) -> dict[int, list[Dataset]]:
    """Return the items of ContourSequence of each segment by its number, slice by slice; `array` is (X, Y, Z)."""
    steps = source.grid.affine[:3, :2].T * SIGNS["LPS"]  # along a row, along a column
    finest = min(source.grid.spacing[:2]) / PER_VOXEL
    decimals = min(MOST_DECIMALS, max(2, ceil(-log10(finest))))
    found: dict[int, list[Dataset]] = {segment.number: [] for segment in segments}
    for plane, origin, values in zip(source.planes, source.positions, np.moveaxis(array, 2, 0), strict=True):
        images = [] if plane is None else [_image(source, [plane])]
        for segment, polygon in _polygons(values, segments):
            items = found[segment.number]
            items.append(_contour(origin + polygon @ steps, decimals, images, len(items) + 1))
    return found


def _polygons(values: NDArray[Any], segments: Sequence[Segment]) -> Iterator[tuple[Segment, NDArray[np.float64]]]:
    """Yield the contours of every segment in one slice, shape (X, Y), in index coordinates."""
    if not values.any() and not any(0 in segment.values for segment in segments):
        return
    present = set(np.unique(values).tolist())
    for segment in segments:
        held = present & set(segment.values)
        if held:
            mask = np.isin(values, list(held))
            columns, rows = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
            first = np.array([columns[0], rows[0]])
            for polygon in contours_of(mask[columns[0] : columns[-1] + 1, rows[0] : rows[-1] + 1]):
                yield segment, polygon + first


def _object(source: DicomSource, uid: str) -> Dataset:
    """Return an object with the modules that say what and whose it is."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(SYNTAX)
    made.file_meta.MediaStorageSOPClassUID = UID(STRUCTURE_SET)
    made.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    for element in identity_of(source.header).values():
        made.add(element)
    made.SpecificCharacterSet = "ISO_IR 192"  # names of labels are of any language
    made.SOPClassUID, made.SOPInstanceUID = UID(STRUCTURE_SET), uid
    made.Modality, made.SeriesInstanceUID = "RTSTRUCT", uid_for(uid, "series")
    made.SeriesNumber, made.InstanceNumber = series_number(source, SERIES_PLACE), 1
    made.OperatorsName = ""
    made.Manufacturer, made.ManufacturerModelName = MANUFACTURER, MODEL_NAME
    made.FrameOfReferenceUID = frame_of_reference(source)
    made.PositionReferenceIndicator = source.header.get("PositionReferenceIndicator") or ""
    return made


def _frame(source: DicomSource) -> Dataset:
    """Return which images of which series and study share the frame of reference that contours are drawn in."""
    images: dict[str, list[Plane]] = {}
    for plane in source.planes:
        if plane is not None:
            images.setdefault(plane.instance.uid, []).append(plane)
    series = _item(
        SeriesInstanceUID=source.first.series,
        ContourImageSequence=[_image(source, planes) for planes in images.values()],
    )
    study = _item(
        ReferencedSOPClassUID=STUDY, ReferencedSOPInstanceUID=source.first.study, RTReferencedSeriesSequence=[series]
    )
    return _item(FrameOfReferenceUID=frame_of_reference(source), RTReferencedStudySequence=[study])


def _image(source: DicomSource, planes: Sequence[Plane]) -> Dataset:
    """Return the reference to an object, with its frames where not all of them are meant."""
    instance = planes[0].instance
    image = _item(ReferencedSOPClassUID=source.headers[instance.uid].SOPClassUID, ReferencedSOPInstanceUID=instance.uid)
    frames = sorted({plane.frame.index + 1 for plane in planes})
    if len(frames) < instance.encoding.frames:
        image.ReferencedFrameNumber = frames if len(frames) > 1 else frames[0]
    return image


def _region(segment: Segment, source: DicomSource, author: Author) -> Dataset:
    return _item(
        ROINumber=segment.number,
        ReferencedFrameOfReferenceUID=frame_of_reference(source),
        ROIName=segment.name[:LONGEST],
        ROIGenerationAlgorithm="AUTOMATIC" if author.is_algorithm else "MANUAL",
        ROIGenerationDescription=f"{author.name} {author.version}"[:LONGEST],
    )


def _drawn(segment: Segment, items: list[Dataset]) -> Dataset:
    drawn = _item(ReferencedROINumber=segment.number, ROIDisplayColor=list(colour_of(segment.number)))
    if items:
        drawn.ContourSequence = items
    return drawn


def _contour(points: NDArray[np.float64], decimals: int, images: list[Dataset], number: int) -> Dataset:
    """Return one contour: its points in LPS mm, shape (N, 3), and the images that it lies on, none or one."""
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    contour = _item(ContourNumber=number, ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=len(points))
    if images:
        contour.ContourImageSequence = images
    numbers = np.round(points, decimals).ravel() + 0.0  # no negative zeros
    text = "\\".join(f"{value:.{decimals}f}" for value in numbers.tolist()).encode()
    text += b" " * (len(text) % 2)
    # As bytes, written as they are: pydicom would make an object of each of what may be millions of numbers.
    contour[CONTOUR_DATA] = RawDataElement(Tag(CONTOUR_DATA), "DS", len(text), text, 0, True, True)
    contour.set_original_encoding(is_implicit_vr=True, is_little_endian=True, character_encoding=ITS_OWN)
    return contour


def _observation(segment: Segment, terms: Mapping[str, Any]) -> Dataset:
    """Return what a region is, as codes."""
    term = term_for(segment.name, terms)
    value, scheme, meaning = term.kind
    code = _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)
    is_organ = term.is_known and term.category == CATEGORIES["anatomy"]
    return _item(
        ObservationNumber=segment.number,
        ReferencedROINumber=segment.number,
        ROIObservationLabel=segment.name[:SHORTEST],
        RTROIInterpretedType="ORGAN" if is_organ else "",
        RTROIIdentificationCodeSequence=[code],
        ROIInterpreter="",
    )


def _item(**elements: Any) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item
