"""A series read through the doors that every format has; real ones read as SimpleITK reads them.

What the reader does in detail is tested beside its modules, in `dicom/`.
"""

import numpy as np
import pytest
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HEVCMP51,
    BasicTextSRStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
    SegmentationStorage,
    generate_uid,
)

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.formats.dicom import read_slices
from segkit.volumes.reading import find_volumes, is_volume, read, read_grid, stem
from segkit.volumes.writing import write_mask
from tests.volumes.dicom.drawn import changed

ROWS, COLUMNS, SLICES = 4, 5, 3
ROW, COLUMN = np.array([0.96, 0.28, 0.0]), np.array([-0.28 * 0.8, 0.96 * 0.8, 0.6])
NORMAL = np.cross(ROW, COLUMN)
ORIGIN = np.array([-100.0, 50.0, 25.0])
SERIES, STUDY, FRAME_OF_REFERENCE = (generate_uid(entropy_srcs=[name]) for name in ("series", "study", "frame"))


def make_slice(index, step=2.5 * NORMAL, **changes):
    """Return a CT slice whose pixels, in HU, are 100 * index + 10 * row + column - 1024."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = CTImageStorage
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = generate_uid()
    header.Modality, header.SeriesInstanceUID, header.SeriesDescription = "CT", SERIES, "thorax"
    header.StudyInstanceUID, header.FrameOfReferenceUID = STUDY, FRAME_OF_REFERENCE
    header.PatientName, header.PatientID = "Quijote^Dulcinea", "MRN-4711"
    header.InstanceNumber = 100 - index  # runs against the positions
    header.Rows, header.Columns = ROWS, COLUMNS
    header.PixelSpacing, header.SliceThickness = [0.7, 1.3], 9.0
    header.ImageOrientationPatient = [*ROW, *COLUMN]
    header.ImagePositionPatient = [round(float(x), 6) for x in ORIGIN + index * step]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 12, 11, 0
    header.RescaleSlope, header.RescaleIntercept = 1, -1024
    row, column = np.mgrid[:ROWS, :COLUMNS]
    header.PixelData = (100 * index + 10 * row + column).astype(np.uint16).tobytes()
    return changed(header, **changes)


def save(folder, slices):
    folder.mkdir(exist_ok=True)
    for number, header in enumerate(slices):
        header.save_as(folder / f"IM{(7 * number) % 11:03d}", enforce_file_format=True)
    return folder


def series_of(count=SLICES, **changes):
    return [make_slice(index, **changes) for index in range(count)]


def expected_hu():
    column, row, index = np.mgrid[:COLUMNS, :ROWS, :SLICES]
    return 100 * index + 10 * row + column - 1024


def test_a_series_reads_as_simpleitk_reads_it(tmp_path, ras_affine):
    folder = save(tmp_path / "ct", series_of())
    volume = read(folder)
    assert volume.array.dtype == np.int16
    assert np.array_equal(volume.array[0], expected_hu())
    np.testing.assert_allclose(volume.spacing, (1.3, 0.7, 2.5), atol=1e-6)
    image = SimpleITK.ReadImage(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    np.testing.assert_allclose(volume.affine, ras_affine(image), atol=1e-5)
    assert np.array_equal(SimpleITK.GetArrayFromImage(image).T, volume.array[0])
    assert np.array_equal(read_grid(folder).affine, volume.affine)


def test_instances_are_kept_sorted_and_without_pixels(tmp_path):
    volume = read(save(tmp_path / "ct", series_of()))
    instances = [plane.instance for plane in volume.source.header]
    assert [instance.number for instance in instances] == [100, 99, 98]
    assert [instance.file.name for instance in instances] == ["IM000", "IM007", "IM003"]
    assert "Quijote" not in repr(volume.source)
    assert "MRN" not in repr(volume.source)


def test_a_list_of_files_in_any_order_and_one_file(tmp_path):
    folder = save(tmp_path / "ct", series_of())
    files = sorted(folder.iterdir())
    assert np.array_equal(read_slices(files[::-1]).array[0], expected_hu())
    single = read(folder / "IM000")
    assert single.array.shape == (1, COLUMNS, ROWS, 1)
    np.testing.assert_allclose(single.spacing, (1.3, 0.7, 9.0))  # the thickness, where nothing else is known


def test_implicit_syntax_signed_pixels_and_fractions(tmp_path):
    headers = series_of(PixelRepresentation=1, RescaleSlope="0.5", RescaleIntercept="-1.25")
    for header in headers:
        header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        pixels = np.arange(ROWS * COLUMNS, dtype=np.int16).reshape(ROWS, COLUMNS) - 7
        header.PixelData = pixels.tobytes()
    volume = read(save(tmp_path / "mr", headers))
    assert volume.array.dtype == np.float32
    assert np.array_equal(volume.array[0, ..., 1], (pixels * 0.5 - 1.25).T)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"RescaleSlope": None, "RescaleIntercept": None}, np.uint16),
        ({"BitsStored": 16, "HighBit": 15}, np.int16),  # what the pixels are counts, not what they might be
        ({"RescaleSlope": "2"}, np.int16),
        ({"RescaleIntercept": "0"}, np.uint16),
        ({"RescaleIntercept": "-40000"}, np.int32),
        ({"RescaleSlope": "1000000"}, np.int32),
        ({"RescaleSlope": "100000000"}, np.float32),
    ],
)
def test_integers_stay_integers_in_the_smallest_type_that_holds_them(tmp_path, changes, kind):
    assert read(save(tmp_path / "ct", series_of(**changes))).array.dtype == kind


def test_a_tilted_gantry_keeps_its_shear_and_its_mask_too(tmp_path):
    step = 2.5 * NORMAL + 0.6 * COLUMN
    volume = read(save(tmp_path / "ct", series_of(step=step)))
    assert volume.grid.is_sheared
    np.testing.assert_allclose(volume.affine[:3, 2], step * [-1, -1, 1], atol=1e-6)
    write_mask(np.ones(volume.grid.shape, np.uint8), volume, tmp_path / "mask.nii.gz")
    read(tmp_path / "mask.nii.gz").grid.check_same_as(volume.grid, what="mask and scan")


def test_positions_rounded_by_the_scanner_are_even(tmp_path):
    headers = series_of()
    headers[1].ImagePositionPatient = [round(float(x), 1) for x in headers[1].ImagePositionPatient]
    assert read(save(tmp_path / "ct", headers)).grid.shape == (COLUMNS, ROWS, SLICES)


def test_colours_are_three_channels(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (ROWS, COLUMNS, 3)).astype(np.uint8)
    eight_bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "RescaleSlope": None, "RescaleIntercept": None}
    headers = series_of(SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0, **eight_bits)
    for header in headers:
        header.PixelData = colours.tobytes()
    volume = read(save(tmp_path / "us", headers))
    assert np.array_equal(volume.array[..., 0], colours.transpose(2, 1, 0))


def test_litter_beside_the_slices_is_passed_over(tmp_path):
    folder = save(tmp_path / "ct", series_of())
    (folder / "README.txt").write_text("exported")
    (folder / ".DS_Store").write_bytes(bytes(200))
    no_image = {"Rows": None, "Columns": None, "PixelData": None, "SOPClassUID": BasicTextSRStorage}
    report = make_slice(9, SeriesInstanceUID=generate_uid(), **no_image)
    report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    report.save_as(folder / "SR001.dcm", enforce_file_format=True)
    assert read(folder).grid.shape == (COLUMNS, ROWS, SLICES)


def test_a_series_is_found_once_as_its_folder(tmp_path):
    patient = tmp_path / "patient"
    patient.mkdir()
    plain, pacs = save(patient / "ct", series_of()), save(patient / "pacs", series_of())
    for child in list(pacs.iterdir()):
        child.rename(child.with_suffix(".img"))
    (patient / "notes.txt").write_text("x" * 500)
    assert find_volumes(tmp_path) == [plain, pacs]
    assert read(pacs).grid.shape == (COLUMNS, ROWS, SLICES)
    assert read(pacs / "IM000.img").grid.shape == (COLUMNS, ROWS, 1)
    assert is_volume(plain)
    assert not is_volume(patient)
    assert stem(plain) == "ct"


@pytest.mark.parametrize("name", ["A.seg.dcm", "z.seg.dcm"])
def test_a_segmentation_beside_its_slices_is_no_volume_whatever_it_is_called(tmp_path, name):
    folder = save(tmp_path / "CT", series_of())
    drawn = make_slice(0, Modality="SEG", SOPClassUID=SegmentationStorage)
    drawn.save_as(folder / name, enforce_file_format=True)
    assert find_volumes(folder) == [folder]
    (tmp_path / "masks").mkdir()
    (folder / name).rename(tmp_path / "masks" / name)
    assert find_volumes(tmp_path) == [folder, tmp_path / "masks" / name]


def with_changed_last(**changes):
    return [*series_of(2), make_slice(2, **changes)]


LAST = r"ct/IM003: "


@pytest.mark.parametrize(
    ("headers", "error", "message"),
    [
        (lambda: [make_slice(index) for index in (0, 1, 3, 4)], GeometryError, "uneven gaps.*5 mm from IM007 to IM003"),
        (lambda: [make_slice(index) for index in (0, 1, 1)], GeometryError, "two slices in the same place"),
        (
            lambda: with_changed_last(SeriesInstanceUID=generate_uid()),
            DataError,
            r"holds 2 series: .*2 slices of 5 x 4.*series\.uid=NAME",
        ),
        (
            lambda: with_changed_last(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
            DataError,
            r"holds 2 volumes under one SeriesInstanceUID \(0020,000E\), told apart by orientation \(IM003 and IM000\)",
        ),
        (lambda: with_changed_last(Rows=COLUMNS, Columns=ROWS), DataError, r"SeriesInstanceUID .*told apart by matrix"),
        (lambda: with_changed_last(PixelSpacing=[2, 2]), DataError, r"SeriesInstanceUID .*told apart by pixel spacing"),
        (
            lambda: with_changed_last(ImageOrientationPatient=None),
            DataError,
            LAST + r"has no ImageOrientationPatient \(0020,0037\)",
        ),
        (
            lambda: with_changed_last(ImagePositionPatient=None),
            DataError,
            LAST + r"has no ImagePositionPatient \(0020,0032\)",
        ),
        (lambda: with_changed_last(PixelSpacing=None), DataError, LAST + r"has no PixelSpacing \(0028,0030\)"),
        (lambda: with_changed_last(NumberOfFrames=2), DataError, LAST + r"PixelData \(7FE0,0010\) holds 40 bytes"),
        (
            lambda: with_changed_last(NumberOfFrames=2, PixelData=bytes(80)),
            DataError,
            LAST + r"holds 2 frames without PerFrameFunctionalGroupsSequence \(5200,9230\)",
        ),
        (lambda: with_changed_last(PixelData=bytes(7)), DataError, LAST + r"PixelData \(7FE0,0010\) holds"),
        (lambda: with_changed_last(ModalityLUTSequence=[Dataset()]), DataError, LAST + r"PixelData \(7FE0,0010\)"),
        (
            lambda: series_of(Rows=None, Columns=None, PixelData=None),
            DataError,
            r"ct/IM000: has no PixelData \(7FE0,0010\): is it cut short\?",
        ),
        (
            lambda: series_of(ImageOrientationPatient=[0] * 6),
            DataError,
            r"ct/IM000: ImageOrientationPatient \(0020,0037\) is no pair of axes at right angles",
        ),
    ],
)
def test_what_is_no_plain_series_is_refused_in_one_line(tmp_path, headers, error, message):
    folder = save(tmp_path / "ct", headers())
    with pytest.raises(error, match=message) as raised:
        read(folder)
    assert str(raised.value).startswith(f"{folder}")
    assert "\n" not in str(raised.value)
    assert not any(secret in str(raised.value) for secret in ("Quijote", "Dulcinea", "4711"))


@pytest.mark.parametrize(
    ("syntax", "said"),
    [
        (JPEGLosslessSV1, r"\(JPEG Lossless.*1\.2\.840\.10008\.1\.2\.4\.70\)\) is cut short or damaged"),
        (HEVCMP51, r"is HEVC.*TransferSyntaxUID \(0002,0010\).*nothing here decodes"),
    ],
)
def test_pixels_without_a_decoder_name_their_encoding(tmp_path, syntax, said):
    headers = series_of()
    for header in headers:
        header.file_meta.TransferSyntaxUID = syntax
        header.PixelData = encapsulate([b"no such codestream"])
        header["PixelData"].is_undefined_length = True
    with pytest.raises(DataError, match=rf"IM\d+: PixelData \(7FE0,0010\) {said}") as raised:
        read(save(tmp_path / "ct", headers))
    assert "\n" not in str(raised.value)


def test_a_file_that_only_claims_to_be_dicom(tmp_path):
    (tmp_path / "a.dcm").write_bytes(bytes(500))
    with pytest.raises(DataError, match=r"a\.dcm: is no DICOM object"):
        read(tmp_path / "a.dcm")


REAL = ("dicom2nifti/ge/anatomical/001", "dicom2nifti/hitachi/anatomical/001", "dicom2nifti/generic/rgb/001")


@pytest.mark.parametrize("name", REAL)
def test_real_series_read_as_simpleitk_reads_them(dicom_archive, ras_affine, name):
    (folder,) = find_volumes(dicom_archive / "dicom" / name)
    volume = read(folder)
    image = SimpleITK.ReadImage(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    np.testing.assert_allclose(volume.affine, ras_affine(image), atol=1e-4)
    expected = np.atleast_1d(SimpleITK.GetArrayFromImage(image))
    expected = expected.transpose() if expected.ndim == 4 else expected.T[None]
    assert np.array_equal(volume.array, expected)
