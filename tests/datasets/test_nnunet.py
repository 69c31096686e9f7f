import json
from pathlib import Path

import pytest

from segkit.config.compose import configure
from segkit.datasets import Case, NnUNetRaw
from segkit.datasets.dataset import open_dataset
from segkit.datasets.splits import split_cases
from segkit.foundation.errors import DataError, UsageError

DESCRIPTION = {
    "channel_names": {"0": "T2", "1": "CT"},
    "labels": {"background": 0, "PZ": 1, "TZ": 2},
    "numTraining": 2,
    "file_ending": ".nii",
}
TRAINING = ("imagesTr/a_0000.nii", "imagesTr/a_0001.nii", "labelsTr/a.nii")


@pytest.fixture
def raw(tmp_path):
    """Return a function that makes a data set of empty files and a description, with changes."""

    def make(*names: str, **changes: object) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"")
        description = {key: value for key, value in {**DESCRIPTION, **changes}.items() if value is not None}
        (tmp_path / "dataset.json").write_text(json.dumps(description))
        return tmp_path

    return make


def test_channels_are_numbered_files(raw):
    folder = raw(*TRAINING, "imagesTr/b_0001.nii", "labelsTr/c.nii", "imagesTr/.x.nii", "imagesTr/notes.txt")
    layout = NnUNetRaw(str(folder))
    images, labels = folder / "imagesTr", folder / "labelsTr"
    assert layout.cases(["T2", "CT"]) == [
        Case(name, {"T2": images / f"{name}_0000.nii", "CT": images / f"{name}_0001.nii"}, labels / f"{name}.nii")
        for name in "abc"
    ]
    assert layout.describe().channels == {"T2": "mr", "CT": "ct"}
    assert layout.describe().labels == DESCRIPTION["labels"]
    assert layout.describe().region_order is None


def test_channels_are_told_by_name_or_by_place(raw):
    folder = raw(*TRAINING)
    (case,) = NnUNetRaw(str(folder)).cases(["CT"])
    assert case.images == {"CT": folder / "imagesTr" / "a_0001.nii"}
    (case,) = NnUNetRaw(str(folder)).cases(["mine", "other"])
    assert case.images["other"] == folder / "imagesTr" / "a_0001.nii"
    with pytest.raises(UsageError, match=r"data\.channels: t2 is none of .*did you mean T2\?; they are T2, CT"):
        NnUNetRaw(str(folder)).cases(["t2"])


def test_cases_for_testing_are_held_out(raw):
    folder = raw(*TRAINING, "imagesTs/t_0000.nii", "imagesTs/t_0001.nii")
    found = NnUNetRaw(str(folder)).cases(["T2", "CT"])
    assert (found[1].reference, found[1].columns) == (None, {"part": "test"})
    raw("labelsTs/t.nii")
    found = NnUNetRaw(str(folder)).cases(["T2", "CT"])
    assert found[1].reference == folder / "labelsTs" / "t.nii"
    options = configure("train", ["data=nnunet", f"data.root={folder}", "training.steps=1"]).data
    split = split_cases(list(open_dataset(options).cases.values()), options.split, "all")
    assert (split.training, split.held_out) == (("a",), ("t",))


def test_regions_keep_their_order(raw):
    labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4}
    folder = raw(*TRAINING, labels=labels, regions_class_order=[1, 2, 3])
    dataset = open_dataset(configure("train", ["data=nnunet", f"data.root={folder}", "training.steps=1"]).data)
    assert dataset.labels.members["core"] == (2, 3)
    assert dataset.labels.region_order == (1, 2, 3)
    assert dataset.labels.ignore == 4
    raw(labels=labels)
    with pytest.raises(DataError, match="regions_class_order"):
        NnUNetRaw(str(folder)).describe()


def test_an_order_without_regions_says_nothing(raw):
    folder = raw(*TRAINING, regions_class_order=[1, 2])
    assert NnUNetRaw(str(folder)).describe().region_order is None


@pytest.mark.parametrize(
    ("names", "channels"),
    [
        (("R", "G", "B"), {"RGB": "rgb"}),
        (("rgb_to_0_1",) * 3, {"RGB": "rgb"}),
        (("T1", "T1", "noNorm"), {"T1": "mr", "T1_2": "mr", "noNorm": "none"}),
    ],
)
def test_pictures_hold_their_channels_in_one_file(raw, names, channels):
    numbered = {str(number): name for number, name in enumerate(names)}
    folder = raw("imagesTr/a_0000.png", "labelsTr/a.png", channel_names=numbered, file_ending=".png")
    layout = NnUNetRaw(str(folder))
    assert layout.describe().channels == channels
    (case,) = layout.cases(channels)
    assert case.images == dict.fromkeys(channels, folder / "imagesTr" / "a_0000.png")


def test_colours_in_files_of_their_own_are_channels(raw):
    numbered = dict.fromkeys("012", "rgb_to_0_1")
    folder = raw(*(f"imagesTr/a_000{n}.nii" for n in range(3)), "labelsTr/a.nii", channel_names=numbered)
    channels = NnUNetRaw(str(folder)).describe().channels
    assert channels == {"rgb_to_0_1": "mr", "rgb_to_0_1_2": "mr", "rgb_to_0_1_3": "mr"}
    assert len(set(NnUNetRaw(str(folder)).cases(channels)[0].images.values())) == 3


def test_the_first_version_is_read_too(raw):
    changes = {"channel_names": None, "file_ending": None, "modality": {"0": "CT"}}
    folder = raw("imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz", **changes, labels={"0": "background", "1": "x"})
    layout = NnUNetRaw(str(folder))
    assert layout.describe().channels == {"CT": "ct"}
    assert [case.name for case in layout.cases(["CT"])] == ["a"]


def test_a_mapping_stands_in_for_the_folders(raw):
    listing = {"p1": {"images": ["x/t2.nii", "x/ct.nii"], "label": "x/seg.nii"}}
    folder = raw(dataset=listing)
    (case,) = NnUNetRaw(str(folder)).cases(["T2", "CT"])
    assert case == Case("p1", {"T2": folder / "x/t2.nii", "CT": folder / "x/ct.nii"}, folder / "x/seg.nii")
    raw(dataset={"p1": {"images": ["../t2.nii", "x/ct.nii"], "label": "x/seg.nii"}})
    with pytest.raises(DataError, match="leaves the folder"):
        NnUNetRaw(str(folder)).cases(["T2", "CT"])
    (case,) = NnUNetRaw(str(folder), anywhere=True).cases(["T2", "CT"])
    assert case.images["T2"] == folder.parent / "t2.nii"


@pytest.mark.parametrize(
    ("names", "changes", "message"),
    [
        ((), {}, "there is no folder .*imagesTr"),
        (("imagesTr/a.nii",), {}, r"a\.nii is not called NAME_0000\.nii"),
        (("imagesTr/x.txt",), {}, "holds no case: its imagesTr is empty"),
        (TRAINING, {"file_ending": "nii"}, "file_ending is 'nii'"),
        ((*TRAINING, "imagesTs/a_0000.nii"), {}, "has two cases called a"),
        ((), {"dataset": []}, "dataset is not a mapping"),
        ((), {"dataset": {"a": {"images": ["x"] * 0, "label": "y"}}}, "is not a list of one file a channel"),
        ((), {"dataset": {"a": {"images": ["x", "y"]}}}, "names 'None', which is no path"),
        ((), {"dataset": {"../a": {"images": ["x", "y"], "label": "z"}}}, "cannot be the name of a file"),
    ],
)
def test_what_cannot_be_used_is_named(raw, names, changes, message):
    folder = raw(*names, **changes)
    with pytest.raises(DataError, match=message):
        NnUNetRaw(str(folder)).cases(["T2", "CT"])
