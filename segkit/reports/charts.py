"""The charts of a run: learning curves, scores by label, Dice against volume, agreement of volumes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from segkit.reports.axes import Scale, axis_below, axis_left, scale_of, spans_decades
from segkit.reports.drawing import Dot, Drawing, Line, Mark, Words, colour_kind
from segkit.reports.scores import MEAN, Scores, number
from segkit.reports.strips import strip_of, strips
from segkit.training.curves import Curves, thinned

WIDTH, HEIGHT = 400.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 48.0, 392.0, 36.0, 254.0
LIMITS = 1.96  # standard deviations that 95% of differences lie within
MOST_LABELS = 12  # in one chart
NEAR = 0.2  # an end of 0..1, so that the axis holds it
Numbers = NDArray[np.float64]


def loss_chart(curves: Curves) -> Drawing:
    """Draw the loss of each step, and means of neighbours over it, against minutes."""
    points = thinned(curves.steps)
    minutes, loss = curves.steps[:, 1] / 60, curves.steps[:, 2]
    is_log = spans_decades(loss)
    across = scale_of(minutes, LEFT, RIGHT, also=(0,))
    up = scale_of(loss, BOTTOM, TOP, is_log=is_log)
    marks = [*axis_below(across, TOP, BOTTOM, "minutes of training"), *axis_left(up, LEFT, RIGHT, "loss")]
    every = max(1, len(loss) // 600)
    marks.append(Line(_curve(minutes[::every], loss[::every], across, up), "grid", 1))
    marks.append(Line(_curve(points[:, 1] / 60, points[:, 2], across, up), "c5", 2))
    caption = f"{len(loss)} steps; the loss went from {points[0, 2]:.3g} to {points[-1, 2]:.3g}."
    return Drawing("loss", "Training loss", caption, WIDTH, HEIGHT, tuple(marks))


def validation_chart(curves: Curves, labels: Sequence[str]) -> Drawing:
    """Draw the Dice of validations, a curve for each label and a thick one for their mean, against steps."""
    rows = curves.validations
    across = scale_of(rows[:, 0], LEFT, RIGHT, also=(0,))
    up = scale_of([], BOTTOM, TOP, also=(0, 1))
    marks = [*axis_below(across, TOP, BOTTOM, "step"), *axis_left(up, LEFT, RIGHT, "Dice")]
    for index, label in enumerate(labels[:MOST_LABELS], start=1):
        marks += _marked(rows[:, 0], rows[:, index + 1], across, up, colour_kind(index), label)
    marks += _marked(rows[:, 0], rows[:, 1], across, up, "ink", MEAN, width=2.4)
    marks += _legend(
        [(label, colour_kind(i)) for i, label in enumerate(labels[:MOST_LABELS], start=1)] + [(MEAN, "ink")]
    )
    caption = f"{len(rows)} validations; the mean Dice ends at {number(float(rows[-1, 1]))}."
    return Drawing("validation", "Validation Dice", caption, WIDTH, HEIGHT, tuple(marks))


def _marked(x: Numbers, y: Numbers, across: Scale, up: Scale, kind: str, name: str, width: float = 1.5) -> list[Mark]:
    points = _curve(x, y, across, up)
    known = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(b)]
    dots: list[Mark] = [
        Dot(px, py, 2.6, kind, f"{name}, step {a:g}: {number(float(b))}")
        for (px, py), (a, b) in zip(points, known, strict=True)
    ]
    return [Line(points, kind, width), *(dots if len(dots) <= 60 else [])]


def _curve(x: Numbers, y: Numbers, across: Scale, up: Scale) -> list[tuple[float, float]]:
    return [
        (across(float(a)), up(float(b)))
        for a, b in zip(x, y, strict=True)
        if math.isfinite(b) and (b > 0 or not up.is_log)
    ]


def _legend(entries: Sequence[tuple[str, str]]) -> list[Mark]:
    """Write names behind their colours, to the right above the axes, as many as there is room for."""
    marks: list[Mark] = []
    x = RIGHT
    for name, kind in reversed(entries):
        x -= 7.0 * len(name) + 22
        if x < LEFT + 40:
            break
        marks += [Dot(x, TOP - 18, 4, kind), Words(x + 8, TOP - 14, name, size=12)]
    return marks


def score_chart(scores: Scores, metric: str) -> Drawing:
    """Draw how a metric is spread over cases: the mean over the labels, and each label."""
    unit = scores.unit(metric)
    rows = [
        strip_of(label, colour_kind(index), scores.values[metric][:, index - 1], scores.statistics(label, metric))
        for index, label in enumerate(scores.labels, start=1)
    ]
    if len(rows) > 1:
        rows.insert(0, strip_of(MEAN, "ink", scores.means[metric], scores.statistics(MEAN, metric)))
    everything = scores.values[metric][np.isfinite(scores.values[metric])]
    axis = f"{words(metric)} [{unit}]" if unit else words(metric)
    title = f"{words(metric)[:1].upper()}{words(metric)[1:]} by label"
    return strips(f"scores_{metric}", title, rows, scores.cases, axis, also=ends_of(everything, unit))


def ends_of(values: Numbers, unit: str) -> tuple[float, ...]:
    """Return the ends of 0..1 that an axis of shares holds: those that the values come near."""
    finite = values[np.isfinite(values)]
    if unit or not finite.size or finite.min() < 0 or finite.max() > 1:
        return ()
    return (*([0.0] if finite.min() < NEAR else []), *([1.0] if finite.max() > 1 - NEAR else []))


def words(metric: str) -> str:
    """Return a metric's name as it is read: `volume_difference` as volume difference, `dice` as Dice."""
    known = {"dice": "Dice", "iou": "IoU", "hd": "HD", "hd95": "HD95", "assd": "ASSD", "masd": "MASD", "nsd": "NSD"}
    return known.get(metric, metric.replace("_", " "))


def volume_chart(scores: Scores, volumes: Mapping[str, Numbers]) -> Drawing | None:
    """Draw the main metric against the volume of the reference, a colour for each label.

    Args:
        scores: of the cases.
        volumes: of each label the reference's volume in ml, a value per case of `scores`, NaN where it is not known.
    """
    drawn = [(i, label) for i, label in enumerate(scores.labels) if label in volumes][:MOST_LABELS]
    sizes = np.concatenate([volumes[label] for _, label in drawn]) if drawn else np.empty(0)
    if not np.isfinite(sizes[sizes > 0]).any():
        return None
    values = scores.values[scores.main]
    across = scale_of(sizes, LEFT, RIGHT, is_log=spans_decades(sizes[sizes > 0]))
    up = scale_of(values[np.isfinite(values)], BOTTOM, TOP, also=ends_of(values, scores.unit(scores.main)))
    title = words(scores.main)
    marks = [*axis_below(across, TOP, BOTTOM, "volume of the reference [ml]"), *axis_left(up, LEFT, RIGHT, title)]
    for index, label in drawn:
        for case, (size, value) in enumerate(zip(volumes[label], values[:, index], strict=True)):
            if size > 0 and math.isfinite(value):
                said = f"{scores.cases[case]}: {label} {size:.3g} ml, {title} {number(float(value))}"
                marks.append(Dot(across(float(size)), up(float(value)), 3, colour_kind(index + 1), said, case))
    marks += _legend([(label, colour_kind(i + 1)) for i, label in drawn])
    caption = f"Small structures are harder: {title} of each case and label against its volume."
    return Drawing("volume", f"{title} against volume", caption, WIDTH, HEIGHT, tuple(marks))


def agreement_chart(label: str, index: int, reference: Numbers, mask: Numbers, cases: Sequence[str]) -> Drawing | None:
    """Draw how a label's volumes agree: the difference of mask and reference against their mean, in ml.

    Args:
        label: its name.
        index: its number from 1 on, which decides the colour.
        reference: volumes in ml, one per case, NaN where not known.
        mask: likewise.
        cases: their names.

    Source: Bland & Altman 1986, Lancet 327, "Statistical methods for assessing agreement": bias and limits, which
        are the mean of the differences and 1.96 of their standard deviations about it.
    """
    known = np.flatnonzero(np.isfinite(reference) & np.isfinite(mask) & ((reference > 0) | (mask > 0)))
    if known.size < 2:
        return None
    means, differences = (reference[known] + mask[known]) / 2, mask[known] - reference[known]
    bias, deviation = float(differences.mean()), float(differences.std(ddof=1))
    limits = (bias - LIMITS * deviation, bias + LIMITS * deviation)
    across = scale_of(means, LEFT, RIGHT)
    up = scale_of([*differences, *limits, 0.0], BOTTOM, TOP)
    marks = axis_below(across, TOP, BOTTOM, "mean of mask and reference [ml]")
    marks += axis_left(up, LEFT, RIGHT, f"{label}: mask − reference [ml]")
    for value, name, is_dashed in ((bias, "bias", False), (limits[0], "−1.96 SD", True), (limits[1], "+1.96 SD", True)):
        y = up(value)
        marks.append(Line([(LEFT, y), (RIGHT, y)], "ink", 1.2, is_dashed))
        marks.append(Words(RIGHT, y - 4, f"{name}: {value:+.3g}", "ink", "end", 12))
    for case, x, y in zip(known.tolist(), means, differences, strict=True):
        said = f"{cases[case]}: {y:+.3g} ml at {x:.3g} ml"
        marks.append(Dot(across(float(x)), up(float(y)), 3, colour_kind(index), said, case))
    caption = (
        f"Masks differ by {bias:+.3g} ml on average; 95% of cases lie between {limits[0]:+.3g} and {limits[1]:+.3g} ml."
    )
    return Drawing(f"agreement_{label}", f"Volume of {label}", caption, WIDTH, HEIGHT, tuple(marks))
