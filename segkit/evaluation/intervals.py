"""Bootstrap intervals of a mean over cases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.counted import generator

LEVEL = 0.95
DRAWS = 1 << 21  # case numbers drawn at a time: 16 MB


def bootstrap_interval(values: NDArray[np.float64], resamples: int = 10_000, seed: int = 0) -> NDArray[np.float64]:
    """Return the 95% percentile bootstrap interval of the mean of each column.

    Cases are drawn with replacement, the same for all columns. The values are sorted first and the draws depend on
    `seed` and the number of cases alone, so the order of the cases does not matter.

    Args:
        values: shape (n cases, columns), finite.
        resamples: how many times n cases are drawn.
        seed: of the draws.

    Returns:
        Lower and upper ends, shape (2, columns); NaN for fewer than two cases, of which no spread can be learnt.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13, the percentile interval.
    """
    cases, columns = values.shape
    if cases < 2:
        return np.full((2, columns), np.nan)
    ordered = np.sort(values, axis=0)
    random = generator(seed, cases)
    chunk = max(1, DRAWS // cases)
    means = np.concatenate(
        [
            _drawn_counts(random, min(chunk, resamples - done), cases) @ ordered / cases
            for done in range(0, resamples, chunk)
        ]
    )
    ends = np.quantile(means, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0)
    # Rounding may carry a mean of equal values past them.
    return np.asarray(np.clip(ends, ordered[0], ordered[-1]))


def _drawn_counts(random: np.random.Generator, resamples: int, cases: int) -> NDArray[np.float64]:
    """Return how often each case is drawn in each resample, shape (resamples, cases)."""
    drawn = random.integers(0, cases, (resamples, cases))
    drawn += np.arange(resamples)[:, None] * cases
    counts = np.bincount(drawn.ravel(), minlength=resamples * cases)
    return counts.reshape(resamples, cases).astype(np.float64)
