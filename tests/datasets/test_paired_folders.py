import json

import pytest

from segkit.datasets import Case, Layout, PairedFolders
from segkit.foundation.errors import DataError


def layout(folder, references="labels"):
    return PairedFolders(str(folder / "images"), str(folder / references) if references else None)


def test_files_pair_by_name_whatever_their_format(touch):
    folder = touch("images/b.nii.gz", "images/a.nii", "images/sub/c.mha", "labels/a.nrrd", "labels/b.nii.gz")
    (folder / "images" / "notes.txt").write_text("litter")
    assert layout(folder).cases(["MR"]) == [
        Case("a", {"MR": folder / "images" / "a.nii"}, folder / "labels" / "a.nrrd"),
        Case("b", {"MR": folder / "images" / "b.nii.gz"}, folder / "labels" / "b.nii.gz"),
        Case("c", {"MR": folder / "images" / "sub" / "c.mha"}, folder / "labels" / "sub" / "c.mha"),
    ]
    assert isinstance(layout(folder), Layout)


def test_without_a_folder_of_references_no_case_has_one(touch):
    folder = touch("images/a.nii", "images/b.nii")
    assert [case.reference for case in layout(folder, references=None).cases(["MR"])] == [None, None]


def test_a_file_without_its_partner_is_a_case_with_the_path_that_it_lacks(touch):
    folder = touch("images/a.nii.gz", "images/c.nii.gz", "labels/a.nii.gz", "labels/sub/b.nii.gz")
    found = {case.name: case for case in layout(folder).cases(["MR"])}
    assert found["b"].images == {"MR": folder / "images" / "sub" / "b.nii.gz"}
    assert found["c"].reference == folder / "labels" / "c.nii.gz"


def test_pictures_pair_whatever_their_suffixes(tmp_path):
    for name in ("images/a.jpg", "images/b.jpg", "labels/a.png", "labels/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = {case.name: case for case in layout(tmp_path).cases(["RGB"])}
    assert found["a"] == Case("a", {"RGB": tmp_path / "images" / "a.jpg"}, tmp_path / "labels" / "a.png")
    assert found["b"].reference == tmp_path / "labels" / "b.png"
    assert found["c"].images == {"RGB": tmp_path / "images" / "c.jpg"}


def test_channels_lie_in_files_of_their_own(touch):
    folder = touch("images/a_T1.nii", "images/a_T2.nii", "images/b_T1.nii", "labels/a.nii", "labels/c.nii")
    images = folder / "images"
    assert layout(folder).cases(["T1", "T2"]) == [
        Case("a", {"T1": images / "a_T1.nii", "T2": images / "a_T2.nii"}, folder / "labels" / "a.nii"),
        Case("b", {"T1": images / "b_T1.nii", "T2": images / "b_T2.nii"}, folder / "labels" / "b.nii"),
        Case("c", {"T1": images / "c_T1.nii", "T2": images / "c_T2.nii"}, folder / "labels" / "c.nii"),
    ]


def test_channels_lie_in_folders_of_their_own(touch):
    folder = touch("images/T1/a.nii", "images/T2/a.nii", "labels/a.nii", "labels/b.nii", "images/T1/c.nii")
    found = {case.name: case for case in layout(folder).cases(["T1", "T2"])}
    assert found["b"].images == {"T1": folder / "images/T1/b.nii", "T2": folder / "images/T2/b.nii"}
    assert found["c"].reference == folder / "labels" / "c.nii"


def test_one_file_holds_all_channels(touch):
    folder = touch("images/a.nii", channels=2)
    touch("labels/a.nii")
    path = folder / "images" / "a.nii"
    assert layout(folder).cases(["T1", "T2"]) == [Case("a", {"T1": path, "T2": path}, folder / "labels" / "a.nii")]


def test_a_numbered_image_pairs_with_a_reference_without_number(touch):
    folder = touch("images/a_0000.nii", "labels/a.nii")
    assert [case.name for case in layout(folder).cases(["MR"])] == ["a"]


@pytest.mark.parametrize(
    ("missing", "words"),
    [("images", r"data\.layout\.images=DIR$"), ("labels", r"data\.layout\.references=DIR, or null where .*predict")],
)
def test_a_missing_folder_is_named(missing, words, touch):
    folder = touch("images/a.nii" if missing == "labels" else "labels/a.nii")
    with pytest.raises(DataError, match=f"there is no folder .*{missing}: pass {words}"):
        layout(folder).cases(["MR"])


def test_a_folder_without_volumes_is_named(touch):
    folder = touch("images/a.nii")
    (folder / "labels").mkdir()
    with pytest.raises(DataError, match="labels holds no volume that segkit reads"):
        layout(folder).cases(["MR"])


def test_folders_without_a_pair_are_refused(touch):
    folder = touch("images/a.nii", "labels/a_seg.nii")
    with pytest.raises(DataError, match=r"no image in .*images has a reference .* in .*labels \(e.g. a beside a_seg\)"):
        layout(folder).cases(["MR"])


@pytest.mark.parametrize("twin", ["images/a.nii.gz", "images/second_site/a.nii"])
def test_two_images_of_one_name_are_refused(twin, touch):
    folder = touch("images/a.nii", twin, "labels/a.nii")
    with pytest.raises(DataError, match="are both called a; a case name must be unique"):
        layout(folder).cases(["MR"])


def test_a_real_data_set_is_found_whole(segkit_data):
    folder = segkit_data / "hippocampus"
    cases = PairedFolders(str(folder / "images"), str(folder / "labels")).cases({"MR": "mr"})
    assert len(cases) == 200
    assert all(case.reference is not None and case.reference.name == case.images["MR"].name for case in cases)
    assert [case.name for case in cases] == sorted(case.name for case in cases)


def test_a_faulty_data_set_lists_every_case(segkit_data):
    folder = segkit_data / "hippocampus_faulty"
    found = {case.name: case for case in layout(folder).cases(["MR"])}
    faults = {entry["case"]: entry["fault"] for entry in json.loads((folder / "faults.json").read_text())["faults"]}
    assert found.keys() == faults.keys()
    assert len(found) == 32
    for name, case in found.items():
        assert case.images["MR"] == folder / "images" / f"{name}.nii.gz"
        assert case.reference == folder / "labels" / f"{name}.nii.gz"
        assert case.images["MR"].exists() == (faults[name] != "missing-image")
        assert case.reference.exists() == (faults[name] != "missing-reference")
