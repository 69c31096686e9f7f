import pytest

from segkit.commands.other_site import common_labels, scans_of
from segkit.datasets.case import Case
from segkit.evaluation.cases import foreground_of
from segkit.foundation.errors import DataError, UsageError

MODEL = {"background": 0, "liver": 1, "tumour": 2}


def test_labels_that_both_have_are_scored_and_the_rest_is_background(capsys):
    found = common_labels(MODEL, {"background": 0, "kidney": 4, "liver": 1, "ignore": 9})
    assert found == {"background": [0, 2, 4], "liver": 1, "ignore": 9}
    assert foreground_of(found) == {"liver": (1,)}
    assert "knows kidney, tumour" in capsys.readouterr().err
    assert common_labels(MODEL, MODEL) == {"background": [0], "liver": 1, "tumour": 2}


def test_a_part_of_a_region_that_is_scored_stays_in_it():
    regions = {"background": 0, "whole": [1, 2], "core": 2}
    assert common_labels(regions, {"background": 0, "whole": [1, 2]}) == {"background": [0], "whole": [1, 2]}


def test_labels_that_do_not_fit():
    with pytest.raises(UsageError, match=r"label liver is \[1\] in the model's masks and \[3\] in the data set's"):
        common_labels(MODEL, {"liver": 3})
    with pytest.raises(UsageError, match="none fits"):
        common_labels(MODEL, {"background": 0, "kidney": 1})


def test_channels_by_name_or_the_only_one():
    one = {"a": Case("a", {"MR": "a.nii"})}
    assert scans_of(one, ["T1"], "site") == {"a": {"T1": "a.nii"}}
    two = {"a": Case("a", {"T2": "2.nii", "T1": "1.nii"})}
    assert list(scans_of(two, ["T1", "T2"], "site")["a"].items()) == [("T1", "1.nii"), ("T2", "2.nii")]
    with pytest.raises(DataError, match="a of site has the channels T2, T1, and the model takes T1, FLAIR"):
        scans_of(two, ["T1", "FLAIR"], "site")
