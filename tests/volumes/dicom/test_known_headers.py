"""Headers of an export are read once while its files stay as they are."""

import os

import pytest

from segkit.volumes.dicom import known_headers
from segkit.volumes.dicom.files import dicom_files
from segkit.volumes.dicom.headers import read_headers


@pytest.fixture
def read(monkeypatch):
    """What was read, file names of each pass; three files are many."""
    passes = []

    def counted(files, workers):
        passes.append([file.name for file in files])
        return read_headers(files, workers)

    monkeypatch.setattr(known_headers, "FEW", 2)
    monkeypatch.setattr(known_headers, "_last", None)
    monkeypatch.setattr(known_headers, "read_headers", counted)
    return passes


@pytest.fixture
def folder(maker, tmp_path):
    return maker.save(tmp_path / "ct", maker.series(3), ["a", "b", "c"])


def test_what_did_not_change_is_not_read_again(read, folder, maker):
    first = known_headers.headers_of(dicom_files(folder), 1)
    assert known_headers.headers_of(dicom_files(folder), 1) is first
    few = maker.save(folder.parent / "few", maker.series(2), ["d", "e"])
    for _ in range(2):  # few are read at once, and take the place of none
        known_headers.headers_of(dicom_files(few), 1)
    assert known_headers.headers_of(dicom_files(folder), 1) is first
    assert read == [["a", "b", "c"], ["d", "e"], ["d", "e"]]


def test_what_changed_is_read_again(read, folder, maker):
    known_headers.headers_of(dicom_files(folder), 1)
    maker.save_one(folder / "b", maker.slice(1, SeriesDescription="abdomen"))
    os.utime(folder / "b", ns=(0, 0))
    descriptions = [image.description for image in known_headers.headers_of(dicom_files(folder), 1).images]
    assert descriptions == ["thorax", "abdomen", "thorax"]
    (folder / "b").unlink()
    maker.save_one(folder / "d", maker.slice(1))
    known_headers.headers_of(dicom_files(folder), 1)
    assert read == [["a", "b", "c"], ["a", "b", "c"], ["a", "c", "d"]]


def test_what_could_not_be_read_is_tried_again(read, folder):
    (folder / "c").write_bytes(bytes(128) + b"DICM" + b"\x99" * 20)
    for _ in range(2):
        assert len(known_headers.headers_of(dicom_files(folder), 1).unreadable) == 1
    assert len(read) == 2
