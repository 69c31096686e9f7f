"""Durations as people write them: 90s, 10min, 1h30min."""

import math
import re

from segkit.foundation.errors import UsageError

_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_PATTERN = re.compile(
    rf"(?:{_NUMBER}\s*d)?\s*(?:{_NUMBER}\s*h)?\s*(?:{_NUMBER}\s*m(?:in)?)?\s*(?:{_NUMBER}\s*s(?:ec)?)?", re.ASCII
)
_SECONDS_PER_UNIT = (86400, 3600, 60, 1)
_UNITS = ("d", "h", "min", "s")


def parse_duration(text: str | float) -> float:
    """Read a duration; a bare number is seconds.

    Args:
        text: for example "90s", "10min", "2h", "1h30min", "1d" or 90.

    Returns:
        The duration in seconds, finite and not negative.

    Raises:
        UsageError: when `text` is not a duration.
    """
    seconds = _bare_number(text)
    if seconds is None and isinstance(text, str):
        seconds = _with_units(text)
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        raise UsageError(f"{text!r} is not a duration: write e.g. 90s, 10min, 2h or 1h30min")
    return seconds


def _bare_number(text: object) -> float | None:
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        return None
    try:
        return float(text)
    except (ValueError, OverflowError):
        return None


def _with_units(text: str) -> float | None:
    match = _PATTERN.fullmatch(text.strip().lower())
    if match is None or not any(match.groups()):
        return None
    return sum(float(n) * unit for n, unit in zip(match.groups(), _SECONDS_PER_UNIT, strict=True) if n)


def format_duration(seconds: float) -> str:
    """Write a duration for people: "0.042 s", "12.3 s", "1min 30s", "1h 30min", "2d 3h".

    Args:
        seconds: the duration in seconds; a negative one keeps its sign.

    Returns:
        At most two units; `parse_duration` reads it back to within the last digit shown.
    """
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if not math.isfinite(seconds):
        return str(seconds)
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.3f} s"
    return _in_two_units(seconds)


def _in_two_units(seconds: float) -> str:
    # Rounding to the smaller unit first lets 3599.9 s become "1h" and never "59min 60s".
    for index, size in enumerate(_SECONDS_PER_UNIT[:-1]):
        smaller = _SECONDS_PER_UNIT[index + 1]
        large, small = divmod(round(seconds / smaller), size // smaller)
        if large:
            tail = f" {small}{_UNITS[index + 1]}" if small else ""
            return f"{large}{_UNITS[index]}{tail}"
    return f"{seconds:.1f} s"
