"""Objects beside a series: a folder that holds them with masks is no series, and a case is called without its form."""

import numpy as np
import pytest

from segkit.foundation.errors import DataError
from segkit.volumes.dicom.derived.objects import moment, series_number, uid_for
from segkit.volumes.dicom.derived.source import dicom_source
from segkit.volumes.reading import find_volumes, read, stem
from segkit.volumes.writing import write_mask


def test_reports_and_contours_are_no_volumes(maker, scan_of, tmp_path):
    scan = scan_of("oblique")
    masks = tmp_path / "masks"
    write_mask(np.ones(scan.grid.shape, np.uint8), scan, masks / "a.nii.gz")
    for modality in ("SR", "RTSTRUCT", "PR"):
        maker.save_one(masks / f"a.{modality.lower()}.dcm", maker.bare(Modality=modality))
    assert find_volumes(masks) == [masks / "a.nii.gz"]
    maker.save_one(tmp_path / "series" / "report.dcm", maker.bare(Modality="SR"))
    assert find_volumes(tmp_path / "series") == [tmp_path / "series"]  # beside its slices it changes nothing
    with pytest.raises(DataError, match="structure set"):
        read(masks / "a.rtstruct.dcm")


def test_a_case_is_called_without_the_form_of_its_mask():
    assert [stem(f"ct_1{suffix}") for suffix in (".seg.dcm", ".nii.gz", ".dcm")] == ["ct_1"] * 3


def test_uids_are_the_same_each_time_and_say_nothing():
    uid = uid_for("1.2.3", "MRN-4711")
    assert uid == uid_for("1.2.3", "MRN-4711") != uid_for("1.2.3MRN-4711")
    assert uid.startswith("2.25.")
    assert len(uid) <= 64
    assert "4711" not in uid


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"StudyDate": "20200102", "StudyTime": "101112"}, ("20200102", "101112")),
        ({"StudyDate": "20200102", "AcquisitionDate": "20200103", "AcquisitionTime": "07"}, ("20200103", "000000")),
        ({"StudyDate": "", "SeriesDate": "20200104", "SeriesTime": "101112.5"}, ("20200104", "101112.5")),
        ({}, ("19000101", "000000")),
    ],
)
def test_the_date_of_contents_is_the_sources(maker, changes, expected):
    assert moment(maker.bare(**changes)) == expected


def test_a_derived_series_has_a_number_of_its_own(scan_of, maker):
    assert series_number(dicom_source(scan_of("oblique")), 1) == 301
    assert series_number(dicom_source(scan_of("oblique", SeriesNumber=2147483647)), 2) == 748364702


def test_planes_are_found_by_their_place(scan_of):
    source = dicom_source(scan_of("gap"))
    assert [plane is None for plane in source.planes] == [False, False, True, False, False]
    steps = np.diff(source.positions, axis=0)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[0], steps.shape), atol=1e-5)
