"""Reliability diagrams: how often a label is there where the network gives it a probability."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segkit.foundation.errors import DataError
from segkit.reports.axes import axis_below, axis_left, scale_of
from segkit.reports.drawing import Box, Dot, Drawing, Line, colour_kind

FILE = "reliability.csv"
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 320.0, 44.0, 310.0, 34.0, 300.0
MOST_LABELS = 8  # with a diagram each
SHARES = 40.0  # pixels of the tallest bar of voxels


@dataclass(frozen=True)
class Bin:
    """The voxels of all cases to which a label was given about one probability.

    Attributes:
        voxels: how many.
        probability: their mean probability.
        frequency: the share of them to which the reference gives the label.
    """

    voxels: int
    probability: float
    frequency: float


def read_reliability(path: Path) -> dict[str, list[Bin]]:
    """Return the filled bins of each label; {} where there is no such file.

    Raises:
        DataError: when the file is no such table.
    """
    if not path.is_file():
        return {}
    found: dict[str, list[Bin]] = {}
    try:
        for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))):
            bins = found.setdefault(row["label"], [])
            if row["mean_probability"]:
                bins.append(Bin(int(row["voxels"]), float(row["mean_probability"]), float(row["frequency"])))
    except (OSError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not a table of a reliability diagram: {error}") from error
    return {label: bins for label, bins in found.items() if bins}


def reliability_charts(labels: Mapping[str, Sequence[Bin]]) -> list[Drawing]:
    """Draw the reliability diagram of each of the first labels.

    Source: Guo et al. 2017, ICML, "On calibration of modern neural networks", figure 1.
    """
    first = list(labels.items())[:MOST_LABELS]
    return [_chart(label, index, bins) for index, (label, bins) in enumerate(first, start=1)]


def _chart(label: str, index: int, bins: Sequence[Bin]) -> Drawing:
    across, up = scale_of([], LEFT, RIGHT, also=(0, 1)), scale_of([], BOTTOM, TOP, also=(0, 1))
    kind, total = colour_kind(index), sum(each.voxels for each in bins)
    marks = [*axis_below(across, TOP, BOTTOM, "probability given"), *axis_left(up, LEFT, RIGHT, "share that is right")]
    most = max(each.voxels for each in bins)
    for each in bins:
        height = SHARES * each.voxels / most
        marks.append(Box(across(each.probability) - 4, BOTTOM - height, 8, height, "muted", 0.25))
    marks.append(Line([(across(0), up(0)), (across(1), up(1))], "muted", 1.2, dashed=True))
    points = [(across(each.probability), up(each.frequency)) for each in bins]
    marks.append(Line(points, kind, 2))
    for each, (x, y) in zip(bins, points, strict=True):
        said = f"{each.voxels} voxels of probability {each.probability:.3f}: right in {each.frequency:.3f}"
        marks.append(Dot(x, y, 3.4, kind, said))
    gap = sum(each.voxels * abs(each.probability - each.frequency) for each in bins) / total
    caption = f"Expected calibration error {gap:.4f} over {total} voxels; bars show how many voxels each point is of."
    return Drawing(f"reliability_{label}", f"Calibration of {label}", caption, WIDTH, BOTTOM + 36, tuple(marks))
