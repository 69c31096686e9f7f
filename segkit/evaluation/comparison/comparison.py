"""What a comparison of methods holds, for tables, files and reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from segkit.evaluation.comparison.choices import ChoiceEffect
from segkit.evaluation.summary import MEAN, Scores, Statistics


@dataclass(frozen=True)
class Method:
    """What is compared: a run, or several of which each case's scores are averaged.

    Attributes:
        name: tells it from the others.
        scores: case -> label -> metric -> value.
        choices: what its runs were asked, key -> value.
        hours: of training, all its runs together; None where that is not known.
        runs: where they lie.
    """

    name: str
    scores: Mapping[str, Scores]
    choices: Mapping[str, str] = field(default_factory=dict)
    hours: float | None = None
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """What is asked of a comparison.

    Attributes:
        metric: by which methods are ranked.
        higher_is_better: None where zero is best: scores are then compared by their size, and lower is better.
        unit: of the metric.
        label: whose scores; `mean`: of each case the mean over its labels.
        baseline: the method that the others are compared with; None: the best.
        difference: in the metric's unit, for which the cases needed are asked; None: none.
        resamples: of the bootstrap, and choices of signs.
        seed: of both.
        split: part of the data set that decides: `validation`, `held_out`; empty where nobody knows.
    """

    metric: str = "dice"
    higher_is_better: bool | None = True
    unit: str = ""
    label: str = MEAN
    baseline: str | None = None
    difference: float | None = None
    resamples: int = 10_000
    seed: int = 0
    split: str = ""


@dataclass(frozen=True)
class Difference:
    """A method beside the one that it is compared with, case by case, in the metric's unit.

    Attributes:
        against: the other method.
        mean: of score - the other's score.
        ci95: 95% bootstrap interval (BCa) of the mean.
        std: standard deviation of the differences, between patients.
        n: cases in which both have a finite score.
        units: patients that these are of: what the tests count.
        infinite: cases in which one score or both are infinite; they count in the ranks, not in the mean.
        wilcoxon: two-sided p of the signed-rank test.
        wilcoxon_holm: the same, corrected for all comparisons.
        permutation: two-sided p of flipped signs.
        permutation_holm: the same, corrected for all comparisons.
        effect_size: Cohen's d of paired differences, mean / std; above 0 where this method is better.
        rank_biserial: from -1 (worse in every case) to 1 (better in every case).
        wins: share of the patients in which this method is better; of ties half.
        cases_needed: to show a difference as large as this one with 80% power; None where no number would.
        cases_for_asked: to show the difference that was asked for; None where none was.
        detectable: the smallest true difference that these cases show with 80% power.
        sentence: all of this in plain words.
    """

    against: str
    mean: float
    ci95: tuple[float, float]
    std: float
    n: int
    units: int
    infinite: int
    wilcoxon: float
    wilcoxon_holm: float
    permutation: float
    permutation_holm: float
    effect_size: float
    rank_biserial: float
    wins: float
    cases_needed: int | None
    cases_for_asked: int | None
    detectable: float
    sentence: str = ""


@dataclass(frozen=True)
class Standing:
    """A method's place in the ranking.

    Attributes:
        name: of the method.
        rank: 1 is best.
        score: statistics of the metric over the compared cases.
        rank_ci95: ranks of 95% of the bootstrap resamples.
        first: share of the resamples in which it is first.
        difference: to the baseline, or the best; None for that one itself.
        hours: of training; None where that is not known.
        per_hour: mean score per hour of training.
        choices: what it was asked.
        means: metric -> mean over the compared cases, same label; NaN where no case has a finite value.
        cases: that it has a score for, also those that others lack.
        runs: where they lie.
    """

    name: str
    rank: int
    score: Statistics
    rank_ci95: tuple[int, int]
    first: float
    difference: Difference | None
    hours: float | None
    per_hour: float | None
    choices: Mapping[str, str]
    means: Mapping[str, float]
    cases: int
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Methods on the same cases, the best first.

    Attributes:
        metric: by which they are ranked.
        unit: of the metric.
        label: whose scores.
        sign: 1 where higher is better, -1 where lower is.
        against: the method that the others are compared with.
        comparisons: for how many p-values are corrected: all pairs where the best was found by looking, and only those
            with the baseline where that was named beforehand.
        cases: the compared ones: those that every method has a score for.
        left_out: the others.
        patients: that the compared cases are of.
        standings: the best first.
        p: of each pair of standings, the signed-rank test's, corrected; None on the diagonal and for pairs that are
            not compared.
        tau: mean Kendall correlation of the ranking with that of a bootstrap resample.
        effects: of each choice in which the methods differ.
        verdict: what one may say of the winner.
        rules: how the figures are made.
        split: part of the data set that the cases are of; empty where nobody knows.
        baseline: the method that was named beforehand; None where the best was found by looking.
    """

    metric: str
    unit: str
    label: str
    sign: int
    against: str
    comparisons: int
    cases: tuple[str, ...]
    left_out: tuple[str, ...]
    patients: int
    standings: tuple[Standing, ...]
    p: tuple[tuple[float | None, ...], ...]
    tau: float
    effects: tuple[ChoiceEffect, ...]
    verdict: str
    rules: Mapping[str, str]
    split: str = ""
    baseline: str | None = None
