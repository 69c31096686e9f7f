"""RTSTRUCT: regions of interest that are drawn as closed contours, in millimetres, slice by slice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.dicom.datasets import guarded, quietly, read_dataset, tag_of
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.labelled import Labelled
from segkit.volumes.dicom.polygons import filled
from segkit.volumes.dicom.uids import STRUCTURE_SET
from segkit.volumes.grid import Grid

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")  # points and open lines enclose no area
FARTHEST = 1e6  # mm: no patient is larger
# Cosines of three digits tilt a plane by up to 0.25 mm over 250 mm, a quarter of a thin slice. Contours of another
# orientation spread over more than half a slice, as soon as they enclose a voxel.
FLAT = 0.5  # slices between the points of one contour
SAME_PLANE = 0.1  # slices between contours that combine: what rounding does, and less than two slices of any series
DECIMALS = 4  # of voxels: contours often run through centres, and float32 noise shall not say on which side


@dataclass(frozen=True, eq=False)
class Region:
    """One region of interest.

    Attributes:
        frame_of_reference: FrameOfReferenceUID of its coordinates; "" where it gives none.
        contours: the datasets of its closed contours, as in the file.
    """

    frame_of_reference: str
    contours: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Structures(Labelled):
    """The regions of an RTSTRUCT that have closed contours.

    Attributes:
        regions: ROI number to what is drawn; the keys of `names`.
    """

    regions: Mapping[int, Region]

    def mask_on(self, number: int, grid: Grid) -> NDArray[np.bool_]:
        """Draw one region: voxels whose centre lies inside; contours of one plane combine by XOR.

        Args:
            number: a key of `names`.
            grid: 3D grid of the series that it was drawn on, RAS+ mm; it may be oblique or sheared.

        Returns:
            shape `grid.shape`. Each plane of contours is drawn on the nearest slice, at most half a slice off; planes
            outside the grid are left out.

        Raises:
            GeometryError: when a contour is not parallel to the slices, belongs to another frame of reference than
                most regions do, or is to be drawn on a picture without a place in the patient.
            DataError: when there is no such region, or the coordinates of a contour are damaged.
        """
        if number not in self.regions:
            raise DataError(f"{self.file}: has no region {number} with closed contours")
        if grid.dims == 2:
            raise GeometryError(
                f"{self.file}: lies in the patient, and the picture that it is drawn on has no place there"
            )
        region = self.regions[number]
        if region.frame_of_reference not in ("", self.frame_of_reference):
            tag = tag_of("ReferencedFrameOfReferenceUID")
            raise GeometryError(f"{self.file}: {tag} of ROI {number} is another than most of its regions have")
        with quietly():
            contours = [
                _indices(contour, grid, f"ROI {number}, contour {place}", self.file)
                for place, contour in enumerate(region.contours, start=1)
            ]
        mask = np.zeros(grid.shape[::-1], np.bool_).T  # slices last, as in the series' own array
        for depth, polygons in _planes(contours):
            if -0.5 <= depth <= grid.shape[2] - 0.5:
                nearest = min(int(np.floor(depth + 0.5)), grid.shape[2] - 1)
                mask[:, :, nearest] |= filled(polygons, (grid.shape[0], grid.shape[1]))
        return mask


def read_structures(file: DicomFile) -> Structures:
    """Read an RTSTRUCT; the coordinates of a region are not looked at before it is drawn.

    Returns:
        The regions that have closed contours. Regions of points or open lines are left out; so are contours of a ROI
        number that StructureSetROISequence does not name.

    Raises:
        DataError: when it is no RTSTRUCT or is damaged; the message names file and tag.
    """
    with guarded(file), quietly():
        dataset = read_dataset(file)
        if _text(dataset, "SOPClassUID", file) != STRUCTURE_SET:
            raise DataError(f"{file}: {tag_of('SOPClassUID')} is not that of an RT Structure Set")
        names, regions = _regions(dataset, file)
        return Structures(
            file=file,
            names=names,
            series=_series(dataset, file),
            instances=_instances(dataset, regions.values(), file),
            frame_of_reference=_frame_of_reference(dataset, regions.values(), file),
            regions=regions,
        )


def _regions(dataset: Any, file: DicomFile) -> tuple[dict[int, str], dict[int, Region]]:
    """Return names and regions by ROI number, in the order of StructureSetROISequence."""
    contours: dict[int | None, list[Any]] = {}
    for drawn in _inner(dataset, file, "ROIContourSequence"):
        closed = [
            contour
            for contour in _inner(drawn, file, "ContourSequence")
            if _text(contour, "ContourGeometricType", file).upper() in CLOSED
        ]
        contours.setdefault(_whole(drawn, "ReferencedROINumber", file), []).extend(closed)
    names, regions = {}, {}
    for roi in _inner(dataset, file, "StructureSetROISequence"):
        number = _whole(roi, "ROINumber", file)
        if number in names:
            raise DataError(f"{file}: {tag_of('ROINumber')} is {number} of two regions, so their contours are mixed up")
        if number is not None and contours.get(number):
            names[number] = _text(roi, "ROIName", file)
            regions[number] = Region(_text(roi, "ReferencedFrameOfReferenceUID", file), tuple(contours[number]))
    return names, regions


def _referenced_series(dataset: Any, file: DicomFile) -> Iterator[Any]:
    path = ("ReferencedFrameOfReferenceSequence", "RTReferencedStudySequence", "RTReferencedSeriesSequence")
    return _inner(dataset, file, *path)


def _series(dataset: Any, file: DicomFile) -> tuple[str, ...]:
    found = dict.fromkeys(_text(one, "SeriesInstanceUID", file) for one in _referenced_series(dataset, file))
    return tuple(uid for uid in found if uid)


def _instances(dataset: Any, regions: Iterable[Region], file: DicomFile) -> frozenset[str]:
    holders = [*_referenced_series(dataset, file), *(contour for region in regions for contour in region.contours)]
    images = (image for holder in holders for image in _inner(holder, file, "ContourImageSequence"))
    return frozenset(_text(image, "ReferencedSOPInstanceUID", file) for image in images) - {""}


def _frame_of_reference(dataset: Any, regions: Iterable[Region], file: DicomFile) -> str:
    """Return the frame that most regions name, else the object's own."""
    named = Counter(region.frame_of_reference for region in regions if region.frame_of_reference)
    if named:
        return named.most_common(1)[0][0]
    holders = (*_inner(dataset, file, "ReferencedFrameOfReferenceSequence"), dataset)
    return next(filter(None, (_text(holder, "FrameOfReferenceUID", file) for holder in holders)), "")


def _indices(contour: Any, grid: Grid, which: str, file: DicomFile) -> NDArray[np.float64]:
    """Return a contour's points as voxel indices (i, j, k), shape (N, 3).

    Raises:
        GeometryError: when it is not parallel to the slices.
    """
    points = _points(contour, which, file) * [-1.0, -1.0, 1.0]  # LPS to RAS
    indices = np.linalg.solve(grid.affine[:3, :3], (points - grid.affine[:3, 3]).T).T
    spread = float(np.ptp(indices[:, 2])) if len(indices) else 0.0
    if spread > FLAT:
        raise GeometryError(
            f"{file}: {tag_of('ContourData')} of {which} spreads over {spread:.2g} slices, so it was drawn on a series "
            "of another orientation"
        )
    return np.round(indices, DECIMALS)


def _points(contour: Any, which: str, file: DicomFile) -> NDArray[np.float64]:
    """Return a contour's points in LPS mm, shape (N, 3).

    Raises:
        DataError: when they are no points, or not as many as the contour says.
    """
    where = f"{file}: {tag_of('ContourData')} of {which}"
    element = contour.get_item("ContourData")
    stored = element.value if element is not None and element.value else b""
    texts = stored.rstrip(b"\0 ").split(b"\\") if isinstance(stored, bytes) and stored else list(stored)
    try:
        # The element as it lies in the file: pydicom would make an object of each number, which takes 10 times longer.
        values = np.array(texts, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where} holds other than numbers") from error
    if values.size % 3 or not (np.abs(values) < FARTHEST).all():
        raise DataError(f"{where} holds {values.size} values, which are no points of three finite coordinates in mm")
    stated = _whole(contour, "NumberOfContourPoints", file)
    if stated not in (None, values.size // 3):
        counts = f"{values.size // 3} points where {tag_of('NumberOfContourPoints')} says {stated}"
        raise DataError(f"{where} holds {counts}: is it cut short?")
    return values.reshape(-1, 3)


def _planes(contours: list[NDArray[np.float64]]) -> Iterator[tuple[float, list[NDArray[np.float64]]]]:
    """Yield the slice index, a fraction, and the polygons (i, j) of each plane that has contours."""
    contours = sorted((contour for contour in contours if len(contour)), key=_depth)
    depths = np.array([_depth(contour) for contour in contours])
    starts = [0, *(np.flatnonzero(np.diff(depths) > SAME_PLANE) + 1), len(contours)]
    for start, stop in pairwise(starts):
        if stop > start:
            yield float(depths[start:stop].mean()), [contour[:, :2] for contour in contours[start:stop]]


def _depth(contour: NDArray[np.float64]) -> float:
    return float(contour[:, 2].mean())


def _inner(dataset: Any, file: DicomFile, *path: str) -> Iterator[Any]:
    """Yield the datasets at the end of a path of sequences; none where one is absent or no sequence."""
    from pydicom import Sequence

    if not path:
        yield dataset
        return
    found = _value(dataset, path[0], file)
    for each in found if isinstance(found, Sequence) else ():
        yield from _inner(each, file, *path[1:])


def _text(dataset: Any, keyword: str, file: DicomFile) -> str:
    """Return an element as text; "" where it is absent or empty."""
    value = _value(dataset, keyword, file)
    several = value if isinstance(value, list | tuple) else [value or ""]
    return "\\".join(str(each) for each in several).strip()


def _whole(dataset: Any, keyword: str, file: DicomFile) -> int | None:
    """Return an element as integer; None where it is absent or empty."""
    value = _value(dataset, keyword, file)
    try:
        return None if value is None or value == "" else int(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{file}: {tag_of(keyword)} holds no number") from error


def _value(dataset: Any, keyword: str, file: DicomFile) -> Any:
    """Return an element's value; None where it is absent.

    Raises:
        DataError: when it is damaged or cut short, which pydicom notices no sooner than here, or not at all.
    """
    from pydicom.dataelem import RawDataElement

    stored = dataset.get_item(keyword)
    if isinstance(stored, RawDataElement) and len(stored.value or b"") < stored.length:
        raise DataError(f"{file}: {tag_of(keyword)} is cut short; was the file copied in whole?")
    try:
        return dataset.get(keyword)
    except Exception as error:
        # What pydicom says may quote values.
        raise DataError(f"{file}: {tag_of(keyword)} is damaged ({type(error).__name__})") from error
