"""What `segkit compare` found, as a page: standings, choices as parallel coordinates, what each choice does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segkit.evaluation.comparison.comparison import Comparison
from segkit.evaluation.comparison.power import ALPHA
from segkit.foundation.plain import plain
from segkit.reports import parallel
from segkit.reports.charts import words
from segkit.reports.drawing import Drawing
from segkit.reports.forest import Estimate, forest
from segkit.reports.html import write_page
from segkit.reports.run_record import without_paths
from segkit.reports.scores import interval_of, number
from segkit.runs.manifest import mapping

PAGE = "leaderboard.html"
MOST_LINES = 200  # of the parallel coordinates
Compared = Mapping[str, Any]


def write_leaderboard_page(comparison: Comparison, output: Path, chosen: str = "") -> Path:
    """Write the page of a comparison, one file that opens offline, and return it.

    Args:
        comparison: what it shows.
        output: its folder.
        chosen: what was taken and why, in a sentence; empty where nothing was.
    """
    values = leaderboard_values(plain(comparison))
    cases = f"{len(comparison.cases)} {comparison.split.replace('_', '-')}".rstrip()
    subtitle = f"{len(comparison.standings)} runs on the same {cases} cases"
    write_page(
        output / PAGE, "leaderboard.html", name=output.name, subtitle=subtitle, leaderboard=values, chosen=chosen
    )
    return output / PAGE


def leaderboard_values(compared: Compared) -> dict[str, Any]:
    """Return what a page shows of a comparison, as `comparison.json` holds it; no standings where there is none."""
    rows = standings(compared)
    metric = words(str(compared.get("metric") or "dice"))
    unit = str(compared.get("unit") or "")
    drawings = [
        parallel_chart(compared, rows, metric),
        scores_chart(rows, metric, unit),
        effects_chart(compared, metric),
    ]
    split = str(compared.get("split") or "").replace("_", "-")
    return {
        "metric": metric,
        "verdict": str(compared.get("verdict") or ""),
        "split": split,
        "comparisons": compared.get("comparisons"),
        "against": str(compared.get("against") or ""),
        "standings": rows,
        "has_hours": any(row["hours"] is not None for row in rows),
        "effects": effects(compared),
        "parallel": drawings[0],
        "drawings": [drawing for drawing in drawings[1:] if drawing],
        "rules": [(name, str(rule)) for name, rule in mapping(compared.get("rules")).items()],
    }


def standings(compared: Compared) -> list[dict[str, Any]]:
    """Return a row for each method, the best first."""
    return [_standing(each, place) for place, each in enumerate(_listed(compared, "standings"))]


def _standing(each: Mapping[str, Any], place: int) -> dict[str, Any]:
    score, found = mapping(each.get("score")), mapping(each.get("difference"))
    corrected = found.get("wilcoxon_holm")
    is_told = isinstance(corrected, int | float) and corrected < ALPHA
    return {
        "rank": each.get("rank"), "name": str(each.get("name", "")), "mean": score.get("mean"),
        "interval": interval_of(score), "difference": found.get("mean"),
        "difference_interval": interval_of(found), "p": found.get("wilcoxon"), "corrected": corrected,
        "first": each.get("first"), "hours": each.get("hours"),
        "per_hour": each.get("per_hour"),
        "kind": parallel.WINNER if place == 0 else parallel.OTHER if is_told else parallel.LIKE_IT,
        "choices": {str(key): without_paths(value) for key, value in mapping(each.get("choices")).items()},
    }  # fmt: skip


def effects(compared: Compared) -> list[dict[str, Any]]:
    """Return what each choice does, all others being the same."""
    return [
        {
            "key": without_paths(each.get("key", "")), "value": without_paths(each.get("value", "")),
            "best": without_paths(each.get("best", "")), "mean": each.get("mean"),
            "difference": each.get("difference"), "interval": interval_of(each), "settings": each.get("settings"),
            "worse": each.get("worse"),
        }
        for each in _listed(compared, "effects")
    ]  # fmt: skip


def parallel_chart(compared: Compared, rows: Sequence[Mapping[str, Any]], metric: str) -> Drawing | None:
    """Draw the runs across their choices, hours and score; None where they made no choices."""
    keys = list(dict.fromkeys(key for row in rows for key in row["choices"]))
    timed = ["hours"] if any(row["hours"] is not None for row in rows) else []
    names = [*keys, *timed, metric]
    paths = [
        parallel.Path(
            row["name"], [*(row["choices"].get(key) for key in keys), *(row[key] for key in timed), row["mean"]],
            row["kind"],
        )
        for row in rows[:MOST_LINES]
        if row["choices"]
    ]  # fmt: skip
    return parallel.parallel(names, paths) if keys else None


def scores_chart(rows: Sequence[Mapping[str, Any]], metric: str, unit: str) -> Drawing | None:
    """Draw the mean of each run with its interval."""
    estimates = [
        Estimate(
            _brief(row), _value(row["mean"]), row["interval"], row["kind"],
            number(row["mean"], 4),
        )
        for row in rows
    ]  # fmt: skip
    caption = "Mean over the same cases with its 95% interval; orange is first, blue is not told from it."
    axis = f"mean {metric}" + (f" [{unit}]" if unit else "")
    return forest("scores", f"{metric} of each run", caption, estimates, axis)


def effects_chart(compared: Compared, metric: str) -> Drawing | None:
    """Draw how far each value of a choice is behind the best one, all other choices being the same."""
    estimates = [
        Estimate(
            f"{row['key']}: {row['value']} – {row['best']}", _value(row["difference"]), row["interval"],
            parallel.LIKE_IT, f"{number(row['difference'], 4)}; behind in {row['worse']} of {row['settings']}",
        )
        for row in effects(compared)
        if row["value"] != row["best"] and row["settings"]
    ]  # fmt: skip
    caption = (
        "Each value beside the best one of its choice, where all other choices are the same, with the 95% interval "
        "over cases: it knows nothing of what another seed would do."
    )
    title = "What each choice does"
    return forest("effects", title, caption, estimates, f"difference in {metric}", zero=True)


def _brief(row: Mapping[str, Any]) -> str:
    """Return what tells a run from the others in the fewest letters: its name, or the values of its choices."""
    choices = ", ".join(row["choices"].values())
    return choices if choices and len(choices) < len(row["name"]) else str(row["name"])


def _value(found: object) -> float:
    return float(found) if isinstance(found, int | float) else math.nan


def _listed(compared: Compared, key: str) -> list[Mapping[str, Any]]:
    listed = compared.get(key)
    return [mapping(each) for each in listed] if isinstance(listed, list) else []
