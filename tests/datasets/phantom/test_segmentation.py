from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import UID

from segkit.datasets.phantom import Cohort
from segkit.datasets.phantom.anatomy import LABELS
from segkit.datasets.phantom.dicom import Study
from segkit.datasets.phantom.segmentation import write_segmentation
from segkit.foundation.errors import DataError
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.segments import read_segments
from segkit.volumes.reading import read

SEED = 11
CASES = [f"phantom_{number:03d}" for number in range(1, 7)]
SEGMENTS = {name: value for name, value in LABELS.items() if value}


def write(cohort: Cohort, case: str, file: Path) -> np.ndarray:
    """Write the reference of a case; return its label values, shape (X, Y, Z)."""
    labels = read(cohort.pair(case)[1]).array[0].astype(np.uint8)
    write_segmentation(labels, cohort.images / case, LABELS, file, Study(case, SEED).uid)
    return labels


@pytest.mark.parametrize("case", CASES)
def test_what_was_written_is_read_back_on_the_grid_of_the_series(cohort: Cohort, case: str, tmp_path: Path):
    labels = write(cohort, case, tmp_path / "reference.dcm")
    image = read(cohort.images / case)
    found = read_segments(DicomFile(tmp_path / "reference.dcm"))
    assert {name: number for number, name in found.names.items()} == SEGMENTS
    for number in found.names:
        np.testing.assert_array_equal(found.mask_on(number, image.grid), labels == number)
    slices = [dcmread(path, stop_before_pixels=True) for path in (cohort.images / case).iterdir()]
    assert found.series == (slices[0].SeriesInstanceUID,)
    assert found.instances == {one.SOPInstanceUID for one in slices}
    assert found.frame_of_reference == slices[0].FrameOfReferenceUID


def test_bytes_depend_on_the_study_alone(cohort: Cohort, tmp_path: Path):
    write(cohort, CASES[3], tmp_path / "a.dcm")
    write(cohort, CASES[3], tmp_path / "b.dcm")
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()
    header = dcmread(tmp_path / "a.dcm")
    times = {element.value for element in header.iterall() if element.VR in ("DA", "TM", "DT") and element.value}
    assert times == {"20260105", "080000", "20260105080000"}
    assert all(UID(str(element.value)).is_valid for element in header.iterall() if element.VR == "UI")


def test_segments_say_what_they_are(cohort: Cohort, tmp_path: Path):
    write(cohort, CASES[0], tmp_path / "a.dcm")
    header = dcmread(tmp_path / "a.dcm")
    assert header.PatientID == CASES[0]
    described = {each.SegmentLabel: each for each in header.SegmentSequence}
    assert described["liver"].SegmentedPropertyTypeCodeSequence[0].CodeValue == "10200004"
    assert {each.SegmentAlgorithmType for each in described.values()} == {"MANUAL"}


def test_a_series_of_other_length_or_a_name_without_meaning_is_refused(cohort: Cohort, tmp_path: Path):
    labels = np.ones((4, 4, 2), np.uint8)
    study = Study(CASES[0], SEED)
    with pytest.raises(DataError, match=r"phantom_001: holds \d+ slices where the reference has 2"):
        write_segmentation(labels, cohort.images / CASES[0], LABELS, tmp_path / "a.dcm", study.uid)
    slices = len(list((cohort.images / CASES[0]).iterdir()))
    with pytest.raises(DataError, match="'heart' has no SNOMED code"):
        write_segmentation(
            np.ones((4, 4, slices), np.uint8), cohort.images / CASES[0], {"heart": 1}, tmp_path / "a.dcm", study.uid
        )
