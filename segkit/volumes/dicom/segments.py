"""DICOM SEG and Label Map SEG: named segments, drawn onto the grid of their series or onto their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError, GeometryError
from segkit.foundation.machine import available_memory
from segkit.volumes.dicom.datasets import guarded, quietly, read_dataset, tag_of
from segkit.volumes.dicom.files import FORMAT_NAME, DicomFile
from segkit.volumes.dicom.labelled import Labelled
from segkit.volumes.dicom.segment_frames import SegmentFrame, SegmentFrames, read_frames, source_uids
from segkit.volumes.dicom.segment_pixels import StoredPixels, read_pixels
from segkit.volumes.dicom.segment_planes import check_one_picture, grid_of, place_on
from segkit.volumes.dicom.uids import LABEL_MAP, SEGMENTATION
from segkit.volumes.grid import Grid, as_3d
from segkit.volumes.volume import Source, Volume

if TYPE_CHECKING:
    from pydicom import Dataset

KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")


@dataclass(frozen=True, eq=False)
class Segments(Labelled):
    """The segments of a DICOM SEG.

    Attributes:
        kind: SegmentationType: BINARY, FRACTIONAL or LABELMAP.
        most: MaximumFractionalValue, the stored value of certainty or full occupancy.
        frames: what each frame shows, and where.
        pixels: decoded when asked for.
    """

    kind: str
    most: int
    frames: SegmentFrames
    pixels: StoredPixels

    def mask_on(self, number: int, grid: Grid) -> NDArray[np.bool_]:
        """Draw one segment frame by frame; `Labelled.mask_on` says more.

        A fractional segment is drawn where its probability or occupancy is at least one half. Of a frame that reaches
        beyond the grid the part inside is drawn. A picture without a place in the patient is drawn on a picture's grid,
        or on one slice, of its size.

        Raises:
            GeometryError: when a frame's pixels are no voxels of this grid, or every frame lies outside it.
            DataError: when there is no such segment, or its pixels cannot be decoded.
        """
        if number not in self.names:
            raise DataError(f"{self.file}: has no segment {number}")
        mask = _zeros(as_3d(grid).shape, np.dtype(np.bool_))
        frames = [frame for frame in self.frames.listed if frame.segment in (number, None)]
        drawn = 0
        for onto, pixels in self._drawn(frames, mask, as_3d(grid)):
            onto[...] |= self._inside(pixels, number)
            drawn += 1
        if frames and not drawn:
            raise GeometryError(
                f"{self.file}: segment {number} lies outside the grid that it was to be drawn on "
                f"({tag_of('ImagePositionPatient')})"
            )
        return mask.reshape(grid.shape)

    def own_volume(self) -> Volume:
        """Draw all segments on the grid that their frames make up.

        Returns:
            Label values, shape (1, X, Y, Z), of the smallest unsigned type, where no two segments overlap; else one
            channel of 0 and 1 for each segment, in order of number. X = column, Y = row, slices sorted along their
            normal, planes that are not stored filled with 0. (C, X, Y) for the tiles of a slide and for pictures
            without a place in the patient.

        Raises:
            GeometryError: when the frames make up no grid.
            DataError: when the volume takes more memory than is free, or pixels cannot be decoded.
        """
        grid = self.own_grid()
        array = self._label_values(grid)
        if array is None:
            array = self._channels(grid)
        return Volume(array.reshape(-1, *grid.shape), grid, Source(self.file.path, FORMAT_NAME))

    def own_grid(self) -> Grid:
        """Return the grid of `own_volume`, without decoding pixels.

        Raises:
            GeometryError: when the frames make up no grid.
        """
        return grid_of(self.frames)

    def _label_values(self, grid: Grid) -> NDArray[Any] | None:
        """Return label values, shape (X, Y, Z); None when segments overlap."""
        numbers = sorted(self.names)
        labels = self._room(as_3d(grid).shape, np.min_scalar_type(max(numbers, default=1)))
        for frame in self.frames.listed:
            for onto, pixels in self._drawn([frame], labels, as_3d(grid)):
                values = self._values(pixels, frame, numbers, labels.dtype)
                if ((onto != 0) & (values != 0) & (onto != values)).any():
                    return None
                np.copyto(onto, values, where=values != 0)
        return labels

    def _channels(self, grid: Grid) -> NDArray[np.uint8]:
        """Return one mask of 0 and 1 per segment, shape (S, X, Y, Z)."""
        numbers = sorted(self.names)
        masks = self._room((len(numbers), *as_3d(grid).shape), np.dtype(np.uint8))
        for frame in self.frames.listed:
            if frame.segment is not None:
                for onto, pixels in self._drawn([frame], masks[numbers.index(frame.segment)], as_3d(grid)):
                    onto[...] |= self._inside(pixels, frame.segment)
        return masks

    def _room(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        size = prod(shape) * dtype.itemsize
        if size > available_memory():
            raise DataError(f"{self.file}: its {shape} voxels take {size / 1e9:.1f} GB, more memory than is free")
        return _zeros(shape, dtype)

    def _drawn(
        self, frames: list[SegmentFrame], canvas: NDArray[Any], grid: Grid
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Give, for each frame that lies on the grid at least in part, a view of the canvas and the stored values."""
        size = self.frames.size
        for frame in frames:
            place = place_on(self._affine(frame, grid), size, grid)
            if place is None:
                what = f"{tag_of('ImagePositionPatient')}, {tag_of('PixelSpacing')}"
                raise GeometryError(
                    f"{self.file}: frame {frame.index + 1} does not lie on the voxels of the grid that it was to be "
                    f"drawn on ({what})"
                )
            if place.is_on(grid, size):
                yield place.overlap(canvas, self.pixels.frame(frame.index).T)

    def _affine(self, frame: SegmentFrame, grid: Grid) -> NDArray[np.float64]:
        """Return where a frame lies: a picture without a place lies where the only slice of its size does.

        Raises:
            GeometryError: when the grid is no such slice.
        """
        if self.frames.has_place:
            return frame.affine
        check_one_picture(self.frames)
        if grid.shape != (*self.frames.size, 1):
            raise GeometryError(
                f"{self.file}: has no {tag_of('ImagePositionPatient')} and another size "
                f"{self.frames.size} than the grid {grid.shape}"
            )
        return grid.affine

    def _inside(self, pixels: NDArray[Any], number: int) -> NDArray[np.bool_]:
        """Tell for each stored value whether it lies in a segment."""
        if self.kind == "LABELMAP":
            return np.asarray(pixels == number)
        if self.kind == "FRACTIONAL":
            return np.asarray(pixels >= self.most / 2)
        return np.asarray(pixels != 0)

    def _values(
        self, pixels: NDArray[Any], frame: SegmentFrame, numbers: list[int], dtype: np.dtype[Any]
    ) -> NDArray[Any]:
        """Turn stored values into label values; padding and values that no segment has become 0."""
        if frame.segment is None:
            return np.asarray(np.where(np.isin(pixels, numbers), pixels, 0), dtype)
        return np.asarray(np.where(self._inside(pixels, frame.segment), frame.segment, 0), dtype)


def read_segments(file: DicomFile) -> Segments:
    """Read a DICOM SEG: its names and frames; pixels are read when a segment is drawn.

    Raises:
        DataError: when it is no DICOM SEG, is damaged, or its header contradicts itself or the file's size.
        GeometryError: when it says in part only where its frames lie.
    """
    header = read_dataset(file)
    # pydicom turns bytes into values when they are asked for, and what it says of damaged ones may quote them.
    with guarded(file), quietly():
        return _segments_of(header, file)


def _segments_of(header: Dataset, file: DicomFile) -> Segments:
    kind = str(header.get("SegmentationType") or "")
    if str(header.get("SOPClassUID")) not in (SEGMENTATION, LABEL_MAP) or kind not in KINDS:
        raise DataError(f"{file}: is no DICOM SEG of a known {tag_of('SegmentationType')}")
    is_map = kind == "LABELMAP"
    pixels = read_pixels(header, file, keeps_decoded=is_map)
    names = _names(header, file)
    frames = read_frames(header, file, None if is_map else tuple(names))
    series, instances = _references(header)
    return Segments(
        file=file,
        names={number: name for number, name in names.items() if number or not is_map},
        series=series,
        instances=instances or source_uids(header),
        frame_of_reference=str(header.get("FrameOfReferenceUID") or ""),
        kind=kind,
        most=int(header.get("MaximumFractionalValue") or 255),
        frames=frames,
        pixels=pixels,
    )


def _zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return zeros of shape (..., X, Y, Z) whose slices each lie in one piece, where frames are written fast."""
    return np.zeros((*shape[:-3], *shape[:-4:-1]), dtype).swapaxes(-1, -3)


def _names(header: Dataset, file: DicomFile) -> dict[int, str]:
    """Return each segment's number and label.

    Raises:
        DataError: when a number is missing or occurs twice.
    """
    names: dict[int, str] = {}
    for segment in header.get("SegmentSequence") or ():
        number = segment.get("SegmentNumber")
        if number is None or int(number) in names:
            raise DataError(f"{file}: a {tag_of('SegmentNumber')} is missing or occurs twice")
        names[int(number)] = str(segment.get("SegmentLabel") or "").strip() or f"segment {number}"
    return names


def _references(header: Dataset) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the UIDs of the series, and of the images in them, that the object says it was drawn on."""
    studies = [header, *(header.get("StudiesContainingOtherReferencedInstancesSequence") or ())]
    found = [series for study in studies for series in study.get("ReferencedSeriesSequence") or ()]
    series = dict.fromkeys(str(each.SeriesInstanceUID) for each in found if each.get("SeriesInstanceUID"))
    images = (image for each in found for image in each.get("ReferencedInstanceSequence") or ())
    return tuple(series), frozenset(str(image.get("ReferencedSOPInstanceUID") or "") for image in images) - {""}
