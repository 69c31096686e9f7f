"""SEGs of six pixels written by hand: where each bit lands, and what is refused in one line."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HEVCMP51,
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    SegmentationStorage,
    generate_uid,
)

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.dicom import segment_pixels, segments
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.segments import read_segments
from segkit.volumes.grid import Grid, affine_from_steps, as_3d


def handmade(folder: Path, **changes) -> DicomFile:
    """Write two frames of 3 x 2 pixels: bits 0 and 5 of the first (z = 10), bit 3 of the second (z = 8) are set."""
    seg = Dataset()
    seg.file_meta = FileMetaDataset()
    seg.file_meta.TransferSyntaxUID = changes.pop("syntax", ExplicitVRLittleEndian)
    seg.file_meta.MediaStorageSOPClassUID = seg.SOPClassUID = SegmentationStorage
    seg.file_meta.MediaStorageSOPInstanceUID = seg.SOPInstanceUID = generate_uid()
    seg.SegmentationType, seg.NumberOfFrames, seg.Rows, seg.Columns = "BINARY", 2, 2, 3
    seg.SamplesPerPixel, seg.PhotometricInterpretation, seg.PixelRepresentation = 1, "MONOCHROME2", 0
    seg.BitsAllocated = seg.BitsStored = 1
    seg.PatientName = "Doe^Jane"
    seg.SegmentSequence = [Dataset()]
    seg.SegmentSequence[0].SegmentNumber, seg.SegmentSequence[0].SegmentLabel = 4, "spine"
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = changes.pop("spacing", [2.0, 3.0])
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    seg.SharedFunctionalGroupsSequence = [shared]
    seg.PerFrameFunctionalGroupsSequence = []
    for z in changes.pop("depths", (10.0, 8.0)):
        group, place = Dataset(), Dataset()
        place.ImagePositionPatient = [1, 2, z]
        group.PlanePositionSequence = [place]
        seg.PerFrameFunctionalGroupsSequence.append(group)
    seg.PixelData = bytes([0b00100001, 0b00000010])
    for keyword, value in changes.items():
        setattr(seg, keyword, value)
    seg["PixelData"].VR = "OB"
    seg["PixelData"].is_undefined_length = seg.file_meta.TransferSyntaxUID not in (ExplicitVRLittleEndian,)
    seg.save_as(folder / "hand.dcm", enforce_file_format=True)
    return DicomFile(folder / "hand.dcm")


def expected_by_hand() -> np.ndarray:
    """Column, row and slice of the three pixels, from the lower slice up."""
    mask = np.zeros((3, 2, 2), bool)
    mask[0, 0, 1] = mask[2, 1, 1] = mask[0, 1, 0] = True
    return mask


def test_six_pixels_by_hand(tmp_path: Path):
    read = read_segments(handmade(tmp_path))
    own = read.own_volume()
    np.testing.assert_array_equal(own.array[0], np.where(expected_by_hand(), 4, 0))
    np.testing.assert_array_equal(own.affine, [[-3, 0, 0, -1], [0, -2, 0, -2], [0, 0, 2, 8], [0, 0, 0, 1]])
    # One column further left and one slice further down, and only two columns wide.
    window = Grid((2, 2, 3), own.affine @ affine_from_steps(np.eye(3), (-1, 0, -1), space="RAS"))
    shown = read.mask_on(4, window)
    assert np.argwhere(shown).tolist() == [[1, 0, 2], [1, 1, 1]]


def test_a_frame_deflated_by_itself(tmp_path: Path):
    def deflated(stored: bytes) -> bytes:
        packer = zlib.compressobj(wbits=-15)
        return packer.compress(stored) + packer.flush()

    frames = encapsulate([deflated(bytes([0b100001])), deflated(bytes([0b001000]))])
    file = handmade(tmp_path, syntax=JPEGLSLossless, PixelData=frames)
    # pydicom 3.0 writes no syntax that it does not know.
    before, after = JPEGLSLossless.encode(), segment_pixels.DEFLATED_FRAMES.encode() + b"\0"
    file.path.write_bytes(file.path.read_bytes().replace(before, after))
    read = read_segments(file)
    np.testing.assert_array_equal(read.own_volume().array[0] == 4, expected_by_hand())


def test_a_picture_without_a_place_lies_on_the_slice_of_its_size(tmp_path: Path):
    shared = Dataset()
    shared.PixelMeasuresSequence = [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = [2.0, 3.0]
    changes = {"depths": (), "NumberOfFrames": 1, "SharedFunctionalGroupsSequence": [shared]}
    read = read_segments(handmade(tmp_path, **changes))
    own = read.own_volume()
    assert (own.array.shape, own.spacing) == ((1, 3, 2), (3.0, 2.0))
    oblique = affine_from_steps([[1, 1, 0], [-1, 1, 0], [0, 0, 1]], (5, 6, 7), space="LPS")
    assert np.argwhere(read.mask_on(4, Grid((3, 2, 1), oblique))[..., 0]).tolist() == [[0, 0], [2, 1]]
    assert np.array_equal(read.mask_on(4, own.grid), own.array[0] != 0)  # as a reference of a radiograph
    with pytest.raises(GeometryError, match=r"hand\.dcm: .*ImagePositionPatient"):
        read.mask_on(4, Grid((3, 2, 2), oblique))


@pytest.mark.parametrize("order", ["TILED_FULL", "TILED_SPARSE"])
def test_tiles_make_up_the_whole_slide(tmp_path: Path, order: str):
    origin = Dataset()
    origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem = 20.0, 40.0
    groups = []
    for column in (1, 4):  # counted from 1
        place, group = Dataset(), Dataset()
        place.ColumnPositionInTotalImagePixelMatrix, place.RowPositionInTotalImagePixelMatrix = column, 1
        group.PlanePositionSlideSequence = [place]
        groups.append(group)
    read = read_segments(
        handmade(
            tmp_path,
            DimensionOrganizationType=order,
            TotalPixelMatrixColumns=5,
            TotalPixelMatrixRows=2,
            TotalPixelMatrixOriginSequence=[origin],
            ImageOrientationSlide=[0, -1, 0, -1, 0, 0],
            PerFrameFunctionalGroupsSequence=groups if order == "TILED_SPARSE" else [],
        )
    )
    own = read.own_volume()
    assert own.array.shape == (1, 5, 2)
    assert np.argwhere(own.array[0]).tolist() == [[0, 0], [2, 1], [3, 1]]
    # Slide coordinates of the first pixel are (20, 40, 0); columns run along -y, 3 mm apart, rows along -x, 2 mm.
    np.testing.assert_array_equal(own.affine[:3, [0, 1, 3]].T, [[0, 3, 0], [2, 0, 0], [-20, -40, 0]])
    np.testing.assert_array_equal(read.mask_on(4, as_3d(own.grid))[..., 0], own.array[0] == 4)


@pytest.mark.parametrize(
    ("move", "scale", "tag"),
    [
        ((0.4, 0, 0), 1, "0020,0032"),
        ((0, 0, 0.5), 1, "0020,0032"),
        ((0, 0, 0), 1.2, "0028,0030"),
        ((9, 0, 0), 1, "0020"),
    ],
)
def test_a_segment_off_the_grid_is_refused(tmp_path: Path, move, scale: float, tag: str):
    read = read_segments(handmade(tmp_path))
    own = read.own_volume().grid
    moved = own.affine @ affine_from_steps(np.eye(3) * scale, move, space="RAS")
    with pytest.raises(GeometryError, match=rf"hand\.dcm: .*{tag}") as caught:
        read.mask_on(4, Grid(own.shape, moved))
    assert "Doe" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"NumberOfFrames": 3}, "NumberOfFrames"),
        ({"NumberOfFrames": 1 << 30}, "NumberOfFrames .0028,0008.* do not fit"),
        ({"Rows": 60000, "Columns": 60000}, "do not fit"),
        ({"BitsAllocated": 12}, "BitsAllocated"),
        ({"SegmentationType": "VAGUE"}, "SegmentationType"),
        ({"SegmentSequence": [Dataset(), Dataset()]}, "SegmentNumber"),
        ({"SOPClassUID": CTImageStorage}, "no DICOM SEG"),
    ],
)
def test_a_header_that_lies_is_refused_before_pixels_are_read(tmp_path: Path, changes, message: str):
    with pytest.raises(DataError, match=rf"hand\.dcm: .*{message}"):
        read_segments(handmade(tmp_path, **changes))


def test_what_does_not_fit_into_memory_is_refused(tmp_path: Path, monkeypatch):
    frames = encapsulate([b"\xff\xd8\xff\xf7", b"\xff\xd8\xff\xf7"])
    large = handmade(tmp_path, syntax=JPEGLSLossless, PixelData=frames, Rows=60000, Columns=60000)
    monkeypatch.setattr(segment_pixels, "available_memory", lambda: 1 << 30)
    with pytest.raises(DataError, match=r"3\.6 GB"):
        read_segments(large)
    monkeypatch.setattr(segments, "available_memory", lambda: 1 << 20)
    with pytest.raises(DataError, match="more memory than is free"):
        two_planes_far_apart(tmp_path).own_volume()


def two_planes_far_apart(folder: Path) -> segments.Segments:
    """Write planes a kilometre apart, of a volume whose step is one millimetre."""
    shared = dcmread(handmade(folder, depths=(0.0, 1e6)).path)
    shared.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = 1.0
    shared.save_as(folder / "sparse.dcm")
    return read_segments(DicomFile(folder / "sparse.dcm"))


def test_pixels_that_are_missing_or_cannot_be_decoded_are_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"hand\.dcm: PixelData \(7FE0,0010\) holds 2 bytes"):
        read_segments(handmade(tmp_path, Columns=9)).own_volume()
    for syntax, message in ((HEVCMP51, r"HEVC.*pip install 'segkit\[dicom\]'"), (JPEGLSLossless, "JPEG-LS.*damaged")):
        read = read_segments(handmade(tmp_path, syntax=syntax, PixelData=encapsulate([b"ab", b"cd"])))
        with pytest.raises(DataError, match=message):
            read.own_volume()
