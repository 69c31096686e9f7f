"""Masks as RTSTRUCT: drawn again exactly, by segkit and by others, on every kind of series; sound to dciodvfy."""

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from scipy import ndimage
from scipy.spatial.transform import Rotation
from skimage.draw import polygon2mask

from segkit.foundation.errors import DataError
from segkit.volumes.dicom.derived.mask import Author, Segment
from segkit.volumes.dicom.derived.objects import save_object
from segkit.volumes.dicom.derived.source import dicom_source
from segkit.volumes.dicom.derived.structure_set import structure_set_of
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.structures import read_structures
from segkit.volumes.reading import read

SEGMENTS = (Segment(1, "liver", (1,)), Segment(2, "left kidney", (2,)), Segment(3, "Zyste, größere", (3,)))
MODEL = Author("abdomen", "3f0c21a9bd")


def mask_of(shape, seed=0):
    """Labels 0 to 3 in patches with holes and islands; the last slice is empty where there are several."""
    field = ndimage.gaussian_filter(
        np.random.default_rng(seed).normal(size=shape), [0.8] * 2 + [0.3] * (len(shape) - 2)
    )
    labels = np.digitize(field, np.quantile(field, [0.4, 0.6, 0.8])).astype(np.uint8)
    if shape[-1] > 1:
        labels[..., -1] = 0
    return labels


def made_of(scan, labels, segments=SEGMENTS, author=MODEL, terms=None, identity="mask"):
    return structure_set_of(labels, segments, dicom_source(scan), author, terms or {}, identity)


def saved(made, path):
    save_object(made, path)
    return path


def drawn_by_segkit(path, grid):
    structures = read_structures(DicomFile(path))
    return {number: structures.mask_on(number, grid) for number in structures.names}


def drawn_by_others(path, slices):
    """Draw an RTSTRUCT with pydicom and scikit-image alone: on the image that each contour refers to.

    Args:
        path: the RTSTRUCT.
        slices: headers of single images, in the order of the mask's slices.
    """
    dataset = dcmread(path)
    order = {header.SOPInstanceUID: index for index, header in enumerate(slices)}
    masks = {}
    for region in dataset.ROIContourSequence:
        mask = np.zeros((slices[0].Columns, slices[0].Rows, len(slices)), bool)
        for contour in region.get("ContourSequence", ()):
            index = order[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            header = slices[index]
            row, column = np.reshape(header.ImageOrientationPatient, (2, 3)).astype(float)
            points = np.reshape(contour.ContourData, (-1, 3)).astype(float) - np.array(
                header.ImagePositionPatient, float
            )
            assert np.abs(points @ np.cross(row, column)).max() < 1e-3  # mm off the image
            x, y = points @ row / float(header.PixelSpacing[1]), points @ column / float(header.PixelSpacing[0])
            mask[..., index] ^= polygon2mask(mask.shape[:2], np.stack([x, y], axis=1))
        masks[int(region.ReferencedROINumber)] = mask
    return masks


def test_every_kind_of_source_gets_its_mask_back(scan_of, kind, tmp_path):
    scan = scan_of(kind)
    labels = mask_of(scan.grid.shape)
    if kind == "picture":
        with pytest.raises(DataError, match="this picture has no place there"):
            made_of(scan, labels)
        return
    path = saved(made_of(scan, labels), tmp_path / "a.rtstruct.dcm")
    drawn = drawn_by_segkit(path, scan.grid)
    assert list(drawn) == [1, 2, 3]
    for number, mask in drawn.items():
        assert np.array_equal(mask, labels == number)
    verify(path)


def verify(path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed: apt-get install dicom3tools")
    done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    assert "RTStructureSet" in said
    assert [line for line in said if line.startswith("Error")] == []


@given(seed=st.integers(0, 1 << 30), shape=st.tuples(st.integers(4, 9), st.integers(1, 9), st.integers(2, 4)))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_geometry_gives_the_mask_back(maker, tmp_path_factory, seed, shape):
    rng = np.random.default_rng(seed)
    axes = Rotation.random(random_state=seed).as_matrix().round(6)
    spacing, origin = rng.uniform(0.02, 5, 3).round(3), rng.uniform(-900, 900, 3)
    shear = rng.uniform(-0.5, 0.5) * (seed % 2)
    step = spacing[2] * (axes[2] + shear * axes[1])
    headers = [
        maker.slice(index, pixels=np.zeros(shape[1::-1], np.uint16), PixelSpacing=list(spacing[1::-1]),
                    ImageOrientationPatient=[*axes[0], *axes[1]],
                    ImagePositionPatient=[round(float(x), 5) for x in origin + index * step])
        for index in range(shape[2])
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp("series")
    scan = maker.read(maker.save(folder / "ct", headers))
    labels = rng.integers(0, 4, shape, dtype=np.uint8)
    path = saved(made_of(scan, labels), folder / "a.rtstruct.dcm")
    drawn = drawn_by_segkit(path, scan.grid)
    assert all(np.array_equal(drawn.get(number, np.zeros(shape)), labels == number) for number in (1, 2, 3))


@pytest.mark.parametrize("kind", ["oblique", "feet-first", "tilted"])
def test_another_reader_draws_the_mask_on_the_images_that_contours_refer_to(scan_of, kind, tmp_path):
    scan = scan_of(kind)
    labels = mask_of(scan.grid.shape, seed=3)
    slices = [plane.instance for plane in dicom_source(scan).planes]
    path = saved(made_of(scan, labels), tmp_path / "a.rtstruct.dcm")
    drawn = drawn_by_others(path, [dcmread(each.file.path) for each in slices])
    assert all(np.array_equal(drawn[number], labels == number) for number in (1, 2, 3))


def test_what_it_says_and_refers_to(scan_of, tmp_path):
    scan = scan_of("oblique")
    labels = np.zeros(scan.grid.shape, np.uint8)
    labels[1:4, 1:4, 2], labels[2, 2, 2] = 1, 0
    labels[2:4, 1:3, 4] = 2
    source = dicom_source(scan)
    dataset = dcmread(saved(made_of(scan, labels), tmp_path / "a.rtstruct.dcm"))
    headers = [plane.instance for plane in source.planes]
    assert (dataset.PatientName, dataset.PatientID) == (source.header.PatientName, source.header.PatientID)
    assert dataset.StudyInstanceUID == source.first.study
    assert dataset.SeriesInstanceUID != source.first.series
    assert (dataset.Modality, dataset.SeriesNumber, dataset.ApprovalStatus) == ("RTSTRUCT", 302, "UNAPPROVED")
    (frame,) = dataset.ReferencedFrameOfReferenceSequence
    (series,) = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert frame.FrameOfReferenceUID == dataset.FrameOfReferenceUID == source.first.frame_of_reference
    assert frame.RTReferencedStudySequence[0].ReferencedSOPInstanceUID == source.first.study
    assert series.SeriesInstanceUID == source.first.series
    assert [one.ReferencedSOPInstanceUID for one in series.ContourImageSequence] == [one.uid for one in headers]
    regions = [(one.ROINumber, one.ROIName, one.ROIGenerationAlgorithm) for one in dataset.StructureSetROISequence]
    assert regions == [(1, "liver", "AUTOMATIC"), (2, "left kidney", "AUTOMATIC"), (3, "Zyste, größere", "AUTOMATIC")]
    liver, kidney, nothing = dataset.ROIContourSequence
    assert len({tuple(one.ROIDisplayColor) for one in (liver, kidney, nothing)}) == 3
    assert "ContourSequence" not in nothing
    (ring,) = liver.ContourSequence  # the hole is part of it
    assert ring.ContourGeometricType == "CLOSED_PLANAR"
    assert ring.ContourImageSequence[0].ReferencedSOPInstanceUID == headers[2].uid
    assert len(ring.ContourData) == 3 * ring.NumberOfContourPoints
    assert kidney.ContourSequence[0].ContourImageSequence[0].ReferencedSOPInstanceUID == headers[4].uid
    codes = [one.RTROIIdentificationCodeSequence[0].CodeMeaning for one in dataset.RTROIObservationsSequence]
    assert codes[:2] == ["Liver", "Kidney"]
    assert [one.RTROIInterpretedType for one in dataset.RTROIObservationsSequence] == ["ORGAN", "ORGAN", ""]


def test_frames_of_one_object_are_referred_to_by_number(scan_of, tmp_path):
    scan = scan_of("enhanced")  # frames of slices 0 to 5: 2, 4, 3, 1, 6, 5
    labels = np.zeros(scan.grid.shape, np.uint8)
    labels[1:3, 1:3, 3:] = 1
    dataset = dcmread(saved(made_of(scan, labels), tmp_path / "a.rtstruct.dcm"))
    images = [one.ContourImageSequence[0] for one in dataset.ROIContourSequence[0].ContourSequence]
    assert [one.ReferencedFrameNumber for one in images] == [1, 6, 5]
    (study,) = dataset.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    assert "ReferencedFrameNumber" not in study.RTReferencedSeriesSequence[0].ContourImageSequence[0]  # all of them


def test_slices_of_a_gap_are_drawn_and_refer_to_no_image(scan_of, tmp_path):
    scan = scan_of("gap")  # images in slices 0, 1, 3 and 4
    labels = np.ones(scan.grid.shape, np.uint8)
    dataset = dcmread(saved(made_of(scan, labels), tmp_path / "a.rtstruct.dcm"))
    contours = dataset.ROIContourSequence[0].ContourSequence
    assert ["ContourImageSequence" in one for one in contours] == [True, True, False, True, True]


def test_the_same_mask_makes_the_same_bytes_and_another_another_object(scan_of, tmp_path):
    scan = scan_of("oblique")
    labels = mask_of(scan.grid.shape)
    one, same = (saved(made_of(scan, labels), tmp_path / f"{name}.dcm").read_bytes() for name in "ab")
    assert one == same
    uids = {
        (made.SOPInstanceUID, made.SeriesInstanceUID)
        for made in (
            made_of(scan, labels),
            made_of(scan, labels, identity="other"),
            made_of(scan, labels, terms={"liver": ["SCT", "1", "x"]}),
        )
    }
    assert len(uids) == 3


def test_overlapping_labels_are_regions_of_their_own(scan_of, tmp_path):
    scan = scan_of("oblique")
    labels = mask_of(scan.grid.shape)
    segments = (Segment(1, "whole", (1, 2)), Segment(2, "core", (2,)))
    drawn = drawn_by_segkit(saved(made_of(scan, labels, segments), tmp_path / "a.dcm"), scan.grid)
    assert np.array_equal(drawn[1], np.isin(labels, (1, 2)))
    assert np.array_equal(drawn[2], labels == 2)


def test_nothing_of_a_person_but_the_mandatory_is_taken_over(scan_of, tmp_path):
    personal = {"PatientAddress": "Toboso", "OtherPatientIDs": "X-1605", "InstitutionName": "Venta"}
    scan = scan_of("oblique", **personal, SpecificCharacterSet="ISO_IR 100", PatientName="Dürer^Älbrecht")
    path = saved(made_of(scan, mask_of(scan.grid.shape)), tmp_path / "a.dcm")
    assert dcmread(path).PatientName == "Dürer^Älbrecht"
    assert not any(word.encode() in path.read_bytes() for word in personal.values())


def test_a_contour_of_many_corners_is_written_whole(maker, tmp_path):
    headers = [maker.slice(index, pixels=np.zeros((120, 120), np.uint16)) for index in range(2)]
    scan = maker.read(maker.save(tmp_path / "ct", headers))
    labels = np.ones(scan.grid.shape, np.uint8)
    labels[1::2, 1::2] = 0  # thousands of holes, on one polygon of more than 64 kB
    path = saved(made_of(scan, labels, SEGMENTS[:1]), tmp_path / "a.dcm")
    (contour, _) = dcmread(path).ROIContourSequence[0].ContourSequence
    assert contour.NumberOfContourPoints > 10_000
    assert np.array_equal(drawn_by_segkit(path, scan.grid)[1], labels == 1)


def test_the_phantom_of_ibsi_drawn_again(dicom_archive, tmp_path):
    """An expert's region: Dice of 1 with its own mask, the same volume, and another reader's mask equal."""
    phantom = dicom_archive / "dicomseg" / "ibsi1_ct_phantom"
    scan = read(phantom / "image")
    expert = read_structures(DicomFile(phantom / "mask" / "DCM_RS_00060.dcm")).mask_on(1, scan.grid)
    path = saved(made_of(scan, expert.astype(np.uint8), SEGMENTS[:1]), tmp_path / "a.dcm")
    assert np.array_equal(drawn_by_segkit(path, scan.grid)[1], expert)
    slices = [dcmread(plane.instance.file.path) for plane in dicom_source(scan).planes]
    assert np.array_equal(drawn_by_others(path, slices)[1], expert)
    verify(path)
