"""Means or differences with their intervals, one below the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from segkit.reports.axes import Scale, axis_below, scale_of
from segkit.reports.drawing import Dot, Drawing, Line, Mark, Words, shortened

WIDTH, LEFT, RIGHT = 520.0, 4.0, 516.0
ROW, TOP = 38.0, 8.0  # height of a row, above the first
MOST_ROWS = 40
LETTER = 7.2  # pixels of a letter of a name, about; those of notes are narrower


@dataclass(frozen=True)
class Estimate:
    """One row.

    Attributes:
        name: what is estimated.
        value: the estimate; NaN where there is none.
        interval: both its ends; None where there is none.
        kind: its colour.
        note: what stands at the right end.
    """

    name: str
    value: float
    interval: Sequence[float] | None
    kind: str
    note: str = ""


def forest(
    name: str, title: str, caption: str, rows: Sequence[Estimate], axis: str, *, zero: bool = False
) -> Drawing | None:
    """Draw estimates with their intervals; None where no row has an estimate.

    Args:
        name: of the chart's file.
        title: what is shown.
        caption: how it is read.
        rows: from top to bottom; beyond `MOST_ROWS` they are left out, and the caption says so.
        axis: title of the axis, with its unit.
        zero: whether the axis holds zero, which is marked: what is shown are differences.
    """
    shown, left_out = rows[:MOST_ROWS], len(rows) - MOST_ROWS
    ends = [end for row in shown for end in (row.value, *(row.interval or ()))]
    finite = [end for end in ends if math.isfinite(end)]
    if not finite:
        return None
    scale = scale_of([*finite, *([0.0] if zero else [])], LEFT + 8, RIGHT - 8)
    bottom = TOP + ROW * len(shown)
    marks = axis_below(scale, TOP, bottom, axis)
    if zero:
        marks.append(Line([(scale(0.0), TOP), (scale(0.0), bottom)], "muted", 1.4, dashed=True))
    for index, row in enumerate(shown):
        marks += _row(row, TOP + index * ROW, scale)
    if left_out > 0:
        caption += f" {left_out} more are in the table."
    return Drawing(name, title, caption, WIDTH, bottom + 36, tuple(marks))


def _row(row: Estimate, top: float, scale: Scale) -> list[Mark]:
    name = shortened(row.name, int((RIGHT - LEFT) / LETTER) - len(row.note))
    marks: list[Mark] = [Words(LEFT, top + 14, name, "ink", size=12.5, bold=True)]
    if row.note:
        marks.append(Words(RIGHT, top + 14, row.note, "muted", "end", 12))
    if not math.isfinite(row.value):
        return marks
    middle = top + 26
    if row.interval is not None and all(math.isfinite(end) for end in row.interval):
        low, high = (scale(end) for end in row.interval)
        marks.append(Line([(low, middle), (high, middle)], row.kind, 3))
    return [*marks, Dot(scale(row.value), middle, 5, row.kind, f"{row.name}: {row.note or row.value}")]
