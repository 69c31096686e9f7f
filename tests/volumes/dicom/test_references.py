"""Segments become label values on the grid of their series; here too are the objects that tests of exports write."""

import numpy as np
import pytest
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription, segread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    RTStructureSetStorage,
    generate_uid,
)

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.references import (
    ReferenceSelection,
    Stroke,
    belongs_to,
    drawn_on,
    matching,
    plain_name,
    read_drawn,
)
from segkit.volumes.dicom.selection import DEFAULTS, selections
from segkit.volumes.dicom.series import find_series
from segkit.volumes.grid import Grid, affine_from_steps
from segkit.volumes.reading import read

SHAPE = (12, 10, 6)  # columns, rows, slices
SPACING = np.array([1.2, 0.9])  # mm between columns, between rows
ROW, COLUMN = np.array([0.96, 0.28, 0.0]), np.array([-0.28 * 0.8, 0.96 * 0.8, 0.6])
STEP = 2.5 * np.cross(ROW, COLUMN)
ORIGIN = np.array([-100.0, 50.0, 25.0])
ALGORITHM = AlgorithmIdentificationSequence("drawn", codes.DCM.ArtificialIntelligence, "1")


def uid(*words):
    return generate_uid(entropy_srcs=["segkit", *map(str, words)])


def changed(header, **changes):
    for keyword, value in changes.items():
        if value is None:
            delattr(header, keyword)
        else:
            setattr(header, keyword, value)
    return header


def values_of(shape=SHAPE):
    """Return what a series holds unless told otherwise: 100 * slice + 10 * row + column."""
    column, row, index = np.indices(shape)
    return 100 * index + 10 * row + column


def series(name="ct", values=None, *, patient="pseudonym 1", modality="CT", step=STEP, places=None, **changes):
    """Return an oblique series; `name` and `patient` decide its UIDs, `places` (in steps) where its slices lie."""
    values = values_of() if values is None else values
    columns, rows, count = values.shape
    slices = []
    for index, place in enumerate(range(count) if places is None else places):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
        one.SOPInstanceUID, one.SeriesInstanceUID = uid(patient, name, index), uid(patient, name)
        one.StudyInstanceUID, one.FrameOfReferenceUID = uid(patient, "study"), uid(patient, "frame")
        one.PatientID, one.PatientName, one.PatientBirthDate, one.PatientSex = patient, f"{patient}^", "", "O"
        one.StudyDate, one.StudyTime, one.StudyID, one.AccessionNumber = "20260101", "080000", "1", ""
        one.ReferringPhysicianName, one.Modality, one.SeriesDescription = "", modality, name
        one.SeriesNumber, one.InstanceNumber, one.ImageType = 1, count - index, ["ORIGINAL", "PRIMARY", "AXIAL"]
        one.Columns, one.Rows, one.PixelSpacing, one.SliceThickness = columns, rows, [*SPACING[::-1]], 9
        one.ImageOrientationPatient = [*ROW, *COLUMN]
        one.ImagePositionPatient = [round(float(x), 6) for x in ORIGIN + place * step]
        one.SamplesPerPixel, one.PhotometricInterpretation, one.PixelRepresentation = 1, "MONOCHROME2", 1
        one.BitsAllocated, one.BitsStored, one.HighBit = 16, 16, 15
        one.PixelData = values[..., index].T.astype("<i2").tobytes()
        slices.append(changed(one, **changes))
    return slices


def save(folder, headers, name="IM{:03}"):
    """Write up to 17 objects, in an order of names that is not theirs."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, header in enumerate(headers):
        header.save_as(folder / name.format(7 * number % 17), enforce_file_format=True)
    return folder


def grid_of(shape=SHAPE, step=STEP):
    return Grid(shape, affine_from_steps([ROW * SPACING[0], COLUMN * SPACING[1], step], ORIGIN, space="LPS"))


def box(columns, rows, slices, shape=SHAPE):
    mask = np.zeros(shape, bool)
    mask[slice(*columns), slice(*rows), slice(*slices)] = True
    return mask


def write_seg(path, sources, segments, **options):
    """Write a DICOM SEG of masks (X, Y, Z) by segment label with highdicom; planes without any are not stored."""
    described = [
        SegmentDescription(number, name, codes.SCT.Organ, codes.SCT.Liver, "AUTOMATIC", ALGORITHM)
        for number, name in enumerate(segments, start=1)
    ]
    changes = options.pop("changes", {})
    written = Segmentation(
        sources, np.stack([mask.transpose(2, 1, 0) for mask in segments.values()], axis=-1), "BINARY", described,
        series_instance_uid=uid(path, "series"), series_number=9, sop_instance_uid=uid(path), instance_number=1,
        manufacturer="segkit", manufacturer_model_name="test", software_versions="1", device_serial_number="1",
        **options,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    changed(written, **changes).save_as(path)
    return path


def write_structures(path, sources, rois, **changes):
    """Write an RTSTRUCT of boxes by ROI name, each as columns, rows and slices from first to behind the last."""
    one, header = sources[0], Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID, header.SOPInstanceUID, header.Modality = RTStructureSetStorage, uid(path), "RTSTRUCT"
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID", "StudyID"):
        setattr(header, keyword, one.get(keyword))
    header.SeriesInstanceUID, header.StructureSetLabel = uid(path, "series"), "drawn"
    drawn_on_series = changed(Dataset(), SeriesInstanceUID=one.SeriesInstanceUID, ContourImageSequence=[
        changed(Dataset(), ReferencedSOPClassUID=each.SOPClassUID, ReferencedSOPInstanceUID=each.SOPInstanceUID)
        for each in sources
    ])  # fmt: skip
    study = changed(Dataset(), RTReferencedSeriesSequence=[drawn_on_series])
    frame = changed(Dataset(), FrameOfReferenceUID=one.FrameOfReferenceUID, RTReferencedStudySequence=[study])
    header.ReferencedFrameOfReferenceSequence = [frame]
    header.StructureSetROISequence = [
        changed(Dataset(), ROINumber=number, ROIName=name, ReferencedFrameOfReferenceUID=one.FrameOfReferenceUID)
        for number, name in enumerate(rois, start=1)
    ]
    header.ROIContourSequence = [
        changed(Dataset(), ReferencedROINumber=number, ContourSequence=list(_contours(sources, *extent)))
        for number, extent in enumerate(rois.values(), start=1)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    changed(header, **changes).save_as(path, enforce_file_format=True)
    return path


def _contours(sources, columns, rows, slices):
    """Yield a rectangle half a voxel around the centres of a box, for each of its slices."""
    corners = [(columns[0], rows[0]), (columns[1], rows[0]), (columns[1], rows[1]), (columns[0], rows[1])]
    for index in range(*slices):
        position = np.array(sources[index].ImagePositionPatient, float)
        points = [position + (c - 0.5) * SPACING[0] * ROW + (r - 0.5) * SPACING[1] * COLUMN for c, r in corners]
        yield changed(
            Dataset(), ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=len(points),
            ContourData=[f"{value:.6f}" for value in np.ravel(points)],
        )  # fmt: skip


LIVER, LESION, SPLEEN = box((1, 8), (2, 8), (1, 5)), box((3, 6), (4, 7), (2, 4)), box((9, 11), (1, 4), (0, 2))


@pytest.fixture
def ct(tmp_path):
    """A series in a folder, and the slices that were written."""
    slices = series()
    save(tmp_path / "ct", slices)
    return slices


def pick(folder):
    (only,) = selections(find_series(folder), folder, DEFAULTS)
    return only


def test_what_is_drawn_later_lies_over_what_was_drawn_before(tmp_path, ct):
    file = DicomFile(write_seg(tmp_path / "seg.dcm", ct, {"liver": LIVER, "lesion": LESION}))
    chosen = pick(tmp_path / "ct")
    over = ReferenceSelection(chosen, (Stroke(3, file, 1), Stroke(7, file, 2))).read()
    assert np.array_equal(over.array[0], np.select([LESION, LIVER], [7, 3], 0))
    under = ReferenceSelection(chosen, (Stroke(7, file, 2), Stroke(3, file, 1))).read()
    assert np.array_equal(under.array[0], np.where(LIVER, 3, 0))  # the lesion lies inside
    assert over.array.dtype == np.uint8
    np.testing.assert_allclose(over.affine, grid_of().affine, atol=1e-5)


@pytest.mark.parametrize(("value", "kind"), [(255, np.uint8), (256, np.uint16), (70000, np.uint32), (-1, np.int32)])
def test_values_are_of_the_smallest_type_that_holds_them(tmp_path, ct, value, kind):
    file = DicomFile(write_seg(tmp_path / "seg.dcm", ct, {"liver": LIVER}))
    drawn = ReferenceSelection(pick(tmp_path / "ct"), (Stroke(value, file, 1),)).read()
    assert drawn.array.dtype == kind
    assert np.array_equal(drawn.array[0], np.where(LIVER, value, 0))


def test_segments_overlap_and_lack_planes_as_highdicom_reads_them(tmp_path, ct):
    draw = np.random.default_rng(0)
    masks = {name: draw.random(SHAPE) < 0.3 for name in ("a", "b", "c")}
    masks["b"][..., ::2] = False  # sparse: planes of one segment only, and one of none
    for mask in masks.values():
        mask[..., 3] = False
    path = write_seg(tmp_path / "seg.dcm", ct, masks)
    uids = [one.SOPInstanceUID for one in ct]
    theirs = segread(path).get_pixels_by_source_instance(
        uids, segment_numbers=[1, 2, 3], assert_missing_frames_are_empty=True
    )
    stacked = theirs.transpose(3, 2, 1, 0) > 0
    expected = np.select([*stacked[::-1]], [3, 2, 1], 0)
    assert np.array_equal(drawn_on(path, tmp_path / "ct", DEFAULTS).read().array[0], expected)


def test_boxes_of_a_structure_set_are_drawn_where_they_are(tmp_path, ct):
    rois = {"Leber": ((1, 8), (2, 8), (1, 5)), "Metastase": ((3, 6), (4, 7), (2, 4))}
    drawn = drawn_on(write_structures(tmp_path / "rt.dcm", ct, rois), tmp_path / "ct", DEFAULTS).read()
    assert np.array_equal(drawn.array[0], np.select([LESION, LIVER], [2, 1], 0))


def test_content_tells_what_is_drawn_how_and_on_what(tmp_path, ct):
    file = DicomFile(write_seg(tmp_path / "seg.dcm", ct, {"liver": LIVER, "lesion": LESION}))
    chosen = pick(tmp_path / "ct")

    def content(*strokes):
        return tuple(ReferenceSelection(chosen, strokes).content())

    one, two = Stroke(1, file, 1), Stroke(2, file, 2)
    known = {content(one), content(two), content(one, two), content(two, one), content(Stroke(2, file, 1), two)}
    assert len(known) == 5
    before = content(one)
    (tmp_path / "ct" / "IM000").write_bytes((tmp_path / "ct" / "IM000").read_bytes() + b"\0")
    assert content(one) != before


NAMES = {1: "Left Kidney", 2: "kidney_LEFT", 3: "Kidney right", 4: "Tumor GTV-1", 5: "left-kidney"}


@pytest.mark.parametrize(
    ("label", "patterns", "found"),
    [
        ("left_kidney", None, [1, 5]),
        ("Left Kidney", None, [1, 5]),
        ("kidney", None, []),
        ("any", ["*KIDNEY*"], [1, 2, 3, 5]),
        ("any", ["*gtv-?", 3], [3, 4]),
        ("any", [2, 2, "kidney_left"], [2]),
        ("any", ["2"], []),
        ("any", [], []),
    ],
)
def test_segments_are_found_by_name_pattern_or_number(label, patterns, found):
    assert matching(NAMES, label, patterns) == found


def test_a_plain_name_has_no_case_and_no_gaps():
    assert {plain_name(name) for name in ("Left Kidney", "left_kidney", "LEFT-KIDNEY", "leftkidney")} == {"leftkidney"}


def test_segments_belong_to_the_series_that_they_name_else_to_that_of_their_images_else_of_their_frame(tmp_path):
    first, second = series("first"), series("second")  # of one study, in one frame of reference
    foreign = series("foreign", patient="pseudonym 2")
    for name, slices in (("first", first), ("second", second), ("foreign", foreign)):
        save(tmp_path / name, slices)
    one, two, other = (pick(tmp_path / name) for name in ("first", "second", "foreign"))
    rois = {"a": ((1, 3), (1, 3), (1, 3))}

    def drawn(name, **changes):
        return read_drawn(DicomFile(write_structures(tmp_path / f"{name}.dcm", first, rois, **changes)))

    def owners(drawing):
        return [belongs_to(drawing, each) for each in (one, two, other)]

    assert owners(drawn("by_uid")) == [True, False, False]
    assert owners(drawn("by_frame", ReferencedFrameOfReferenceSequence=None)) == [True, True, False]
    by_image = write_seg(tmp_path / "by_image.dcm", second, {"a": LIVER}, changes={"ReferencedSeriesSequence": None})
    assert owners(read_drawn(DicomFile(by_image))) == [False, True, False]


def test_a_mask_is_drawn_on_the_series_it_names_among_others(tmp_path, ct):
    save(tmp_path / "export", ct)
    save(tmp_path / "export" / "b", series("b", patient="pseudonym 2"))
    path = write_seg(tmp_path / "export" / "seg.dcm", ct, {"liver": LIVER})
    drawn = drawn_on(path, tmp_path / "export", DEFAULTS)
    assert drawn.series.stacks[0].first.series == ct[0].SeriesInstanceUID
    with pytest.raises(DataError, match=r"seg\.dcm was drawn on one series, and .*export holds none of that UID"):
        drawn_on(write_seg(path, series("c"), {"liver": LIVER}), tmp_path / "export", DEFAULTS)


def test_what_is_no_reference_is_refused_by_name(tmp_path, ct):
    with pytest.raises(DataError, match=r"IM000: is no DICOM SEG and no structure set, but CT"):
        drawn_on(tmp_path / "ct" / "IM000", tmp_path / "ct", DEFAULTS)


def test_segments_of_another_grid_are_refused(tmp_path, ct):
    moved = [changed(one, ImagePositionPatient=[*(ORIGIN + [1, 0, 0] + k * STEP)]) for k, one in enumerate(series())]
    path = write_seg(tmp_path / "seg.dcm", moved, {"liver": LIVER})
    with pytest.raises(GeometryError, match=r"seg\.dcm: .*\(0020,0032\)"):
        drawn_on(path, tmp_path / "ct", DEFAULTS).read()


def test_a_fault_is_said_when_the_reference_is_read(tmp_path, ct):
    chosen = pick(tmp_path / "ct")
    with pytest.raises(DataError, match="drawn twice"):
        ReferenceSelection(chosen, (), "drawn twice").read()
    with pytest.raises(DataError, match="drawn twice"):
        ReferenceSelection(chosen, (), "drawn twice").read_grid()


def test_a_selection_reads_through_the_same_door_as_files(tmp_path, ct):
    file = DicomFile(write_seg(tmp_path / "seg.dcm", ct, {"liver": LIVER}))
    drawn = ReferenceSelection(pick(tmp_path / "ct"), (Stroke(1, file, 1),))
    assert np.array_equal(read(drawn).array[0], LIVER)
    assert (drawn.size, drawn.parent, drawn.exists()) == (file.size, tmp_path, True)
    file.path.unlink()
    assert not drawn.exists()
