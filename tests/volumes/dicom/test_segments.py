"""SEGs of highdicom, and by hand, are drawn on their series' grid as they were meant; real ones as highdicom does."""

import sys
from pathlib import Path

import numpy as np
import pytest
from highdicom import (
    AlgorithmIdentificationSequence,
    PixelMeasuresSequence,
    PlaneOrientationSequence,
    PlanePositionSequence,
)
from highdicom.seg import Segmentation as Written
from highdicom.seg import SegmentationTypeValues, SegmentDescription, segread
from openjpeg.utils import encode_array
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sr.codedict import codes
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.segments import read_segments
from segkit.volumes.grid import Grid, affine_from_steps, as_3d

SHAPE = (37, 33, 4)  # columns, rows, slices: 1221 pixels, so that frames begin within a byte
ORIGIN = np.array([-100.0, 50.0, 25.0])
SPACING = np.array([1.3, 0.7])  # mm between columns, between rows
ROW, COLUMN = np.array([0.96, 0.28, 0.0]), np.array([-0.28 * 0.8, 0.96 * 0.8, 0.6])
AXES = {
    "axial": (np.array([1.0, 0, 0]), np.array([0.0, 1, 0]), np.array([0.0, 0, 2.5])),
    "oblique": (ROW, COLUMN, 2.5 * np.cross(ROW, COLUMN)),
    "sagittal": (np.array([0.0, 1, 0]), np.array([0.0, 0, -1]), np.array([-2.5, 0, 0])),
    "descending": (np.array([1.0, 0, 0]), np.array([0.0, 1, 0]), np.array([0.0, 0, -2.5])),
    "tilted": (np.array([1.0, 0, 0]), np.array([0.0, 0.94, -0.341174]), np.array([0.0, 0, 2.5])),
}
LABEL_VALUES = np.random.default_rng(4).integers(0, 4, SHAPE).astype(np.uint8)
LABEL_VALUES[..., 1] = 0  # a plane that nothing was drawn on
OVERLAPPING = np.random.default_rng(5).random((3, *SHAPE)) < 0.4
FRACTIONS = np.random.default_rng(6).random((2, *SHAPE))
COMPRESSED = (RLELossless, JPEGLSLossless, JPEG2000Lossless, DeflatedExplicitVRLittleEndian)
NAMES = {1: "liver", 2: "spleen", 3: "Niere links"}


def grid_of(kind: str) -> Grid:
    row, column, step = AXES[kind]
    return Grid(SHAPE, affine_from_steps([row * SPACING[0], column * SPACING[1], step], ORIGIN, space="LPS"))


def series_of(kind: str) -> list[Dataset]:
    row, column, step = AXES[kind]
    slices = []
    study, series, frame = (generate_uid(entropy_srcs=[kind, name]) for name in ("study", "series", "frame"))
    for index in range(SHAPE[2]):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID, one.SOPInstanceUID = CTImageStorage, generate_uid(entropy_srcs=[kind, str(index)])
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, series, frame
        one.PatientID, one.PatientName, one.PatientBirthDate, one.PatientSex = "1", "Doe^Jane", "", "O"
        one.StudyDate, one.StudyTime, one.StudyID, one.AccessionNumber = "20260101", "080000", "1", ""
        one.ReferringPhysicianName, one.Modality = "", "CT"
        one.Columns, one.Rows = SHAPE[:2]
        one.PixelSpacing, one.SliceThickness = [SPACING[1], SPACING[0]], 2.5
        one.ImageOrientationPatient = [*row, *column]
        one.ImagePositionPatient = [round(float(x), 6) for x in ORIGIN + index * step]
        one.BitsAllocated = one.BitsStored = 16
        slices.append(one)
    return slices


def described(count: int) -> list[SegmentDescription]:
    algorithm = AlgorithmIdentificationSequence("drawn", codes.DCM.ArtificialIntelligence, "1")
    return [
        SegmentDescription(number, NAMES[number], codes.SCT.Organ, codes.SCT.Liver, "AUTOMATIC", algorithm)
        for number in range(1, count + 1)
    ]


def write(folder: Path, pixels: np.ndarray, kind: str = "axial", form: str = "BINARY", **options) -> Path:
    """Write a SEG of `pixels`, label values (X, Y, Z) or one channel per segment (S, X, Y, Z)."""
    stacked = pixels.transpose(3, 2, 1, 0) if pixels.ndim == 4 else pixels.transpose(2, 1, 0)
    count = stacked.shape[3] if pixels.ndim == 4 else int(pixels.max())
    sources = options.pop("sources", None) or series_of(kind)
    written = Written(
        sources, np.ascontiguousarray(stacked), SegmentationTypeValues(form), described(count),
        series_instance_uid=generate_uid(), series_number=9, sop_instance_uid=generate_uid(), instance_number=1,
        manufacturer="segkit", manufacturer_model_name="test", software_versions="1", device_serial_number="1",
        **options,
    )  # fmt: skip
    written.save_as(folder / "seg.dcm")
    return folder / "seg.dcm"


def drawn(path: Path, grid: Grid) -> np.ndarray:
    read = read_segments(DicomFile(path))
    return np.stack([read.mask_on(number, grid) for number in read.names])


def of_each(labels: np.ndarray, count: int = 3) -> np.ndarray:
    return np.stack([labels == number for number in range(1, count + 1)])


@pytest.mark.parametrize("form", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.parametrize("kind", AXES)
def test_what_was_written_is_drawn_on_the_grid_of_its_series(tmp_path: Path, kind: str, form: str):
    path = write(tmp_path, LABEL_VALUES, kind, form)
    np.testing.assert_array_equal(drawn(path, grid_of(kind)), of_each(LABEL_VALUES))


def test_names_and_references_come_from_the_header(tmp_path: Path):
    sources = series_of("axial")
    path = write(tmp_path, LABEL_VALUES, form="LABELMAP", sources=sources)
    read = read_segments(DicomFile(path))
    assert dict(read.names) == NAMES
    assert read.series == (sources[0].SeriesInstanceUID,)
    assert read.instances == {one.SOPInstanceUID for one in sources}
    assert read.frame_of_reference == sources[0].FrameOfReferenceUID
    changed = dcmread(path)
    del changed.ReferencedSeriesSequence
    changed.save_as(path)
    read = read_segments(DicomFile(path))
    assert read.series == ()
    assert read.instances == {sources[index].SOPInstanceUID for index in (0, 2, 3)}


def test_segments_that_overlap_are_drawn_whole(tmp_path: Path):
    path = write(tmp_path, OVERLAPPING)
    np.testing.assert_array_equal(drawn(path, grid_of("axial")), OVERLAPPING)
    own = read_segments(DicomFile(path)).own_volume()
    np.testing.assert_array_equal(own.array, OVERLAPPING)
    assert own.array.dtype == np.uint8


@pytest.mark.parametrize("most", [255, 100])
@pytest.mark.parametrize("meaning", ["PROBABILITY", "OCCUPANCY"])
def test_fractions_of_one_half_and_more_are_inside(tmp_path: Path, most: int, meaning: str):
    path = write(tmp_path, FRACTIONS, form="FRACTIONAL", fractional_type=meaning, max_fractional_value=most)
    np.testing.assert_array_equal(drawn(path, grid_of("axial")), np.around(FRACTIONS * most) / most >= 0.5)


@pytest.mark.parametrize("decoder", ["highdicom", "pydicom"])
@pytest.mark.parametrize(
    ("form", "syntax"),
    [
        ("BINARY", JPEG2000Lossless),
        ("BINARY", DeflatedExplicitVRLittleEndian),
        *[(form, syntax) for form in ("FRACTIONAL", "LABELMAP") for syntax in COMPRESSED],
    ],
)
def test_compressed_frames_are_decoded_with_and_without_highdicom(tmp_path, monkeypatch, form, syntax, decoder):
    options = {"transfer_syntax_uid": syntax} if (form, syntax) == ("BINARY", JPEG2000Lossless) else {}
    path = write(tmp_path, LABEL_VALUES, "oblique", form, **options)
    changed = dcmread(path)
    if syntax in (RLELossless, JPEGLSLossless):
        # gdcm, which pydicom would take first, aborts the process on frames of an odd length in RLE.
        changed.compress(syntax, encoding_plugin="pydicom" if syntax == RLELossless else "pyjpegls")
    elif not options and syntax == JPEG2000Lossless:
        changed.PixelData = encapsulate(
            [encode_array(frame, photometric_interpretation=2) for frame in changed.pixel_array]
        )
        changed["PixelData"].is_undefined_length = True
    changed.file_meta.TransferSyntaxUID = syntax
    changed.save_as(path)
    if decoder == "pydicom":
        monkeypatch.setitem(sys.modules, "highdicom.frame", None)
    np.testing.assert_array_equal(drawn(path, grid_of("oblique")), of_each(LABEL_VALUES))


def test_frames_may_come_in_any_order(tmp_path: Path):
    path = write(tmp_path, LABEL_VALUES, "oblique", "FRACTIONAL")
    changed = dcmread(path)
    order = np.random.default_rng(3).permutation(changed.NumberOfFrames)
    changed.PixelData = changed.pixel_array[order].tobytes()
    groups = changed.PerFrameFunctionalGroupsSequence
    changed.PerFrameFunctionalGroupsSequence = [groups[index] for index in order]
    changed.save_as(path)
    np.testing.assert_array_equal(drawn(path, grid_of("oblique")), of_each(LABEL_VALUES))
    own = read_segments(DicomFile(path)).own_volume()
    np.testing.assert_array_equal(own.array[0], LABEL_VALUES)
    own.grid.check_same_as(grid_of("oblique"), what="own grid and series")


@pytest.mark.parametrize("flip", [(True, False), (False, True), (True, True)])
def test_frames_that_run_against_the_image_or_across_it(tmp_path: Path, flip: tuple[bool, bool]):
    row, column, step = AXES["oblique"]
    axes, start, labels = [row, column], ORIGIN.copy(), LABEL_VALUES
    for axis in range(2):
        if flip[axis]:
            start = start + axes[axis] * SPACING[axis] * (SHAPE[axis] - 1)
            axes[axis] = -axes[axis]
            labels = np.flip(labels, axis)
    path = write(
        tmp_path,
        labels[1:30, :24],
        sources=series_of("oblique"),
        pixel_measures=PixelMeasuresSequence([SPACING[1], SPACING[0]], 2.5),
        plane_orientation=PlaneOrientationSequence("PATIENT", [*axes[0], *axes[1]]),
        plane_positions=[
            PlanePositionSequence("PATIENT", start + axes[0] * SPACING[0] + index * step) for index in range(SHAPE[2])
        ],
    )
    expected = np.zeros_like(LABEL_VALUES)
    expected[1:30, :24] = labels[1:30, :24]
    for axis in range(2):
        expected = np.flip(expected, axis) if flip[axis] else expected
    np.testing.assert_array_equal(drawn(path, grid_of("oblique")), of_each(expected))


@pytest.mark.parametrize("kind", AXES)
def test_a_label_map_lies_on_its_own_grid_with_planes_that_were_not_stored(tmp_path: Path, kind: str):
    own = read_segments(DicomFile(write(tmp_path, LABEL_VALUES, kind))).own_volume()
    assert (own.array.shape, own.array.dtype) == ((1, *SHAPE), np.uint8)
    upwards = kind != "descending"
    np.testing.assert_array_equal(own.array[0], LABEL_VALUES if upwards else LABEL_VALUES[..., ::-1])
    row, column, step = AXES[kind]
    first, step = (ORIGIN, step) if upwards else (ORIGIN + 3 * step, -step)
    expected = affine_from_steps([row * SPACING[0], column * SPACING[1], step], first, space="LPS")
    np.testing.assert_allclose(own.affine, expected, atol=1e-5)


def theirs_of(path: Path, numbers: list[int]) -> tuple[np.ndarray, np.ndarray | None]:
    """Return one mask per segment, (S, X, Y[, Z]), and the RAS+ affine, as highdicom reads them."""
    read = segread(path)
    if read.is_tiled:
        stacked = read.get_total_pixel_matrix(segment_numbers=numbers)
        affine = read.get_volume_geometry().affine
    elif geometry := read.get_volume_geometry(allow_missing_positions=True):
        stacked = read.get_volume(segment_numbers=numbers, allow_missing_positions=True).array
        affine = geometry.affine
    else:
        uids = [uids[2] for uids in read.get_source_image_uids()]
        return read.get_pixels_by_source_instance(uids, segment_numbers=numbers)[0].transpose(2, 1, 0) >= 0.5, None
    affine = (np.diag([-1, -1, 1, 1]) @ affine)[:, [2, 1, 0, 3]]
    if stacked.ndim == 3:
        return stacked.transpose(2, 1, 0) >= 0.5, affine
    # highdicom's slices run against the normal of rows and columns.
    affine[:, 3] += affine[:, 2] * (len(stacked) - 1)
    affine[:, 2] *= -1
    return stacked.transpose(3, 2, 1, 0)[..., ::-1] >= 0.5, affine


def test_real_objects_give_what_highdicom_gives(dicom_archive: Path):
    folder = dicom_archive / "dicomseg"
    paths = [folder / "dcmqi/data/sr-example/seg.dcm", *(folder / "dcmqi/data/segmentations").rglob("*.seg")]
    paths += [folder / f"dcmqi/data/segmentations/{name}.dcm" for name in ("liver", "partial_overlaps")]
    paths += [*(folder / "dcmqi").rglob("sparse-*.dcm"), *(folder / "highdicom").rglob("seg_image_*.dcm")]
    assert len(paths) == 19
    for path in paths:
        read = read_segments(DicomFile(path))
        own = read.own_volume()
        numbers = sorted(read.names)
        masks, affine = theirs_of(path, numbers)
        ours = (
            of_each(own.array[0], 0) if not numbers else np.stack([read.mask_on(n, as_3d(own.grid)) for n in numbers])
        )
        np.testing.assert_array_equal(ours.reshape(masks.shape), masks, err_msg=str(path))
        channels = own.array[0] == np.reshape(numbers, (-1, *[1] * own.grid.dims)) if len(own.array) == 1 else own.array
        np.testing.assert_array_equal(channels, masks, err_msg=str(path))
        if affine is not None:
            columns = [0, 1, 3] if own.grid.dims == 2 else [0, 1, 2, 3]
            np.testing.assert_allclose(own.affine[:, columns], affine[:, columns], atol=1e-4, err_msg=str(path))


def test_real_segments_are_drawn_on_the_grid_of_their_series(dicom_archive: Path):
    from segkit.volumes.reading import read, read_grid

    folder = dicom_archive / "dicomseg/dcmqi/data/segmentations"
    for path, series, twin in (
        (folder / "23x38x3/seg/label.seg", folder / "23x38x3/image", folder / "23x38x3/nrrd/label.nrrd"),
        (folder / "liver.dcm", folder / "ct-3slice", folder / "liver_seg.nrrd"),
    ):
        mask = read_segments(DicomFile(path)).mask_on(1, read_grid(series))
        np.testing.assert_array_equal(mask, read(twin).array[0] != 0, err_msg=str(path))
