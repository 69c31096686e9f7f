from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.config.options import SplitOptions
from segkit.datasets import Case
from segkit.datasets.splits import read_held_out, split_cases
from segkit.foundation.errors import DataError

REFERENCE = Path("reference.nii")


def cases_named(names, without_reference=()):
    return [Case(name, {"MR": Path(name)}, None if name in without_reference else REFERENCE) for name in names]


def options(held_out=None, folds=5, seed=2026):
    return SplitOptions(held_out=None if held_out is None else str(held_out), folds=folds, seed=seed)


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
