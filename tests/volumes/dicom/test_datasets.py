"""Reading a dataset: one line of error with the file, no values in it, and nothing inflated beyond reason."""

import struct
import zlib

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.dicom.datasets import attributes_of, guarded, modality_of, numbers, quietly, read_dataset, tag_of
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.headers import read_instance


def test_elements_that_are_wanted_and_no_pixels(maker, tmp_path):
    file = DicomFile(maker.save_one(tmp_path / "a", maker.slice()))
    assert "PixelData" not in read_dataset(file)
    assert "PixelData" in read_dataset(file, pixels=True)
    some = read_dataset(file, only=["Modality", 0x00280010])
    assert (some.Modality, some.Rows, len(some)) == ("CT", 4, 2)


@pytest.mark.parametrize("content", [b"", b"Quijote" * 70])
def test_what_is_no_dicom_is_named_and_never_quoted(maker, tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    file = DicomFile(tmp_path / "a")
    maker.refused(lambda: read_dataset(file), f"{file}: is no DICOM object, or damaged")


@pytest.mark.parametrize("content", [b"", b"\x99" * 300, b"\x02\x00\x00\x00UL"])
def test_what_only_begins_as_dicom_is_named(maker, tmp_path, content):
    (tmp_path / "a").write_bytes(bytes(128) + b"DICM" + content)
    maker.refused(lambda: read_instance(DicomFile(tmp_path / "a")), str(tmp_path / "a"))


def test_a_missing_file_says_so(maker, tmp_path):
    maker.refused(lambda: read_dataset(DicomFile(tmp_path / "absent")), "absent: cannot be read: no such file")


def test_errors_name_the_file_once_and_never_quote_values(maker, tmp_path):
    file = DicomFile(tmp_path / "a")

    def fail(error):
        with guarded(file):
            raise error

    quoting = ValueError("Invalid value 'Quijote^Dulcinea' for PN")
    assert maker.refused(lambda: fail(quoting)) == f"{file}: is no DICOM object, or damaged (ValueError)"
    assert maker.refused(lambda: fail(GeometryError("is bent")), error=GeometryError) == f"{file}: is bent"
    assert maker.refused(lambda: fail(DataError(f"{file}: is torn"))) == f"{file}: is torn"
    assert "memory" in maker.refused(lambda: fail(MemoryError()))


META_LENGTH = slice(132, 144)  # the element that says how long the meta information is; nobody needs it to be right


@pytest.mark.parametrize("stated", ["right", "wrong", "missing"])
def test_a_deflated_bomb_is_refused_uninflated(maker, tmp_path, stated):
    header = maker.slice()
    header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = maker.save_one(tmp_path / "bomb", header)
    content = path.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")
    inflated = zlib.decompress(content[start:], -zlib.MAX_WBITS)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    length = content[META_LENGTH]
    length = {"right": length, "wrong": length[:-4] + bytes(4), "missing": b""}[stated]
    head = content[: META_LENGTH.start] + length + content[META_LENGTH.stop : start]
    path.write_bytes(head + packer.compress(inflated + bytes(100 << 20)) + packer.flush())
    assert path.stat().st_size < 1 << 20
    maker.refused(lambda: read_dataset(DicomFile(path)), "bomb: inflates", "nothing was read")


@pytest.mark.filterwarnings("error")
def test_a_bomb_without_value_representations_is_refused_too(maker, tmp_path):
    syntax = DeflatedExplicitVRLittleEndian.encode()
    meta = b"\x02\x00\x10\x00" + struct.pack("<I", len(syntax)) + syntax
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    (tmp_path / "bomb").write_bytes(bytes(128) + b"DICM" + meta + packer.compress(bytes(100 << 20)) + packer.flush())
    maker.refused(lambda: read_dataset(DicomFile(tmp_path / "bomb")), "bomb: inflates", "nothing was read")


def test_a_damaged_modality_names_its_file_and_nothing_else(maker, tmp_path):
    path = maker.save_one(tmp_path / "a", maker.slice(Modality="MRN 47"))
    path.write_bytes(path.read_bytes().replace(b"CS\x06\x00MRN 47", b"FD\x06\x00MRN-47"))
    maker.refused(lambda: modality_of(DicomFile(path)), f"{path}: is no DICOM object, or damaged")


def test_settings_of_pydicom_are_put_back():
    from pydicom.config import IGNORE, settings

    before = settings.reading_validation_mode

    def fail():
        with quietly():
            assert settings.reading_validation_mode == IGNORE
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert settings.reading_validation_mode == before


def test_a_damaged_element_counts_as_missing(maker, tmp_path):
    path = maker.save_one(tmp_path / "a", maker.slice(EffectiveEchoTime=4.5))
    value = struct.pack("<d", 4.5)
    path.write_bytes(path.read_bytes().replace(b"FD\x08\x00" + value, b"FD\x06\x00" + value[:6]))
    attributes = attributes_of(read_dataset(DicomFile(path)))
    assert "EffectiveEchoTime" not in attributes
    assert attributes["Rows"] == 4


def test_tags_are_named_as_the_standard_writes_them():
    assert tag_of("ImagePositionPatient") == "ImagePositionPatient (0020,0032)"
    assert tag_of("PixelData") == "PixelData (7FE0,0010)"


@pytest.mark.parametrize(
    "value", [[1, 2], [1, 2, 3, 4], "word", [1, "x", 3], [1, float("nan"), 3], [1, 2, float("inf")]]
)
def test_numbers_are_as_many_as_are_due_and_finite(maker, tmp_path, value):
    file, tag = DicomFile(tmp_path / "a"), "ImagePositionPatient (0020,0032)"
    maker.refused(lambda: numbers({"ImagePositionPatient": value}, "ImagePositionPatient", 3, file), str(file), tag)


@pytest.mark.parametrize(("value", "found"), [(None, None), ("", None), ([], None), (4, (4.0,)), ([4], (4.0,))])
def test_numbers_that_are_missing_or_one(tmp_path, value, found):
    assert numbers({"SliceThickness": value}, "SliceThickness", 1, DicomFile(tmp_path / "a")) == found
