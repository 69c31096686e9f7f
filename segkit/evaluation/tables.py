"""Writes an evaluation: `cases.csv`, `summary.json` and the rows for the console."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from segkit.evaluation.empties import empty_counts
from segkit.evaluation.metrics import metrics
from segkit.evaluation.summary import MEAN, Evaluation, Part, Statistics
from segkit.foundation.files import write_json, write_text

COLUMNS = ("case", "label", "metric", "value")
MAIN = "dice"  # stands first, with its interval, where it is among the metrics
TELLING = (MAIN, "nsd", "hd95", "assd")  # shown before the others, which tell less beside Dice
WIDEST = 80  # characters of a table, its lines included: a terminal's width where nobody chose another
LINES = 3  # characters beside a cell

Table = tuple[list[str], list[list[str]]]


def write_evaluation(evaluation: Evaluation, output: Path, source: Mapping[str, Any] | None = None) -> list[Path]:
    """Write `cases.csv` and `summary.json`, each whole or not at all.

    Args:
        evaluation: what `evaluate_pairs` returned.
        output: folder, made where absent.
        source: of what model and cases it is, as `summary.json` should say; None where that is not known.

    Returns:
        The two files.

    Raises:
        SegkitError: when the folder cannot be written.
    """
    cases, summary = output / "cases.csv", output / "summary.json"
    write_text(cases, cases_csv(evaluation))
    write_json(summary, summary_tree(evaluation) | ({"source": dict(source)} if source else {}))
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
        "groups": {
            column: {value: _part_tree(part) for value, part in by_value.items()}
            for column, by_value in evaluation.groups.items()
        },
        "columns": {
            case: {column: cells[case] for column, cells in evaluation.grouping.groups.items()}
            for case in (evaluation.scores if evaluation.grouping.groups else ())
        },
        "cases": len(evaluation.scores),
        "failed": [{"case": case, "error": error} for case, error in evaluation.failed.items()],
        **({"empty": empty_counts(evaluation.counts)} if evaluation.counts else {}),
        "clusters": _clusters(evaluation),
        "metrics": {
            metric.name: {
                "unit": metric.unit,
                "definition": metric.definition,
                "empty": metric.rule,
                "higher_is_better": metric.higher_is_better,
            }
            for metric in evaluation.metrics or metrics()
        },
        "rules": rules(evaluation),
    }


def rules(evaluation: Evaluation) -> dict[str, str]:
    """Return how the statistics are made, a line for each."""
    column = evaluation.grouping.cluster_by
    drawn = f"the cases of one {column} are drawn together" if column else "each case is drawn alone"
    return {
        "cases": "failed cases enter no statistic; they are listed under failed",
        "left_out": "a case without a label in mask and reference has no value for it and is counted in left_out",
        "empty": "counts cases whose mask, reference or both lack the label; metrics say what that counts as",
        "infinite": "an infinite value counts in n, median and iqr (null where it reaches them), and not in mean, std "
        "and ci95",
        "mean": "per case the mean over the foreground labels that have a value, then statistics over the cases",
        "std": "of the sample (n - 1)",
        "iqr": "lower and upper quartile",
        "ci95": f"95% bootstrap interval (BCa) of the mean over cases, {evaluation.resamples} resamples, "
        f"seed {evaluation.seed}; {drawn}; null for fewer than two",
    }


def evaluation_table(evaluation: Evaluation) -> Table:
    """Return columns and rows for the console: a row per label, then their mean; means over cases.

    Dice stands first with its 95% interval, then the metrics for which a terminal has room; `n` counts the cases that
    have a value for the first, `left out` those that have none.
    """
    mean = {MEAN: evaluation.mean} if len(evaluation.labels) > 1 else {}
    return _rows("label", {**evaluation.labels, **mean}, headings_of(evaluation))


def metrics_beside(evaluation: Evaluation, shown: Table) -> list[str]:
    """Return the metrics for which a table had no room."""
    headings = headings_of(evaluation)
    return [name for name in evaluation.mean if headings.get(name, name) not in shown[0]]


def group_tables(evaluation: Evaluation) -> Iterator[tuple[str, Table]]:
    """Yield a title and a table for each column of groups: a row per value, the mean over labels."""
    for column, by_value in evaluation.groups.items():
        parts = {value: part.mean for value, part in by_value.items()}
        yield f"by {column}, mean over labels", _rows(column, parts, headings_of(evaluation))


def headings_of(evaluation: Evaluation) -> dict[str, str]:
    """Return the head of each metric's column."""
    return {metric.name: metric.heading for metric in evaluation.metrics or metrics()}


def _rows(heading: str, parts: Mapping[str, Mapping[str, Statistics]], headings: Mapping[str, str]) -> Table:
    names = next(iter(parts.values()))
    first, *others = sorted(names, key=lambda name: TELLING.index(name) if name in TELLING else len(TELLING))
    main = [by_metric[first] for by_metric in parts.values()]
    columns = [[heading, *parts], _column(first, parts, headings), ["95% interval", *map(_interval, main)]]
    counts = [["n", *(str(one.n) for one in main)]]
    if any(one.left_out for one in main):
        counts.append(["left out", *(str(one.left_out) for one in main)])
    for name in others:
        means = _column(name, parts, headings)
        if _width([*columns, means, *counts]) > WIDEST:
            break
        columns.append(means)
    heads, *rows = map(list, zip(*columns, *counts, strict=True))
    return heads, rows


def _column(name: str, parts: Mapping[str, Mapping[str, Statistics]], headings: Mapping[str, str]) -> list[str]:
    return [headings.get(name, name), *(_shown(by_metric[name].mean) for by_metric in parts.values())]


def _width(columns: Sequence[Sequence[str]]) -> int:
    return sum(max(map(len, column)) + LINES for column in columns) + 1


def _interval(one: Statistics) -> str:
    return "-" if math.isnan(one.ci95[0]) else f"{_shown(one.ci95[0])} to {_shown(one.ci95[1])}"


def _clusters(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return which column tells patients, how many there are, and each case's; None where no column does."""
    grouping = evaluation.grouping
    if grouping.cluster_by is None:
        return None
    of = {case: grouping.clusters[case] for case in evaluation.scores if case in grouping.clusters}
    return {"column": grouping.cluster_by, "n": evaluation.clusters, "cases": of}


def _part_tree(part: Part) -> dict[str, Any]:
    labels = {label: _tree_of(by_metric) for label, by_metric in part.labels.items()}
    return {"cases": part.cases, "labels": labels, "mean": _tree_of(part.mean)}


def _tree_of(by_metric: Mapping[str, Statistics]) -> dict[str, dict[str, Any]]:
    return {metric: asdict(statistics) for metric, statistics in by_metric.items()}


def _shown(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
