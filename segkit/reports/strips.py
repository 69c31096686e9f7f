"""Points over boxes: how a number is spread over cases, a row for each label."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.reports.axes import Scale, axis_below, scale_of, spans_decades
from segkit.reports.drawing import Box, Dot, Drawing, Line, Mark, Words, shortened
from segkit.reports.scores import interval_of, number

WIDTH, LEFT, RIGHT = 400.0, 4.0, 396.0
ROW, STRIP, TOP = 58.0, 26.0, 8.0  # height of a row, of its points, above the first
LETTER = 7.2  # pixels of a letter of a name, about; those of notes are narrower
MOST_DOTS = 3000  # of a chart; beyond, boxes alone tell it
WHISKER = 1.5  # interquartile ranges


@dataclass(frozen=True, eq=False)
class Strip:
    """One row.

    Attributes:
        name: of the row.
        kind: its colour.
        values: one per case, NaN where there is none.
        note: what stands at its right end, e.g. the mean with its interval.
        mean: marked by a diamond; None: not marked.
        interval: of the mean, drawn through it; None: there is none.
    """

    name: str
    kind: str
    values: NDArray[np.float64]
    note: str = ""
    mean: float | None = None
    interval: Sequence[float] | None = None


def strip_of(name: str, kind: str, values: NDArray[np.float64], statistics: Mapping[str, Any]) -> Strip:
    """Return a row with its mean and interval, in figures too.

    Args:
        name: of the row.
        kind: its colour.
        values: one per case, NaN where there is none.
        statistics: of these values, as `summary.json` has them.
    """
    mean, interval = statistics.get("mean"), interval_of(statistics)
    note = number(mean) + (f" ({number(interval[0])} to {number(interval[1])})" if interval else "")
    return Strip(name, kind, values, note, mean if isinstance(mean, int | float) else None, interval)


def strips(
    name: str, title: str, rows: Sequence[Strip], cases: Sequence[str], axis: str, *, also: Sequence[float] = ()
) -> Drawing:
    """Draw rows of points over boxes (quartiles; whiskers to 1.5 interquartile ranges) with means and intervals.

    Args:
        name: of the chart's file.
        title: what is shown.
        rows: from top to bottom.
        cases: names of the cases, in the order of the values.
        axis: title of the axis, with its unit.
        also: values that the axis holds in any case.
    """
    everything = np.concatenate([row.values for row in rows]) if rows else np.empty(0)
    is_log = not also and spans_decades(everything)
    scale = scale_of(everything, LEFT + 6, RIGHT - 6, also=also, is_log=is_log)
    bottom = TOP + ROW * len(rows)
    marks = axis_below(scale, TOP, bottom, axis)
    has_dots = np.isfinite(everything).sum() <= MOST_DOTS
    for index, row in enumerate(rows):
        marks += _row(row, TOP + index * ROW, scale, cases if has_dots else ())
    said = "; ".join(f"{row.name} {row.note}".strip() for row in rows[:12])
    more = f"; and {len(rows) - 12} more" if len(rows) > 12 else ""
    caption = f"Each point is a case, each box the middle half with its median. {said}{more}"
    return Drawing(name, title, caption, WIDTH, bottom + 36, tuple(marks))


def _row(row: Strip, top: float, scale: Scale, cases: Sequence[str]) -> list[Mark]:
    middle = top + ROW - STRIP / 2 - 8
    name = shortened(row.name, int((RIGHT - LEFT) / LETTER) - len(row.note))
    marks: list[Mark] = [Words(LEFT, top + 18, name, "ink", size=13.5, bold=True)]
    if row.note:
        marks.append(Words(RIGHT, top + 18, row.note, "muted", "end", 12.5))
    finite = np.flatnonzero(np.isfinite(row.values) & ((row.values > 0) | (not scale.is_log)))
    if not finite.size:
        return [*marks, Words(LEFT, middle + 4, "no case has a value", size=11)]
    marks += _box(row.values[finite], row.kind, middle, scale)
    for place in finite if len(cases) else ():
        value, case = float(row.values[place]), int(place)
        offset = (_spread(case) - 0.5) * STRIP
        title = f"{cases[case]}: {row.name} {number(value)}"
        marks.append(Dot(scale(value), middle + offset, 2.6, row.kind, title, case))
    return [*marks, *_mean(row, middle, scale)]


def _spread(index: int) -> float:
    """Return a number in 0..1 that is well spread over any run of indices, so that points do not hide each other."""
    return (index * 0.6180339887498949) % 1.0


def _box(values: NDArray[np.float64], kind: str, middle: float, scale: Scale) -> list[Mark]:
    low, median, high = np.percentile(values, (25, 50, 75))
    reach = WHISKER * (high - low)
    ends = values[(values >= low - reach) & (values <= high + reach)]
    x0, x1, x2 = (scale(float(value)) for value in (low, median, high))
    first, last = scale(float(ends.min())), scale(float(ends.max()))
    return [
        Line([(first, middle), (last, middle)], kind, 1.2),
        Box(x0, middle - STRIP / 2, max(x2 - x0, 0.5), STRIP, kind, 0.2),
        Line([(x1, middle - STRIP / 2), (x1, middle + STRIP / 2)], kind, 2.4),
    ]


def _mean(row: Strip, middle: float, scale: Scale) -> list[Mark]:
    if row.mean is None or not math.isfinite(row.mean) or (scale.is_log and row.mean <= 0):
        return []
    x, arm = scale(row.mean), 5.0
    around = [(x, middle - arm), (x + arm, middle), (x, middle + arm), (x - arm, middle), (x, middle - arm)]
    marks: list[Mark] = [Line(around, "ink", 1.6)]
    if row.interval is not None and all(math.isfinite(end) for end in row.interval):
        low, high = (scale(end) for end in row.interval)
        marks += [Line([(low, middle), (x - arm, middle)], "ink", 2)] if low < x - arm else []
        marks += [Line([(x + arm, middle), (high, middle)], "ink", 2)] if high > x + arm else []
    return marks
