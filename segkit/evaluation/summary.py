"""Statistics of the scores over cases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segkit.evaluation.calibration import Reliability
from segkit.evaluation.confusion import Counts
from segkit.evaluation.grouping import Grouping, cluster_numbers
from segkit.evaluation.intervals import bootstrap_interval
from segkit.evaluation.metrics import Metric

Scores = Mapping[str, Mapping[str, float]]  # label -> metric -> value; NaN where it is left out
MEAN = "mean"  # stands for the mean over labels, where the name of a label would
QUARTILES = (0.25, 0.5, 0.75)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Statistics:
    """One metric over cases, in the metric's unit; NaN where too few cases have a value.

    Attributes:
        mean: arithmetic mean.
        std: standard deviation of the sample (n - 1); needs two cases.
        median: of the cases.
        iqr: lower and upper quartile, whose distance is the interquartile range.
        ci95: lower and upper end of the 95% bootstrap interval of the mean; needs two cases (two patients, where cases
            are drawn by patient).
        n: cases with a value.
        left_out: cases without one, because neither mask held the label.
        infinite: among `n`, those whose value is infinite: they count in median and quartiles, and nowhere else.
    """

    mean: float
    std: float
    median: float
    iqr: tuple[float, float]
    ci95: tuple[float, float]
    n: int
    left_out: int
    infinite: int


@dataclass(frozen=True)
class Part:
    """Statistics of some of the cases.

    Attributes:
        cases: how many were scored.
        labels: label -> metric -> statistics over these cases.
        mean: metric -> statistics of the mean over the labels of each case.
    """

    cases: int
    labels: dict[str, dict[str, Statistics]]
    mean: dict[str, Statistics]


@dataclass(frozen=True)
class Evaluation:
    """What was scored and what it comes to.

    Attributes:
        scores: case -> label -> metric -> value, cases sorted by name.
        labels: label -> metric -> statistics over cases.
        mean: metric -> statistics of the mean over the labels of each case.
        failed: case -> why it has no scores.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        grouping: which cases belong together.
        groups: column -> its value -> statistics of the cases that have it.
        metrics: by which it was scored, in the order of the scores.
        counts: case -> label -> voxels in both masks, in one and in none; without labels that nobody drew in a case.
        reliability: label -> voxels of all cases by probability; empty where probabilities were not given.
    """

    scores: dict[str, Scores]
    labels: dict[str, dict[str, Statistics]]
    mean: dict[str, Statistics]
    failed: dict[str, str]
    resamples: int
    seed: int
    grouping: Grouping = field(default_factory=Grouping)
    groups: dict[str, dict[str, Part]] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    counts: dict[str, dict[str, Counts]] = field(default_factory=dict)
    reliability: dict[str, Reliability] = field(default_factory=dict)

    @property
    def clusters(self) -> int:
        """How many patients the scored cases are of; as many as cases where each stands alone."""
        return len(set(cluster_numbers(list(self.scores), self.grouping.clusters)))


def summarise(
    scores: Mapping[str, Scores],
    labels: list[str],
    metrics: list[str],
    *,
    failed: Mapping[str, str],
    resamples: int,
    seed: int,
    grouping: Grouping | None = None,
) -> Evaluation:
    """Put the statistics beside the scores.

    Args:
        scores: case -> label -> metric -> value.
        labels: the scored labels, background excluded.
        metrics: their names.
        failed: case -> why it has no scores.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        grouping: groups of cases with statistics of their own, and patients whose cases are drawn together.

    Returns:
        The evaluation; a case's mean is taken over the labels that have a value in it.
    """
    grouping = grouping or Grouping()
    ordered = {case: scores[case] for case in sorted(scores)}
    cases = list(ordered)
    table = score_table(ordered, labels, metrics)
    clusters = np.array(cluster_numbers(cases, grouping.clusters), dtype=np.intp)

    def part(rows: NDArray[np.intp]) -> Part:
        flat = table[rows].reshape(len(rows), (len(labels) + 1) * len(metrics))
        found = statistics_of(flat, resamples=resamples, seed=seed, clusters=clusters[rows])
        by_row = [dict(zip(metrics, found[at : at + len(metrics)], strict=True)) for at in _starts(found, metrics)]
        return Part(len(rows), dict(zip(labels, by_row[1:], strict=True)), by_row[0])

    whole = part(np.arange(len(cases)))
    groups = {
        column: {value: part(np.array(rows, dtype=np.intp)) for value, rows in _rows_by_value(cases, cells).items()}
        for column, cells in grouping.groups.items()
    }
    return Evaluation(
        ordered, whole.labels, whole.mean, dict(sorted(failed.items())), resamples, seed, grouping, groups
    )


def score_table(scores: Mapping[str, Scores], labels: Sequence[str], metrics: Sequence[str]) -> Array:
    """Return the scores as one array, shape (cases, 1 + labels, metrics): first the mean over each case's labels.

    A value that is not there is NaN, as one that is left out.
    """
    table = np.full((len(scores), len(labels) + 1, len(metrics)), np.nan)
    for row, by_label in zip(table, scores.values(), strict=True):
        row[1:] = [[by_label.get(label, {}).get(metric, math.nan) for metric in metrics] for label in labels]
    table[:, 0] = mean_over_labels(table[:, 1:])
    return table


def statistics_of(
    values: Array, *, resamples: int = 10_000, seed: int = 0, clusters: NDArray[np.intp] | None = None
) -> list[Statistics]:
    """Return the statistics of each column.

    Args:
        values: shape (cases, columns); NaN where a case is left out.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        clusters: the number of each case's patient, shape (cases,); None: each case stands alone.

    Returns:
        One `Statistics` per column; they do not depend on the order of the cases, nor on the other columns.
    """
    ends = intervals_of(values, resamples=resamples, seed=seed, clusters=clusters)
    return [_statistics(column, (float(low), float(high))) for column, low, high in zip(values.T, *ends, strict=True)]


def intervals_of(
    values: Array, *, resamples: int = 10_000, seed: int = 0, clusters: NDArray[np.intp] | None = None
) -> Array:
    """Return the 95% bootstrap interval of the mean of each column, shape (2, columns); arguments as `statistics_of`.

    Values that are not finite are left out of it.
    """
    sums, sizes = _cluster_totals(values, clusters)
    ends = np.full((2, values.shape[1]), np.nan)
    present = sizes > 0
    counts = present.sum(axis=0)
    is_single = bool((sizes <= 1).all())
    for n in np.unique(counts):  # columns with equally many clusters share the draws
        columns = np.flatnonzero(counts == n)
        kept = [present[:, column] for column in columns]
        totals, of = (
            np.stack([array[rows, column] for rows, column in zip(kept, columns, strict=True)], axis=1)
            for array in (sums, sizes)
        )
        ends[:, columns] = bootstrap_interval(totals, resamples, seed, sizes=None if is_single else of)
    return ends


def _cluster_totals(values: Array, clusters: NDArray[np.intp] | None) -> tuple[Array, Array]:
    """Return the sum and the number of the finite values of each cluster, shape (clusters, columns)."""
    finite = np.isfinite(values)
    kept = np.where(finite, values, 0.0)
    if clusters is None or len(np.unique(clusters)) == len(clusters):
        return kept, finite.astype(np.float64)
    numbers, at = np.unique(clusters, return_inverse=True)
    sums, sizes = (np.zeros((len(numbers), values.shape[1])) for _ in range(2))
    np.add.at(sums, at, kept)
    np.add.at(sizes, at, finite)
    return sums, sizes


def _statistics(column: Array, ci95: tuple[float, float]) -> Statistics:
    ordered = np.sort(column[~np.isnan(column)])
    finite = ordered[np.isfinite(ordered)]
    low, median, high = _quartiles(ordered)
    return Statistics(
        mean=float(finite.mean()) if len(finite) else math.nan,
        std=float(finite.std(ddof=1)) if len(finite) > 1 else math.nan,
        median=median,
        iqr=(low, high),
        ci95=ci95,
        n=len(ordered),
        left_out=len(column) - len(ordered),
        infinite=len(ordered) - len(finite),
    )


def _quartiles(ordered: Array) -> tuple[float, float, float]:
    """Return the quartiles of sorted values by linear interpolation; infinite ones are larger than all others."""
    if not len(ordered):
        return math.nan, math.nan, math.nan
    found = []
    for level in QUARTILES:
        place = level * (len(ordered) - 1)
        below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
        # Exactly on a value, or from an infinite one on, there is nothing to interpolate.
        exact = below == above or math.isinf(below)
        found.append(float(below if exact else below + (above - below) * (place - math.floor(place))))
    return found[0], found[1], found[2]


def _starts(found: Sequence[Statistics], metrics: Sequence[str]) -> range:
    return range(0, len(found), max(1, len(metrics)))


def _rows_by_value(cases: Sequence[str], cells: Mapping[str, str]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, case in enumerate(cases):
        rows.setdefault(cells[case], []).append(row)
    return dict(sorted(rows.items()))


def mean_over_labels(values: Array) -> Array:
    """Return the mean over the labels with a value, shape (cases, metrics) from (cases, labels, metrics); else NaN."""
    present = ~np.isnan(values)
    n = present.sum(axis=1)
    total = np.where(present, values, 0.0).sum(axis=1)
    return np.asarray(np.where(n > 0, total / np.maximum(n, 1), np.nan))
