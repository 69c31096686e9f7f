"""How many cases a difference needs, and what difference so many cases can show."""

from __future__ import annotations

import math

from scipy.special import nctdtr, stdtrit

ALPHA = 0.05  # two-sided
POWER = 0.8
MOST_CASES = 10_000_000


def power_of(cases: int, difference: float, std: float, alpha: float = ALPHA) -> float:
    """Return how probable it is that so many cases show a difference at all.

    Args:
        cases: paired; at least 2.
        difference: the true mean of the paired differences.
        std: their standard deviation, in the same unit.
        alpha: two-sided level of the test.

    Returns:
        The power of the paired t-test; that of the signed-rank test is close (0.955 of the cases where differences
        are normal, more where tails are heavy).

    Source: Cohen 1988, "Statistical power analysis for the behavioral sciences", chapter 2.
    """
    freedom, limit = cases - 1, float(stdtrit(cases - 1, 1 - alpha / 2))
    shift = abs(difference) / std * math.sqrt(cases)
    missed, reversed_ = (_noncentral_t(freedom, shift, at) for at in (limit, -limit))
    return 1 - missed + reversed_


def _noncentral_t(freedom: int, shift: float, at: float) -> float:
    """Return P(T <= at) of the noncentral t distribution; SciPy gives NaN where it is too small for its series."""
    share = float(nctdtr(freedom, shift, at))
    return 0.0 if math.isnan(share) else share


def cases_needed(difference: float, std: float, power: float = POWER, alpha: float = ALPHA) -> int | None:
    """Return the fewest cases that show a difference with a given power.

    Returns:
        At least 2; None where the difference is zero, or more than ten million cases would not show it.
    """
    if not (math.isfinite(difference) and math.isfinite(std)) or difference == 0:
        return None
    if std == 0:
        return 2
    high = 2
    while power_of(high, difference, std, alpha) < power:
        high *= 2
        if high > MOST_CASES:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle, difference, std, alpha) >= power else (middle, high)
    return max(high, 2)


def detectable(cases: int, std: float, power: float = POWER, alpha: float = ALPHA) -> float:
    """Return the smallest true difference that so many cases show with a given power, in the unit of `std`.

    NaN for fewer than two cases.
    """
    if cases < 2 or not math.isfinite(std):
        return math.nan
    # For a deviation of 1, since power depends on the quotient of both alone.
    low, high = 0.0, 1.0
    while power_of(cases, high, 1.0, alpha) < power:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if power_of(cases, middle, 1.0, alpha) >= power else (middle, high)
    return high * std
