"""The structured report: segkit measure's own figures with their codes, the segments of the SEG, sound to dciodvfy."""

import shutil
import subprocess

import highdicom
import numpy as np
import pytest
from pydicom import dcmread

from segkit.config.labels import labels_from
from segkit.evaluation.measure import Case, Wanted, measure_case
from segkit.foundation.errors import DataError
from segkit.inference.exporters import Segmented, export, exporters_named, fitting, standard_objects
from segkit.volumes.dicom.derived.mask import Author
from segkit.volumes.reading import read
from segkit.volumes.volume import Volume
from tests.volumes.dicom.conftest import Maker

LABELS = labels_from({"background": 0, "liver": 1, "left_kidney": 2, "lesion": 5, "absent": 7})
COLUMNS = {
    ("Volume", None): "volume_ml",
    ("Surface Area of Mesh", None): "surface_mm2",
    ("Sphericity", None): "sphericity",
    ("Maximum 3D Diameter of a Mesh", None): "maximum_diameter_mm",
    ("Long axis", None): "maximum_diameter_axial_mm",
    ("Major Axis in 3D Length", None): "major_axis_mm",
    ("Minor Axis in 3D Length", None): "minor_axis_mm",
    ("Least Axis in 3D Length", None): "least_axis_mm",
    **{
        ("Attenuation Coefficient", meaning): column
        for meaning, column in {
            "Mean": "mean", "Standard Deviation": "standard_deviation", "Minimum": "minimum", "Median": "median",
            "Maximum": "maximum",
        }.items()
    },
}  # fmt: skip


@pytest.fixture
def segmented(tmp_path):
    maker = Maker()
    scan = read(maker.save(tmp_path / "ct", maker.series(7)))
    mask = np.zeros(scan.grid.shape, np.uint8)
    mask[:2, :, 1:4], mask[3:, 1:3, 2:6], mask[2, 2, 3] = 1, 2, 5
    return Segmented(mask, LABELS, scan, Author("abdomen", "3f0c"), standard_objects())


def exported(segmented, folder):
    wanted = fitting(exporters_named(["nifti", "dicom_seg", "sr"]), segmented.scan)
    return {name: folder / file for name, file in export(segmented, wanted, folder, "case").items()}


def test_figures_are_those_of_measure(segmented, tmp_path):
    files = exported(segmented, tmp_path / "masks")
    measured = measure_case(
        Case("case", files["dicom_seg"], {"image": tmp_path / "ct"}),
        Wanted({"background": 0, "left_kidney": 2, "lesion": 3, "liver": 1}),
    )
    groups = highdicom.sr.srread(files["sr"]).content.get_volumetric_roi_measurement_groups()
    assert [group.tracking_identifier for group in groups] == ["liver", "left_kidney", "lesion", "absent"]
    for group in groups[:3]:
        (row,) = measured.rows[group.tracking_identifier]
        measurements = group.get_measurements()
        found = {(each.name.meaning, each.derivation and each.derivation.meaning): each for each in measurements}
        assert set(found) == set(COLUMNS)
        for key, each in found.items():
            assert each.value == pytest.approx(row[COLUMNS[key]], rel=1e-12), key
        assert found["Volume", None].unit.value == "cm3"
        assert found["Attenuation Coefficient", "Mean"].unit.value == "[hnsf'U]"
    (only,) = groups[3].get_measurements()  # a label without a voxel has a volume all the same
    assert (only.name.meaning, only.value) == ("Volume", 0)
    voxel_ml = 0.7 * 1.3 * 2.5 / 1000
    by_hand = {"liver": 2 * 4 * 3, "left_kidney": 2 * 2 * 4, "lesion": 1}
    for group in groups[:3]:
        volume = group.get_measurements()[0].value
        assert volume == pytest.approx(by_hand[group.tracking_identifier] * voxel_ml, rel=1e-5)


def test_measurements_refer_to_the_segments_of_the_seg(segmented, tmp_path):
    files = exported(segmented, tmp_path)
    seg, report = dcmread(files["dicom_seg"]), highdicom.sr.srread(files["sr"])
    groups = report.content.get_volumetric_roi_measurement_groups()
    for group, described in zip(groups, seg.SegmentSequence, strict=True):
        (segment,) = [item for item in group[0].ContentSequence if item.name.meaning == "Referenced Segment"]
        (reference,) = segment.ReferencedSOPSequence
        assert reference.ReferencedSOPInstanceUID == seg.SOPInstanceUID
        assert reference.ReferencedSegmentNumber == described.SegmentNumber
        assert group.tracking_identifier == described.SegmentLabel
        assert group.tracking_uid == described.TrackingUID
    (site,) = groups[1].finding_sites
    assert (site.topographical_modifier, site.laterality.meaning) == (None, "Left")
    listed = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert seg.SeriesInstanceUID in {series.SeriesInstanceUID for series in listed}
    assert report.StudyInstanceUID == seg.StudyInstanceUID


def test_it_is_sound_the_same_each_time_and_says_little_of_the_patient(segmented, tmp_path):
    first, second = (exported(segmented, tmp_path / name)["sr"] for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    made = dcmread(first)
    assert made.PatientID == "MRN-4711"
    assert {element.keyword for element in made if element.tag.group == 0x0010} == {
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
    }  # fmt: skip
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed: apt-get install dicom3tools")
    done = subprocess.run(["dciodvfy", first], capture_output=True, text=True, check=False)
    assert "ComprehensiveSR" in done.stdout + done.stderr
    assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")] == []


@pytest.mark.parametrize(
    ("changes", "name", "unit"),
    [
        ({"Modality": "MR"}, "MR signal intensity", "1"),
        ({"Modality": "PT", "Units": "BQML"}, "Tracer Concentration", "Bq/ml"),
        ({"Modality": "PT", "Units": "CNTS"}, "Intensity in the image's own units", "1"),
    ],
)
def test_intensities_are_called_what_they_are(segmented, tmp_path, changes, name, unit):
    maker = Maker()
    headers = [maker.changed(header, **changes) for header in maker.series(7)]
    scan = read(maker.save(tmp_path / "other", headers))
    other = Segmented(segmented.array, LABELS, scan, segmented.author, segmented.options)
    report = highdicom.sr.srread(exported(other, tmp_path / "masks")["sr"])
    last = report.content.get_volumetric_roi_measurement_groups()[0].get_measurements()[-1]
    assert (last.name.meaning.lower(), last.unit.value) == (name.lower(), unit)


def test_of_several_channels_no_intensities_are_reported(segmented, tmp_path):
    scan = segmented.scan
    two = Volume(np.concatenate([scan.array, scan.array]), scan.grid, scan.source)
    other = Segmented(segmented.array, LABELS, two, segmented.author, segmented.options)
    report = highdicom.sr.srread(exported(other, tmp_path)["sr"])
    group = report.content.get_volumetric_roi_measurement_groups()[0]
    assert all(each.derivation is None for each in group.get_measurements())


def test_a_picture_has_no_volumes(tmp_path):
    maker = Maker()
    picture = maker.bare(Modality="US", SOPClassUID="1.2.840.10008.5.1.4.1.1.6.1", FrameOfReferenceUID=None)
    scan = read(maker.save(tmp_path / "us", [maker.with_pixels(picture, maker.stored().astype(np.uint8))]))
    segmented = Segmented(np.ones(scan.grid.shape, np.uint8), LABELS, scan, Author("a", "1"), standard_objects())
    with pytest.raises(DataError, match="the scan is a picture"):
        exported(segmented, tmp_path / "masks")
