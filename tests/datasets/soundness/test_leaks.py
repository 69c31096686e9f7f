import json
from pathlib import Path

import pytest

from segkit.config.options import SplitOptions
from segkit.datasets import Case
from segkit.datasets.case import PART, TEST
from segkit.datasets.soundness import leaks, written_splits
from segkit.datasets.splits import Split
from segkit.foundation.errors import DataError


def test_leaks_by_patient_and_by_image():
    cases = {name: Case(name, {"MR": Path(name)}, None, {"patient": name[0]}) for name in ("p1", "p2", "q1", "r1")}
    split = Split(("p1", "q1"), ("p2",), ("r1",))
    images = {"q1": ["same"], "r1": ["same"]}
    found = [(leak.case, leak.severity, leak.code) for leak in leaks(cases, split, "patient", images)]
    assert found == [("p2", "error", "leak"), ("r1", "error", "leak")]
    assert not list(leaks(cases, split, None, {}))


@pytest.fixture
def cases():
    return {name: Case(name, {"MR": Path(name)}, Path(name)) for name in "abcd"}


def options(**changed):
    nothing = dict.fromkeys(("held_out", "held_out_fraction", "outer_folds", "outer_fold", "group_by", "stratify_by"))
    return SplitOptions(**{**nothing, "folds": 5, "seed": 1, "file": None, **changed})


def test_of_one_image_the_later_case_leaks_whatever_its_side(cases):
    found = list(
        leaks(cases, Split(("c", "d"), ("b",), ("a",)), None, {"a": ["x"], "d": ["x"], "b": ["y"], "c": ["z"]})
    )
    assert [leak.case for leak in found] == ["d"]
    assert "it is training and of the same image as a, which is held out" in found[0].message


def test_equal_images_on_one_side_are_no_leak(cases):
    assert not list(leaks(cases, Split(("a", "b"), ("c",), ("d",)), None, {"a": ["x"], "b": ["x"]}))


def test_a_held_out_list_is_a_written_split(cases, tmp_path):
    (tmp_path / "list.txt").write_text("b\n")
    found = list(written_splits(cases, options(held_out=str(tmp_path / "list.txt"))))
    assert found == [Split(("a", "c", "d"), (), ("b",))]
    (tmp_path / "list.txt").write_text("nobody\n")
    with pytest.raises(DataError, match="nobody"):
        list(written_splits(cases, options(held_out=str(tmp_path / "list.txt"))))


def test_every_fold_of_a_file_is_a_written_split(cases, tmp_path):
    path = tmp_path / "splits_final.json"
    path.write_text(json.dumps([{"train": ["a", "b"], "val": ["c"]}, {"train": ["c", "d"], "val": ["a"]}]))
    found = list(written_splits(cases, options(file=str(path))))
    assert found == [Split(("a", "b"), ("c",), ()), Split(("c", "d"), ("a",), ())]


def test_the_layouts_own_test_part_is_a_written_split_and_a_drawn_one_is_none(cases):
    assert list(written_splits(cases, options())) == []
    cases["d"] = Case("d", {}, Path("d"), {PART: TEST})
    assert list(written_splits(cases, options())) == [Split(("a", "b", "c"), (), ("d",))]
    assert list(written_splits(cases, options(held_out_fraction=0.2))) == []
