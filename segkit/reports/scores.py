"""What `segkit evaluate` wrote, read back: `summary.json` and `cases.csv`, with whichever metrics they have."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError
from segkit.foundation.strangers import load_json
from segkit.runs.manifest import mapping

CASES, SUMMARY = "cases.csv", "summary.json"
MAIN = "dice"
MEAN = "mean"
Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores by case.

    Attributes:
        cases: their names, as `cases.csv` has them.
        labels: foreground labels.
        metrics: their names, Dice first where it is there.
        values: of each metric, shape (cases, labels); NaN where a case has none.
        summary: `summary.json`; {} where there is none.
    """

    cases: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    values: Mapping[str, Numbers] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def main(self) -> str:
        """The metric that cases are ranked by."""
        return self.metrics[0] if self.metrics else MAIN

    @cached_property
    def means(self) -> dict[str, Numbers]:
        """Of each metric and case the mean over the labels that have a value, shape (cases,)."""
        return {metric: mean_of_present(values) for metric, values in self.values.items()}

    @property
    def failed(self) -> list[tuple[str, str]]:
        """Cases that could not be scored, each with the reason."""
        rows = self.summary.get("failed")
        rows = rows if isinstance(rows, list) else []
        return [(str(mapping(row).get("case", "")), str(mapping(row).get("error", ""))) for row in rows]

    def unit(self, metric: str) -> str:
        """Return a metric's unit; "" for a share."""
        unit = mapping(mapping(self.summary.get("metrics")).get(metric)).get("unit")
        return "" if unit in (None, "1") else str(unit)

    def definition(self, metric: str) -> str:
        """Return what a metric is, as the evaluation says."""
        return str(mapping(mapping(self.summary.get("metrics")).get(metric)).get("definition") or "")

    def statistics(self, label: str, metric: str) -> Mapping[str, Any]:
        """Return the statistics of a label, or of `mean`, as `summary.json` has them."""
        by_metric = self.summary.get(MEAN) if label == MEAN else mapping(self.summary.get("labels")).get(label)
        return mapping(mapping(by_metric).get(metric))


def mean_of_present(values: Numbers) -> Numbers:
    """Return the mean along the last axis of what is there, NaN where nothing is."""
    present = ~np.isnan(values)
    count = present.sum(axis=-1)
    total = np.where(present, values, 0).sum(axis=-1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def read_scores(evaluation: Path) -> Scores:
    """Read the results of an evaluation; empty where there are none.

    Args:
        evaluation: folder of `cases.csv` and `summary.json`.

    Raises:
        DataError: when a file is there and cannot be read.
    """
    summary = mapping(load_json(evaluation / SUMMARY)) if (evaluation / SUMMARY).is_file() else {}
    rows = read_cases(evaluation / CASES) if (evaluation / CASES).is_file() else []
    cases = tuple(dict.fromkeys(row[0] for row in rows))
    labels = tuple(dict.fromkeys(row[1] for row in rows))
    metrics = tuple(sorted(dict.fromkeys(row[2] for row in rows), key=lambda name: name != MAIN))
    values: dict[str, Numbers] = {metric: np.full((len(cases), len(labels)), np.nan) for metric in metrics}
    row_of, column_of = ({name: index for index, name in enumerate(names)} for names in (cases, labels))
    for case, label, metric, value in rows:
        values[metric][row_of[case], column_of[label]] = value
    return Scores(cases, labels, metrics, values, summary)


def read_cases(path: Path) -> list[tuple[str, str, str, float]]:
    """Return case, label, metric and value of each row; NaN where the value is empty.

    Raises:
        DataError: when the file is no such table.
    """
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
        return [(row["case"], row["label"], row["metric"], float(row["value"] or "nan")) for row in rows]
    except (OSError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} is not a table of case,label,metric,value: {error}; run segkit evaluate again"
        ) from error


def worst_first(scores: Scores) -> list[int]:
    """Return the places of cases from the lowest mean of the main metric on; those without any come last."""
    means = scores.means.get(scores.main, np.empty(0))
    return [int(index) for index in np.argsort(np.where(np.isnan(means), math.inf, means), kind="stable")]


def number(value: Any, digits: int = 3) -> str:
    """Write a figure, or a dash where there is none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return f"{value:.{digits}f}" if is_number else "–"


def interval_of(statistics: Mapping[str, Any]) -> Sequence[float] | None:
    """Return both ends of the 95% interval, None where there is none."""
    ends = statistics.get("ci95")
    whole = isinstance(ends, list) and len(ends) == 2 and all(isinstance(end, int | float) for end in ends)
    return ends if whole else None
