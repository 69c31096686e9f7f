"""A DICOMDIR may be there or not; it must name nothing outside its folder."""

import zipfile

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from pydicom.uid import MediaStorageDirectoryStorage

from segkit.volumes.dicom.exports import is_export
from segkit.volumes.reading import find_volumes, is_volume, read

pytestmark = pytest.mark.filterwarnings("ignore:.*value:UserWarning")  # of pydicom, on what is written wrong


@pytest.fixture
def media(maker, tmp_path):
    """A CD: a DICOMDIR and its images below."""
    fileset = FileSet()
    for header in maker.series():
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        header.PatientSex, header.StudyDate, header.StudyTime, header.StudyID = "O", "20260101", "080000", "1"
        header.AccessionNumber = ""
        fileset.add(header)
    fileset.write(tmp_path / "cd")
    return tmp_path / "cd"


def pointing_to(maker, path, named):
    header = maker.bare(SOPClassUID=MediaStorageDirectoryStorage, Modality=None)
    record = Dataset()
    record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", named
    header.DirectoryRecordSequence = [record]
    return maker.save_one(path, header)


def test_the_same_series_with_and_without_it(maker, media):
    assert is_export(media / "DICOMDIR")
    expected = maker.expected() - 1024
    assert np.array_equal(maker.read(media).array[0], expected)
    assert np.array_equal(maker.read(media / "DICOMDIR").array[0], expected)
    (media / "DICOMDIR").unlink()
    assert np.array_equal(maker.read(media).array[0], expected)


def test_it_is_no_volume_nor_is_a_folder_for_holding_it(media):
    assert not is_volume(media / "DICOMDIR")
    (folder,) = find_volumes(media)
    assert folder.is_relative_to(media)
    assert folder != media
    assert read(folder).array.shape == (1, 5, 4, 3)


def test_files_that_it_does_not_name_are_found_and_those_it_lacks_not_missed(maker, media):
    lost = next(path for path in media.rglob("*") if path.is_file() and path.name != "DICOMDIR")
    lost.rename(media / "elsewhere")
    assert np.array_equal(maker.read(media).array[0], maker.expected() - 1024)


@pytest.mark.parametrize(
    "named",
    [
        ["..", "secret"],
        "../secret",
        ["IMAGES", "..", "..", "secret"],
        ["", "etc", "passwd"],
        ["C:", "secret"],
        "..\\secret",
    ],
)
@pytest.mark.parametrize("name", ["DICOMDIR", "dicomdir"])
def test_a_reference_that_points_outside_is_refused(maker, tmp_path, named, name):
    folder = maker.save(tmp_path / "cd", maker.series())
    path = pointing_to(maker, folder / name, named)
    for where in (folder, path):
        maker.refused(lambda where=where: maker.read(where), name, "ReferencedFileID (0004,1500)", "points outside")


def test_a_reference_out_of_a_zip_is_refused(maker, tmp_path):
    folder = maker.save(tmp_path / "cd", maker.series(), list("abc"))
    pointing_to(maker, folder / "DICOMDIR", ["..", "secret"])
    path = tmp_path / "cd.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"disk/{file.name}")
    maker.refused(lambda: read(path), f"{path}: disk/DICOMDIR", "ReferencedFileID (0004,1500)", "points outside")


@pytest.mark.parametrize("left", [100, 700, 1500])
def test_one_cut_short_hides_no_image(maker, media, left):
    path = media / "DICOMDIR"
    path.write_bytes(path.read_bytes()[:left])
    assert np.array_equal(maker.read(media).array[0], maker.expected() - 1024)
