"""DICOM objects are found wherever they lie, and nothing outside what was named is reached or unpacked."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from segkit.volumes.dicom.files import DicomFile, dicom_files, digest, is_dicom, is_suspect, is_zip
from segkit.volumes.reading import read

pytestmark = pytest.mark.filterwarnings("ignore:.*value:UserWarning")  # of pydicom, on what is written wrong


def as_bytes(header):
    buffer = io.BytesIO()
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    header.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def zipped(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def zip_of(path, maker, names=("B/1", "A/2.txt", "A/x/3")):
    return zipped(path, {name: as_bytes(maker.slice(index)) for index, name in enumerate(names)})


def test_files_of_any_name_at_any_depth_and_no_litter(maker, tmp_path):
    maker.save(tmp_path / "p 1" / "DOE (1)", maker.series(2), ["00000001", "scan.bak"])
    maker.save(tmp_path, maker.series([2]), ["x.y.z"])
    maker.save(tmp_path / ".hidden", maker.series([3]), ["1.dcm"])
    maker.save(tmp_path, maker.series([4]), [".hidden.dcm"])
    (tmp_path / "Thumbs.db").write_bytes(bytes(5000))
    (tmp_path / "empty.dcm").touch()
    (tmp_path / "README.dcm").write_text("not what its name says " * 20)
    zip_of(tmp_path / "inside.zip", maker)
    found = dicom_files(tmp_path)
    assert [file.path.relative_to(tmp_path).as_posix() for file in found] == [
        "x.y.z",
        "p 1/DOE (1)/00000001",
        "p 1/DOE (1)/scan.bak",
    ]
    assert [file.name for file in dicom_files(tmp_path, below=False)] == ["x.y.z"]


def test_links_to_folders_are_not_followed_and_pipes_not_waited_for(maker, tmp_path):
    outside = maker.save(tmp_path / "outside", maker.series(1))
    folder = maker.save(tmp_path / "export", maker.series(1), ["1"])
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "away").symlink_to(outside, target_is_directory=True)
    (folder / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe")  # opening it would wait for a writer for ever
    assert [file.name for file in dicom_files(folder)] == ["1"]


def test_a_zip_is_read_in_place(maker, tmp_path):
    path = zip_of(tmp_path / "export.ZIP", maker)
    assert is_zip(path)
    files = dicom_files(path)
    assert [file.member for file in files] == ["A/2.txt", "A/x/3", "B/1"]
    assert [file.name for file in files] == ["2.txt", "3", "1"]
    assert str(files[0]) == f"{path}: A/2.txt"
    with zipfile.ZipFile(path) as archive:
        assert files[0].size == archive.getinfo("A/2.txt").file_size
    before = sorted(tmp_path.rglob("*"))
    assert np.array_equal(read(path).array[0], maker.expected() - 1024)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_of_any_compression(maker, tmp_path, compression):
    members = {f"{index}": as_bytes(maker.slice(index)) for index in range(2)}
    assert read(zipped(tmp_path / "a.zip", members, compression)).array.shape == (1, 5, 4, 2)


def test_a_digest_is_that_of_the_object_wherever_it_lies(maker, tmp_path):
    content = as_bytes(maker.slice())
    (tmp_path / "a").write_bytes(content)
    archive = zipped(tmp_path / "a.zip", {"a": content})
    assert digest(DicomFile(tmp_path / "a")) == digest(DicomFile(archive, "a"))


@pytest.mark.parametrize(
    "name", ["../a", "x/../../a", "/etc/a", "\\a", "..\\a", "x\\..\\..\\a", "C:\\a", "C:a", "//a/b"]
)
def test_a_member_that_points_outside_is_refused_before_anything_is_read(maker, tmp_path, name):
    path = zipped(tmp_path / "evil.zip", {"good": as_bytes(maker.slice()), name: as_bytes(maker.slice(1))})
    maker.refused(lambda: dicom_files(path), "evil.zip", "points outside the zip")
    maker.refused(lambda: read(path), "evil.zip", "points outside the zip")


def test_a_member_hidden_behind_a_null_byte_is_refused(maker, tmp_path):
    path = zipped(tmp_path / "evil.zip", {"goodX/../../a": as_bytes(maker.slice())})
    path.write_bytes(path.read_bytes().replace(b"goodX/", b"good\x00/"))
    maker.refused(lambda: dicom_files(path), "evil.zip", "points outside the zip")


def test_a_zip_bomb_is_refused_unpacked(maker, tmp_path):
    path = zipped(tmp_path / "bomb.zip", {"a": as_bytes(maker.slice()) + bytes(80 << 20)})
    assert path.stat().st_size < 1 << 20
    maker.refused(lambda: dicom_files(path), "bomb.zip: a", "bomb", "nothing was unpacked")


def test_members_that_overlap_are_a_bomb(maker, tmp_path):
    path = zipped(tmp_path / "bomb.zip", {name: os.urandom(1000) for name in "ab"}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    second = content.rindex(b"PK\x01\x02")
    content[second + 20 : second + 28] = (5000).to_bytes(4, "little") * 2  # more than the file is long
    path.write_bytes(content)
    maker.refused(lambda: dicom_files(path), "bomb.zip", "overlap")


def test_a_scan_that_compresses_well_is_no_bomb():
    assert not is_suspect(512 * 512 * 2, 600)
    assert not is_suspect(1 << 30, 1 << 25)
    assert is_suspect(1 << 30, 1 << 20)


def test_an_encrypted_zip_says_so(maker, tmp_path):
    path = zipped(tmp_path / "locked.zip", {"a": as_bytes(maker.slice())})
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    maker.refused(lambda: dicom_files(path), "locked.zip: a", "is encrypted")
    maker.refused(lambda: read(path), "locked.zip: a", "is encrypted")


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("start", [35, 300])
def test_a_damaged_member_is_named(maker, tmp_path, compression, start):
    whole = as_bytes(maker.slice(PatientComments="".join(map(str, range(4000)))))
    path = zipped(tmp_path / "torn.zip", {"a": whole, "b": as_bytes(maker.slice(1))}, compression)
    content = bytearray(path.read_bytes())
    content[start : start + 300] = bytes(range(150)) * 2
    path.write_bytes(content)
    maker.refused(lambda: read(path), "torn.zip: a: ")


def test_what_cannot_be_opened_may_be_a_slice_and_is_told(maker, tmp_path, monkeypatch):
    folder = maker.save(tmp_path / "ct", maker.series(3), ["1", "2", "3"])
    opened = Path.open

    def refuse(path, *arguments, **options):
        if path.name == "3":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    assert not is_dicom(DicomFile(folder / "3"))
    maker.refused(lambda: read(folder), f"{folder / '3'}: cannot be read: permission denied")


def test_a_zip_cut_short(maker, tmp_path):
    path = zip_of(tmp_path / "cut.zip", maker)
    path.write_bytes(path.read_bytes()[:-40])
    maker.refused(lambda: read(path), "cut.zip")


def test_a_zip_without_dicom(maker, tmp_path):
    path = zipped(tmp_path / "notes.zip", {"a.txt": "x" * 1000})
    assert dicom_files(path) == []
    maker.refused(lambda: read(path), "notes.zip")


def test_what_cannot_be_opened_is_no_dicom(tmp_path):
    assert not is_dicom(DicomFile(tmp_path / "absent"))
