"""Tests and effect sizes of paired differences: Wilcoxon's signed ranks, and flips of signs."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from segkit.foundation.counted import generator

EXACT = 100  # differences up to which the null distribution of the ranks is computed exactly
HELD = 1 << 22  # sums or signs held at a time: 32 MB
ROUNDING = 1e-12  # of the largest possible sum: sums that differ by less are equal

Array = NDArray[np.float64]


def wilcoxon(differences: Array) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test.

    Zeros are dropped and ties get their mean rank. Up to 100 differences p is exact, also with ties: it counts every
    choice of signs. Beyond, the sum of ranks is taken as normal, with the variance that its ties leave.

    Args:
        differences: shape (n,), without NaN; infinite ones are the largest.

    Returns:
        p; 1 where no difference is left.

    Source: Wilcoxon 1945, Biometrics Bulletin 1(6), "Individual comparisons by ranking methods".
    """
    ranks, is_positive = signed_ranks(differences)
    if not len(ranks):
        return 1.0
    positive, total = float(ranks[is_positive].sum()), float(ranks.sum())
    if len(ranks) > EXACT:
        return float(2 * ndtr(-abs(positive - total / 2) / math.sqrt(float((ranks**2).sum()) / 4)))
    # Mean ranks are halves, so that twice a rank is whole.
    below = _rank_sum_distribution(np.sort(np.rint(2 * ranks)).astype(np.int64).tobytes())
    smaller = round(2 * min(positive, total - positive))
    return float(min(1.0, 2 * below[smaller]))


def rank_biserial(differences: Array) -> float:
    """Return the matched-pairs rank-biserial correlation: from -1 (all differences negative) to 1 (all positive).

    Args:
        differences: shape (n,), without NaN.

    Source: Kerby 2014, Comprehensive Psychology 3, "The simple difference formula".
    """
    ranks, is_positive = signed_ranks(differences)
    return float((ranks[is_positive].sum() - ranks[~is_positive].sum()) / ranks.sum()) if len(ranks) else 0.0


def signed_ranks(differences: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return the ranks of the sizes of those that are not zero, ties at their mean, and which are positive; (n,)."""
    kept = differences[differences != 0]
    _, at, counts = np.unique(np.abs(kept), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[at], dtype=np.float64), kept > 0


@lru_cache(maxsize=256)
def _rank_sum_distribution(doubled: bytes) -> Array:
    """Return P(S <= s) for the sum S of a random subset of whole numbers, for each s from 0 on."""
    numbers = np.frombuffer(doubled, dtype=np.int64)
    share: Array = np.zeros(int(numbers.sum()) + 1)
    share[0] = 1.0
    for number in numbers:
        taken = share[:-number].copy()
        share *= 0.5
        share[number:] += 0.5 * taken
    return np.asarray(np.cumsum(share), dtype=np.float64)


def sign_flips(differences: Array, resamples: int = 10_000, seed: int = 0) -> Array:
    """Return the two-sided permutation p of each column's mean: how often random signs give as large a mean.

    Where all choices of signs are no more than `resamples`, each is taken once and p is exact; else they are drawn,
    the same for all columns, and the observed one is counted among them.

    Args:
        differences: paired, shape (n, columns), finite; a zero never counts.
        resamples: choices of signs.
        seed: of the draws.

    Returns:
        p, shape (columns,).

    Source: Fisher 1935, "The design of experiments", section 21; Phipson and Smyth 2010, "Permutation p-values should
    never be zero".
    """
    n, columns = differences.shape
    observed = np.abs(differences.sum(axis=0))
    limit = observed - ROUNDING * np.abs(differences).sum(axis=0)
    is_exact = n < resamples.bit_length() and 2**n <= resamples
    count = 2**n if is_exact else resamples
    # Drawn at once, as bytes: they must not depend on how many columns there are.
    drawn = None if is_exact else generator(seed, n, 1).integers(0, 2, (count, n), dtype=np.int8)
    reached = np.zeros(columns)
    chunk = max(1, HELD // max(n, columns, 1))
    for done in range(0, count, chunk):
        signs = _all_signs(done, min(chunk, count - done), n) if drawn is None else drawn[done : done + chunk] * 2.0 - 1
        reached += (np.abs(signs @ differences) >= limit).sum(axis=0)
    return np.asarray(reached / count if is_exact else (reached + 1) / (count + 1))


def _all_signs(start: int, size: int, n: int) -> Array:
    bits = (np.arange(start, start + size)[:, None] >> np.arange(n)) & 1
    return np.asarray(bits * 2.0 - 1, dtype=np.float64)


def holm(p: Array) -> Array:
    """Return p-values adjusted for how many there are, such that P(any false one below 0.05) is at most 5%.

    Args:
        p: of each comparison, shape (n,).

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2), "A simple sequentially rejective multiple test
    procedure".
    """
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted
