"""Headers are read without pixels, and what they ask for is compared with the file before memory is taken."""

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    BasicTextSRStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MediaStorageDirectoryStorage,
    RLELossless,
    RTStructureSetStorage,
    SegmentationStorage,
)

from segkit.volumes.dicom import headers as module
from segkit.volumes.dicom.headers import read_headers, read_instance
from segkit.volumes.dicom.instances import Instance, Other
from segkit.volumes.reading import read


def instance_of(maker, tmp_path, header, name="IM1"):
    return read_instance(maker.file(maker.save_one(tmp_path / name, header)))


def test_what_an_instance_says(maker, tmp_path):
    header = maker.slice(1, PixelPaddingValue=0, EchoTime="4.5", KVP="120")
    found = instance_of(maker, tmp_path, header)
    assert (found.uid, found.series, found.study) == (header.SOPInstanceUID, maker.series_uid, maker.study_uid)
    assert (found.frame_of_reference, found.kind, found.modality) == (maker.frame_uid, "CT Image", "CT")
    assert (found.description, found.series_number, found.number, found.padding) == ("thorax", 3, 99, 0)
    assert (found.encoding.rows, found.encoding.columns, found.encoding.shape) == (4, 5, (5, 4))
    assert (found.encoding.allocated, found.encoding.stored, found.encoding.high) == (16, 12, 11)
    (frame,) = found.frames
    assert frame.place.position == pytest.approx(header.ImagePositionPatient)
    assert (frame.spacing, frame.thickness, frame.rescale) == ((1.3, 0.7), 9.0, (1.0, -1024.0))
    assert found.fault == ""
    assert "MRN" not in repr(found)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_native_pixels_begin_where_they_are_said_to(maker, tmp_path, syntax):
    header = maker.slice()
    header.file_meta.TransferSyntaxUID = syntax
    maker.with_pixels(header, maker.stored(3), bits=12)
    encoding = instance_of(maker, tmp_path, header).encoding
    content = (tmp_path / "IM1").read_bytes()
    assert content[encoding.start : encoding.start + encoding.length] == header.PixelData
    assert encoding.length == 40


def test_a_length_that_looks_like_letters_is_a_length(maker, tmp_path):
    header = maker.slice(pixels=np.arange(33 * 257).reshape(257, 33).astype(np.uint16))
    header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    assert (len(header.PixelData) & 0xFFFF).to_bytes(2, "little") == b"BB"
    encoding = instance_of(maker, tmp_path, header).encoding
    assert encoding.length == len(header.PixelData)
    assert np.array_equal(read(tmp_path / "IM1").array[0, ..., 0].T + 1024, np.arange(33 * 257).reshape(257, 33))


@pytest.mark.parametrize("syntax", [RLELossless, DeflatedExplicitVRLittleEndian])
def test_packed_pixels_begin_nowhere(maker, tmp_path, syntax):
    header = maker.slice()
    if syntax == RLELossless:
        header.compress(syntax, encoding_plugin="pydicom")
    header.file_meta.TransferSyntaxUID = syntax
    found = instance_of(maker, tmp_path, header)
    assert found.encoding.start == -1
    assert found.fault == ""


def test_objects_without_an_image_of_their_own(maker, tmp_path):
    report = maker.bare(Modality="SR", SOPClassUID=BasicTextSRStorage)
    dose, segmentation = maker.slice(Modality="RTDOSE"), maker.slice(Modality="SEG")
    for name, header in {"sr": report, "dose": dose, "seg": segmentation}.items():
        assert instance_of(maker, tmp_path, header, name) == Other(maker.file(tmp_path / name), header.Modality)


@pytest.mark.parametrize(
    ("sop_class", "modality"),
    [(SegmentationStorage, "SEG"), (RTStructureSetStorage, "RTSTRUCT"), (BasicTextSRStorage, "")],
)
def test_an_object_without_an_image_that_is_cut_short_is_still_none(maker, tmp_path, sop_class, modality):
    path = maker.save_one(tmp_path / "a", maker.bare(SOPClassUID=sop_class, Modality="SR"))
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"\x08\x00\x60\x00")])
    assert read_instance(maker.file(path)) == Other(maker.file(path), modality)


def test_a_dicomdir_of_another_name_is_no_image(maker, tmp_path):
    header = maker.bare(SOPClassUID=MediaStorageDirectoryStorage)
    path = maker.save_one(tmp_path / "DICOMDIR;1", header)
    del header.SOPClassUID
    header.save_as(path, enforce_file_format=True)
    assert isinstance(read_instance(maker.file(path)), Other)


def test_a_missing_syntax_is_guessed(maker, tmp_path):
    path = maker.save_one(tmp_path / "IM1", maker.slice())
    tag = b"\x02\x00\x10\x00UI\x14\x00" + ExplicitVRLittleEndian.encode() + b"\0"
    content = path.read_bytes()
    assert tag in content
    length = int.from_bytes(content[140:144], "little") - len(tag)
    path.write_bytes(content[:140] + length.to_bytes(4, "little") + content[144:].replace(tag, b""))
    assert np.array_equal(read(path).array[0], maker.expected(1) - 1024)


def broken(maker, name):
    header = maker.slice(0)
    huge = {"Rows": 65535, "Columns": 65535, "NumberOfFrames": 12}
    if name == "compressed":
        header.file_meta.TransferSyntaxUID = JPEG2000Lossless
        header.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(400)])
        header["PixelData"].is_undefined_length = True
        return maker.changed(header, **huge)
    changes = {
        "short": {"PixelData": bytes(38)},
        "none": {"PixelData": None},
        "empty": {"PixelData": b""},
        "huge": huge,
        "many": {
            "Rows": 1,
            "Columns": 1,
            "BitsAllocated": 8,
            "BitsStored": 8,
            "HighBit": 7,
            "NumberOfFrames": 2_000_000,
            "PixelData": bytes(2_000_000),
        },
        "no rows": {"Rows": 0},
        "orientation": {"ImageOrientationPatient": None},
        "position": {"ImagePositionPatient": None},
        "empty position": {"ImagePositionPatient": ""},
        "skew": {"ImageOrientationPatient": [1, 0, 0, 0.5, 0.8, 0]},
        "zeros": {"ImageOrientationPatient": [0] * 6},
        "far": {"ImagePositionPatient": [0, 0, 1e7]},
        "no spacing": {"PixelSpacing": None},
        "negative spacing": {"PixelSpacing": [-1, 1]},
        "zero slope": {"RescaleSlope": 0},
        "frames": {"NumberOfFrames": 2, "PixelData": bytes(80)},
    }
    return maker.changed(header, **changes[name])


FAULTS = {
    "short": "PixelData (7FE0,0010) holds 38 bytes, but Rows (0028,0010), Columns (0028,0011)",
    "none": "has no PixelData (7FE0,0010)",
    "empty": "has no PixelData (7FE0,0010)",
    "huge": "Rows (0028,0010), Columns (0028,0011) and NumberOfFrames (0028,0008) ask for 103076",
    "compressed": "Rows (0028,0010), Columns (0028,0011) and NumberOfFrames (0028,0008) ask for 103076",
    "many": "NumberOfFrames (0028,0008) ask for 2000000 bytes, more frames than any scan has",
    "no rows": "Rows (0028,0010) or Columns (0028,0011) is 0",
    "orientation": "has no ImageOrientationPatient (0020,0037)",
    "position": "has no ImagePositionPatient (0020,0032)",
    "empty position": "has no ImagePositionPatient (0020,0032)",
    "skew": "ImageOrientationPatient (0020,0037) is no pair of axes at right angles",
    "zeros": "ImageOrientationPatient (0020,0037) is no pair of axes at right angles",
    "far": "ImagePositionPatient (0020,0032) lies 1e+07 mm away",
    "no spacing": "has no PixelSpacing (0028,0030)",
    "negative spacing": "PixelSpacing (0028,0030) holds -1 and 1 mm",
    "zero slope": "RescaleSlope (0028,1053) is 0",
    "frames": "holds 2 frames without PerFrameFunctionalGroupsSequence (5200,9230)",
}


@pytest.mark.parametrize("name", FAULTS)
def test_one_broken_slice_takes_its_series_and_is_named(maker, tmp_path, name):
    folder = maker.save(tmp_path / "ct", [broken(maker, name), *maker.series([1, 2])], ["IM0", "IM1", "IM2"])
    found = read_instance(maker.file(folder / "IM0"))
    assert found.fault.startswith(f"{folder / 'IM0'}: ")
    assert FAULTS[name] in found.fault
    maker.refused(lambda: read(folder), str(folder / "IM0"), FAULTS[name])
    maker.refused(lambda: read(folder / "IM0"), str(folder / "IM0"), FAULTS[name])


@pytest.mark.parametrize("left", [140, 170, 300, 400, 900, -30])
@pytest.mark.filterwarnings("error")
def test_a_file_cut_short_anywhere_is_named(maker, tmp_path, left):
    folder = maker.save(tmp_path / "ct", maker.series(), ["IM0", "IM1", "IM2"])
    whole = (folder / "IM1").read_bytes()
    (folder / "IM1").write_bytes(whole[:left])
    assert len(whole) > 900
    (stack,) = maker.stacks(folder)
    assert [plane.instance.file.name for plane in stack.planes] == ["IM0", "IM2"]  # which would lie evenly without it
    message = maker.refused(lambda: read(folder), str(folder / "IM1"))
    assert left > 0 or "is cut short: PixelData (7FE0,0010) declares 40 bytes, 10 are there" in message
    maker.refused(lambda: read(folder / "IM1"), str(folder / "IM1"))


def test_a_strange_header_costs_its_own_file_only(maker, tmp_path, monkeypatch):
    folder = maker.save(tmp_path / "ct", maker.series(), ["IM0", "IM1", "IM2"])
    frames_of = module.frames_of

    def fail(header, count, file):
        if file.name == "IM1":
            raise IndexError(header.get("PatientID", "MRN-4711"))
        return frames_of(header, count, file)

    monkeypatch.setattr(module, "frames_of", fail)
    files = [maker.file(folder / name) for name in ("IM0", "IM1", "IM2")]
    found = read_headers(files, workers=1)
    assert [each.file for each in found.images if not each.fault] == [files[0], files[2]]
    maker.refused(lambda: read(folder), f"{folder / 'IM1'}: ", "IndexError")


def test_an_image_type_that_is_a_number_costs_its_own_file_only(maker, tmp_path):
    odd = maker.enhanced([0, 1])
    odd.add_new("ImageType", "US", 5)
    folder = maker.save(tmp_path / "ct", [odd, *maker.series(2)], ["IM0", "IM1", "IM2"])
    files = [maker.file(folder / name) for name in ("IM0", "IM1", "IM2")]
    found = read_headers(files, workers=1)
    assert [each.file for each in found.images if not each.fault] == files[1:]
    assert f"{files[0]}: " in next(each.fault for each in found.images if each.fault)


def test_many_headers_are_read_side_by_side_in_order(maker, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FEW", 4)
    monkeypatch.setattr(module, "CHUNK", 2)
    folder = maker.save(tmp_path / "ct", maker.series(5), [f"{index}" for index in range(5)])
    (folder / "5").write_bytes(bytes(128) + b"DICM" + b"\x99" * 20)
    maker.save(folder, [maker.bare(Modality="SR", SOPClassUID=BasicTextSRStorage)], ["6"])
    files = [maker.file(folder / f"{index}") for index in range(7)]
    found = read_headers(files, workers=2)
    assert [each.file for each in found.images] == files[:5]
    assert found.images == read_headers(files[:5], workers=1).images
    assert [each.file for each in found.others] == [files[6]]
    assert list(found.unreadable) == [files[5]]


@pytest.mark.parametrize("value", ["", "word", "1e400"])
@pytest.mark.filterwarnings("error")  # pydicom would quote the value
def test_numbers_that_are_none_do_no_harm(maker, tmp_path, value):
    path = maker.save_one(tmp_path / "IM1", maker.slice(SeriesNumber=77777))
    path.write_bytes(path.read_bytes().replace(b"77777 ", value.ljust(6).encode()))
    found = read_instance(maker.file(path))
    assert isinstance(found, Instance)
    assert found.series_number is None


@pytest.mark.parametrize("missing", ["InstanceNumber", "SeriesNumber", "SliceThickness", "ImageType", "PatientID"])
def test_a_slice_lacks_what_no_volume_needs(maker, tmp_path, missing):
    headers = [maker.slice(index, **{missing: None}) for index in range(3)]
    assert np.array_equal(read(maker.save(tmp_path / "ct", headers)).array[0], maker.expected() - 1024)


def test_the_class_of_an_object_is_named(maker, tmp_path):
    assert instance_of(maker, tmp_path, maker.slice(SOPClassUID=CTImageStorage)).kind == "CT Image"
    assert instance_of(maker, tmp_path, maker.enhanced([0, 1])).kind == "Enhanced MR Image"
