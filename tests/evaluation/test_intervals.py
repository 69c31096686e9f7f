import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from segkit.evaluation.intervals import bootstrap_interval
from segkit.foundation.counted import generator


def test_equals_scipy_for_the_same_draws():
    scores = np.sort(np.random.default_rng(1).beta(8, 2, 37))
    theirs = bootstrap(
        (scores,), np.mean, n_resamples=10_000, method="percentile", rng=generator(5, 37), batch=10_000
    ).confidence_interval
    ours = bootstrap_interval(scores[:, None], 10_000, seed=5)[:, 0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_other_draws_give_nearly_the_same_interval():
    scores = np.random.default_rng(2).beta(8, 2, (60, 1))
    theirs = bootstrap((scores[:, 0],), np.mean, n_resamples=20_000, method="percentile", rng=9).confidence_interval
    ours = bootstrap_interval(scores, 10_000, seed=3)[:, 0]
    np.testing.assert_allclose(ours, theirs, atol=0.05 * (theirs[1] - theirs[0]))
    assert not np.array_equal(ours, bootstrap_interval(scores, 10_000, seed=4)[:, 0])


def test_drawing_in_chunks_changes_nothing(monkeypatch):
    scores = np.random.default_rng(3).random((23, 2))
    whole = bootstrap_interval(scores, 1000)
    monkeypatch.setattr("segkit.evaluation.intervals.DRAWS", 23 * 7)
    np.testing.assert_allclose(bootstrap_interval(scores, 1000), whole, rtol=1e-12)


def test_two_cases_by_hand():
    # Means of two draws from {0, 1}: 0, 0.5 and 1 with 25, 50 and 25%, so both ends lie at the extremes.
    np.testing.assert_array_equal(bootstrap_interval(np.array([[0.0], [1.0]]))[:, 0], [0, 1])


def test_fewer_than_two_cases_have_no_interval():
    assert np.isnan(bootstrap_interval(np.empty((0, 3)))).all()
    assert np.isnan(bootstrap_interval(np.array([[0.5, 0.7]]))).all()


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
