import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.evaluation.summary import statistics_of, summarise

NAN = math.nan


def summary_of(scores, **options):
    settings_ = {"failed": {}, "resamples": 500, "seed": 0} | options
    return summarise(scores, ["a", "b"], ["dice", "iou"], **settings_)


def scored(a, b):
    return {"a": {"dice": a, "iou": a / 2}, "b": {"dice": b, "iou": b / 2}}


def test_three_cases_by_hand():
    found = summary_of({"z": scored(0.2, 0.6), "x": scored(0.4, NAN), "y": scored(0.9, 1.0)})
    one = found.labels["a"]["dice"]
    assert (one.mean, one.median, one.n, one.left_out) == (pytest.approx(0.5), 0.4, 3, 0)
    assert one.std == pytest.approx(math.sqrt((0.09 + 0.01 + 0.16) / 2))
    other = found.labels["b"]["iou"]
    assert (other.mean, other.n, other.left_out) == (pytest.approx(0.4), 2, 1)
    # Per case first: 0.4, 0.4 (label b is left out), 0.95.
    assert found.mean["dice"].mean == pytest.approx((0.4 + 0.4 + 0.95) / 3)
    assert found.mean["dice"].median == pytest.approx(0.4)
    assert list(found.scores) == ["x", "y", "z"]


def test_a_label_that_no_case_has():
    found = summary_of({"x": scored(0.4, NAN), "y": scored(NAN, NAN)}, failed={"q": "torn"})
    none = found.labels["b"]["dice"]
    assert (none.n, none.left_out) == (0, 2)
    assert all(math.isnan(value) for value in (none.mean, none.std, none.median, *none.ci95))
    one = found.mean["dice"]
    assert (one.mean, one.n, one.left_out) == (0.4, 1, 1)
    assert math.isnan(one.std)
    assert math.isnan(one.ci95[0])
    assert found.failed == {"q": "torn"}


def test_no_case_at_all():
    assert summary_of({}, failed={"q": "torn"}).mean["dice"].n == 0


def test_a_column_does_not_depend_on_its_neighbours():
    values = np.random.default_rng(1).random((12, 3))
    values[4, 1] = NAN
    alone = [statistics_of(values[:, [column]], seed=3)[0] for column in range(3)]
    for one, other in zip(statistics_of(values, seed=3), alone, strict=True):
        assert (one.mean, one.std, one.median, one.n) == (other.mean, other.std, other.median, other.n)
        assert one.ci95 == pytest.approx(other.ci95, rel=1e-12)


@given(st.lists(st.floats(0, 1) | st.just(NAN), min_size=1, max_size=20), st.randoms())
@settings(max_examples=60, deadline=None)
def test_laws(values, random):
    (one,) = statistics_of(np.array(values)[:, None], resamples=100)
    present = [value for value in values if not math.isnan(value)]
    assert one.n == len(present)
    assert one.n + one.left_out == len(values)
    if present:
        assert one.mean == pytest.approx(math.fsum(present) / len(present))
    if len(present) > 1:
        assert min(present) <= one.ci95[0] <= one.ci95[1] <= max(present)
        random.shuffle(values)
        assert statistics_of(np.array(values)[:, None], resamples=100) == [one]
