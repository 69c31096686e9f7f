import json

import pytest

from segkit.datasets.dataset_json import (
    channel_names,
    check_unique,
    declared_labels,
    family_of,
    path_inside,
    read_description,
)
from segkit.foundation.errors import DataError


def test_channels_are_ordered_by_number_and_unique():
    declared = {str(number): "T1" if number in (1, 10) else f"c{number}" for number in reversed(range(11))}
    names = channel_names({"channel_names": declared}, "x.json")
    assert names[1] == "T1"
    assert names[10] == "T1_2"
    assert names[9] == "c9"
    assert channel_names({"modality": {"0": "CT"}}, "x.json") == ["CT"]
    assert channel_names({"modality": {"0": "T1", "1": "T1", "2": "T1_2"}}, "x.json") == ["T1", "T1_2", "T1_2_2"]


@pytest.mark.parametrize("declared", [None, {}, ["CT"], {"1": "CT"}, {"0": 3}, {"0": ""}])
def test_channels_of_a_wrong_shape_are_refused(declared):
    with pytest.raises(DataError, match=r"x\.json: channel_names"):
        channel_names({"channel_names": declared}, "x.json")


def test_families_by_name():
    assert [family_of(name) for name in ("CT", "ct", "PET", "noNorm", "T1", "zscore")] == [
        *("ct", "ct", "pet", "none", "mr", "mr")
    ]


@pytest.mark.parametrize(
    ("written", "declared"),
    [
        ({"0": "background", "1": "liver", "3": "spleen"}, {"background": 0, "liver": 1, "spleen": 3}),
        ({"0": "background", "1": "liver", "2": "liver"}, {"background": 0, "liver": [1, 2]}),
        ({"background": 0, "whole": [1, 2], "core": "2"}, {"background": 0, "whole": [1, 2], "core": 2}),
        ({"background": 0, "core": [2]}, {"background": 0, "core": 2}),
    ],
)
def test_labels_of_both_forms(written, declared):
    assert declared_labels({"labels": written}, "x.json") == declared


@pytest.mark.parametrize(
    "labels",
    [None, {}, [1], {"a": 1.5}, {"a": True}, {"a": []}, {"a": "b"}, {"a": [1, "x"]}, {"a": "\u00b2"}, {"\u00b2": "a"}],
)
def test_labels_of_a_wrong_shape_are_refused(labels):
    with pytest.raises(DataError, match=r"x\.json: labels"):
        declared_labels({"labels": labels}, "x.json")


@pytest.mark.parametrize("text", ["../b.nii", "images/../../b.nii", "/etc/passwd", "", None, 3, "a\0b", ["a"]])
def test_paths_stay_in_their_folder(tmp_path, text):
    with pytest.raises(DataError, match=r"x\.json names"):
        path_inside(tmp_path, text, "x.json")


def test_paths_are_seen_from_their_folder(tmp_path):
    assert path_inside(tmp_path, "./images//a.nii", "x") == tmp_path / "images" / "a.nii"
    assert path_inside(tmp_path, str(tmp_path / "a.nii"), "x") == tmp_path / "a.nii"
    assert path_inside(tmp_path, "../a.nii", "x", anywhere=True) == tmp_path.parent / "a.nii"


@pytest.mark.parametrize("text", ["", "[1]", "{", "\x00"])
def test_a_description_that_is_no_mapping_is_refused(tmp_path, text):
    with pytest.raises(DataError, match=r"there is no dataset\.json in"):
        read_description(tmp_path)
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=r"dataset\.json"):
        read_description(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps({"a": 1}))
    assert read_description(tmp_path)[0] == {"a": 1}


@pytest.mark.parametrize("names", [["a", "a"], ["a/b"], ["a\\b"], [".a"], [" "], [""]])
def test_names_that_cannot_be_files_are_refused(names):
    with pytest.raises(DataError, match=r"table\.csv"):
        check_unique(names, "table.csv")
