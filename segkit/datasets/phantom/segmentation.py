"""A reference as DICOM SEG, beside the series that it was drawn on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription

_SERIES_NUMBER = 3  # the CT is series 2 of its study
_STRUCTURE = ("123037004", "Anatomical Structure")
_ABNORMAL = ("49755003", "Morphologically Altered Structure")
# What each name means: category and type in SNOMED CT (DICOM PS3.16, CID 7150 and 7166).
_MEANINGS = {
    "liver": (_STRUCTURE, ("10200004", "Liver")),
    "spleen": (_STRUCTURE, ("78961009", "Spleen")),
    "kidney": (_STRUCTURE, ("64033007", "Kidney")),
    "lesion": (_ABNORMAL, ("52988006", "Lesion")),
}


def write_segmentation(
    labels: NDArray[np.uint8], series: Path, names: Mapping[str, int], file: Path, uid: Callable[..., str]
) -> None:
    """Write a reference as DICOM SEG on the grid of its series.

    Args:
        labels: label values, shape (columns, rows, slices), slices along the normal of rows and columns.
        series: folder of the CT series, one file per slice.
        names: name to label value, counted from 1; `background` is passed over.
        file: the SEG, in an existing folder.
        uid: gives the UID of a thing in this study, the same on every call, as `Study.uid` does.

    Raises:
        DataError: when `series` has another number of slices than `labels`, or a name has no known meaning.
        OSError: when a file cannot be read or written.
    """
    from highdicom.seg import Segmentation

    from segkit.version import __version__

    slices = _slices(series)
    if len(slices) != labels.shape[2]:
        raise DataError(f"{series}: holds {len(slices)} slices where the reference has {labels.shape[2]}")
    shown = sorted((value, name) for name, value in names.items() if name != "background")
    segmentation = Segmentation(
        source_images=slices,
        pixel_array=np.ascontiguousarray(labels.transpose(2, 1, 0)),
        segmentation_type="BINARY",
        segment_descriptions=[_described(value, name, uid) for value, name in shown],
        series_instance_uid=uid("segmentation series"),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=uid("segmentation"),
        instance_number=1,
        manufacturer="segkit",
        manufacturer_model_name="Phantom",
        software_versions=__version__,
        device_serial_number="1",
        omit_empty_frames=False,  # on the whole grid of its series, so that it can be read alone
        content_label="REFERENCE",
        content_description="Synthetic truth",
        series_description="Reference",
    )
    _settle(segmentation, slices[0], uid)
    segmentation.save_as(file)


def _slices(series: Path) -> list[Any]:
    """Return the headers of a series, sorted along the slices' normal."""
    from pydicom import dcmread

    headers = [dcmread(path, stop_before_pixels=True) for path in sorted(series.iterdir())]

    def depth(header: Any) -> float:
        axes = np.reshape(header.ImageOrientationPatient, (2, 3)).astype(float)
        return float(np.cross(*axes) @ np.asarray(header.ImagePositionPatient, dtype=float))

    return sorted(headers, key=depth)


def _described(value: int, name: str, uid: Callable[..., str]) -> SegmentDescription:
    """Describe a segment; MANUAL, since no algorithm guessed it from the image.

    Raises:
        DataError: when its meaning is not known.
    """
    from highdicom.seg import SegmentDescription
    from pydicom.sr.coding import Code

    if name not in _MEANINGS:
        raise DataError(f"'{name}' has no SNOMED code here; known are {', '.join(_MEANINGS)}")
    category, meaning = (Code(number, "SCT", text) for number, text in _MEANINGS[name])
    return SegmentDescription(
        value, name, category, meaning, "MANUAL", tracking_uid=uid("segment", name), tracking_id=name
    )


def _settle(segmentation: Any, first: Any, uid: Callable[..., str]) -> None:
    """Put the study's own time and UIDs in place of those that highdicom takes from the clock and by chance."""
    for keyword in ("ContentDate", "InstanceCreationDate", "SeriesDate"):
        if keyword in segmentation:
            setattr(segmentation, keyword, first.StudyDate)
    for keyword in ("ContentTime", "InstanceCreationTime", "SeriesTime"):
        if keyword in segmentation:
            setattr(segmentation, keyword, first.StudyTime)
    for equipment in segmentation.get("ContributingEquipmentSequence") or ():
        equipment.ContributionDateTime = f"{first.StudyDate}{first.StudyTime}"
    organization = uid("segmentation dimensions")
    for item in (*segmentation.DimensionOrganizationSequence, *segmentation.DimensionIndexSequence):
        item.DimensionOrganizationUID = organization
