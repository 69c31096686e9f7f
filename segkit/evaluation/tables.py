"""Writes an evaluation: `cases.csv`, `summary.json` and the rows for the console."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from segkit.evaluation.empties import empty_counts
from segkit.evaluation.metrics import metrics
from segkit.evaluation.summary import Evaluation, Statistics
from segkit.foundation.files import write_json, write_text

COLUMNS = ("case", "label", "metric", "value")


def write_evaluation(evaluation: Evaluation, output: Path) -> list[Path]:
    """Write `cases.csv` and `summary.json`, each whole or not at all.

    Args:
        evaluation: what `evaluate_pairs` returned.
        output: folder, made where absent.

    Returns:
        The two files.

    Raises:
        SegkitError: when the folder cannot be written.
    """
    cases, summary = output / "cases.csv", output / "summary.json"
    write_text(cases, cases_csv(evaluation))
    write_json(summary, summary_tree(evaluation))
    return [cases, summary]


def cases_csv(evaluation: Evaluation) -> str:
    """Return one line per case, label and metric, in the metric's unit; the value is empty where it is left out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for case, by_label in evaluation.scores.items():
        for label, by_metric in by_label.items():
            for metric, value in by_metric.items():
                writer.writerow((case, label, metric, "" if math.isnan(value) else repr(float(value))))
    return text.getvalue()


def summary_tree(evaluation: Evaluation) -> dict[str, Any]:
    """Return the content of `summary.json`: plain containers; NaN, null in the file, where cases are too few."""
    return {
        "labels": {label: _tree_of(by_metric) for label, by_metric in evaluation.labels.items()},
        "mean": _tree_of(evaluation.mean),
        "cases": len(evaluation.scores),
        "failed": [{"case": case, "error": error} for case, error in evaluation.failed.items()],
        **({"empty": empty_counts(evaluation.counts)} if evaluation.counts else {}),
        "metrics": {
            metric.name: {"unit": metric.unit, "definition": metric.definition, "empty": metric.rule}
            for metric in evaluation.metrics or metrics()
        },
        "rules": {
            "cases": "failed cases enter no statistic; they are listed under failed",
            "left_out": "a case without a label in mask and reference has no value for it and is counted in left_out",
            "empty": "counts cases whose mask, reference or both lack the label; metrics say what that counts as",
            "mean": "per case the mean over the foreground labels that have a value, then statistics over the cases",
            "std": "of the sample (n - 1)",
            "ci95": f"95% percentile bootstrap interval of the mean over cases, {evaluation.resamples} resamples, "
            f"seed {evaluation.seed}; null for fewer than two cases",
        },
    }


def evaluation_table(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows for the console: a row per label, then their mean; means over cases.

    The first metric, Dice, stands with its 95% interval; `n` counts the cases that have a value for it.
    """
    known = {metric.name: metric.unit for metric in evaluation.metrics or metrics()}
    first, *others = evaluation.mean
    headings = [f"{name} [{known[name]}]" if known.get(name) else name for name in (first, *others)]
    columns = ["label", headings[0], "95% interval", *headings[1:], "n", "left out"]
    rows = []
    for label, by_metric in (*evaluation.labels.items(), ("mean", evaluation.mean)):
        main = by_metric[first]
        interval = f"{_shown(main.ci95[0])} to {_shown(main.ci95[1])}" if main.n > 1 else "-"
        means = [_shown(by_metric[name].mean) for name in others]
        rows.append([label, _shown(main.mean), interval, *means, str(main.n), str(main.left_out)])
    return columns, rows


def _tree_of(by_metric: dict[str, Statistics]) -> dict[str, dict[str, Any]]:
    return {metric: asdict(statistics) for metric, statistics in by_metric.items()}


def _shown(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
