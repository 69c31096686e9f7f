"""Ranks methods on the same cases and tests what separates them: the door to this package."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from segkit.config.suggestions import did_you_mean
from segkit.evaluation.comparison.choices import ChoiceEffect, choice_effects
from segkit.evaluation.comparison.comparison import MEAN, Comparison, Difference, Method, Question, Standing
from segkit.evaluation.comparison.paired import holm, rank_biserial, sign_flips, wilcoxon
from segkit.evaluation.comparison.power import cases_needed, detectable
from segkit.evaluation.comparison.ranks import Ranks, ranks_of
from segkit.evaluation.comparison.sentences import rules_of, sentence_of, verdict_of
from segkit.evaluation.grouping import cluster_numbers
from segkit.evaluation.summary import intervals_of, score_table, statistics_of
from segkit.foundation.errors import DataError, UsageError

WORST = 1e3  # ranges of the finite scores by which an infinite one lies beyond them, in the ranking

Array = NDArray[np.float64]
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Paired:
    """Scores of the compared cases.

    Attributes:
        cases: their names.
        left_out: those that not every method has a score for.
        tables: of each method, shape (cases, metrics), for the label that is asked for.
        metrics: that all methods have.
        scores: of the metric that is asked for, shape (cases, methods), maybe infinite.
        clusters: the number of each case's patient, shape (cases,).
    """

    cases: tuple[str, ...]
    left_out: tuple[str, ...]
    tables: tuple[Array, ...]
    metrics: tuple[str, ...]
    scores: Array
    clusters: NDArray[np.intp]

    def by_patient(self, values: Array) -> Array:
        """Return the mean of each patient's cases, shape (patients, ...) from (cases, ...); NaN counts nowhere."""
        numbers, at = np.unique(self.clusters, return_inverse=True)
        sums, counts = (np.zeros((len(numbers), *values.shape[1:])) for _ in range(2))
        np.add.at(sums, at, np.where(np.isnan(values), 0.0, values))
        np.add.at(counts, at, ~np.isnan(values))
        return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


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
    found = Comparison(
        metric=question.metric, unit=question.unit, label=question.label, sign=sign, against=methods[against].name,
        comparisons=len(pairs), cases=paired.cases, left_out=paired.left_out,
        patients=len(np.unique(paired.clusters)),
        standings=tuple(_standing(methods[at], at, paired, ranks, question) for at in order),
        p=_matrix(order, tested), tau=ranks.tau, effects=tuple(_effects(methods, paired, sign, question)),
        verdict="", rules=rules_of(question),
    )  # fmt: skip
    differences = [
        None if at == against else _difference(paired, (at, against), methods, tested[at, against], sign, question)
        for at in order
    ]
    told = tuple(
        replace(one, difference=difference and replace(difference, sentence=sentence_of(one.name, difference, found)))
        for one, difference in zip(found.standings, differences, strict=True)
    )
    found = replace(found, standings=told)
    return replace(found, verdict=verdict_of(found))


def paired_scores(methods: Sequence[Method], question: Question, clusters: Mapping[str, str]) -> Paired:
    """Return the scores of the cases that every method has one for.

    Raises:
        UsageError: when not all methods have the metric or the label.
        DataError: when there are fewer than two such cases.
    """
    labels = _shared([_labels(method) for method in methods])
    metrics = _shared([_metrics(method) for method in methods])
    _check_known(question.metric, metrics, "metric")
    _check_known(question.label, [MEAN, *labels], "label")
    every = sorted({case for method in methods for case in method.scores})
    shared = [case for case in every if all(case in method.scores for method in methods)]
    row, column = [MEAN, *labels].index(question.label), metrics.index(question.metric)
    whole = [score_table({case: method.scores[case] for case in shared}, labels, metrics) for method in methods]
    if question.higher_is_better is None:
        whole = [_sized(table, column) for table in whole]
    tables = np.stack([table[:, row] for table in whole])
    scores = tables[:, :, column].T
    kept = ~np.isnan(scores).any(axis=1)
    if kept.sum() < 2:
        fewest = min(methods, key=lambda method: len(method.scores))
        raise DataError(
            f"{int(kept.sum())} cases have a {question.metric} of {question.label} in every run, and a comparison "
            f"needs two; {fewest.name} has the fewest, {len(fewest.scores)}"
        )
    cases = tuple(np.array(shared, dtype=object)[kept])
    return Paired(
        cases, tuple(sorted(set(every) - set(cases))), tuple(tables[:, kept]), tuple(metrics), scores[kept],
        np.array(cluster_numbers(cases, clusters), dtype=np.intp),
    )  # fmt: skip


def tested_pairs(paired: Paired, pairs: Sequence[Pair], question: Question) -> dict[Pair, Tested]:
    """Return the p-values of pairs of methods under both of their orders; patients are what is counted."""
    if not pairs:
        return {}
    first, second = (paired.scores[:, [pair[at] for pair in pairs]] for at in (0, 1))
    ranked = np.nan_to_num(paired.by_patient(_minus(first, second)), nan=0.0, posinf=np.inf, neginf=-np.inf)
    finite = np.nan_to_num(paired.by_patient(_finite_minus(first, second)), nan=0.0)
    by_rank = np.array([wilcoxon(column) for column in ranked.T])
    by_sign = sign_flips(finite, question.resamples, question.seed)
    columns = (by_rank, holm(by_rank), by_sign, holm(by_sign))
    found = [Tested(*map(float, values)) for values in zip(*columns, strict=True)]
    both = zip(pairs, found, strict=True)
    return {pair: tested for (one, other), tested in both for pair in ((one, other), (other, one))}


def _minus(one: Array, other: Array) -> Array:
    """Return the differences; of two infinite scores, which are equally bad, zero."""
    with np.errstate(invalid="ignore"):
        return np.where(one == other, 0.0, one - other)


def _finite_minus(one: Array, other: Array) -> Array:
    """Return the differences, NaN where a score is infinite."""
    return np.asarray(np.where(np.isfinite(one) & np.isfinite(other), _minus(one, other), np.nan))


def _difference(
    paired: Paired, pair: Pair, methods: Sequence[Method], tested: Tested, sign: int, question: Question
) -> Difference:
    one, other = (paired.scores[:, at] for at in pair)
    by_case = _finite_minus(one, other)
    ranked = np.nan_to_num(paired.by_patient(_minus(one, other)), nan=0.0, posinf=np.inf, neginf=-np.inf)
    finite = by_case[np.isfinite(by_case)]
    patients = paired.by_patient(by_case)
    patients = patients[np.isfinite(patients)]
    mean = float(finite.mean()) if len(finite) else math.nan
    std = float(patients.std(ddof=1)) if len(patients) > 1 else math.nan
    asked = question.difference
    return Difference(
        against=methods[pair[1]].name,
        mean=mean,
        ci95=_interval(paired, question, by_case),
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


def _interval(paired: Paired, question: Question, by_case: Array) -> tuple[float, float]:
    low, high = intervals_of(
        by_case[:, None], resamples=question.resamples, seed=question.seed, clusters=paired.clusters
    )
    return float(low[0]), float(high[0])


def _standing(method: Method, at: int, paired: Paired, ranks: Ranks, question: Question) -> Standing:
    (score,) = statistics_of(
        paired.scores[:, [at]], resamples=question.resamples, seed=question.seed, clusters=paired.clusters
    )
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
    finite = np.isfinite(paired.scores).all(axis=1)
    if finite.sum() < 2:
        return []
    kept = replace(paired, clusters=paired.clusters[finite])
    return choice_effects(
        [method.choices for method in methods], paired.scores[finite], sign,
        lambda by_case: _interval(kept, question, by_case),
    )  # fmt: skip


def _matrix(order: Sequence[int], tested: Mapping[Pair, Tested]) -> tuple[tuple[float | None, ...], ...]:
    return tuple(
        tuple(tested[row, column].wilcoxon_holm if (row, column) in tested else None for column in order)
        for row in order
    )


def _against(methods: Sequence[Method], question: Question, order: Sequence[int]) -> int:
    if question.baseline is None:
        return order[0]
    names = [method.name for method in methods]
    _check_known(question.baseline, names, "baseline")
    return names.index(question.baseline)


def _check_known(name: str, known: Sequence[str], key: str) -> None:
    if name not in known:
        hint = did_you_mean(name, known) or ";"
        raise UsageError(f"{key}: not every run has {name}{hint} there are: {', '.join(known)}")


def _shared(names: Sequence[Sequence[str]]) -> list[str]:
    return [name for name in names[0] if all(name in others for others in names)]


def _labels(method: Method) -> list[str]:
    return list(dict.fromkeys(label for scores in method.scores.values() for label in scores))


def _metrics(method: Method) -> list[str]:
    of_labels = (by_metric for scores in method.scores.values() for by_metric in scores.values())
    return list(dict.fromkeys(metric for by_metric in of_labels for metric in by_metric))


def _sized(table: Array, column: int) -> Array:
    """Return the table with the sizes of one metric's values, so that the mean over labels is of sizes too."""
    table = table.copy()
    table[:, 1:, column] = np.abs(table[:, 1:, column])
    present = ~np.isnan(table[:, 1:, column])
    total = np.where(present, table[:, 1:, column], 0.0).sum(axis=1)
    table[:, 0, column] = np.where(present.any(axis=1), total / np.maximum(present.sum(axis=1), 1), np.nan)
    return table


def _finite_mean(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan
