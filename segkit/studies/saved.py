"""Reads an evaluation back from its folder."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.evaluation.metrics import metrics
from segkit.evaluation.tables import COLUMNS
from segkit.foundation.errors import DataError
from segkit.foundation.strangers import load_json


@dataclass(frozen=True)
class Meaning:
    """What a metric's values mean: their unit, and whether higher is better (None: zero is)."""

    unit: str
    higher_is_better: bool | None


@dataclass(frozen=True)
class Saved:
    """Scores on disk, and what stands beside them.

    Attributes:
        scores: case -> label -> metric -> value; NaN where it is left out.
        metrics: what is known of each metric.
        clusters: case -> patient.
        source: of what model and cases they are; empty where nobody recorded it.
    """

    scores: dict[str, dict[str, dict[str, float]]]
    metrics: Mapping[str, Meaning]
    clusters: Mapping[str, str] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)


def read_evaluation(folder: Path) -> Saved:
    """Read `cases.csv`, and `summary.json` where there is one.

    Raises:
        DataError: when the scores cannot be read.
    """
    tree = summary_of(folder)
    clusters = _mapping(_mapping(tree.get("clusters")).get("cases"))
    return Saved(
        read_scores(folder / "cases.csv"),
        _meanings(_mapping(tree.get("metrics"))),
        {str(case): str(patient) for case, patient in clusters.items()},
        _mapping(tree.get("source")),
    )


def summary_of(folder: Path) -> Mapping[str, Any]:
    """Return the content of `summary.json`; nothing where there is none.

    Raises:
        DataError: when it is not JSON.
    """
    path = folder / "summary.json"
    return _mapping(load_json(path)) if path.is_file() else {}


def read_scores(path: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Return case -> label -> metric -> value of a `cases.csv`.

    Raises:
        DataError: when it cannot be read, lacks a column, holds a value that is no number, or says something twice.
    """
    scores: dict[str, dict[str, dict[str, float]]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [column for column in COLUMNS if column not in (rows.fieldnames or [])]
            if missing:
                raise DataError(f"{path} has no column {missing[0]}: it is no table of scores")
            for number, row in enumerate(rows, start=2):
                by_metric = scores.setdefault(row["case"], {}).setdefault(row["label"], {})
                if row["metric"] in by_metric:
                    raise DataError(
                        f"{path}, line {number}: a second {row['metric']} of {row['label']} in {row['case']}"
                    )
                by_metric[row["metric"]] = math.nan if row["value"] == "" else float(row["value"])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}, line {number}: {row['value']!r} is no number") from error
    return scores


def _meanings(recorded: Mapping[str, Any]) -> dict[str, Meaning]:
    """Return what is known of metrics: as recorded, else as segkit's own metrics of that name say."""
    found = {metric.name: Meaning(metric.unit, metric.higher_is_better) for metric in metrics()}
    for name, told in recorded.items():
        entry = _mapping(told)
        if "higher_is_better" in entry:
            better = entry["higher_is_better"]
            found[str(name)] = Meaning(str(entry.get("unit") or ""), None if better is None else bool(better))
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
