import math

import numpy as np
import pytest
from scipy import stats

from segkit.evaluation.comparison.power import cases_needed, detectable, power_of


def test_equals_published_figures():
    # Cohen 1988, table 2.3 and G*Power 3.1: d = 0.5 at 80% takes 34 pairs, d = 0.2 takes 199, d = 0.8 takes 15.
    assert [cases_needed(d, 1.0) for d in (0.5, 0.2, 0.8)] == [34, 199, 15]
    assert power_of(34, 0.5, 1.0) == pytest.approx(0.8077775, abs=1e-6)


def test_equals_a_simulated_t_test():
    draws = np.random.default_rng(3).normal(0.01, 0.025, (4000, 30))
    shown = (stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean()
    assert power_of(30, 0.01, 0.025) == pytest.approx(shown, abs=3 * math.sqrt(0.25 / 4000))


def test_the_number_is_the_smallest_that_does():
    for difference in (0.003, 0.02, 0.3):
        n = cases_needed(difference, 0.04)
        assert power_of(n, difference, 0.04) >= 0.8
        assert n == 2 or power_of(n - 1, difference, 0.04) < 0.8
    assert cases_needed(-0.02, 0.04) == cases_needed(0.02, 0.04)


def test_what_cases_can_show_is_what_needs_them():
    assert cases_needed(detectable(40, 0.03) * 1.0001, 0.03) == 40
    assert detectable(40, 0.0) == 0


def test_where_no_number_of_cases_tells():
    assert cases_needed(0.0, 0.1) is None
    assert cases_needed(1e-9, 1.0) is None
    assert cases_needed(math.nan, 0.1) is None
    assert cases_needed(0.1, 0.0) == 2
    assert math.isnan(detectable(1, 0.1))
