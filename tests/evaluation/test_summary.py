import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.evaluation.grouping import Grouping
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


def test_quartiles_by_hand():
    (one,) = statistics_of(np.array([[4.0], [1.0], [2.0], [3.0]]), resamples=100)
    assert one.iqr == (1.75, 3.25)
    assert one.median == 2.5


def test_infinite_values_are_counted_and_break_no_mean():
    (one,) = statistics_of(np.array([[1.0], [2.0], [3.0], [math.inf], [NAN]]), resamples=100)
    assert (one.mean, one.n, one.infinite, one.left_out) == (2, 4, 1, 1)
    assert one.median == 2.5
    assert one.iqr == (1.75, math.inf)
    assert 1 <= one.ci95[0] <= one.ci95[1] <= 3
    (lost,) = statistics_of(np.full((3, 1), math.inf), resamples=100)
    assert (lost.n, lost.infinite, lost.median) == (3, 3, math.inf)
    assert math.isnan(lost.mean)


def test_groups_have_the_statistics_of_their_cases_alone():
    scores = {f"c{at}": scored(at / 10, at / 20) for at in range(8)}
    site = {case: "A" if at < 3 else "B" for at, case in enumerate(scores)}
    found = summary_of(scores, grouping=Grouping({"site": site}))
    first = {case: scores[case] for case in ("c0", "c1", "c2")}
    assert list(found.groups["site"]) == ["A", "B"]
    assert found.groups["site"]["A"].cases == 3
    assert found.groups["site"]["A"].labels == summary_of(first).labels
    assert found.groups["site"]["A"].mean == summary_of(first).mean
    assert found.labels == summary_of(scores).labels


def test_intervals_by_patient():
    random = np.random.default_rng(1)
    values = np.repeat(random.random((10, 2)), 3, axis=0)
    values[0, 1] = NAN
    clusters = np.repeat(np.arange(10), 3)
    grouped, alone = statistics_of(values, clusters=clusters), statistics_of(values)
    assert np.ptp(grouped[0].ci95) > 1.3 * np.ptp(alone[0].ci95)
    assert (grouped[1].mean, grouped[1].std, grouped[1].n) == (alone[1].mean, alone[1].std, alone[1].n)
    assert statistics_of(values[:, :1], clusters=clusters)[0].ci95 == pytest.approx(grouped[0].ci95)
    one = statistics_of(values[:3], clusters=clusters[:3])[0]
    assert math.isnan(one.ci95[0])
    assert one.n == 3
