"""Bootstrap intervals of a mean over cases: BCa, whole patients drawn together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from segkit.foundation.counted import generator

LEVEL = 0.95
DRAWS = 1 << 21  # cluster numbers drawn at a time: 16 MB
MEANS = 1 << 23  # resampled means held at a time: 64 MB

Array = NDArray[np.float64]


def bootstrap_interval(
    totals: Array, resamples: int = 10_000, seed: int = 0, *, sizes: Array | None = None
) -> NDArray[np.float64]:
    """Return the 95% bias-corrected and accelerated (BCa) bootstrap interval of the mean of each column.

    Clusters (the cases of one patient; a case alone where there is one each) are drawn with replacement, the same for
    all columns. Each column is sorted first and the draws depend on `seed` and the number of clusters alone, so the
    order of the cases does not matter.

    Args:
        totals: sum of the values of each cluster, shape (n clusters, columns), finite.
        resamples: how many times n clusters are drawn.
        seed: of the draws.
        sizes: how many values each sum is of, same shape, at least 1; None where each is of one.

    Returns:
        Lower and upper ends, shape (2, columns); NaN for fewer than two clusters, of which no spread can be learnt.

    Source: Efron 1987, JASA 82(397), "Better bootstrap confidence intervals"; whole clusters as in Davison and Hinkley
    1997, "Bootstrap methods and their application", section 3.8.
    """
    clusters, columns = totals.shape
    if clusters < 2:
        return np.full((2, columns), np.nan)
    step = max(1, MEANS // resamples)
    parts = [
        _interval(totals[:, at : at + step], None if sizes is None else sizes[:, at : at + step], resamples, seed)
        for at in range(0, columns, step)
    ]
    return np.concatenate([np.empty((2, 0)), *parts], axis=1)


def _interval(totals: Array, sizes: Array | None, resamples: int, seed: int) -> Array:
    counts = np.ones_like(totals) if sizes is None else sizes
    order = np.lexsort((counts, totals / counts), axis=0)
    totals, counts = (np.take_along_axis(array, order, axis=0) for array in (totals, counts))
    means = resampled_means(totals, None if sizes is None else counts, resamples, seed)
    means.sort(axis=1)
    ends = quantiles(means, bca_levels(means, totals, counts))
    # Rounding may carry a mean of equal values past them.
    return np.asarray(np.clip(ends, totals[0] / counts[0], totals[-1] / counts[-1]))


def resampled_means(totals: Array, sizes: Array | None, resamples: int, seed: int) -> Array:
    """Return the mean of each column in each resample of the clusters, shape (columns, resamples).

    Args:
        totals: sum of each cluster, shape (n clusters, columns).
        sizes: number of values in each sum, same shape; None where each is one.
        resamples: how many.
        seed: of the draws, which all columns share.
    """
    clusters = len(totals)
    chunks = []
    for drawn in drawn_counts(clusters, resamples, seed):
        divisor = float(clusters) if sizes is None else sizes.T @ drawn.T
        chunks.append(totals.T @ drawn.T / divisor)
    return np.concatenate(chunks, axis=1)


def drawn_counts(clusters: int, resamples: int, seed: int) -> Iterator[Array]:
    """Yield how often each cluster is drawn in each resample, in chunks of shape (some resamples, clusters)."""
    random = generator(seed, clusters)
    chunk = max(1, DRAWS // clusters)
    for done in range(0, resamples, chunk):
        size = min(chunk, resamples - done)
        drawn = random.integers(0, clusters, (size, clusters))
        drawn += np.arange(size)[:, None] * clusters
        counts = np.bincount(drawn.ravel(), minlength=size * clusters)
        yield counts.reshape(size, clusters).astype(np.float64)


def bca_levels(means: Array, totals: Array, sizes: Array) -> Array:
    """Return which quantiles of the resampled means are the interval's ends, shape (2, columns).

    Args:
        means: resampled, sorted along the last axis, shape (columns, resamples).
        totals: sum of each cluster, shape (n clusters, columns).
        sizes: number of values in each sum, same shape.
    """
    resamples = means.shape[1]
    estimate = totals.sum(axis=0) / sizes.sum(axis=0)
    below = np.array([np.searchsorted(row, value) for row, value in zip(means, estimate, strict=True)])
    up_to = np.array([np.searchsorted(row, value, "right") for row, value in zip(means, estimate, strict=True)])
    share = np.clip((below + up_to) / (2 * resamples), 0.5 / resamples, 1 - 0.5 / resamples)
    without = (totals.sum(axis=0) - totals) / (sizes.sum(axis=0) - sizes)
    pull = without.mean(axis=0) - without
    spread = (pull**2).sum(axis=0) ** 1.5
    acceleration = np.divide((pull**3).sum(axis=0), 6 * spread, out=np.zeros_like(spread), where=spread > 0)
    bias = ndtri(share)
    shifted = bias + ndtri(np.array([[(1 - LEVEL) / 2], [(1 + LEVEL) / 2]]))
    return np.asarray(ndtr(bias + shifted / (1 - acceleration * shifted)))


def quantiles(ordered: Array, levels: Array) -> Array:
    """Return quantiles of each row by linear interpolation, as `numpy.quantile` does.

    Args:
        ordered: sorted along the last axis, shape (rows, n).
        levels: from 0 to 1, shape (k, rows).

    Returns:
        shape (k, rows).
    """
    place = levels * (ordered.shape[1] - 1)
    low = np.floor(place).astype(np.intp)
    high = np.minimum(low + 1, ordered.shape[1] - 1)
    rows = np.arange(len(ordered))
    lower = ordered[rows, low]
    return np.asarray(lower + (ordered[rows, high] - lower) * (place - low))
