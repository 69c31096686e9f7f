"""A series as highdicom takes one, whatever it is made of, and the references to what it is really made of.

highdicom takes a series of single images, or one multi-frame object. Sources are those, but also mosaics, several
multi-frame objects, or slices in a gap that was resampled. So it is handed one plain header a slice, which holds no
more than it needs (nothing of a person beyond `IDENTITY`), and what it refers to is put right afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from segkit.volumes.dicom.derived.objects import identity_of, uid_for
from segkit.volumes.dicom.derived.source import DicomSource
from segkit.volumes.dicom.instances import Plane
from segkit.volumes.dicom.uids import CT_IMAGE, SECONDARY_CAPTURE
from segkit.volumes.grid import SIGNS

if TYPE_CHECKING:
    from pydicom import Dataset

STAND_IN = "2.25.{}"  # SOPInstanceUID of slice N towards highdicom
COPIED = (
    *("PositionReferenceIndicator", "Modality"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)


def frame_of_reference(source: DicomSource) -> str:
    """Return the FrameOfReferenceUID of a series; of one that lacks it a UID that follows from the series'."""
    return source.first.frame_of_reference or uid_for("frame of reference", source.first.series_key)


def slice_headers(source: DicomSource) -> list[Dataset]:
    """Return a plain single image's header for each slice of the grid, in the order of slices."""
    from pydicom import Dataset

    columns, rows = source.grid.shape[:2]
    shared = _shared(source, rows, columns)
    headers = []
    for index, position in enumerate(source.positions):
        header = Dataset()
        header.update(shared)
        header.SOPInstanceUID = STAND_IN.format(index + 1)
        if not source.is_picture:
            header.ImagePositionPatient = [float(value) for value in position]
        headers.append(header)
    return headers


def _shared(source: DicomSource, rows: int, columns: int) -> Dataset:
    """Return the elements that all slices share."""
    from pydicom import Dataset

    header = Dataset()
    for element in identity_of(source.header).values():
        header.add(element)
    for keyword in COPIED:
        if keyword in source.header:
            header.add(source.header[keyword])
    if str(header.PatientSex or "") not in ("M", "F", "O", ""):
        header.PatientSex = ""
    header.SOPClassUID = SECONDARY_CAPTURE if source.is_picture else CT_IMAGE  # towards highdicom, whatever they are
    header.SeriesInstanceUID = source.first.series
    header.Rows, header.Columns = rows, columns
    if not source.is_picture:
        header.FrameOfReferenceUID = frame_of_reference(source)
        header.update(_measures(source))
    return header


def _measures(source: DicomSource) -> Dataset:
    """Return spacing, thickness and orientation of the slices."""
    from pydicom import Dataset

    steps = source.grid.affine[:3, :3].T * SIGNS["LPS"]
    along, down = (step / np.linalg.norm(step) for step in steps[:2])
    measures = Dataset()
    measures.ImageOrientationPatient = [float(cosine) + 0.0 for cosine in (*along, *down)]
    measures.PixelSpacing = [source.grid.spacing[1], source.grid.spacing[0]]
    gap = abs(float(np.cross(along, down) @ steps[2]))  # of a tilted gantry less than the step
    thickness = next((plane.frame.thickness for plane in source.planes if plane is not None), None)
    measures.SliceThickness, measures.SpacingBetweenSlices = thickness or gap, gap
    return measures


def refer(made: Dataset, source: DicomSource) -> None:
    """Put the objects and frames that slices are made of in the place of what they were called towards highdicom."""
    planes = {STAND_IN.format(index + 1): plane for index, plane in enumerate(source.planes)}
    objects = [_reference(source, plane) for plane in _each_object(source)]
    made.SourceImageSequence = objects
    made.ReferencedSeriesSequence[0].ReferencedInstanceSequence = objects
    for frame in made.get("PerFrameFunctionalGroupsSequence") or ():
        if "DerivationImageSequence" not in frame:
            continue
        (image,) = frame.DerivationImageSequence[0].SourceImageSequence  # one item for all segments of a slice
        name = str(image.ReferencedSOPInstanceUID)
        if name not in planes:
            continue  # done with an earlier segment
        plane = planes[name]
        if plane is None:
            frame.DerivationImageSequence = []
            continue
        image.update(_reference(source, plane))
        if plane.instance.encoding.frames > 1:
            image.ReferencedFrameNumber = plane.frame.index + 1


def _each_object(source: DicomSource) -> Iterator[Plane]:
    seen = set()
    for plane in source.planes:
        if plane is not None and plane.instance.uid not in seen:
            seen.add(plane.instance.uid)
            yield plane


def _reference(source: DicomSource, plane: Plane) -> Dataset:
    from pydicom import Dataset

    reference = Dataset()
    reference.ReferencedSOPClassUID = source.headers[plane.instance.uid].SOPClassUID
    reference.ReferencedSOPInstanceUID = plane.instance.uid
    return reference
