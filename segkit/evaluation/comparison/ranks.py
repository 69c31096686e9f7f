"""How firm a ranking is: what becomes of it when the cases are drawn anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segkit.evaluation.intervals import LEVEL, drawn_counts

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ranks:
    """A ranking by mean score, and its spread over bootstrap resamples.

    Attributes:
        rank: 1 is best; equal means share the better rank, shape (methods,).
        ci95: lower and upper rank of 95% of the resamples, shape (2, methods).
        first: share of the resamples in which a method is first; ties share it, shape (methods,).
        beats: share of the resamples in which the method of the row is ahead of that of the column, shape (methods,
            methods).
        tau: mean Kendall correlation of the resampled rankings with this one; 1 where nothing ever changes.
    """

    rank: NDArray[np.int64]
    ci95: NDArray[np.int64]
    first: Array
    beats: Array
    tau: float


def ranks_of(totals: Array, sizes: Array, resamples: int = 10_000, seed: int = 0) -> Ranks:
    """Rank methods, and again in each bootstrap resample of the patients.

    Args:
        totals: sum of the scores of each patient's cases, higher is better, shape (patients, methods).
        sizes: how many cases each patient has, shape (patients,).
        resamples: how many.
        seed: of the draws.

    Source: Wiesenfarth et al. 2021, Scientific Reports 11:2369, "Methods and open-source toolkit for analyzing and
    visualizing challenge results".
    """
    methods = totals.shape[1]
    estimate = totals.sum(axis=0) / sizes.sum()
    drawn = drawn_counts(len(totals), resamples, seed)
    means = np.concatenate([counts @ totals / (counts @ sizes)[:, None] for counts in drawn])
    ahead, beats = np.zeros(means.shape, dtype=np.int64), np.empty((methods, methods))
    for one in range(methods):  # one by one: all pairs in all resamples at once would fill the memory
        is_behind = means < means[:, one : one + 1]
        ahead += is_behind
        beats[one] = is_behind.mean(axis=0)
    ranks = ahead + 1
    is_first = ranks == 1
    # Ranks are whole numbers, and so are the ends of their intervals: nothing is interpolated.
    ends = np.quantile(ranks, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0, method="inverted_cdf")
    rank = (estimate[None, :] > estimate[:, None]).sum(axis=1) + 1
    first = (is_first / is_first.sum(axis=1, keepdims=True)).mean(axis=0)
    return Ranks(rank, ends.astype(np.int64), first, beats, _tau(estimate, beats))


def _tau(estimate: Array, beats: Array) -> float:
    """Return the mean over pairs of P(same order) - P(opposite order); of tied pairs there is no order."""
    is_ahead = estimate[:, None] > estimate[None, :]
    pairs = is_ahead.sum()
    return float((beats - beats.T)[is_ahead].sum() / pairs) if pairs else 1.0
