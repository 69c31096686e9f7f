"""Charts that put the cases of a data set beside one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.suggestions import some_of
from segkit.reports.axes import axis_below, axis_left, scale_of, spans_decades
from segkit.reports.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from segkit.reports.drawing import Dot, Drawing, Line, Mark, colour_kind
from segkit.reports.strips import Strip, strips

Numbers = NDArray[np.float64]
MOST_LABELS = 20  # with a row each
MOST_LINES = 800  # one for each case


def scatter(
    name: str, title: str, x: Numbers, y: Numbers, cases: Sequence[str], axes: tuple[str, str]
) -> Drawing | None:
    """Draw a point for each case; cases that agree lie on one another, and those that do not lie apart.

    Args:
        name: of the chart's file.
        title: what is shown.
        x: a value per case, NaN where it is not known.
        y: likewise.
        cases: their names.
        axes: titles of both axes, with their units.
    """
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if not known.size:
        return None
    across = scale_of(x[known], LEFT, RIGHT, is_log=spans_decades(x[known]))
    up = scale_of(y[known], BOTTOM, TOP, is_log=spans_decades(y[known]))
    marks: list[Mark] = [*axis_below(across, TOP, BOTTOM, axes[0]), *axis_left(up, LEFT, RIGHT, axes[1])]
    places: dict[tuple[float, float], list[str]] = {}
    for case in known.tolist():
        places.setdefault((float(x[case]), float(y[case])), []).append(cases[case])
    for (a, b), here in places.items():
        said = f"{a:.4g}, {b:.4g}: {some_of(here)}"
        marks.append(Dot(across(a), up(b), 3 + min(len(here), 64) ** 0.5 / 2, "c5", said))
    (a, b), most = max(places.items(), key=lambda entry: len(entry[1]))
    caption = f"{len(most)} of {known.size} cases at {a:.4g}, {b:.4g}; larger dots are more cases."
    return Drawing(name, title, caption, WIDTH, HEIGHT, tuple(marks))


def intensity_chart(channel: str, levels: Numbers, cases: Sequence[str]) -> Drawing | None:
    """Draw the intensities of each case: a line from its 1st to its 99th percentile with a dot at the median.

    Args:
        channel: its name.
        levels: those percentiles with the median between them, shape (cases, 3), NaN where they are not known.
        cases: their names.
    """
    known = np.flatnonzero(np.isfinite(levels).all(axis=1))
    if not known.size:
        return None
    ordered = known[np.lexsort((levels[known, 2], levels[known, 1]))][:MOST_LINES]
    is_log = spans_decades(levels[ordered, 2]) and bool((levels[ordered, 0] > 0).all())
    across = scale_of(levels[ordered].reshape(-1), LEFT, RIGHT, is_log=is_log)
    step = (BOTTOM - TOP) / max(len(ordered), 12)
    marks: list[Mark] = axis_below(across, TOP, BOTTOM, "intensity, in the image's units")
    for row, case in enumerate(ordered.tolist()):
        low, middle, high = (across(float(level)) for level in levels[case])
        y = TOP + (row + 0.5) * step
        marks.append(Line([(low, y), (high, y)], "c2", min(2.5, max(0.6, step * 0.6))))
        said = f"{cases[case]}: {levels[case][0]:.4g}, {levels[case][1]:.4g}, {levels[case][2]:.4g}"
        marks.append(Dot(middle, y, min(3.0, max(1.2, step * 0.5)), "ink", said))
    caption = "A line for each case from its 1st to its 99th percentile, a dot at its median; sorted by the median."
    return Drawing(f"intensities_{channel}", f"Intensities of {channel}", caption, WIDTH, HEIGHT, tuple(marks))


def volumes_chart(volumes: Mapping[str, Numbers], cases: Sequence[str]) -> Drawing | None:
    """Draw the volume of each label by case; a case far from the others may have its labels swapped."""
    shown = {label: values for label, values in list(volumes.items())[:MOST_LABELS] if np.isfinite(values).any()}
    if not shown:
        return None
    rows = []
    for index, (label, values) in enumerate(shown.items(), start=1):
        filled = values[np.isfinite(values) & (values > 0)]
        note = f"in {filled.size} cases, median {np.median(filled):.3g} ml" if filled.size else "in no case"
        rows.append(Strip(label, colour_kind(index), np.where(values > 0, values, np.nan), note))
    return strips("label_volumes", "Volume of labels", rows, cases, "ml")
