"""Amounts of memory as people write them: `8GB`, `11.5 GiB`, `cpu`."""

from __future__ import annotations

import re

from segkit.foundation.errors import UsageError

CPU = "cpu"
UNITS = {"MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.IGNORECASE)


def memory_bytes(text: str) -> int | None:
    """Return the bytes that a text such as `8GB` names; None for `cpu`, which has no such bound.

    Args:
        text: a number and MB, GB (10^9 bytes), MiB or GiB (2^30 bytes) in any case, or `cpu`.

    Raises:
        UsageError: when it is neither, or zero.
    """
    if text.strip().lower() == CPU:
        return None
    match = _AMOUNT.fullmatch(text)
    unit = UNITS.get(match[2].upper()) if match else None
    amount = round(float(match[1]) * unit) if match and unit else 0
    if amount <= 0:
        raise UsageError(f"plan.memory: {text!r} is no amount of memory: write e.g. 8GB, 11GB, 40GB or {CPU}")
    return amount
