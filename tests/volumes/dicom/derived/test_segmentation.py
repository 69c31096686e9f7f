"""Masks as DICOM SEG: given back voxel for voxel by segkit, highdicom and dcmqi, and sound to dciodvfy."""

from dataclasses import replace

import highdicom
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from scipy.spatial.transform import Rotation

from segkit.config.options import ObjectOptions
from segkit.foundation.errors import MissingExtraError, UsageError
from segkit.volumes.dicom.derived.mask import Author, Segment
from segkit.volumes.dicom.derived.objects import save_object
from segkit.volumes.dicom.derived.segmentation import check_options, segmentation_of
from segkit.volumes.dicom.derived.source import dicom_source
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.segments import read_segments
from segkit.volumes.grid import Grid, as_3d
from segkit.volumes.reading import read
from segkit.volumes.turning import turned_onto
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write_mask

BINARY = ObjectOptions(segmentation="binary", compression="none", terms={})
LABELMAP = replace(BINARY, segmentation="labelmap")
SEGMENTS = (Segment(1, "liver", (1,)), Segment(2, "left kidney", (2,)), Segment(3, "thing", (3,)))
MODEL = Author("abdomen", "3f0c21a9bd")
PERSONAL = {
    "OtherPatientIDs": "X-1605", "PatientAddress": "Toboso", "PatientComments": "tall", "EthnicGroup": "manchego",
    "PatientWeight": "61.25", "AdditionalPatientHistory": "windmills", "StudyDescription": "for Sancho Panza",
    "OperatorsName": "Cervantes^Miguel", "InstitutionName": "Venta", "InstitutionAddress": "La Mancha",
    "PerformingPhysicianName": "Panza^Sancho", "RequestingPhysician": "Perez^Pero", "MilitaryRank": "Hidalgo",
    "DeviceSerialNumber": "R-0451", "StationName": "ROCINANTE", "ProtocolName": "lance",
}  # fmt: skip


def mask_of(shape, seed=0):
    """Labels 0 to 3 at random; the first and the last slice are empty where there are many."""
    labels = np.random.default_rng(seed).integers(0, 4, shape, dtype=np.uint8)
    if len(shape) == 3 and shape[2] > 3:
        labels[..., [0, -1]] = 0
    return labels


def made_of(scan, labels, options=BINARY, segments=SEGMENTS, author=MODEL, identity="mask"):
    return segmentation_of(labels, segments, dicom_source(scan), author, options, identity)


@pytest.mark.parametrize("options", [BINARY, LABELMAP], ids=["binary", "labelmap"])
def test_every_kind_of_source_gets_its_mask_back(scan_of, kind, options, saved, verified, by_dcmqi, tmp_path):
    scan = scan_of(kind)
    labels = mask_of(scan.grid.shape)
    path, own = saved(made_of(scan, labels, options), f"a.{options.segmentation}.dcm")
    drawn = read_segments(DicomFile(path))
    for number in (1, 2, 3):
        assert np.array_equal(drawn.mask_on(number, as_3d(scan.grid)).reshape(labels.shape), labels == number)
    assert np.array_equal(own.array[0], labels)  # alone, without its series, on the same grid
    assert own.grid.displacement_from(scan.grid) < 1e-6 * max(scan.grid.spacing)
    verified(path)
    if scan.grid.dims == 3 and not scan.grid.is_sheared:
        for number, (values, grid) in by_dcmqi(path).items() if options is BINARY else ():
            assert np.array_equal(turned_onto(values, grid, scan.grid, what="dcmqi") != 0, labels == number)
        assert np.array_equal(by_highdicom(path, scan.grid), labels)
    write_mask(own.array[0], own, tmp_path / "back.nii.gz")
    assert np.array_equal(read(tmp_path / "back.nii.gz").array[0].reshape(labels.shape), labels)


def by_highdicom(path, grid):
    """Return label values as highdicom gives them, on a grid."""
    volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine
    return turned_onto(volume.array, Grid(volume.array.shape, affine), grid, what="highdicom")


@st.composite
def places(draw):
    """Any place of a few slices: orientation, spacing, gap, size, and sometimes the shear of a tilted gantry."""
    turn = Rotation.from_rotvec([draw(st.floats(-3, 3)) for _ in range(3)]).as_matrix()
    spacing = [draw(st.floats(0.3, 5)) for _ in range(2)]
    shear = draw(st.sampled_from([0.0, 0.0, 0.3]))
    step = (turn[2] + shear * turn[1]) * draw(st.floats(0.5, 7)) * draw(st.sampled_from([1, -1]))
    origin = np.array([draw(st.floats(-400, 400)) for _ in range(3)])
    size = draw(st.integers(4, 7)), draw(st.integers(3, 7)), draw(st.integers(2, 6))
    return turn, spacing, step, origin, size, draw(st.integers(0, 1000))


@given(places())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_place_is_kept(maker, tmp_path_factory, place):
    turn, spacing, step, origin, (columns, rows, slices), seed = place
    folder = tmp_path_factory.mktemp("place")
    headers = [
        maker.slice(
            index, pixels=np.zeros((rows, columns), np.uint16), PixelSpacing=spacing[::-1],
            ImageOrientationPatient=[round(float(value), 9) for value in (*turn[0], *turn[1])],
            ImagePositionPatient=[round(float(value), 6) for value in origin + index * step],
        )
        for index in range(slices)
    ]  # fmt: skip
    scan = read(maker.save(folder / "series", headers))
    labels = mask_of(scan.grid.shape, seed)
    write_mask(labels, scan, folder / "mask.nii.gz")
    mask = read(folder / "mask.nii.gz")
    laid = turned_onto(mask.array[0], mask.grid, scan.grid, what="mask and scan")
    for options in (BINARY, LABELMAP):
        path = folder / f"{options.segmentation}.dcm"
        save_object(made_of(scan, laid, options), path)
        back = read(path)
        assert np.array_equal(back.array[0], labels)
        back.grid.check_same_as(scan.grid, what="SEG and scan")
        write_mask(back.array[0], back, folder / "back.nii.gz")
        assert np.array_equal(read(folder / "back.nii.gz").array[0], labels)
        if not scan.grid.is_sheared:
            assert np.array_equal(by_highdicom(path, scan.grid), labels)


def test_each_frame_refers_to_the_image_and_frame_beneath_it(scan_of):
    scan = scan_of("several enhanced")
    source = dicom_source(scan)
    made = made_of(scan, mask_of(scan.grid.shape))
    for frame in made.PerFrameFunctionalGroupsSequence:
        (image,) = frame.DerivationImageSequence[0].SourceImageSequence
        place = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        (plane,) = [plane for plane in source.planes if np.allclose(plane.position, place, atol=1e-4)]
        assert image.ReferencedSOPInstanceUID == plane.instance.uid
        assert image.ReferencedFrameNumber == plane.frame.index + 1
    listed = made.ReferencedSeriesSequence[0]
    assert listed.SeriesInstanceUID == source.first.series
    assert {each.ReferencedSOPInstanceUID for each in listed.ReferencedInstanceSequence} == set(source.headers)
    assert {each.ReferencedSOPClassUID for each in made.SourceImageSequence} == {"1.2.840.10008.5.1.4.1.1.4.1"}
    assert made.FrameOfReferenceUID == source.first.frame_of_reference


def test_slices_in_a_gap_refer_to_nothing(scan_of):
    scan = scan_of("gap")
    made = made_of(scan, np.ones(scan.grid.shape, np.uint8))
    referring = [len(frame.DerivationImageSequence) for frame in made.PerFrameFunctionalGroupsSequence]
    assert sorted(referring) == [0, 1, 1, 1, 1]


def test_empty_planes_are_left_out_but_for_the_ends(scan_of, saved):
    scan = scan_of("oblique")
    labels = np.zeros(scan.grid.shape, np.uint8)
    labels[1, 2, 3] = 2
    path, own = saved(made_of(scan, labels), "a.binary.dcm")
    assert dcmread(path).NumberOfFrames == 3
    assert np.array_equal(own.array[0], labels)
    path, own = saved(made_of(scan, np.zeros_like(labels)), "b.binary.dcm")
    assert dcmread(path).NumberOfFrames == 2
    assert own.array.shape[1:] == labels.shape
    assert not own.array.any()


def test_segments_say_what_they_are_and_who_drew_them(scan_of):
    scan = scan_of("oblique")
    made = made_of(scan, mask_of(scan.grid.shape))
    liver, kidney, thing = made.SegmentSequence
    assert (liver.SegmentNumber, liver.SegmentLabel, liver.SegmentAlgorithmType) == (1, "liver", "AUTOMATIC")
    assert liver.SegmentedPropertyTypeCodeSequence[0].CodeValue == "10200004"
    assert liver.SegmentedPropertyCategoryCodeSequence[0].CodeMeaning == "Anatomical Structure"
    (side,) = kidney.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence
    assert (kidney.SegmentedPropertyTypeCodeSequence[0].CodeMeaning, side.CodeMeaning) == ("Kidney", "Left")
    assert thing.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Tissue"
    (algorithm,) = liver.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("abdomen", "3f0c21a9bd")
    by_hand = made_of(scan, mask_of(scan.grid.shape), author=Author("unknown", "unknown", is_algorithm=False))
    assert by_hand.SegmentSequence[0].SegmentAlgorithmType == "MANUAL"


def test_the_same_mask_makes_the_same_bytes_and_another_one_other_uids(scan_of, saved):
    scan = scan_of("oblique")
    labels = mask_of(scan.grid.shape)
    first, second = (saved(made_of(scan, labels), name)[0].read_bytes() for name in ("a.dcm", "b.dcm"))
    assert first == second
    made, other = made_of(scan, labels), made_of(scan, labels, identity="another mask")
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert made[keyword].value != other[keyword].value
    assert made.SOPInstanceUID != made_of(scan, labels, LABELMAP).SOPInstanceUID
    assert made.StudyInstanceUID == other.StudyInstanceUID == dicom_source(scan).header.StudyInstanceUID


def test_no_more_of_a_person_is_copied_than_must_be(scan_of, saved, caplog):
    scan = scan_of("oblique", **PERSONAL, PatientName="Quijote Dulcinea de la Mancha", PatientSex="X")
    path, _ = saved(made_of(scan, mask_of(scan.grid.shape)), "a.dcm")
    made = dcmread(path)
    assert made.PatientID == "MRN-4711"
    assert made.PatientBirthDate == "19391224"
    assert made.PatientSex == ""
    assert str(made.PatientName) == "Quijote Dulcinea de la Mancha"
    held = path.read_bytes()
    for value in PERSONAL.values():
        assert value.encode() not in held
    assert "Quijote" not in caplog.text


@pytest.mark.parametrize("compression", ["deflate", "rle", "jpeg_ls", "jpeg_2000"])
def test_compressed_label_maps_are_smaller_and_the_same(maker, compression, tmp_path, saved):
    blank = np.zeros((64, 64), np.uint16)
    scan = maker.read(maker.save(tmp_path / "big", [maker.slice(index, pixels=blank) for index in range(4)]))
    labels = np.zeros(scan.grid.shape, np.uint8)
    labels[10:40, 20:30, 1:3], labels[30:, 40:, 2] = 2, 3
    path, own = saved(made_of(scan, labels, replace(LABELMAP, compression=compression)), "a.labelmap.dcm")
    assert np.array_equal(own.array[0], labels)
    assert np.array_equal(by_highdicom(path, scan.grid), labels)
    assert path.stat().st_size < saved(made_of(scan, labels, LABELMAP), "b.dcm")[0].stat().st_size


def test_bits_can_be_deflated_and_nothing_else(scan_of, saved):
    scan = scan_of("oblique")
    labels = mask_of(scan.grid.shape)
    _, own = saved(made_of(scan, labels, replace(BINARY, compression="deflate")), "a.dcm")
    assert np.array_equal(own.array[0], labels)
    with pytest.raises(UsageError, match=r"objects.compression=rle is for label maps.*objects.segmentation=labelmap"):
        check_options(replace(BINARY, compression="rle"), SEGMENTS)


def test_a_missing_encoder_is_named(monkeypatch):
    monkeypatch.setattr("segkit.volumes.dicom.derived.segmentation._is_installed", lambda module: False)
    with pytest.raises(MissingExtraError, match=r"pip install 'segkit\[dicom\]'"):
        check_options(replace(LABELMAP, compression="jpeg_ls"), SEGMENTS)


def test_regions_overlap_in_bits_and_not_in_a_label_map(scan_of, saved):
    scan = scan_of("oblique")
    labels = mask_of(scan.grid.shape)
    regions = (Segment(1, "whole", (1, 2, 3)), Segment(2, "core", (2, 3)))
    path, _ = saved(made_of(scan, labels, segments=regions), "a.dcm")
    drawn = read_segments(DicomFile(path))
    assert np.array_equal(drawn.mask_on(1, scan.grid), labels > 0)
    assert np.array_equal(drawn.mask_on(2, scan.grid), labels > 1)
    with pytest.raises(UsageError, match=r"labels overlap.*objects.segmentation=binary"):
        made_of(scan, labels, LABELMAP, regions)


def test_numbers_of_a_label_map_are_those_of_the_mask(scan_of, saved):
    scan = scan_of("oblique")
    labels = mask_of(scan.grid.shape).astype(np.uint16) * 200
    segments = tuple(Segment(value, f"label {value}", (value,)) for value in (200, 400, 600))
    _, own = saved(made_of(scan, labels, LABELMAP, segments), "a.labelmap.dcm")
    assert np.array_equal(own.array[0], labels)


def test_what_a_seg_must_name_is_missed_in_one_line(scan_of, maker):
    scan = scan_of("oblique", StudyInstanceUID=None)
    words = "has no StudyInstanceUID (0020,000D), so nothing can refer to it"
    maker.refused(lambda: made_of(scan, mask_of(scan.grid.shape)), words)


def test_slices_of_less_than_a_byte_are_refused(maker, tmp_path):
    dot = maker.read(
        maker.save(tmp_path / "dots", [maker.slice(index, pixels=np.zeros((2, 2), np.uint16)) for index in (0, 1)])
    )
    maker.refused(lambda: made_of(dot, mask_of(dot.grid.shape)), "fewer than 8 pixels")
    assert made_of(dot, mask_of(dot.grid.shape), LABELMAP).NumberOfFrames == 2


def test_another_volume_has_no_source():
    volume = Volume(np.zeros((1, 2, 2, 2)), Grid((2, 2, 2), np.eye(4)))
    assert dicom_source(volume) is None
