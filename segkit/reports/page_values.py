"""The values that the template of a run's page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from segkit.config.rules import Rule, rule_in_words
from segkit.foundation.durations import format_duration
from segkit.reports.case_sheets import CaseSheet
from segkit.reports.charts import words
from segkit.reports.discretion import message_text, override_text, settings, without_paths
from segkit.reports.drawing import Drawing, colour_kind
from segkit.reports.page_cases import legend, worst_cases
from segkit.reports.run_record import RunRecord
from segkit.reports.scores import MEAN, Scores, interval_of, number, worst_first
from segkit.runs.manifest import mapping

MOST_VALUES = 12  # of a column that is a filter; more, and it tells patients apart rather than groups
SECTIONS = {
    "overview": "Overview", "failures": "Failures", "viewer": "Viewer", "scores": "Scores", "cases": "Cases",
    "groups": "Groups", "volumes": "Volumes", "calibration": "Calibration", "training": "Training", "plan": "Plan",
}  # fmt: skip
PLANNED = ("dims", "orientation", "spacing", "patch", "batch", "strides", "kernels", "features", "order")
Names = Mapping[str, str]


def page_values(
    record: RunRecord,
    sheets: Mapping[str, CaseSheet],
    unread: Mapping[str, str],
    charts: Mapping[str, Sequence[Drawing]],
    names: Names,
    worst: int,
) -> dict[str, Any]:
    """Return everything that the template shows but the viewer.

    Args:
        record: of the run.
        sheets: of the cases that could be read, the worst first.
        unread: cases that could not be read, with the reason.
        charts: by section.
        names: what each case is called.
        worst: cases shown as pictures.
    """
    scores = record.scores
    failed = [(names[case], message_text(reason, record.files.values())) for case, reason in scores.failed]
    failed += [(names[case], message_text(reason, record.files.values())) for case, reason in unread.items()]
    groups = group_tables(scores)
    parts = {
        "failures": sheets, "viewer": sheets, "scores": scores.cases, "cases": scores.cases, "groups": groups,
        "volumes": charts["agreement"], "calibration": charts["calibration"],
    }  # fmt: skip
    return {
        "name": record.name,
        "subtitle": subtitle(record),
        "sections": [(name, title) for name, title in SECTIONS.items() if parts.get(name, True)],
        "remarks": list(record.notes),
        "is_scored": bool(scores.cases),
        "main": words(scores.main),
        "labels": scores.labels,
        "metrics": [
            {"name": m, "words": words(m), "unit": scores.unit(m), "definition": scores.definition(m)}
            for m in scores.metrics
        ],
        "worst": worst_cases(record, sheets, names, worst),
        "legend": legend(record, sheets),
        "failed": failed,
        "groups": groups,
        "score_charts": [
            (metric, words(metric), chart) for metric, chart in zip(scores.metrics, charts["scores"], strict=True)
        ],
        "volume_drawing": next(iter(charts["volume"]), None),
        "agreement": charts["agreement"],
        "calibration": charts["calibration"],
        "curves": charts["training"],
        **told(record),
        **scored(record, names, set(sheets)),
    }


def subtitle(record: RunRecord) -> str:
    """Return in a line what was trained on what, and how it ended."""
    counts = {part: len(cases) for part, cases in record.split.items()}
    said = [record.dataset or "an unnamed data set"]
    said += [f"{counts['training']} cases trained"] if counts.get("training") else []
    said += [f"{counts['validation']} validated"] if counts.get("validation") else []
    said += [f"{counts['held_out']} held out"] if counts.get("held_out") else []
    state = str(record.status.get("state", "not begun"))
    seconds = record.status.get("seconds")
    said.append(f"{state} after {format_duration(seconds)}" if isinstance(seconds, int | float) else state)
    return " · ".join(said)


def scored(record: RunRecord, names: Names, shown: set[str]) -> dict[str, Any]:
    """Return what the sections of scores show; empty without scores."""
    scores = record.scores
    if not scores.cases:
        return {"headline": None, "tiles": [], "summary": [], "rows": [], "filters": []}
    statistics = scores.statistics(MEAN, scores.main)
    headline = {
        "metric": words(scores.main), "mean": statistics.get("mean"), "interval": interval_of(statistics),
        "cases": len(scores.cases), "scored": record.scored,
    }  # fmt: skip
    tiles = []
    for index, label in enumerate(scores.labels if len(scores.labels) > 1 else (), start=1):
        own = scores.statistics(label, scores.main)
        tile = {"name": label, "mean": own.get("mean"), "interval": interval_of(own), "kind": colour_kind(index)}
        tiles.append(tile)
    filters = columns_of(record)
    return {
        "headline": headline,
        "tiles": tiles,
        "summary": [summary_row(scores, label) for label in (*scores.labels, MEAN)],
        "filters": filters,
        "rows": [
            case_row(record, place, names, shown, [column for column, _ in filters]) for place in worst_first(scores)
        ],
    }


def summary_row(scores: Scores, label: str) -> dict[str, Any]:
    """Return a label's row of the summary: what summary.json holds, untouched."""
    main = scores.statistics(label, scores.main)
    cells = [cell_of(metric, scores.statistics(label, metric)) for metric in scores.metrics]
    return {"label": label, "cells": cells, "n": main.get("n"), "left_out": main.get("left_out")}


def cell_of(metric: str, statistics: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cell of the summary."""
    known = {name: statistics.get(name) for name in ("mean", "median", "std")}
    return {"metric": metric, "interval": interval_of(statistics), **known}


def case_row(record: RunRecord, place: int, names: Names, shown: set[str], columns: Sequence[str]) -> dict[str, Any]:
    """Return a case's row of the table."""
    scores = record.scores
    case = scores.cases[place]
    known = column_values(record, case)
    return {
        "case": place,
        "name": names[case],
        "is_shown": case in shown,
        "mean": float(scores.means[scores.main][place]),
        "by_label": [float(value) for value in scores.values[scores.main][place]],
        "others": [float(scores.means[metric][place]) for metric in scores.metrics[1:]],
        "columns": [known.get(column, "") for column in columns],
    }


def column_values(record: RunRecord, case: str) -> dict[str, str]:
    """Return what a table says of a case."""
    told = mapping(mapping(record.scores.summary.get("columns")).get(case))
    own = record.files[case].columns if case in record.files else {}
    return {str(name): str(value) for name, value in {**own, **told}.items()}


def columns_of(record: RunRecord) -> list[tuple[str, list[str]]]:
    """Return the columns that make groups, with their values; one with a value of its own per case makes none."""
    values: dict[str, list[str]] = {}
    for case in record.scores.cases:
        for column, value in column_values(record, case).items():
            values.setdefault(column, []).append(value)
    distinct = {column: sorted(set(each)) for column, each in values.items()}
    return [
        (column, each)
        for column, each in distinct.items()
        if 1 < len(each) <= MOST_VALUES and 2 * len(each) <= len(values[column])
    ]


def group_tables(scores: Scores) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the statistics of groups of cases, by column, as summary.json has them."""
    tables = []
    for column, parts in mapping(scores.summary.get("groups")).items():
        rows = []
        for value, part in mapping(parts).items():
            means = mapping(mapping(part).get("mean"))
            cells = [cell_of(metric, mapping(means.get(metric))) for metric in scores.metrics]
            rows.append({"value": value, "cases": mapping(part).get("cases"), "cells": cells})
        tables += [(str(column), rows)] if len(rows) <= MOST_VALUES and rows else []
    return tables


def told(record: RunRecord) -> dict[str, Any]:
    """Return what the sections of training and plan tell, and the facts at the top."""
    counts = {part: len(cases) for part, cases in record.split.items()}
    channels = ", ".join(f"{name} ({channel.family})" for name, channel in record.channels.items())
    network = str(mapping(record.config.get("network")).get("_target_", "")).rpartition(".")[2]
    training = mapping(record.config.get("training"))
    patch = " × ".join(map(str, record.plan.get("patch") or ()))
    facts = [
        ("Channels", channels),
        ("Labels", ", ".join(record.labels.foreground)),
        ("Network", f"{network}, {record.plan.get('dims')}D, patches of {patch} voxels" if patch else network),
        ("Trained for", f"{record.status.get('steps', '–')} steps, fold {training.get('fold', '–')}"),
        ("Split", ", ".join(f"{count} {part.replace('_', ' ')}" for part, count in counts.items())),
        ("Ended", str(record.status.get("at", "–")).partition("T")[0]),
    ]
    return {
        "facts": [(term, text) for term, text in facts if text],
        "plan": plan_rows(record.plan),
        "overrides": [override_text(word) for word in record.overrides],
        "environment": [(term, without_paths(text)) for term, text in settings(record.environment)],
        "settings": settings(record.config),
        "postprocessing": postprocessing(record.postprocessing),
    }


def plan_rows(plan: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the decisions of a plan with their reasons."""
    reasons = {str(name): str(text) for name, text in mapping(plan.get("reasons")).items()}
    rows = [(name, compact(plan[name]), reasons.get(name, "")) for name in PLANNED if plan.get(name) is not None]
    for channel, how in mapping(plan.get("normalisation")).items():
        rows.append(
            (f"normalisation.{channel}", str(mapping(how).get("scheme")), reasons.get(f"normalisation.{channel}", ""))
        )
    told = {name for name, _, _ in rows}
    return rows + [(name, "", text) for name, text in reasons.items() if name not in told]


def compact(value: Any) -> str:
    """Write a decision on one line: `24 × 40 × 24`, or `1 1 1 | 2 2 2` of several levels."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        return " | ".join(compact(part).replace(" × ", " ") for part in value)
    if isinstance(value, list):
        return " × ".join(
            "own" if part is None else f"{part:g}" if isinstance(part, float) else str(part) for part in value
        )
    return str(value)


def postprocessing(learnt: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return which rules were learnt, and the evidence for and against them; None where nothing was weighed."""
    if not learnt:
        return None
    cases = learnt.get("cases")
    count = len(cases) if isinstance(cases, list) else 0
    rules = mapping(learnt.get("rules"))
    kept = "; ".join(f"{label}: {rule_text(rule)}" for label, rule in rules.items())
    evidence = learnt.get("evidence")
    rows = [
        (
            str(each.get("label")), rule_text(each.get("rule")), number(each.get("gain"), 4), chance(each.get("p")),
            f"{each.get('changed')} of {each.get('cases')}", "yes" if each.get("is_kept") else "no",
        )
        for each in map(mapping, evidence if isinstance(evidence, list) else [])
        if each.get("changed")
    ]  # fmt: skip
    return {
        "said": f"Weighed on {count} validation cases; {kept or 'no label gains from a rule, and none is applied'}.",
        "test": f"Gains on cases that did not choose the rule; {learnt.get('test', '')}",
        "columns": ("label", "rule", "Dice gained", "p", "cases changed", "kept"),
        "rows": rows,
    }


def chance(p: Any) -> str:
    """Write a p value; one that rounds to nothing as below what is written."""
    return "<0.001" if isinstance(p, float) and p < 0.0005 else number(p)


def rule_text(rule: Any) -> str:
    """Write a rule in words, whatever a file says it is."""
    try:
        return rule_in_words(Rule(**mapping(rule)))
    except TypeError:
        return str(rule)
