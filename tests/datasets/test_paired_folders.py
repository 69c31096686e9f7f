from pathlib import Path

import numpy as np
import pytest

from segkit.datasets import Case, Layout, PairedFolders
from segkit.foundation.errors import DataError, UsageError
from segkit.volumes.grid import Grid
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write


@pytest.fixture
def touch(tmp_path):
    """Return a function that writes tiny volumes below the test's folder."""

    def write_all(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write(Volume(np.zeros((1, 2, 2, 2), np.uint8), Grid((2, 2, 2), np.eye(4))), path)
        return tmp_path

    return write_all


def layout(folder, references="labels"):
    return PairedFolders(str(folder / "images"), str(folder / references) if references else None)


def test_files_pair_by_name_whatever_their_format(touch):
    folder = touch("images/b.nii.gz", "images/a.nii", "images/sub/c.mha", "labels/a.nrrd", "labels/b.nii.gz")
    (folder / "images" / "notes.txt").write_text("litter")
    assert layout(folder).cases(["MR"]) == [
        Case("a", {"MR": folder / "images" / "a.nii"}, folder / "labels" / "a.nrrd"),
        Case("b", {"MR": folder / "images" / "b.nii.gz"}, folder / "labels" / "b.nii.gz"),
        Case("c", {"MR": folder / "images" / "sub" / "c.mha"}, None),
    ]
    assert isinstance(layout(folder), Layout)


def test_without_a_folder_of_references_no_case_has_one(touch):
    folder = touch("images/a.nii", "images/b.nii")
    assert [case.reference for case in layout(folder, references=None).cases(["MR"])] == [None, None]


def test_a_reference_without_an_image_is_passed_over(touch):
    folder = touch("images/a.nii", "labels/a.nii", "labels/b.nii")
    assert [case.name for case in layout(folder).cases(["MR"])] == ["a"]


@pytest.mark.parametrize("missing", ["images", "labels"])
def test_a_missing_folder_is_named(missing, touch):
    folder = touch("images/a.nii" if missing == "labels" else "labels/a.nii")
    with pytest.raises(DataError, match=f"there is no folder .*{missing}"):
        layout(folder).cases(["MR"])


def test_a_folder_without_volumes_is_named(touch):
    folder = touch("images/a.nii")
    (folder / "labels").mkdir()
    with pytest.raises(DataError, match="labels holds no volume that segkit reads"):
        layout(folder).cases(["MR"])


def test_folders_without_a_pair_are_refused(touch):
    folder = touch("images/a.nii", "labels/a_seg.nii")
    with pytest.raises(DataError, match=r"no image in .*images has a reference of its name in .*labels"):
        layout(folder).cases(["MR"])


@pytest.mark.parametrize("twin", ["images/a.nii.gz", "images/second_site/a.nii"])
def test_two_images_of_one_name_are_refused(twin, touch):
    folder = touch("images/a.nii", twin, "labels/a.nii")
    with pytest.raises(DataError, match="are both called a; a case name must be unique"):
        layout(folder).cases(["MR"])


@pytest.mark.parametrize("channels", [["T1", "T2"], []])
def test_other_than_one_channel_is_refused(channels, touch):
    with pytest.raises(UsageError, match=r"data\.channels: PairedFolders holds one channel a case"):
        layout(touch("images/a.nii", "labels/a.nii")).cases(channels)


def test_a_real_data_set_is_found_whole(segkit_data):
    folder = segkit_data / "hippocampus"
    cases = PairedFolders(str(folder / "images"), str(folder / "labels")).cases({"MR": "mr"})
    assert len(cases) == 200
    assert all(case.reference is not None and case.reference.name == case.images["MR"].name for case in cases)
    assert [case.name for case in cases] == sorted(case.name for case in cases)
