from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.config.options import SplitOptions
from segkit.datasets import Case
from segkit.datasets.splits import count_folds, read_held_out, split_cases
from segkit.foundation.errors import DataError, UsageError

REFERENCE = Path("reference.nii")


def cases_named(names, without_reference=()):
    return [Case(name, {"MR": Path(name)}, None if name in without_reference else REFERENCE) for name in names]


NOTHING = dict.fromkeys(
    ["held_out", "held_out_fraction", "outer_folds", "outer_fold", "group_by", "stratify_by", "file"]
)


def options(held_out=None, **changes):
    held_out = None if held_out is None else str(held_out)
    return SplitOptions(**{**NOTHING, "folds": 5, "seed": 2026, **changes, "held_out": held_out})


@pytest.fixture
def held_out(tmp_path):
    """Return a function that writes a held-out list."""

    def write(text: str) -> Path:
        path = tmp_path / "held_out.txt"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@given(count=st.integers(2, 40), folds=st.integers(2, 8), seed=st.integers(0, 2**31), order=st.randoms())
def test_folds_partition_the_cases(count, folds, seed, order):
    names = [f"case_{index:02}" for index in range(count)]
    cases = cases_named(names)
    order.shuffle(cases)
    if count < folds:
        with pytest.raises(DataError, match=rf"{count} cases .* cannot make data\.split\.folds={folds} folds"):
            split_cases(cases, options(folds=folds, seed=seed), "0")
        return
    splits = [split_cases(cases, options(folds=folds, seed=seed), str(fold)) for fold in range(folds)]
    assert sorted(name for split in splits for name in split.validation) == names
    for split in splits:
        assert sorted(split.training + split.validation) == names
        assert list(split.training) == sorted(split.training)
        assert list(split.validation) == sorted(split.validation)
        assert count // folds <= len(split.validation) <= -(-count // folds)
        assert split.held_out == ()


@given(st.data(), st.integers(4, 30), st.sampled_from(["all", "0", "1"]))
def test_what_is_held_out_never_trains_nor_validates(tmp_path_factory, draw, count, fold):
    names = [f"case_{index:02}" for index in range(count)]
    chosen = draw.draw(st.sets(st.sampled_from(names), max_size=count - 2))
    bare = draw.draw(st.sets(st.sampled_from(names), max_size=1))
    path = tmp_path_factory.mktemp("split") / "held_out.txt"
    path.write_text("\n".join(chosen))
    if len(set(names) - chosen - bare) < 2:
        return
    split = split_cases(cases_named(names, bare), options(path, folds=2), fold)
    assert set(split.held_out) == chosen
    assert set(split.training) | set(split.validation) == set(names) - chosen - bare
    assert not set(split.training) & set(split.validation)
    assert bool(split.validation) == (fold != "all")


def test_the_seed_decides_the_folds_and_the_order_of_cases_does_not():
    cases = cases_named("abcdefghij")
    first = split_cases(cases, options(seed=1), "0")
    assert split_cases(cases[::-1], options(seed=1), "0") == first
    assert any(split_cases(cases, options(seed=seed), "0") != first for seed in range(2, 6))


def test_the_folds_of_a_seed_stay_what_they_were():
    # A run that is repeated next year must find the folds of the first.
    split = split_cases(cases_named("abcdefghij"), options(), "3")
    assert split.validation == ("a", "b")


def test_parts_by_name(held_out):
    split = split_cases(cases_named("abcdef"), options(held_out("b\n"), folds=2), "1")
    assert split.names("held_out") == ("b",)
    assert split.names("training") == split.training
    assert split.names("validation") == split.validation


@pytest.mark.parametrize("text", ["b\nd\n", "d\r\nb\r\n", "\n  b  \n\nd\nb\n", "\ufeffb\nd"])
def test_a_held_out_list_is_read_as_people_write_it(text, held_out):
    assert read_held_out(held_out(text), cases_named("abcd")) == ("b", "d")


def test_an_unknown_held_out_case_is_named(held_out):
    with pytest.raises(DataError, match=r"held_out\.txt holds out x \(2 in all\), which the data set does not have"):
        split_cases(cases_named("abc"), options(held_out("y\nb\nx")), "all")


def test_a_held_out_list_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match=r"data\.split\.held_out: cannot read .*nowhere\.txt"):
        split_cases(cases_named("abc"), options(tmp_path / "nowhere.txt"), "all")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"binary\.txt"):
        split_cases(cases_named("abc"), options(tmp_path / "binary.txt"), "all")


def test_something_must_be_left_to_train_on(held_out):
    with pytest.raises(DataError, match="no case is left to train on"):
        split_cases(cases_named("ab"), options(held_out("a\nb")), "all")
    with pytest.raises(DataError, match="no case is left to train on"):
        split_cases(cases_named("ab", "ab"), options(), "all")


def patients(count, of_each):
    return [
        Case(
            f"case_{index:02}",
            {"MR": Path("a")},
            REFERENCE,
            {"patient": str(index // of_each), "site": "AB"[index % 2]},
        )
        for index in range(count)
    ]


@given(count=st.integers(24, 40), of_each=st.integers(1, 4), folds=st.integers(2, 3), seed=st.integers(0, 2**31))
def test_a_patient_is_never_divided(count, of_each, folds, seed):
    cases = patients(count, of_each)
    by_name = {case.name: case.columns["patient"] for case in cases}
    chosen = options(folds=folds, seed=seed, group_by="patient", held_out_fraction=0.2)
    splits = [split_cases(cases, chosen, str(fold)) for fold in range(folds)]
    for split in splits:
        parts = [{by_name[name] for name in split.names(part)} for part in ("training", "validation", "held_out")]
        assert all(one.isdisjoint(other) for one, other in combinations(parts, 2))
        assert sum(len(split.names(part)) for part in ("training", "validation", "held_out")) == count
        assert split.held_out == splits[0].held_out
    assert abs(len(splits[0].held_out) - 0.2 * count) <= of_each


def test_every_fold_has_its_share_of_each_stratum():
    cases = patients(40, 1)
    for fold in range(4):
        split = split_cases(cases, options(folds=4, stratify_by="site"), str(fold))
        sites = [case.columns["site"] for case in cases if case.name in split.validation]
        assert sites.count("A") == sites.count("B") == 5


def test_a_rare_stratum_is_spread():
    kinds = {f"case_{index:02}": "rare" if index < 5 else "common" for index in range(50)}
    cases = cases_named(kinds)
    for fold in range(5):
        split = split_cases(cases, options(stratify_by="labels"), str(fold), strata=kinds)
        assert sum(kinds[name] == "rare" for name in split.validation) == 1
        assert len(split.validation) == 10


def test_leave_one_out_and_nested_folds():
    cases = cases_named("abcdef")
    alone = [split_cases(cases, options(folds="leave_one_out"), str(fold)).validation for fold in range(6)]
    assert sorted(alone) == [(name,) for name in "abcdef"]
    with pytest.raises(DataError, match="fold 6 is not one of the 6"):
        split_cases(cases, options(folds="leave_one_out"), "6")
    outer = [split_cases(cases, options(folds=2, outer_folds=3, outer_fold=fold), "0") for fold in range(3)]
    assert sorted(name for split in outer for name in split.held_out) == list("abcdef")
    assert all(len(split.training) == len(split.validation) == 2 for split in outer)


def test_a_held_out_list_may_not_divide_a_patient(held_out):
    cases = patients(8, 2)
    with pytest.raises(DataError, match="holds out case_00 but not case_01, which is of the same patient"):
        split_cases(cases, options(held_out("case_00\n"), group_by="patient"), "all")
    with pytest.raises(DataError, match="holds out case_00 but not case_07"):
        split_cases(cases, options(held_out("case_00\n")), "all", together=[{"case_00", "case_07"}])
    whole = split_cases(cases, options(held_out("case_00\ncase_01\n"), group_by="patient"), "all")
    assert whole.held_out == ("case_00", "case_01")


def test_identical_images_stay_on_one_side():
    cases = cases_named("abcdef")
    for seed in range(10):
        split = split_cases(cases, options(folds=2, seed=seed), "0", together=[{"a", "b"}, {"b", "c"}])
        assert len({"a", "b", "c"} & set(split.validation)) in (0, 3)


def test_a_column_that_no_case_has_is_named():
    with pytest.raises(UsageError, match=r"group_by: no case has a column hospital; columns: patient, site"):
        split_cases(patients(4, 1), options(group_by="hospital"), "all")
    with pytest.raises(UsageError, match=r"stratify_by: no case has a column sex; columns: none"):
        split_cases(cases_named("ab"), options(stratify_by="sex"), "all")


def test_a_written_split_is_used_again(tmp_path):
    path = tmp_path / "split.json"
    path.write_text('{"training": ["c", "a"], "validation": ["b"], "held_out": ["d"]}')
    split = split_cases(cases_named("abcdef"), options(file=str(path)), "all")
    assert (split.training, split.validation, split.held_out) == (("a", "c"), ("b",), ("d",))
    path.write_text('[{"train": ["a"], "val": ["b"]}, {"train": ["b"], "val": ["a"]}]')
    assert split_cases(cases_named("ab"), options(file=str(path)), "1").validation == ("a",)
    with pytest.raises(DataError, match="holds the folds 0 to 1; pass"):
        split_cases(cases_named("ab"), options(file=str(path)), "all")
    path.write_text('{"training": ["a"], "validation": ["a"], "held_out": []}')
    with pytest.raises(DataError, match="names a case twice"):
        split_cases(cases_named("ab"), options(file=str(path)), "all")
    path.write_text('{"training": ["z"], "validation": [], "held_out": []}')
    with pytest.raises(DataError, match="names z, which the data set does not have"):
        split_cases(cases_named("ab"), options(file=str(path)), "all")


def test_folds_are_counted_as_they_are_dealt(tmp_path, held_out):
    assert count_folds(cases_named("abcdef"), options(folds=3)) == 3
    listed = options(held_out(text="a\n"), folds="leave_one_out")
    cases = cases_named("abcdef", without_reference="f")
    assert count_folds(cases, listed) == 4
    assert count_folds(cases, listed, together=[{"b", "c"}]) == 3
    folds = [split_cases(cases, listed, str(fold)).validation for fold in range(4)]
    assert sorted(folds) == [("b",), ("c",), ("d",), ("e",)]
    path = tmp_path / "split.json"
    path.write_text('[{"train": ["a"], "val": ["b"]}, {"train": ["b"], "val": ["a"]}]')
    assert count_folds(cases, options(file=str(path))) == 2
    path.write_text('{"training": ["a"], "validation": ["b"], "held_out": []}')
    assert count_folds(cases, options(file=str(path))) == 1


def test_folds_are_counted_where_labels_are_the_strata():
    kinds = dict(zip("abcdefgh", ["liver", ""] * 4, strict=True))
    drawn = options(folds="leave_one_out", stratify_by="labels", held_out_fraction=0.25)
    cases = cases_named("abcdefgh")
    split = split_cases(cases, drawn, "all", strata=kinds)
    assert count_folds(cases, drawn, strata=kinds) == len(split.training) == 6
