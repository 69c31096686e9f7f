"""Scales and axes of charts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from segkit.reports.drawing import Line, Mark, Words

TICKS = 5  # about so many on an axis
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)  # of which ticks are multiples, times a power of ten
ROOM = 0.06  # of an axis beyond its last value


@dataclass(frozen=True)
class Scale:
    """From values to pixels.

    Attributes:
        low: the value at `start`.
        high: the value at `stop`.
        start: pixels.
        stop: pixels; below `start` where the axis runs up.
        is_log: whether equal ratios are equally far apart.
    """

    low: float
    high: float
    start: float
    stop: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """Return where a value lies, in pixels."""
        low, high, value = (math.log10(v) if self.is_log else v for v in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    @property
    def ticks(self) -> list[float]:
        """Round values along the scale."""
        if self.is_log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            every = max(1, -(-len(powers) // (TICKS + 1)))
            factors = (1, 2, 5) if len(powers) <= 3 else (1,)
            found = [factor * 10.0**power for power in powers[::every] for factor in factors]
        else:
            step = _step((self.high - self.low) / TICKS)
            first = math.ceil(self.low / step - 1e-9)
            found = [step * number for number in range(first, math.floor(self.high / step + 1e-9) + 1)]
        slack = 1e-9 * (abs(self.low) if self.is_log else abs(self.high - self.low))
        return [tick for tick in found if self.low - slack <= tick <= self.high + slack]


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next((factor * power for factor in STEPS if factor * power >= rough * (1 - 1e-9)), 10 * power)


def scale_of(
    values: Iterable[float], start: float, stop: float, *, also: Sequence[float] = (), is_log: bool = False
) -> Scale:
    """Return a scale that holds all finite values with a little room beyond them.

    Args:
        values: those that are shown.
        start: pixels of the lowest.
        stop: pixels of the highest.
        also: values that the scale holds and beyond which it has no room, such as 0 and 1 of a share.
        is_log: whether it is logarithmic; values that are not above zero are left out then.
    """
    array = np.asarray([*values, *also], float)
    array = array[np.isfinite(array) & ((array > 0) | (not is_log))]
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0 if not is_log else 1.0, 1.0)
    if is_log:
        widen = max((high / low) ** ROOM, 1.1)
        return Scale(low / widen, high * widen, start, stop, is_log=True)
    room = ROOM * (high - low) or abs(high) * ROOM or 1.0
    has_room_above = high not in also or low == high  # every value is the one at which the scale begins
    return Scale(low if low in also else low - room, high + room if has_room_above else high, start, stop)


def spans_decades(values: Iterable[float]) -> bool:
    """Say whether values, all above zero, lie so far apart that only a logarithm shows them all."""
    array = np.asarray(list(values), float)
    array = array[np.isfinite(array)]
    return bool(array.size and array.min() > 0 and array.max() > 30 * array.min())


def axis_below(scale: Scale, top: float, bottom: float, title: str) -> list[Mark]:
    """Return ticks, grid lines and title of a horizontal axis."""
    marks: list[Mark] = []
    for tick in scale.ticks:
        x = scale(tick)
        marks += [Line([(x, top), (x, bottom)], "grid"), Words(x, bottom + 15, shown(tick), anchor="middle", size=12)]
    return [*marks, Words(scale.stop, bottom + 31, title, anchor="end", size=12)]


def axis_left(scale: Scale, left: float, right: float, title: str) -> list[Mark]:
    """Return ticks, grid lines and, above it, the title of a vertical axis."""
    marks: list[Mark] = []
    for tick in scale.ticks:
        y = scale(tick)
        marks += [Line([(left, y), (right, y)], "grid"), Words(left - 6, y + 4, shown(tick), anchor="end", size=12)]
    return [*marks, Words(0, scale.stop - 10, title, size=12)]


def shown(value: float) -> str:
    """Write a number as people read it on an axis."""
    if value and not 1e-3 <= abs(value) < 1e5:
        mantissa, power = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(power)}"
    return f"{value:.10g}" if abs(value) >= 1 or not value else f"{value:.4g}"
