import numpy as np
import pytest

from segkit.evaluation.comparison.ranks import ranks_of
from segkit.evaluation.intervals import drawn_counts


def test_a_clear_winner_stays_first():
    scores = np.random.default_rng(0).random((30, 1)) + np.array([0.0, 2.0, 1.0])
    found = ranks_of(scores, np.ones(30), 500)
    assert found.rank.tolist() == [3, 1, 2]
    np.testing.assert_array_equal(found.ci95, [[3, 1, 2], [3, 1, 2]])
    assert found.first.tolist() == [0, 1, 0]
    assert found.tau == 1


def test_equal_methods_share_every_place():
    found = ranks_of(np.repeat(np.random.default_rng(1).random((20, 1)), 4, axis=1), np.ones(20), 300)
    assert found.rank.tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(found.first, 0.25)
    assert found.beats.sum() == 0
    assert found.tau == 1


def test_every_figure_equals_a_count_over_the_resamples():
    random = np.random.default_rng(2)
    totals, sizes = random.normal(size=(12, 5)), random.integers(1, 4, 12).astype(float)
    found = ranks_of(totals, sizes, 400, seed=7)
    drawn = np.concatenate(list(drawn_counts(12, 400, seed=7)))
    rows = [[sum(n * totals[i, m] for i, n in enumerate(counts)) / (counts @ sizes) for m in range(5)]
            for counts in drawn]  # fmt: skip
    places = np.array([[1 + sum(other > own for other in row) for own in row] for row in rows])
    np.testing.assert_allclose(found.first, (places == 1).mean(axis=0))
    np.testing.assert_allclose(found.beats[1, 3], np.mean([row[1] > row[3] for row in rows]))
    for method in range(5):
        ordered = np.sort(places[:, method])
        assert found.ci95[:, method].tolist() == [ordered[9], ordered[389]]
    from scipy.stats import kendalltau

    whole = totals.sum(axis=0)
    assert found.tau == pytest.approx(np.mean([kendalltau(whole, row).statistic for row in rows]))
