import math
from dataclasses import replace

import numpy as np
import pytest

from segkit.evaluation.comparison.comparing import compare
from segkit.evaluation.comparison.comparison import Method, Question
from segkit.evaluation.comparison.paired import wilcoxon
from segkit.evaluation.comparison.power import cases_needed, power_of
from segkit.evaluation.intervals import bootstrap_interval
from segkit.foundation.errors import DataError, UsageError

QUICK = Question(resamples=500)
REPEATS = 200


def method(name, values, metric="dice", **options):
    scores = {f"case{at:03d}": {"liver": {metric: float(value)}} for at, value in enumerate(values)}
    return Method(name, scores, **options)


def of(comparison, name):
    return next(one for one in comparison.standings if one.name == name)


@pytest.fixture
def three():
    random = np.random.default_rng(0)
    base = random.beta(8, 2, 40)
    return [method(name, base + shift + random.normal(0, 0.01, 40), hours=2.0) for name, shift in
            (("small", 0.0), ("large", 0.02), ("huge", 0.021))]  # fmt: skip


def test_every_figure_of_a_difference(three):
    found = compare(three, replace(QUICK, difference=0.005))
    assert [one.rank for one in found.standings] == [1, 2, 3]
    best, small = found.standings[0], of(found, "small")
    scores = {m.name: np.array([by["liver"]["dice"] for by in m.scores.values()]) for m in three}
    apart = scores["small"] - scores[best.name]
    told = small.difference
    assert (told.against, told.n, told.units, told.infinite) == (best.name, 40, 40, 0)
    assert told.mean == pytest.approx(apart.mean())
    assert told.std == pytest.approx(apart.std(ddof=1))
    assert told.effect_size == pytest.approx(apart.mean() / apart.std(ddof=1))
    assert told.wins == pytest.approx((apart > 0).mean())
    assert told.ci95 == pytest.approx(tuple(bootstrap_interval(apart[:, None], 500)[:, 0]))
    assert told.wilcoxon == pytest.approx(wilcoxon(apart))
    assert told.cases_needed == cases_needed(apart.mean(), apart.std(ddof=1))
    assert told.cases_for_asked == cases_needed(0.005, apart.std(ddof=1))
    assert small.per_hour == pytest.approx(scores["small"].mean() / 2)
    assert best.difference is None
    assert found.comparisons == 3


def test_p_is_corrected_for_all_pairs_unless_a_baseline_was_named(three):
    pairs = compare(three, QUICK)
    assert of(pairs, "small").difference.wilcoxon_holm >= 2 * of(pairs, "small").difference.wilcoxon
    assert [[p is None for p in row] for row in pairs.p] == np.eye(3, dtype=bool).tolist()
    named = compare(three, replace(QUICK, baseline="small"))
    assert (named.comparisons, named.against) == (2, "small")
    assert of(named, "small").difference is None
    assert of(named, "large").difference.mean > 0
    assert sum(p is not None for row in named.p for p in row) == 4
    with pytest.raises(UsageError, match="baseline: not every run has smal; did you mean small"):
        compare(three, replace(QUICK, baseline="smal"))


def test_equal_methods_are_told_apart_in_5_percent_of_repeats():
    random = np.random.default_rng(11)
    told = 0
    for _ in range(REPEATS):
        base = random.beta(8, 2, (40, 1))
        a, b = (base + random.normal(0, 0.02, (40, 2))).T
        found = compare([method("a", a), method("b", b)], replace(QUICK, resamples=200))
        told += found.standings[1].difference.wilcoxon_holm < 0.05
    assert abs(told / REPEATS - 0.05) < 3 * math.sqrt(0.05 * 0.95 / REPEATS)


def test_any_of_several_equal_methods_is_told_apart_in_at_most_5_percent_of_repeats():
    random = np.random.default_rng(12)
    told = 0
    for _ in range(REPEATS):
        scores = random.beta(8, 2, (30, 1)) + random.normal(0, 0.02, (30, 5))
        found = compare([method(str(at), column) for at, column in enumerate(scores.T)], replace(QUICK, resamples=200))
        told += any(one.difference.wilcoxon_holm < 0.05 for one in found.standings[1:])
    assert told / REPEATS < 0.05 + 3 * math.sqrt(0.05 * 0.95 / REPEATS)


def test_a_planted_difference_is_found_with_the_predicted_power():
    random = np.random.default_rng(13)
    found = []
    for _ in range(REPEATS):
        base = random.beta(8, 2, 32)
        better = base + random.normal(0.01, 0.02, 32)
        one = compare([method("a", base), method("b", better)], replace(QUICK, resamples=200))
        found.append(one.standings[1].difference)
    predicted = power_of(32, 0.01, 0.02)
    assert 0.7 < predicted < 0.85
    for p in ("wilcoxon", "permutation"):
        shown = np.mean([getattr(each, p) < 0.05 for each in found])
        assert abs(shown - predicted) < 3 * math.sqrt(predicted * (1 - predicted) / REPEATS)
    covered = np.mean([min(map(abs, each.ci95)) <= 0.01 <= max(map(abs, each.ci95)) for each in found])
    assert covered > 0.9


def test_the_sentences(three):
    found = compare(three, QUICK)
    ahead, small = found.standings[1].difference.sentence, of(found, "small").difference.sentence
    assert f"{found.against} is better than small by 0.0" in small
    assert "holds after correction for 3 comparisons" in small
    assert "do not tell from luck (a difference of this size needs about" in ahead
    assert found.verdict == ahead
    same = compare([three[0], replace(three[0], name="twin")], QUICK)
    assert same.verdict == "twin and small score the same in dice over 40 cases"
    assert compare(three[:1], QUICK).verdict.startswith("small scores 0.")


def test_cases_that_a_method_lacks_are_left_out_and_named(three):
    scores = {case: by for case, by in three[0].scores.items() if case != "case007"}
    scores["case009"] = {"liver": {"dice": math.nan}}
    found = compare([replace(three[0], scores=scores), *three[1:]], QUICK)
    assert found.left_out == ("case007", "case009")
    assert len(found.cases) == 38
    assert all(one.score.n == 38 for one in found.standings)
    with pytest.raises(DataError, match="1 cases have a dice of mean in every run, and a comparison needs two; few"):
        compare([three[0], Method("few", {"case001": {"liver": {"dice": 0.5}}})], QUICK)


def test_patients_are_what_is_counted():
    random = np.random.default_rng(5)
    base, apart = random.random(12), random.normal(0.02, 0.03, 12)
    alone = compare([method("a", base), method("b", base + apart)], QUICK)
    copies = [method("a", np.repeat(base, 5)), method("b", np.repeat(base + apart, 5))]
    patients = {f"case{at:03d}": str(at // 5) for at in range(60)}
    grouped = compare(copies, QUICK, patients)
    one, other = alone.standings[1].difference, grouped.standings[1].difference
    assert (other.n, other.units, grouped.patients) == (60, 12, 12)
    for name in ("mean", "std", "wilcoxon", "permutation", "effect_size", "cases_needed"):
        assert getattr(other, name) == pytest.approx(getattr(one, name))
    assert other.ci95 == pytest.approx(one.ci95)
    assert compare(copies, QUICK).standings[1].difference.wilcoxon < one.wilcoxon


def test_lower_is_better_and_infinite_is_worst():
    random = np.random.default_rng(6)
    base = random.random(20)
    lost = (base - 0.5 + random.normal(0, 0.01, 20)).tolist()
    lost[3] = math.inf
    question = replace(QUICK, metric="hd95", higher_is_better=False, unit="mm")
    found = compare([method("a", base, "hd95"), method("b", lost, "hd95"), method("c", base + 0.1, "hd95")], question)
    assert [one.name for one in found.standings] == ["a", "c", "b"]
    b = of(found, "b")
    assert (b.score.infinite, b.difference.infinite, b.difference.n) == (1, 1, 19)
    assert b.difference.mean == pytest.approx(-0.5, abs=0.01)
    assert "without 1 case where a score is infinite" in b.difference.sentence
    assert b.difference.effect_size > 0
    assert all(math.isfinite(one.score.mean) for one in found.standings)
    assert "a is better than c by 0.100 mm hd95 [" in of(found, "c").difference.sentence


def test_of_signed_scores_the_size_counts():
    values = np.array([1.0, -1, 2, -2, 1, -1])
    question = replace(QUICK, metric="volume_difference", higher_is_better=None, unit="ml")
    found = compare(
        [method("noisy", values, "volume_difference"), method("biased", np.full(6, 0.5), "volume_difference")], question
    )
    assert [one.name for one in found.standings] == ["biased", "noisy"]
    assert of(found, "noisy").score.mean == pytest.approx(8 / 6)


def test_one_label_or_the_mean_over_labels():
    def scored(name, liver, spleen):
        pairs = zip(liver, spleen, strict=True)
        return Method(name, {f"c{at}": {"liver": {"dice": one}, "spleen": {"dice": other}}
                             for at, (one, other) in enumerate(pairs)})  # fmt: skip

    methods = [scored("a", [0.9, 0.8], [0.1, 0.2]), scored("b", [0.8, 0.7], [0.5, math.nan])]
    assert compare(methods, replace(QUICK, label="liver")).standings[0].name == "a"
    mean = compare(methods, QUICK)
    assert of(mean, "b").score.mean == pytest.approx((0.65 + 0.7) / 2)
    with pytest.raises(UsageError, match="label: not every run has lung; there are: mean, liver, spleen"):
        compare(methods, replace(QUICK, label="lung"))
    with pytest.raises(UsageError, match="metric: not every run has hd95"):
        compare(methods, replace(QUICK, metric="hd95"))


def test_effects_of_choices_come_with_intervals(three):
    sweep = [replace(m, choices={"network": m.name}) for m in three]
    found = {one.value: one for one in compare(sweep, QUICK).effects}
    small = found["small"]
    assert small.ci95[0] < small.difference < small.ci95[1] < 0
    assert (small.settings, small.worse) == (1, 1)
