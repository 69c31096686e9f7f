import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from segkit.evaluation.comparison.paired import holm, rank_biserial, sign_flips, wilcoxon


@pytest.mark.parametrize("n", [3, 12, 40, 90])
def test_wilcoxon_equals_scipy_exactly_without_ties(n):
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    assert wilcoxon(differences) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue, rel=1e-9)


def test_wilcoxon_equals_scipys_permutations_with_ties_and_zeros():
    differences = np.array([1.0, -1, 1, 2, 1, 1, -3, 1, 0, 0, 4, -2])
    theirs = stats.wilcoxon(differences, method=stats.PermutationMethod()).pvalue
    assert wilcoxon(differences) == pytest.approx(theirs, rel=1e-9)


def test_wilcoxon_equals_scipys_approximation_for_many_cases():
    differences = np.round(np.random.default_rng(2).normal(0.1, 1, 400), 1)
    assert wilcoxon(differences) == pytest.approx(stats.wilcoxon(differences, method="approx").pvalue, rel=1e-9)


def test_wilcoxon_by_hand():
    # All of five differences are positive: of 32 choices of signs the two extreme ones reach that.
    assert wilcoxon(np.array([1.0, 2, 3, 4, 5])) == pytest.approx(2 / 32)
    # Ranks 1, 2, 3 with 3 negative: rank sums 3 and 3, as even as can be.
    assert wilcoxon(np.array([1.0, 2, -3])) == 1
    assert wilcoxon(np.zeros(9)) == 1
    assert wilcoxon(np.array([np.inf, 2, 3, 4, 5])) == pytest.approx(2 / 32)


def test_rank_biserial_by_hand():
    assert rank_biserial(np.array([1.0, 2, -3])) == 0
    assert rank_biserial(np.array([1.0, -2, 3, 4])) == pytest.approx((1 + 3 + 4 - 2) / 10)
    assert rank_biserial(np.zeros(3)) == 0


def test_flipped_signs_equal_scipy_where_all_are_tried():
    differences = np.random.default_rng(4).normal(0.4, 1, (11, 3))
    for column, p in zip(differences.T, sign_flips(differences), strict=True):
        theirs = stats.permutation_test(
            (column,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", vectorized=True,
            n_resamples=np.inf,
        )  # fmt: skip
        assert p == pytest.approx(theirs.pvalue)


def test_flipped_signs_are_near_scipys_where_they_are_drawn():
    differences = np.random.default_rng(5).normal(0.25, 1, 50)
    theirs = stats.permutation_test(
        (differences,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", vectorized=True,
        n_resamples=20_000, rng=1,
    )  # fmt: skip
    assert sign_flips(differences[:, None])[0] == pytest.approx(theirs.pvalue, abs=0.012)
    assert sign_flips(np.full((60, 1), 1.0))[0] == pytest.approx(1 / 10_001)


def test_flipped_signs_by_hand(monkeypatch):
    # Of the 8 choices of signs of 1, 2, 3 the sums are 6, 4, 2, 0, 0, -2, -4, -6.
    differences = np.array([[1.0, 1, 0], [2, 2, 0], [3, -3, 0]])
    np.testing.assert_allclose(sign_flips(differences), [2 / 8, 1, 1])
    many = np.random.default_rng(1).normal(0.2, 1, (30, 4))
    whole = sign_flips(many, 1000)
    monkeypatch.setattr("segkit.evaluation.comparison.paired.HELD", 30 * 7)
    np.testing.assert_array_equal(sign_flips(many, 1000), whole)


def test_holm_by_hand():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.6, 0.5])), [1, 1])
    assert holm(np.empty(0)).size == 0


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=25), st.randoms())
@settings(max_examples=80, deadline=None)
def test_laws_of_both_tests(values, random):
    differences = np.array(values, float)
    p, flipped = wilcoxon(differences), sign_flips(differences[:, None], 500)[0]
    assert 0 < p <= 1
    assert 0 < flipped <= 1
    assert wilcoxon(-differences) == p
    random.shuffle(values)
    assert wilcoxon(np.array(values, float)) == pytest.approx(p)
    assert wilcoxon(np.append(differences, 0.0)) == pytest.approx(p)
