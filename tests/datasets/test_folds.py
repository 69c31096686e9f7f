from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from segkit.datasets import Case
from segkit.datasets.folds import balanced_folds, grouped


def cases_of(patients):
    return [Case(f"c{index}", {}, Path("r"), {"patient": patient}) for index, patient in enumerate(patients)]


def test_groups_by_hand():
    cases = cases_of(["1", "2", "1", "", ""])
    assert grouped(cases, None) == [("c0",), ("c1",), ("c2",), ("c3",), ("c4",)]
    assert grouped(cases, "patient") == [("c0", "c2"), ("c1",), ("c3",), ("c4",)]
    assert grouped(cases, "patient", [{"c1", "c0"}, {"c3", "nobody"}]) == [("c0", "c1", "c2"), ("c3",), ("c4",)]


@given(
    sizes=st.lists(st.integers(1, 4), min_size=8, max_size=30),
    folds=st.integers(2, 5),
    seed=st.integers(0, 1000),
    kinds=st.randoms(use_true_random=False),
)
def test_every_group_lands_in_one_fold_and_folds_are_even(sizes, folds, seed, kinds):
    groups = [tuple(f"{index}_{member}" for member in range(size)) for index, size in enumerate(sizes)]
    strata = {name: kinds.choice("ab") for group in groups for name in group}
    dealt = balanced_folds(groups, folds, seed, (), strata)
    assert sorted(group for fold in dealt for group in fold) == sorted(groups)
    plain = balanced_folds(groups, folds, seed, (), None)
    counts = [sum(map(len, fold)) for fold in plain]
    assert max(counts) - min(counts) <= max(sizes)
