"""Ranks methods on the same cases and tests what separates them: the door to this package."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from segkit.evaluation.comparison.choices import ChoiceEffect, choice_effects
from segkit.evaluation.comparison.comparison import Comparison, Difference, Method, Question, Standing
from segkit.evaluation.comparison.paired import holm, rank_biserial, sign_flips, wilcoxon
from segkit.evaluation.comparison.pairing import Paired, check_known, finite_minus, paired_scores, patient_differences
from segkit.evaluation.comparison.power import cases_needed, detectable
from segkit.evaluation.comparison.ranks import Ranks, ranks_of
from segkit.evaluation.comparison.sentences import rules_of, sentence_of, verdict_of
from segkit.evaluation.summary import Statistics, intervals_of, statistics_of

WORST = 1e3  # ranges of the finite scores by which an infinite one lies beyond them, in the ranking

Array = NDArray[np.float64]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Tested:
    """The p-values of a pair, and the same corrected for all pairs."""

    wilcoxon: float
    wilcoxon_holm: float
    permutation: float
    permutation_holm: float


def compare(methods: Sequence[Method], question: Question, clusters: Mapping[str, str] | None = None) -> Comparison:
    """Rank methods on the cases that all of them have scores for, and test what separates them.

    Args:
        methods: at least one; names differ.
        question: what is asked.
        clusters: case -> patient, whose cases are drawn and tested as one; a case that is not named stands alone.

    Raises:
        UsageError: when a method, label or metric that is asked for does not exist.
        DataError: when methods have not two cases in common.
    """
    paired = paired_scores(methods, question, clusters or {})
    sign = 1 if question.higher_is_better else -1
    ranks = _ranks(paired, sign, question)
    order = sorted(range(len(methods)), key=lambda at: (ranks.rank[at], at))
    against = _against(methods, question, order)
    pairs = [(one, against) for one in order if one != against] if question.baseline else list(combinations(order, 2))
    tested = tested_pairs(paired, pairs, question)
    standings = _standings(methods, paired, ranks, question)
    found = Comparison(
        metric=question.metric, unit=question.unit, label=question.label, sign=sign, against=methods[against].name,
        comparisons=len(pairs), cases=paired.cases, left_out=paired.left_out,
        patients=len(np.unique(paired.clusters)),
        standings=tuple(standings[at] for at in order),
        p=_matrix(order, tested), tau=ranks.tau, effects=tuple(_effects(methods, paired, sign, question)),
        verdict="", rules=rules_of(question), split=question.split,
        baseline=question.baseline,
    )  # fmt: skip
    differences = _differences(paired, against, methods, tested, sign, question)
    told = tuple(
        replace(one, difference=difference and replace(difference, sentence=sentence_of(one.name, difference, found)))
        for one, difference in zip(found.standings, (differences.get(at) for at in order), strict=True)
    )
    found = replace(found, standings=told)
    return replace(found, verdict=verdict_of(found))


def tested_pairs(paired: Paired, pairs: Sequence[Pair], question: Question) -> dict[Pair, Tested]:
    """Return the p-values of pairs of methods under both of their orders; patients are what is counted."""
    if not pairs:
        return {}
    first, second = (paired.scores[:, [pair[at] for pair in pairs]] for at in (0, 1))
    ranked = patient_differences(paired, first, second)
    finite = np.nan_to_num(paired.by_patient(finite_minus(first, second)), nan=0.0)
    by_rank = np.array([wilcoxon(column) for column in ranked.T])
    by_sign = sign_flips(finite, question.resamples, question.seed)
    columns = (by_rank, holm(by_rank), by_sign, holm(by_sign))
    found = [Tested(*map(float, values)) for values in zip(*columns, strict=True)]
    both = zip(pairs, found, strict=True)
    return {pair: tested for (one, other), tested in both for pair in ((one, other), (other, one))}


def _differences(
    paired: Paired,
    against: int,
    methods: Sequence[Method],
    tested: Mapping[Pair, Tested],
    sign: int,
    question: Question,
) -> dict[int, Difference]:
    """Return the difference of each method but the one they are compared with, by its number."""
    low, high = _intervals(paired, question, finite_minus(paired.scores, paired.scores[:, [against]]))
    name = methods[against].name
    return {
        at: _difference(
            paired, (at, against), name, tested[at, against], (low[at], high[at]), sign, question.difference
        )
        for at in range(len(methods))
        if at != against
    }


def _difference(
    paired: Paired,
    pair: Pair,
    against: str,
    tested: Tested,
    ci95: tuple[float, float],
    sign: int,
    asked: float | None,
) -> Difference:
    one, other = (paired.scores[:, at] for at in pair)
    by_case = finite_minus(one, other)
    ranked = patient_differences(paired, one, other)
    finite = by_case[np.isfinite(by_case)]
    patients = paired.by_patient(by_case)
    patients = patients[np.isfinite(patients)]
    mean = float(finite.mean()) if len(finite) else math.nan
    std = float(patients.std(ddof=1)) if len(patients) > 1 else math.nan
    return Difference(
        against=against,
        mean=mean,
        ci95=ci95,
        std=std,
        n=len(finite),
        units=len(patients),
        infinite=len(by_case) - len(finite),
        wilcoxon=tested.wilcoxon,
        wilcoxon_holm=tested.wilcoxon_holm,
        permutation=tested.permutation,
        permutation_holm=tested.permutation_holm,
        effect_size=sign * mean / std if std > 0 else 0.0 if mean == 0 else math.nan,
        rank_biserial=sign * rank_biserial(ranked),
        wins=float((sign * ranked > 0).mean() + (ranked == 0).mean() / 2),
        cases_needed=cases_needed(mean, std),
        cases_for_asked=None if asked is None else cases_needed(asked, std),
        detectable=detectable(len(patients), std),
    )


def _intervals(paired: Paired, question: Question, by_case: Array) -> list[list[float]]:
    """Return the lower and the upper ends of each column, shape (cases, columns)."""
    ends = intervals_of(by_case, resamples=question.resamples, seed=question.seed, clusters=paired.clusters)
    low, high = ends.tolist()
    return [low, high]


def _standings(methods: Sequence[Method], paired: Paired, ranks: Ranks, question: Question) -> list[Standing]:
    scores = statistics_of(paired.scores, resamples=question.resamples, seed=question.seed, clusters=paired.clusters)
    return [
        _standing(method, at, score, paired, ranks)
        for at, (method, score) in enumerate(zip(methods, scores, strict=True))
    ]


def _standing(method: Method, at: int, score: Statistics, paired: Paired, ranks: Ranks) -> Standing:
    low, high = ranks.ci95[:, at]
    return Standing(
        name=method.name,
        rank=int(ranks.rank[at]),
        score=score,
        rank_ci95=(int(low), int(high)),
        first=float(ranks.first[at]),
        difference=None,
        hours=method.hours,
        per_hour=score.mean / method.hours if method.hours else None,
        choices=dict(method.choices),
        means={name: _finite_mean(column) for name, column in zip(paired.metrics, paired.tables[at].T, strict=True)},
        cases=len(method.scores),
        runs=method.runs,
    )


def _ranks(paired: Paired, sign: int, question: Question) -> Ranks:
    oriented = sign * paired.scores
    finite = oriented[np.isfinite(oriented)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    beyond = WORST * (high - low or 1.0)
    # A missed structure weighs more than any distance: fewer infinite scores come first, then the mean.
    oriented = np.nan_to_num(oriented, posinf=high + beyond, neginf=low - beyond)
    sizes = np.unique(paired.clusters, return_counts=True)[1].astype(np.float64)
    return ranks_of(paired.by_patient(oriented) * sizes[:, None], sizes, question.resamples, question.seed)


def _effects(methods: Sequence[Method], paired: Paired, sign: int, question: Question) -> list[ChoiceEffect]:
    known = [at for at, method in enumerate(methods) if method.choices]
    finite = np.isfinite(paired.scores).all(axis=1)
    if finite.sum() < 2 or len(known) < 2:
        return []
    kept = replace(paired, clusters=paired.clusters[finite])

    def interval(by_case: Array) -> tuple[float, float]:
        (low,), (high,) = _intervals(kept, question, by_case[:, None])
        return low, high

    return choice_effects([methods[at].choices for at in known], paired.scores[finite][:, known], sign, interval)


def _matrix(order: Sequence[int], tested: Mapping[Pair, Tested]) -> tuple[tuple[float | None, ...], ...]:
    return tuple(
        tuple(tested[row, column].wilcoxon_holm if (row, column) in tested else None for column in order)
        for row in order
    )


def _against(methods: Sequence[Method], question: Question, order: Sequence[int]) -> int:
    if question.baseline is None:
        return order[0]
    names = [method.name for method in methods]
    check_known(question.baseline, names, "baseline")
    return names.index(question.baseline)


def _finite_mean(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan
