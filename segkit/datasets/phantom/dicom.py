"""A classic CT series on disk: one CT Image Storage object per slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.datasets.phantom.acquisition import Acquisition

INTERCEPT = -1024  # HU of a stored 0, as CT scanners write it
_DAY, _TIME = "20260105", "080000"  # constant, so that a cohort's bytes depend on its seed alone


@dataclass(frozen=True)
class Study:
    """Who was scanned, and the seed from which the unique identifiers come.

    Attributes:
        case: the patient's ID.
        seed: the cohort's seed; the same seed and case give the same UIDs, any other pair gives others.
    """

    case: str
    seed: int

    def uid(self, *purpose: str | int) -> str:
        """Return the UID of one thing in this study, the same on every call."""
        from pydicom.uid import PYDICOM_ROOT_UID, generate_uid

        return str(generate_uid(PYDICOM_ROOT_UID, ["segkit phantom", str(self.seed), self.case, *map(str, purpose)]))


def write_series(
    hu: NDArray[np.int16], acquisition: Acquisition, study: Study, folder: Path, *, names: Sequence[int]
) -> None:
    """Write a CT series, one file per slice.

    Args:
        hu: Hounsfield units, shape (columns, rows, slices), slices along the normal.
        acquisition: the grid's place in the patient, LPS mm.
        study: who was scanned.
        folder: an existing folder for the files.
        names: number in each slice's file name, in any order.

    Raises:
        OSError: when a file cannot be written.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    one = Dataset()
    _fill(one, {**_study_attributes(study), **_image_attributes(acquisition)})
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for index, name in enumerate(names):
        _fill(one, _slice_attributes(acquisition, study, index))
        one.PixelData = (hu[:, :, index].T - INTERCEPT).astype("<i2").tobytes()
        one.save_as(folder / f"IM{name:05d}.dcm", enforce_file_format=True)


def _fill(header: Any, attributes: Mapping[str, Any]) -> None:
    """Set attributes of a dataset by keyword."""
    for keyword, value in attributes.items():
        setattr(header, keyword, value)


def _study_attributes(study: Study) -> Mapping[str, Any]:
    """Return the Patient, Study, Series, Frame of Reference and Equipment modules (DICOM PS3.3, A.3.3)."""
    from segkit.version import __version__

    return {
        "PatientName": f"Synthetic^{study.case}",
        "PatientID": study.case,
        "PatientBirthDate": "",
        "PatientSex": "O",
        "StudyInstanceUID": study.uid("study"),
        "StudyDate": _DAY,
        "StudyTime": _TIME,
        "ReferringPhysicianName": "",
        "StudyID": "1",
        "AccessionNumber": "",
        "StudyDescription": "Synthetic abdomen",
        "Modality": "CT",
        "SeriesInstanceUID": study.uid("series"),
        "SeriesNumber": 2,
        "SeriesDate": _DAY,
        "SeriesTime": _TIME,
        "SeriesDescription": "Abdomen, simulated",
        "BodyPartExamined": "ABDOMEN",
        "FrameOfReferenceUID": study.uid("frame of reference"),
        "PositionReferenceIndicator": "",
        "Manufacturer": "segkit",
        "ManufacturerModelName": "Phantom",
        "SoftwareVersions": __version__,
        "QualityControlImage": "YES",  # DICOM's word for "not a patient"
    }


def _image_attributes(acquisition: Acquisition) -> Mapping[str, Any]:
    """Return the General Image, Image Plane, Image Pixel, CT Image and VOI LUT modules that all slices share."""
    from pydicom.uid import CTImageStorage

    columns, rows, _ = acquisition.shape
    between_columns, between_rows, between_slices = acquisition.spacing
    return {
        "SOPClassUID": CTImageStorage,
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "AcquisitionNumber": 1,
        "AcquisitionDate": _DAY,
        "AcquisitionTime": _TIME,
        "ContentDate": _DAY,
        "ContentTime": _TIME,
        "PatientPosition": acquisition.patient_position,
        "KVP": "120",
        "PixelSpacing": _decimals([between_rows, between_columns]),
        "ImageOrientationPatient": _decimals(acquisition.axes[:, :2].T.ravel()),
        "SliceThickness": _decimals([between_slices])[0],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "RescaleIntercept": INTERCEPT,
        "RescaleSlope": 1,
        "RescaleType": "HU",
        "WindowCenter": 50,
        "WindowWidth": 400,
    }


def _slice_attributes(acquisition: Acquisition, study: Study, index: int) -> Mapping[str, Any]:
    """Return what tells slice `index` from the others."""
    position = acquisition.slice_position(index)
    last = acquisition.shape[2] - 1
    return {
        "SOPInstanceUID": study.uid("slice", index),
        "InstanceNumber": 1 + (last - index if acquisition.descending else index),
        "ImagePositionPatient": _decimals(position),
        "SliceLocation": _decimals([float(position @ acquisition.axes[:, 2])])[0],
    }


def _decimals(values: Iterable[float]) -> list[str]:
    """Return numbers as DICOM's decimal strings of at most 16 characters, without a negative zero."""
    from pydicom.valuerep import format_number_as_ds

    return [format_number_as_ds(round(float(value), 12) + 0.0) for value in values]
