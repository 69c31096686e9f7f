from pathlib import Path

import pytest

from segkit.datasets.channel_files import images_by_case
from segkit.foundation.errors import DataError

TOP = Path("/set/images")


def grouped(files, channels=("T1", "T2"), names=()):
    found = images_by_case([TOP / file for file in files], list(channels), folder=TOP, names=names)
    return {
        case: [str(path.relative_to(TOP)) for path in images.values()]
        for case, images in found.items()
        if list(images) == list(channels)
    }


@pytest.mark.parametrize(
    "files",
    [
        ["a_T1.nii.gz", "a_T2.nii.gz"],
        ["a_0000.nii.gz", "a_0001.nii.gz"],
        ["T1/a.nii.gz", "T2/a.nii.gz"],
        ["T1/a_T1.nii.gz", "T2/a_T2.nii.gz"],
        ["a/T1", "a/T2"],
        ["a/a_T1.nii", "a/a_T2.mha"],
    ],
)
def test_a_file_for_each_channel_in_channel_order(files):
    assert grouped(reversed(files)) == {"a": files}


def test_one_file_may_hold_all_channels():
    assert grouped(["b.nii", "a.nii"]) == {"a": ["a.nii", "a.nii"], "b": ["b.nii", "b.nii"]}


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ("a_T2.nii.gz", "a_T1.nii.gz"),
        ("a_0001.nii.gz", "a_0000.nii.gz"),
        ("T2/a.nii.gz", "T1/a.nii.gz"),
        ("T2/a_T2.nii.gz", "T1/a_T1.nii.gz"),
        ("a/T2.nii", "a/T1.nii"),
    ],
)
def test_a_missing_channel_stands_where_it_should_lie(there, missing):
    assert grouped([there]) == {"a": [missing, there]}


@pytest.mark.parametrize("extra", [["a_FLAIR.nii"], ["a_FLAIR_brain.nii"], ["a_0002.nii"]], ids=lambda files: files[0])
def test_a_channel_that_is_not_declared_is_passed_over(extra):
    assert grouped(["a_T1.nii", "a_T2.nii", *extra]) == {"a": ["a_T1.nii", "a_T2.nii"]}


def test_folders_of_channels_that_are_not_declared_are_passed_over():
    assert grouped(["T1/a.nii", "T2/a.nii", "FLAIR/a.nii"]) == {"a": ["T1/a.nii", "T2/a.nii"]}
    assert grouped(["a/T1", "a/T2", "a/scout"]) == {"a": ["a/T1", "a/T2"]}


def test_the_longer_channel_name_wins():
    found = grouped(["a_T1.nii", "a_post_T1.nii"], channels=("T1", "post_T1"))
    assert found == {"a": ["a_T1.nii", "a_post_T1.nii"]}


def test_numbers_beyond_the_channels_count_cases():
    files = [f"a_000{number}.nii" for number in range(3)]
    assert grouped(files) == {file.removesuffix(".nii"): [file, file] for file in files}
    assert grouped(files, names={"a"}) == {"a": files[:2]}


def test_a_known_case_may_be_called_like_a_channel_file():
    assert grouped(["a_T1.nii"], names={"a_T1"}) == {"a_T1": ["a_T1.nii", "a_T1.nii"]}


def test_the_whole_name_counts_where_there_is_one_channel():
    files = ["a_0000.nii", "a_T1.nii", "T1/b.nii"]
    assert grouped(files, channels=["T1"]) == {
        "a_0000": ["a_0000.nii"],
        "a_T1": ["a_T1.nii"],
        "b": ["T1/b.nii"],
    }
    assert grouped(["a_0000.nii", "b_T1.nii"], channels=["T1"], names={"a", "b"}) == {
        "a": ["a_0000.nii"],
        "b": ["b_T1.nii"],
    }


@pytest.mark.parametrize("files", [["a_T1.nii", "a_T1.mha"], ["a.nii", "a_T1.nii"], ["a.nii", "sub/a.nii"]])
def test_two_files_for_one_channel_are_refused(files):
    with pytest.raises(DataError, match="are both called a; a case name must be unique"):
        grouped(files)


def test_the_folder_that_files_share_is_found():
    assert list(images_by_case([TOP / "T1/a.nii", TOP / "T2/a.nii"], ["T1", "T2"])) == ["a"]
    assert list(images_by_case([TOP / "T1.nii", TOP / "T2.nii"], ["T1", "T2"])) == ["images"]
    assert images_by_case([], ["T1"]) == {}
