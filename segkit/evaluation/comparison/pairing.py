"""Scores of several methods, paired case by case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segkit.evaluation.comparison.comparison import Method, Question
from segkit.evaluation.grouping import cluster_numbers
from segkit.evaluation.summary import MEAN, mean_over_labels, score_table
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.suggestions import did_you_mean

Array = NDArray[np.float64]


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


def paired_scores(methods: Sequence[Method], question: Question, clusters: Mapping[str, str]) -> Paired:
    """Return the scores of the cases that every method has one for.

    Raises:
        UsageError: when not all methods have the metric or the label.
        DataError: when there are fewer than two such cases.
    """
    labels = _shared([_labels(method) for method in methods])
    metrics = _shared([_metrics(method) for method in methods])
    check_known(question.metric, metrics, "metric")
    check_known(question.label, [MEAN, *labels], "label")
    every = sorted({case for method in methods for case in method.scores})
    shared = [case for case in every if all(case in method.scores for method in methods)]
    row, column = [MEAN, *labels].index(question.label), metrics.index(question.metric)
    whole = [score_table({case: method.scores[case] for case in shared}, labels, metrics) for method in methods]
    if question.higher_is_better is None:  # +2 ml and -2 ml are equally far off, and must not cancel over labels
        whole = [_sized(table, column) for table in whole]
    tables = np.stack([table[:, row] for table in whole])
    scores = tables[:, :, column].T
    # Pairs need a score on either side; an infinite one is a score, the worst.
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


def patient_differences(paired: Paired, one: Array, other: Array) -> Array:
    """Return each patient's mean difference for the ranks, shape (patients, ...) from scores (cases, ...).

    Infinite ones stay; 0 where scores are equally bad, or where one of a patient's cases outweighs another.
    """
    return np.nan_to_num(paired.by_patient(minus(one, other)), nan=0.0, posinf=np.inf, neginf=-np.inf)


def minus(one: Array, other: Array) -> Array:
    """Return the differences of scores of one shape; of two infinite ones, which are equally bad, zero."""
    with np.errstate(invalid="ignore"):
        return np.where(one == other, 0.0, one - other)


def finite_minus(one: Array, other: Array) -> Array:
    """Return the differences, NaN where a score is infinite."""
    return np.asarray(np.where(np.isfinite(one) & np.isfinite(other), minus(one, other), np.nan))


def check_known(name: str, known: Sequence[str], key: str) -> None:
    """Make sure that what is asked for is there.

    Raises:
        UsageError: naming the key, and what there is.
    """
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
    table[:, :1, column] = mean_over_labels(table[:, 1:, [column]])
    return table
