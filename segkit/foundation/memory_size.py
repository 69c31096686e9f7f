"""Amounts of memory and disk as people write and read them: `8GB`, `11.5 GiB`, `cpu`."""

from __future__ import annotations

import re

from segkit.foundation.errors import UsageError

CPU = "cpu"
GIGABYTE, MEGABYTE = 1e9, 1e6  # bytes
UNITS = {"MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30}
_AMOUNT = re.compile(r"\s*(\d{1,15}(?:\.\d+)?)\s*([a-z]+)\s*", re.IGNORECASE)  # more digits are no float


def memory_bytes(text: str) -> int | None:
    """Return the bytes that `plan.memory` names, such as `8GB`; None for `cpu`, which has no such bound.

    Raises:
        UsageError: when it is neither an amount above zero nor `cpu`.
    """
    return None if text.strip().lower() == CPU else amount_of(text, key="plan.memory", example=f"40GB or {CPU}")


def amount_of(text: str, *, key: str, example: str = "500MB") -> int:
    """Return the bytes that a text such as `8GB` names.

    Args:
        text: a number and MB, GB (10^9 bytes), MiB or GiB (2^30 bytes) in any case.
        key: of the config, for the error.
        example: what else may be written there.

    Raises:
        UsageError: when it is no amount, or zero.
    """
    match = _AMOUNT.fullmatch(text)
    unit = UNITS.get(match[2].upper()) if match else None
    amount = round(float(match[1]) * unit) if match and unit else 0
    if amount <= 0:
        raise UsageError(f"{key}: {text!r} is no amount of memory: write e.g. 8GB, 11GB, {example}")
    return amount


def size_text(size: float) -> str:
    """Write bytes for people, in MB or GB (10^6, 10^9 bytes)."""
    if size >= GIGABYTE:
        return f"{size / GIGABYTE:.1f} GB"
    return f"{size / MEGABYTE:.1f} MB" if size < 10 * MEGABYTE else f"{size / MEGABYTE:.0f} MB"
