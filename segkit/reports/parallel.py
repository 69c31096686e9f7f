"""Parallel coordinates: an axis for each choice, for hours and for the score, a line for each run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from segkit.reports.axes import scale_of, shown, spans_decades
from segkit.reports.drawing import Drawing, Line, Mark, Words

APART, LEFT, TOP, BOTTOM = 150.0, 70.0, 52.0, 330.0  # pixels between axes, before the first, above and below them
RIGHT, BELOW = 90.0, 16.0  # after the last axis, under them
LONGEST = 20  # characters of a value or a name
WINNER, LIKE_IT, OTHER = "c6", "c5", "muted"  # the first, those not told from it, those it is shown to beat


@dataclass(frozen=True)
class Path:
    """The line of one run.

    Attributes:
        name: of the run.
        values: one for each axis; text, or a number; None where it is not known.
        kind: its colour.
    """

    name: str
    values: Sequence[str | float | None]
    kind: str


@dataclass(frozen=True, eq=False)
class Axis:
    """Where the values of one axis lie.

    Attributes:
        name: of the choice, or of what is measured.
        places: value -> pixels from above.
        ticks: what is written beside it, with its place.
    """

    name: str
    places: dict[str | float, float]
    ticks: Sequence[tuple[float, str]]


def parallel(names: Sequence[str], paths: Sequence[Path]) -> Drawing | None:
    """Draw runs as lines across axes; None where there are not two axes and two runs.

    Args:
        names: of the axes, from left to right; the last one is the score.
        paths: the best run first.
    """
    if len(names) < 2 or len(paths) < 2:
        return None
    axes = [axis_of(name, [path.values[at] for path in paths]) for at, name in enumerate(names)]
    marks: list[Mark] = []
    for at, axis in enumerate(axes):
        marks += _drawn(axis, LEFT + at * APART, is_low=at % 2 == 1)
    for number in range(len(paths) - 1, -1, -1):  # the best lies on top
        marks += _line(axes, paths[number], number)
    width = LEFT + APART * (len(axes) - 1) + RIGHT
    caption = (
        "A line is a run, the first one in orange; runs in blue are not told from it by the corrected test. Point at a "
        "line to see its run; drag along an axis to keep the runs that pass there, click the axis to let go."
    )
    return Drawing("parallel", "Choices and what they came to", caption, width, BOTTOM + BELOW, tuple(marks))


def axis_of(name: str, values: Sequence[str | float | None]) -> Axis:
    """Return an axis: of numbers, by their logarithm where they span decades, else of values one below the other."""
    known = list(dict.fromkeys(value for value in values if value is not None))
    numbers = {value: number for value in known if (number := as_number(value)) is not None}
    if len(numbers) < len(known) or not known:
        places = {value: _spread(at, len(known)) for at, value in enumerate(known)}  # in the order of runs: best on top
        return Axis(name, places, [(place, str(value)) for value, place in places.items()])
    scale = scale_of(numbers.values(), BOTTOM, TOP, is_log=spans_decades(numbers.values()))
    ticks = [(scale(tick), shown(tick)) for tick in scale.ticks]
    return Axis(name, {value: scale(number) for value, number in numbers.items()}, ticks)


def as_number(value: str | float) -> float | None:
    """Return the number that a value is, None where it is a word."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _spread(at: int, count: int) -> float:
    return TOP + (BOTTOM - TOP) * (at + 0.5) / count


def _drawn(axis: Axis, x: float, *, is_low: bool) -> list[Mark]:
    """Return an axis with its ticks; names stand at two heights, so that neighbours do not run into each other."""
    marks: list[Mark] = [
        Line([(x, TOP), (x, BOTTOM)], "muted", 1),
        Words(x, 34.0 if is_low else 16.0, _cut(axis.name), "ink", "middle", 13, bold=True),
    ]
    for y, text in axis.ticks:
        marks += [Line([(x - 4, y), (x, y)], "muted", 1), Words(x - 8, y + 4, _cut(text), "muted", "end", 11.5)]
    return marks


def _line(axes: Sequence[Axis], path: Path, number: int) -> list[Mark]:
    places = [
        (LEFT + at * APART, axis.places[value])
        for at, (axis, value) in enumerate(zip(axes, path.values, strict=True))
        if value is not None
    ]
    told = ", ".join(
        f"{axis.name} {value if isinstance(value, str) else f'{value:.4g}'}"
        for axis, value in zip(axes, path.values, strict=True)
        if value is not None
    )
    width = {WINNER: 3.5, LIKE_IT: 2.0}.get(path.kind, 1.5)
    return [Line(places, path.kind, width, title=f"{path.name}: {told}", run=number)]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
