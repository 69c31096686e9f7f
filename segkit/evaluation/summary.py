"""Statistics of the scores over cases."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segkit.evaluation.calibration import Reliability
from segkit.evaluation.confusion import Counts
from segkit.evaluation.intervals import bootstrap_interval
from segkit.evaluation.metrics import Metric

Scores = Mapping[str, Mapping[str, float]]  # label -> metric -> value; NaN where it is left out


@dataclass(frozen=True)
class Statistics:
    """One metric over cases, in the metric's unit; NaN where too few cases have a value.

    Attributes:
        mean: arithmetic mean.
        std: standard deviation of the sample (n - 1); needs two cases.
        median: of the cases.
        ci95: lower and upper end of the 95% bootstrap interval of the mean; needs two cases.
        n: cases with a value.
        left_out: cases without one, because neither mask held the label.
    """

    mean: float
    std: float
    median: float
    ci95: tuple[float, float]
    n: int
    left_out: int


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
        metrics: by which it was scored, in the order of the scores.
        counts: case -> label -> voxels in both masks, in one and in none.
        reliability: label -> voxels of all cases by probability; empty where probabilities were not given.
    """

    scores: dict[str, Scores]
    labels: dict[str, dict[str, Statistics]]
    mean: dict[str, Statistics]
    failed: dict[str, str]
    resamples: int
    seed: int
    metrics: tuple[Metric, ...] = ()
    counts: dict[str, dict[str, Counts]] = field(default_factory=dict)
    reliability: dict[str, Reliability] = field(default_factory=dict)


def summarise(
    scores: Mapping[str, Scores],
    labels: list[str],
    metrics: list[str],
    *,
    failed: Mapping[str, str],
    resamples: int,
    seed: int,
) -> Evaluation:
    """Put the statistics beside the scores.

    Args:
        scores: case -> label -> metric -> value.
        labels: the scored labels, background excluded.
        metrics: their names.
        failed: case -> why it has no scores.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The evaluation; a case's mean is taken over the labels that have a value in it.
    """
    ordered = {case: scores[case] for case in sorted(scores)}
    table = np.full((len(ordered), len(labels) + 1, len(metrics)), np.nan)
    for row, by_label in zip(table, ordered.values(), strict=True):
        row[1:] = [[by_label[label][metric] for metric in metrics] for label in labels]
    table[:, 0] = _mean_of_present(table[:, 1:])
    flat = statistics_of(table.reshape(len(table), (len(labels) + 1) * len(metrics)), resamples=resamples, seed=seed)
    rows = [dict(zip(metrics, flat[at : at + len(metrics)], strict=True)) for at in range(0, len(flat), len(metrics))]
    by_label_name = dict(zip(labels, rows[1:], strict=True))
    return Evaluation(ordered, by_label_name, rows[0], dict(sorted(failed.items())), resamples, seed)


def statistics_of(values: NDArray[np.float64], *, resamples: int = 10_000, seed: int = 0) -> list[Statistics]:
    """Return the statistics of each column.

    Args:
        values: shape (cases, columns); NaN where a case is left out.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        One `Statistics` per column; they do not depend on the order of the cases, nor on the other columns.
    """
    present = ~np.isnan(values)
    counts = present.sum(axis=0)
    results: list[Statistics | None] = [None] * values.shape[1]
    for n in np.unique(counts):  # columns with equally many cases share the drawn cases
        columns = np.flatnonzero(counts == n)
        kept = np.stack([np.sort(values[present[:, column], column]) for column in columns], axis=1)
        ends = bootstrap_interval(kept, resamples, seed)
        for at, column in enumerate(columns):
            interval = (float(ends[0, at]), float(ends[1, at]))
            results[column] = _statistics(kept[:, at], interval, left_out=len(values) - int(n))
    return [result for result in results if result is not None]


def _statistics(values: NDArray[np.float64], ci95: tuple[float, float], left_out: int) -> Statistics:
    n = len(values)
    return Statistics(
        mean=float(values.mean()) if n else math.nan,
        std=float(values.std(ddof=1)) if n > 1 else math.nan,
        median=float(np.median(values)) if n else math.nan,
        ci95=ci95,
        n=n,
        left_out=left_out,
    )


def _mean_of_present(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the labels with a value, shape (cases, metrics) from (cases, labels, metrics); else NaN."""
    present = ~np.isnan(values)
    n = present.sum(axis=1)
    total = np.where(present, values, 0.0).sum(axis=1)
    return np.asarray(np.where(n > 0, total / np.maximum(n, 1), np.nan))
