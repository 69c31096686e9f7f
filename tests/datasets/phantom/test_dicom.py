from itertools import pairwise

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.uid import UID, CTImageStorage

from segkit.datasets.phantom import Cohort
from segkit.datasets.phantom.dicom import Study
from segkit.volumes.reading import read

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
CASES = [f"phantom_{number:03d}" for number in range(1, 7)]


def headers(cohort: Cohort, case: str) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in sorted((cohort.images / case).iterdir())]


def read_with_simpleitk(cohort: Cohort, case: str) -> SimpleITK.Image:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(cohort.images / case)))
    return reader.Execute()


def affine_of(image: SimpleITK.Image) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return LPS_TO_RAS @ affine


@pytest.mark.parametrize("case", CASES)
def test_simpleitk_and_segkit_read_one_grid_and_the_reference_lies_on_it(cohort: Cohort, case: str):
    theirs, ours = read_with_simpleitk(cohort, case), read(cohort.images / case)
    np.testing.assert_allclose(ours.affine, affine_of(theirs), atol=1e-4)
    np.testing.assert_array_equal(ours.array[0], SimpleITK.GetArrayFromImage(theirs).transpose())
    reference = read(cohort.pair(case)[1])
    reference.grid.check_same_as(ours.grid, what=case, tolerance=1e-3)
    written = highdicom.seg.segread(cohort.pair(case)[1]).get_volume(combine_segments=True)
    columns_rows_slices = written.array.transpose(2, 1, 0)[..., ::-1]  # highdicom counts slices against the normal
    np.testing.assert_array_equal(reference.array[0], columns_rows_slices)


@pytest.mark.parametrize("case", CASES)
def test_slices_are_conformant_ct_images(cohort: Cohort, case: str):
    for header in headers(cohort, case):
        assert header.SOPClassUID == header.file_meta.MediaStorageSOPClassUID == CTImageStorage
        assert header.SOPInstanceUID == header.file_meta.MediaStorageSOPInstanceUID
        assert (header.Modality, header.RescaleIntercept, header.RescaleSlope) == ("CT", -1024, 1)
        assert (header.pixel_array.dtype, header.pixel_array.shape) == (np.int16, (header.Rows, header.Columns))
        # Type 1 holds a value, type 2 is there though it may be empty (PS3.3 A.3.3).
        one = "ImageType StudyInstanceUID SeriesInstanceUID FrameOfReferenceUID PixelSpacing ImagePositionPatient"
        two = "PatientBirthDate StudyID AccessionNumber ReferringPhysicianName PositionReferenceIndicator KVP"
        assert all(header.get(keyword) for keyword in one.split())
        assert all(keyword in header for keyword in two.split())
        normal = np.cross(header.ImageOrientationPatient[:3], header.ImageOrientationPatient[3:])
        assert np.linalg.norm(normal) == pytest.approx(1, abs=1e-6)


def test_uids_are_valid_and_mean_one_thing_each(cohort: Cohort):
    found = [header for case in CASES for header in headers(cohort, case)]
    for keyword, count in (
        ("SOPInstanceUID", len(found)),
        ("SeriesInstanceUID", len(CASES)),
        ("StudyInstanceUID", len(CASES)),
        ("FrameOfReferenceUID", len(CASES)),
    ):
        uids = {header[keyword].value for header in found}
        assert len(uids) == count
        assert all(UID(uid).is_valid for uid in uids)
    kinds = [{header[keyword].value for header in found} for keyword in ("SeriesInstanceUID", "StudyInstanceUID")]
    assert not set.intersection(*kinds)


def test_uids_come_from_the_seed():
    assert Study("a", 1).uid("slice", 3) == Study("a", 1).uid("slice", 3)
    others = {Study("a", 1).uid("slice", 4), Study("a", 2).uid("slice", 3), Study("b", 1).uid("slice", 3)}
    assert len({Study("a", 1).uid("slice", 3), *others}) == 4


def test_neither_file_names_nor_instance_numbers_can_be_trusted_for_the_order(cohort: Cohort):
    rising = []
    for case in CASES:
        slices = headers(cohort, case)
        normal = np.cross(slices[0].ImageOrientationPatient[:3], slices[0].ImageOrientationPatient[3:])
        by_name = [float(np.dot(header.ImagePositionPatient, normal)) for header in slices]
        assert by_name != sorted(by_name)
        assert by_name != sorted(by_name, reverse=True)
        by_number = sorted(slices, key=lambda header: header.InstanceNumber)
        assert [header.InstanceNumber for header in by_number] == list(range(1, len(slices) + 1))
        places = [float(np.dot(header.ImagePositionPatient, normal)) for header in by_number]
        gaps = [after - before for before, after in pairwise(places)]
        np.testing.assert_allclose(np.abs(gaps), float(slices[0].SliceThickness), atol=1e-4)
        rising.append(gaps[0] > 0)
    assert set(rising) == {True, False}


def test_the_cohort_is_scanned_in_every_way(cohort: Cohort):
    first = [headers(cohort, case)[0] for case in CASES]
    assert {header.PatientPosition for header in first} == {"HFS", "FFS"}
    rows = np.array([header.ImageOrientationPatient[:3] for header in first], float)
    assert (rows[:, 0] < -0.9).any()
    oblique = np.abs(np.abs(rows).max(axis=1) - 1) > 1e-5
    assert 0 < oblique.sum() < len(CASES)
