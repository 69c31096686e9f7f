"""Parallel coordinates: an axis for each choice, for hours and for the score, a line for each run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from segkit.reports.axes import scale_of, shown, spans_decades
from segkit.reports.drawing import Drawing, Line, Mark, Words, shortened

APART, LEFT, TOP, BOTTOM = 170.0, 160.0, 52.0, 330.0  # pixels between axes, before the first, above and below them
RIGHT, BELOW = 60.0, 16.0  # after the last axis, under them
LONGEST = 22  # characters of a value or a name
FEW = 12  # numbers that were tried, each of which is written
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
    marks: list[Mark] = [_line(axes, paths[number], number) for number in reversed(range(len(paths)))]
    for at, axis in enumerate(axes):
        marks += _drawn(axis, LEFT + at * APART, is_low=at % 2 == 1)
    width = LEFT + APART * (len(axes) - 1) + RIGHT
    caption = (
        "A line is a run, the first one in orange; runs in blue are not told from it by the corrected test. Point at a "
        "line to see its run; drag along an axis to keep the runs that pass there, click the axis to let go."
    )
    return Drawing("parallel", "Choices and what they came to", caption, width, BOTTOM + BELOW, tuple(marks))


def axis_of(name: str, values: Sequence[str | float | None]) -> Axis:
    """Return an axis.

    Args:
        name: of it.
        values: of the runs, the best one first. Words lie one below the other in this order, and a few numbers that
            were typed by size; numbers that were measured, or many, on a scale, by their logarithm where they span
            decades.
    """
    known = list(dict.fromkeys(value for value in values if value is not None))
    numbers = {value: number for value in known if (number := as_number(value)) is not None}
    are_numbers = bool(known) and len(numbers) == len(known)
    if not are_numbers or (len(known) <= FEW and all(isinstance(value, str) for value in known)):
        in_order = sorted(known, key=lambda value: -numbers[value]) if are_numbers else known
        places = {value: _spread(at, len(known)) for at, value in enumerate(in_order)}
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
        Words(x, 34.0 if is_low else 16.0, shortened(axis.name, LONGEST), "ink", "middle", 13, bold=True),
    ]
    for y, text in axis.ticks:
        marks += [
            Line([(x - 4, y), (x, y)], "muted", 1),
            Words(x - 8, y + 4, shortened(text, LONGEST), "muted", "end", 11.5),
        ]
    return marks


def _line(axes: Sequence[Axis], path: Path, number: int) -> Line:
    places = [
        (LEFT + at * APART, axis.places[value])
        for at, (axis, value) in enumerate(zip(axes, path.values, strict=True))
        if value is not None
    ]
    told = ", ".join(
        f"{axis.name}={value if isinstance(value, str) else f'{value:.4g}'}"
        for axis, value in zip(axes, path.values, strict=True)
        if value is not None
    )
    width = {WINNER: 3.5, LIKE_IT: 2.0}.get(path.kind, 1.5)
    return Line(places, path.kind, width, title=f"{path.name}: {told}", run=number)
