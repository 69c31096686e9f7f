"""progress.png: loss, Dice, learning rate and waiting of a training, drawn from its metrics.csv."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.durations import format_duration
from segkit.foundation.files import atomic_file
from segkit.training.metrics_columns import STEP_COLUMNS, dice_columns
from segkit.volumes.outlines import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[np.float64]
POINTS = 200  # of a curve; what lies between is averaged
TIMES = 5  # shown above a panel
MARKERS = "osD^vPX"  # so that curves differ in more than colour


@dataclass(frozen=True, eq=False)
class Curves:
    """What metrics.csv holds.

    Attributes:
        steps: a row each of step, seconds, loss, learning rate and seconds waited; shape (n, 5).
        validations: a row each of step, mean Dice and the Dice of each label, NaN where there is none.
    """

    steps: Numbers
    validations: Numbers


def read_curves(path: Path, labels: Sequence[str]) -> Curves:
    """Read metrics.csv; a row that is being written is left out.

    Args:
        path: of the file.
        labels: foreground labels.
    """
    of_validations = ("step", *dice_columns(labels))
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if None not in row.values()]
    steps = [[float(row[name] or 0) for name in STEP_COLUMNS] for row in rows if row["loss"]]
    validations = [[float(row[name] or "nan") for name in of_validations] for row in rows if row["dice"]]
    return Curves(
        np.array(steps).reshape(-1, len(STEP_COLUMNS)), np.array(validations).reshape(-1, len(of_validations))
    )


def thinned(rows: Numbers) -> Numbers:
    """Return about `POINTS` of n rows at most, each the mean of as many neighbours, shape (points, columns)."""
    width = max(1, -(-len(rows) // POINTS))
    starts = np.arange(0, len(rows), width)
    means: Numbers = np.add.reduceat(rows, starts) / np.diff(starts, append=len(rows))[:, None]
    return means


def waiting_share(points: Numbers, batched: float) -> Numbers:
    """Return the share of the time that went by waiting up to each row since the one before, 0..1, shape (points,).

    Args:
        points: rows of `Curves.steps`, thinned.
        batched: how many steps a row is the mean of.
    """
    lasted = np.diff(points[:, 1], prepend=0.0)
    share: Numbers = np.clip(points[:, 4] * batched / np.maximum(lasted, 1e-9), 0, 1)
    return share


def draw_progress(curves: Curves, labels: Sequence[str], title: str, path: Path) -> None:
    """Draw four panels over steps, with the time on top of the upper two, and write them as PNG.

    Args:
        curves: of the training so far, at least one step.
        labels: foreground labels.
        title: above all.
        path: of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    (loss, dice), (rate, waiting) = figure.subplots(2, 2, sharex=True)
    points = thinned(curves.steps)
    loss.plot(curves.steps[:, 0], curves.steps[:, 2], color="0.8", linewidth=0.8)  # each step's, behind the means
    draw_curve(loss, points[:, 0], points[:, 2], "loss")
    draw_dice(dice, curves.validations, labels)
    draw_curve(rate, points[:, 0], points[:, 3], "learning rate")
    share = waiting_share(points, len(curves.steps) / len(points))
    draw_curve(waiting, points[:, 0], 100 * share, "waiting for patches, % of the time")
    waiting.set_ylim(0, 100)
    for axes in (rate, waiting):
        axes.set_xlabel("step")
    for axes in (loss, dice):
        add_time(axes, curves.steps)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")


def draw_curve(axes: Axes, steps: Numbers, values: Numbers, what: str) -> None:
    """Draw one curve and name it."""
    axes.plot(steps, values, color=shade(5), linewidth=1.5)
    axes.set_ylabel(what)
    axes.grid(visible=True, color="0.9")


def draw_dice(axes: Axes, validations: Numbers, labels: Sequence[str]) -> None:
    """Draw the Dice of each label and, dashed, their mean."""
    for index, label in enumerate(labels, start=1):
        marker = MARKERS[(index - 1) % len(MARKERS)]
        axes.plot(validations[:, 0], validations[:, index + 1], color=shade(index), marker=marker, label=label)
    if len(labels) > 1:
        axes.plot(validations[:, 0], validations[:, 1], color="black", linestyle="--", label="mean")
    axes.set_ylabel("validation Dice")
    axes.set_ylim(0, 1)
    axes.grid(visible=True, color="0.9")
    if len(validations):
        axes.legend(loc="best", fontsize="small")
    else:
        axes.text(0.5, 0.5, "no case validates: training.fold=all", ha="center", transform=axes.transAxes)


def add_time(axes: Axes, steps: Numbers) -> None:
    """Show on top when some of the steps were made, in time since the first."""
    marks = np.linspace(steps[0, 0], steps[-1, 0], TIMES)
    seconds = np.interp(marks, steps[:, 0], steps[:, 1])
    axes.secondary_xaxis("top").set_xticks(marks, [format_duration(float(second)) for second in seconds])


def shade(index: int) -> tuple[float, ...]:
    """Return the colour of a label from 1 on, as matplotlib wants it."""
    return tuple(part / 255 for part in COLOURS[(index - 1) % len(COLOURS)])
