"""Masks beside their series through the command line: predicted and converted, finished only when all are there."""

import csv
import json
import shutil
import subprocess

import highdicom
import numpy as np
import pytest
from pydicom import dcmread

from segkit.inference.model import load
from segkit.version import __version__
from segkit.volumes.reading import read
from segkit.volumes.writing import write, write_mask
from tests.end_to_end.warm import WarmLine
from tests.volumes.dicom.conftest import Maker

FORMS = {
    "nifti": ".nii.gz",
    "dicom_seg": ".seg.dcm",
    "rtstruct": ".rtstruct.dcm",
    "sr": ".sr.dcm",
    "secondary_capture": ".sc.dcm",
}
ALL = f"export=[{','.join(FORMS)}]"
QUICK = ("inference.mirror=none", "inference.precision=32")


@pytest.fixture
def segkit(tmp_path):
    """The command line in the test's folder."""
    return WarmLine(tmp_path)


@pytest.fixture
def export(tmp_path):
    """An export of two CT series in folders of their own, and one of them as NIfTI."""
    folder = tmp_path / "export"
    for name in ("a", "b"):
        maker = Maker()
        maker.series_uid, maker.rows, maker.columns = f"1.2.3.{ord(name)}", 12, 10
        noise = np.random.default_rng(ord(name)).integers(0, 2000, (8, 12, 10)).astype(np.uint16)
        maker.save(folder / name, [maker.slice(index, pixels=noise[index]) for index in range(8)])
    write(read(folder / "a"), tmp_path / "a.nii.gz")
    return folder


def test_each_series_is_a_case_with_every_object(segkit, untrained_run, export, tmp_path):
    run, masks = untrained_run(), tmp_path / "masks"
    segkit(
        "predict", f"run={run}", f"input={export}", f"output={masks}", ALL, "objects.terms={left: left kidney}", *QUICK
    )
    manifest = json.loads((masks / "predictions.json").read_text())["cases"]
    for case in ("a", "b"):
        assert manifest[case]["files"] == {name: f"{case}{suffix}" for name, suffix in FORMS.items()}
        assert manifest[case]["mask"] == f"{case}.nii.gz"
        mask = read(masks / f"{case}.nii.gz")
        segments = read(masks / f"{case}.seg.dcm")
        assert mask.grid.shape == (10, 12, 8)
        assert np.array_equal(segments.array[0], np.searchsorted([3, 7], mask.array[0]) + (mask.array[0] > 0))
        assert set(np.unique(mask.array)) - {0}
        seg = dcmread(masks / f"{case}.seg.dcm")
        software = [dcmread(path).SoftwareVersions for path in masks.glob(f"{case}.*.dcm")]
        assert len(software) == 4
        assert all(list(each) == [__version__, f"kidneys {load(run, device='cpu').version}"] for each in software)
        assert seg.StudyInstanceUID == dcmread(next((export / case).iterdir())).StudyInstanceUID
        assert seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Kidney"
        assert seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0].AlgorithmName == "kidneys"
        if shutil.which("dciodvfy"):
            for suffix in (".seg.dcm", ".sr.dcm"):
                done = subprocess.run(
                    ["dciodvfy", masks / f"{case}{suffix}"], capture_output=True, text=True, check=False
                )
                assert "\nError" not in "\n" + done.stdout + done.stderr
    # What a reader of the report sees is what measure finds, from the mask of either form.
    segkit("measure", f"masks={masks}", f"images={export}", f"output={tmp_path / 'features.csv'}")
    (tmp_path / "references").mkdir()
    for path in masks.glob("*.nii.gz"):
        shutil.copy(path, tmp_path / "references")
    segkit("evaluate", f"predictions={masks}", f"references={tmp_path / 'references'}", f"output={tmp_path / 'scores'}")
    rows = list(csv.DictReader((tmp_path / "features.csv").open()))
    assert [(row["case"], row["label"]) for row in rows] == [
        ("a", "left"),
        ("a", "right"),
        ("b", "left"),
        ("b", "right"),
    ]
    for row in rows:
        report = highdicom.sr.srread(masks / f"{row['case']}.sr.dcm")
        groups = {each.tracking_identifier: each for each in report.content.get_volumetric_roi_measurement_groups()}
        found = groups[row["label"]].get_measurements()
        assert found[0].value == pytest.approx(float(row["volume_ml"]), rel=1e-6)
        if float(row["volume_ml"]):
            assert found[-1].value == pytest.approx(float(row["maximum"]))


def test_a_case_is_finished_when_all_its_files_are_there(segkit, untrained_run, export, tmp_path):
    run, masks = untrained_run(), tmp_path / "masks"
    words = ("predict", f"run={run}", f"input={export}", f"output={masks}", "export=[nifti,dicom_seg,sr]", *QUICK)
    segkit(*words)
    before = {path.name: path.read_bytes() for path in masks.glob("*.dcm")}
    assert "2 of 2 masks were there already" in segkit(*words).stdout
    (masks / "b.sr.dcm").unlink()
    assert "1 of 2 masks were there already" in segkit(*words).stdout
    assert {path.name: path.read_bytes() for path in masks.glob("*.dcm")} == before  # made again, the same bytes
    assert "already" not in segkit(*words, "objects.segmentation=labelmap").stdout
    assert dcmread(masks / "a.seg.dcm").SegmentationType == "LABELMAP"


def test_dicom_and_nifti_give_one_mask_and_a_seg_needs_dicom(segkit, untrained_run, export, tmp_path):
    run = untrained_run()
    segkit("predict", f"run={run}", f"input={export / 'a'}", f"output={tmp_path / 'd'}", "export=nifti", *QUICK)
    segkit("predict", f"run={run}", f"input={tmp_path / 'a.nii.gz'}", f"output={tmp_path / 'n'}", *QUICK)
    assert np.array_equal(read(tmp_path / "d" / "a.nii.gz").array, read(tmp_path / "n" / "a.nii.gz").array)
    failed = segkit(
        "predict",
        f"run={run}",
        f"input={tmp_path / 'a.nii.gz'}",
        f"output={tmp_path / 'x'}",
        "export=dicom_seg",
        expect=1,
    )
    assert "a: export=dicom_seg lies beside a DICOM series, and this scan is of format nifti" in failed.stderr
    wrong = segkit("predict", f"run={run}", f"input={export}", f"output={tmp_path / 'y'}", "export=dicomseg", expect=2)
    assert "did you mean dicom_seg" in wrong.stderr
    assert not (tmp_path / "y").exists()


def test_a_mask_that_exists_is_written_beside_its_series(segkit, export, tmp_path):
    scan = read(export / "b")
    labels = np.random.default_rng(1).integers(0, 3, scan.grid.shape).astype(np.uint8)
    write_mask(labels, scan, tmp_path / "mask.nii.gz")
    turned = scan.with_array(scan.array)  # as converters write it: rows from below, axes in another order
    affine = scan.affine.copy()
    affine[:3, 3] += affine[:3, 1] * 11
    affine[:3, 1] *= -1
    grid = type(scan.grid)((8, 10, 12), affine[:, [2, 0, 1, 3]])
    write_mask(
        np.flip(labels, 1).transpose(2, 0, 1), type(turned)(np.zeros((1, 8, 10, 12)), grid), tmp_path / "turned.nii.gz"
    )
    named = "labels={background: 0, liver: 1, spleen: 2}"
    # Both series of the export have these voxels: which one is meant has to be said.
    choice = segkit("convert", "input=mask.nii.gz", f"like={export}", "output=a.seg.dcm", named, expect=1)
    assert "fits 2 volumes" in choice.stderr
    segkit("convert", "input=mask.nii.gz", f"like={export / 'b'}", "output=a.seg.dcm", named)
    segkit("convert", "input=turned.nii.gz", f"like={export}", "series.uid=1.2.3.98", "output=b.seg.dcm", named)
    assert (tmp_path / "a.seg.dcm").read_bytes() == (tmp_path / "b.seg.dcm").read_bytes()
    segkit("convert", "input=a.seg.dcm", f"like={export}", "output=back.nii.gz")
    back = read(tmp_path / "back.nii.gz")
    assert np.array_equal(back.array[0], labels)
    assert np.array_equal(back.affine, read(tmp_path / "mask.nii.gz").affine)
    assert [each.SegmentLabel for each in dcmread(tmp_path / "a.seg.dcm").SegmentSequence] == ["liver", "spleen"]
    segkit("convert", "input=a.seg.dcm", f"like={export}", "output=c.rtstruct.dcm")
    assert [each.ROIName for each in dcmread(tmp_path / "c.rtstruct.dcm").StructureSetROISequence] == [
        "liver",
        "spleen",
    ]
    segkit("convert", "input=a.seg.dcm", f"like={export}", "output=c.sc.dcm")
    assert dcmread(tmp_path / "c.sc.dcm").pixel_array.shape[2] == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("output=x.sr.dcm",), "sr refers to dicom_seg, so predict writes both"),
        (("output=x.dcm", "labels={liver: 1, spleen: 2}"), "data.labels needs a background"),
        (("output=x.dcm", "objects.compression=rle"), "objects.compression=rle is for label maps"),
        (("output=x.dcm", "objects.terms={label 1: nothing}"), "there is no term nothing"),
    ],
)
def test_mistakes_are_found_before_anything_is_written(segkit, export, tmp_path, words, message):
    scan = read(export / "a")
    write_mask(np.ones(scan.grid.shape, np.uint8), scan, tmp_path / "mask.nii.gz")
    failed = segkit("convert", "input=mask.nii.gz", f"like={export / 'a'}", *words, expect=2)
    assert message in failed.stderr
    assert not list(tmp_path.glob("x*"))


def test_a_mask_of_another_scan_is_refused(segkit, export, tmp_path):
    scan = read(export / "a")
    part = scan.array[:, :, :, 1:]
    grid = type(scan.grid)(part.shape[1:], scan.affine)
    write_mask(np.ones(grid.shape, np.uint8), type(scan)(part, grid), tmp_path / "mask.nii.gz")
    failed = segkit("convert", "input=mask.nii.gz", f"like={export / 'a'}", "output=x.dcm", expect=1)
    assert "have different shapes: (10, 12, 7) and (10, 12, 8) voxels" in failed.stderr
    assert not (tmp_path / "x.dcm").exists()
