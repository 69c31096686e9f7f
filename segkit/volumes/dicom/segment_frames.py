"""The frames of a DICOM SEG: which segment each shows, and where its pixels lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.dicom.datasets import numbers, tag_of
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.segment_tiles import is_tiled, tile_corners, tiled_grid
from segkit.volumes.grid import Grid, affine_from, affine_from_steps

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True, eq=False)
class SegmentFrame:
    """One plane of pixels.

    Attributes:
        index: its place in the pixel data, counted from 0.
        segment: the segment that it shows; None in a label map, whose pixels say it themselves.
        affine: 4x4, pixel (column, row, 0, 1) to RAS+ mm; its third column is the unit normal.
        source: the image that it was drawn on, and that image's frame; "" where it does not say.
    """

    index: int
    segment: int | None
    affine: NDArray[np.float64]
    source: str


@dataclass(frozen=True, eq=False)
class SegmentFrames:
    """All frames of an object.

    Attributes:
        file: the object.
        size: columns and rows of every frame.
        listed: the frames as stored.
        has_place: whether the object says where they lie in the patient or on the slide; radiographs have no place.
        between_slices: SpacingBetweenSlices in mm, None where not given.
        thickness: SliceThickness in mm, None where not given.
        matrix: 2D grid that tiles of a slide make up; None of other objects.
    """

    file: DicomFile
    size: tuple[int, int]
    listed: tuple[SegmentFrame, ...]
    has_place: bool
    between_slices: float | None
    thickness: float | None
    matrix: Grid | None


def read_frames(header: Dataset, file: DicomFile, segments: tuple[int, ...] | None) -> SegmentFrames:
    """Read what a SEG's header says of its frames.

    Args:
        header: its dataset; pixel data is not needed.
        file: named in errors.
        segments: segment numbers in the object's order; None of a label map, whose frames show all of them.

    Raises:
        DataError: when frames and header contradict each other.
        GeometryError: when a frame's place is given in part only, or impossible.
    """
    groups = _Groups(header, file)
    size = int(header.Columns), int(header.Rows)
    depth = groups.millimetres("SpacingBetweenSlices"), groups.millimetres("SliceThickness")
    if is_tiled(header):
        matrix = tiled_grid(header, groups.spacing(0) or (1.0, 1.0), file)
        return SegmentFrames(file, size, tuple(_tiles(header, groups, matrix, segments)), True, *depth, matrix)
    count = int(header.get("NumberOfFrames") or 1)
    if max(1, groups.count) != count:
        what = f"{tag_of('NumberOfFrames')} says {count}, {tag_of('PerFrameFunctionalGroupsSequence')} lists"
        raise DataError(f"{file}: {what} {groups.count}")
    planes = [groups.plane(index) for index in range(count)]
    if any(plane is None for plane in planes) and any(plane is not None for plane in planes):
        raise GeometryError(f"{file}: some frames have an {tag_of('ImagePositionPatient')}, others have none")
    flat = affine_from(groups.spacing(0) or (1.0, 1.0))
    listed = tuple(
        SegmentFrame(index, groups.segment(index, segments), flat if plane is None else plane, groups.source(index))
        for index, plane in enumerate(planes)
    )
    return SegmentFrames(file, size, listed, planes[0] is not None, *depth, None)


def source_uids(header: Dataset) -> frozenset[str]:
    """Return the SOPInstanceUIDs that the frames say they were drawn on (DerivationImageSequence)."""
    items = [*(header.get("PerFrameFunctionalGroupsSequence") or ())]
    items += header.get("SharedFunctionalGroupsSequence") or ()
    return frozenset(
        str(source.ReferencedSOPInstanceUID)
        for item in items
        for derivation in item.get("DerivationImageSequence") or ()
        for source in derivation.get("SourceImageSequence") or ()
        if source.get("ReferencedSOPInstanceUID")
    )


def _tiles(header: Dataset, groups: _Groups, matrix: Grid, segments: tuple[int, ...] | None) -> list[SegmentFrame]:
    """List the tiles of a slide, each with its corner in the total pixel matrix."""
    frames = []
    for index, (segment, column, row) in enumerate(tile_corners(header, groups.file, segments)):
        corner = affine_from((1, 1, 1), (column, row, 0))
        shown = groups.segment(index, segments) if segment is None else segment
        frames.append(SegmentFrame(index, shown, matrix.affine @ corner, ""))
    return frames


class _Groups:
    """Functional groups: what a frame says itself comes before what all share (DICOM PS3.3, C.7.6.16)."""

    def __init__(self, header: Dataset, file: DicomFile) -> None:
        self.file = file
        self._own = header.get("PerFrameFunctionalGroupsSequence") or ()
        self._shared = (header.get("SharedFunctionalGroupsSequence") or (None,))[0]

    @property
    def count(self) -> int:
        """Number of frames that have groups of their own."""
        return len(self._own)

    def spacing(self, index: int) -> tuple[float, float] | None:
        """Return mm between columns and between rows, which DICOM writes the other way round; None where not given.

        Raises:
            GeometryError: when it is not positive.
        """
        values = self._numbers(index, "PixelMeasuresSequence", "PixelSpacing", 2)
        if values is None:
            return None
        if min(values) <= 0:
            raise GeometryError(f"{self.file}: {tag_of('PixelSpacing')} is not positive")
        return values[1], values[0]

    def millimetres(self, keyword: str) -> float | None:
        """Return a length of the first frame's PixelMeasuresSequence; None where it is not given or 0."""
        values = self._numbers(0, "PixelMeasuresSequence", keyword, 1)
        return abs(values[0]) or None if values else None

    def plane(self, index: int) -> NDArray[np.float64] | None:
        """Return the 4x4 affine of a frame's pixels; None when nothing is said of its place in the patient.

        Raises:
            GeometryError: when a part is missing.
        """
        position = self._numbers(index, "PlanePositionSequence", "ImagePositionPatient", 3)
        orientation = self._numbers(index, "PlaneOrientationSequence", "ImageOrientationPatient", 6)
        if position is None and orientation is None:
            return None
        spacing = self.spacing(index)
        parts = {"ImagePositionPatient": position, "ImageOrientationPatient": orientation, "PixelSpacing": spacing}
        missing = [tag_of(keyword) for keyword, values in parts.items() if values is None]
        if position is None or orientation is None or spacing is None:
            raise GeometryError(f"{self.file}: frame {index + 1} has no {missing[0]}, so its place is unknown")
        axes = np.array(orientation).reshape(2, 3)
        lengths = np.linalg.norm(axes, axis=1, keepdims=True)
        if not lengths.all() or not np.cross(*axes).any():
            raise GeometryError(f"{self.file}: {tag_of('ImageOrientationPatient')} spans no plane")
        return affine_from_steps(axes / lengths * np.array(spacing)[:, None], position, space="LPS")

    def segment(self, index: int, segments: tuple[int, ...] | None) -> int | None:
        """Return the segment that a frame shows; None in a label map.

        Raises:
            DataError: when it names none, or one that the object does not describe.
        """
        if segments is None:
            return None
        macro = self._macro(index, "SegmentIdentificationSequence")
        number = macro.get("ReferencedSegmentNumber") if macro is not None else None
        if number is None and len(segments) == 1:
            return segments[0]
        if number is None or int(number) not in segments:
            raise DataError(
                f"{self.file}: frame {index + 1} has no {tag_of('ReferencedSegmentNumber')} out of "
                f"{tag_of('SegmentSequence')}"
            )
        return int(number)

    def source(self, index: int) -> str:
        """Return the first image that a frame was drawn on, and its frame there; "" where it does not say."""
        derivation = self._macro(index, "DerivationImageSequence")
        images = derivation.get("SourceImageSequence") if derivation is not None else None
        if not images:
            return ""
        return f"{images[0].get('ReferencedSOPInstanceUID', '')} {images[0].get('ReferencedFrameNumber') or ''}"

    def _macro(self, index: int, keyword: str) -> Dataset | None:
        for groups in (self._own[index] if index < len(self._own) else None, self._shared):
            sequence = groups.get(keyword) if groups is not None else None
            if sequence:
                first: Dataset = sequence[0]
                return first
        return None

    def _numbers(self, index: int, sequence: str, keyword: str, count: int) -> tuple[float, ...] | None:
        macro = self._macro(index, sequence)
        return None if macro is None else numbers(macro, keyword, count, self.file)
