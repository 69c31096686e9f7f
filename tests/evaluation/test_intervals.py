import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm

from segkit.evaluation.intervals import bca_levels, bootstrap_interval, drawn_counts, resampled_means
from segkit.foundation.counted import generator


def test_equals_scipy_for_the_same_draws():
    scores = np.sort(np.random.default_rng(1).beta(8, 2, 37))
    theirs = bootstrap(
        (scores,), np.mean, n_resamples=10_000, method="BCa", rng=generator(5, 37), batch=10_000
    ).confidence_interval
    ours = bootstrap_interval(scores[:, None], 10_000, seed=5)[:, 0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_other_draws_give_nearly_the_same_interval():
    scores = np.random.default_rng(2).beta(8, 2, (60, 1))
    theirs = bootstrap((scores[:, 0],), np.mean, n_resamples=20_000, method="BCa", rng=9).confidence_interval
    ours = bootstrap_interval(scores, 10_000, seed=3)[:, 0]
    np.testing.assert_allclose(ours, theirs, atol=0.05 * (theirs[1] - theirs[0]))
    assert not np.array_equal(ours, bootstrap_interval(scores, 10_000, seed=4)[:, 0])


def test_drawing_in_chunks_changes_nothing(monkeypatch):
    scores = np.random.default_rng(3).random((23, 2))
    whole = bootstrap_interval(scores, 1000)
    monkeypatch.setattr("segkit.evaluation.intervals.DRAWS", 23 * 7)
    monkeypatch.setattr("segkit.evaluation.intervals.MEANS", 1)
    np.testing.assert_allclose(bootstrap_interval(scores, 1000), whole, rtol=1e-12)


def test_two_cases_by_hand():
    # Means of two draws from {0, 1}: 0, 0.5 and 1 with 25, 50 and 25%, so both ends lie at the extremes.
    np.testing.assert_array_equal(bootstrap_interval(np.array([[0.0], [1.0]]))[:, 0], [0, 1])


def test_fewer_than_two_cases_have_no_interval():
    assert np.isnan(bootstrap_interval(np.empty((0, 3)))).all()
    assert np.isnan(bootstrap_interval(np.array([[0.5, 0.7]]))).all()


def test_bca_levels_by_hand():
    # Three clusters 0, 0, 3: without each in turn the mean is 1.5, 1.5 and 0; their mean is 1, so that the pulls are
    # -0.5, -0.5 and 1: a = (1 - 0.125 - 0.125) / (6 * 1.5**1.5). Of the resampled means 0, 1, 1, 2 half of two ties
    # with the estimate 1 and one lie below it: z0 = 0.
    totals = np.array([[0.0], [0.0], [3.0]])
    found = bca_levels(np.array([[0.0, 1.0, 1.0, 2.0]]), totals, np.ones_like(totals))[:, 0]
    a = 0.75 / (6 * 1.5**1.5)
    np.testing.assert_allclose(found, norm.cdf([-1.959964 / (1 + 1.959964 * a), 1.959964 / (1 - 1.959964 * a)]), 1e-6)


def test_clusters_are_drawn_whole():
    # Patients with 1, 2 and 3 cases: each resample's mean is of the cases of three drawn patients.
    random = np.random.default_rng(5)
    patients = [random.random(size) for size in (1, 2, 3, 4)]
    totals, sizes = (np.array([[f(cases)] for cases in patients], float) for f in (np.sum, np.size))
    found = resampled_means(totals, sizes, 500, seed=1)[0]
    drawn = np.concatenate(list(drawn_counts(4, 500, seed=1)))
    for counts, mean in zip(drawn, found, strict=True):
        cases = np.concatenate([np.tile(patient, int(n)) for patient, n in zip(patients, counts, strict=True)])
        assert mean == pytest.approx(cases.mean())


def test_the_mean_of_clusters_equals_scipy_for_the_same_draws():
    random = np.random.default_rng(8)
    patients = sorted((random.random(size) for size in random.integers(1, 5, 25)), key=np.mean)
    totals, sizes = (np.array([f(cases) for cases in patients], float) for f in (np.sum, np.size))

    def mean(totals, sizes, axis=-1):
        return totals.sum(axis=axis) / sizes.sum(axis=axis)

    theirs = bootstrap(
        (totals, sizes), mean, paired=True, n_resamples=4000, method="BCa", rng=generator(2, 25), batch=4000
    ).confidence_interval
    ours = bootstrap_interval(totals[:, None], 4000, seed=2, sizes=sizes[:, None])[:, 0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_equal_values_have_an_interval_of_no_width():
    np.testing.assert_array_equal(bootstrap_interval(np.full((5, 1), 0.7))[:, 0], [0.7, 0.7])


def test_copies_of_cases_do_not_narrow_an_interval_of_patients():
    scores = np.random.default_rng(6).random((20, 1))
    alone = bootstrap_interval(scores)
    np.testing.assert_allclose(bootstrap_interval(scores * 4, sizes=np.full((20, 1), 4.0)), alone, rtol=1e-12)
    as_cases = bootstrap_interval(np.repeat(scores, 4, axis=0))
    assert np.ptp(as_cases) < 0.6 * np.ptp(alone)


def test_it_covers_the_true_mean_about_as_often_as_it_says():
    random = np.random.default_rng(4)
    samples = random.beta(4, 2, (40, 300))
    low, high = bootstrap_interval(samples, 2000)
    covered = ((low <= 4 / 6) & (high >= 4 / 6)).mean()
    assert 0.88 < covered < 0.985


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.randoms())
@settings(max_examples=40, deadline=None)
def test_lies_within_the_values_and_knows_no_order(values, random):
    column = np.array(values)[:, None]
    low, high = bootstrap_interval(column, 200)[:, 0]
    assert min(values) <= low <= high <= max(values)
    random.shuffle(values)
    np.testing.assert_array_equal(bootstrap_interval(np.array(values)[:, None], 200)[:, 0], [low, high])
