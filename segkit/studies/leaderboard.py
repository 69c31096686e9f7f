"""A comparison as a table on the terminal, a CSV file and JSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from segkit.evaluation.comparison.comparison import Comparison, Difference, Standing
from segkit.evaluation.comparison.sentences import digits, p_text
from segkit.foundation.files import write_json, write_text

LEADERBOARD, COMPARISON = "leaderboard.csv", "comparison.json"
Table = tuple[list[str], list[list[str]]]


def write_comparison(comparison: Comparison, output: Path) -> list[Path]:
    """Write `leaderboard.csv` and `comparison.json`, each whole or not at all.

    Returns:
        The two files.
    """
    write_text(output / LEADERBOARD, leaderboard_csv(comparison))
    write_json(output / COMPARISON, comparison)
    return [output / LEADERBOARD, output / COMPARISON]


def leaderboard_csv(comparison: Comparison) -> str:
    """Return a line per method, the best first; figures in full, empty where there is none."""
    rows = [_full_row(one, comparison) for one in comparison.standings]
    text = io.StringIO()
    columns = list(dict.fromkeys(column for row in rows for column in row))  # of scores alone nobody knows the choices
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def leaderboard_table(comparison: Comparison) -> Table:
    """Return columns and rows for the console."""
    metric = f"{comparison.metric} [{comparison.unit}]" if comparison.unit else comparison.metric
    infinite = any(one.score.infinite for one in comparison.standings)
    columns = ["rank", "run", metric, "95% interval", "difference", "95% interval", "p", "corrected p",
               "effect", "ranks", "first"]  # fmt: skip
    if infinite:
        columns.append("infinite")
    has_hours = any(one.hours for one in comparison.standings)
    if has_hours:
        columns += ["hours", f"{comparison.metric}/h"]
    rows = []
    for one in comparison.standings:
        low, high = one.rank_ci95
        row = [str(one.rank), one.name, digits(one.score.mean), _interval(one.score.ci95), *_beside(one.difference),
               f"{low}-{high}" if low < high else str(low), f"{one.first:.0%}"]  # fmt: skip
        row += [str(one.score.infinite)] if infinite else []
        row += [_brief(one.hours), _brief(one.per_hour)] if has_hours else []
        rows.append(row)
    return columns, rows


def effects_table(comparison: Comparison) -> Table:
    """Return what each choice does, for the console."""
    columns = ["choice", "value", comparison.metric, "to the best value", "95% interval", "behind in"]
    rows = []
    for one in comparison.effects:
        beside = ["-", "-", "-"]
        if one.value != one.best:
            behind = f"{one.worse} of {one.settings}" if one.settings else "not tried alike"
            beside = [_signed(one.difference), _interval(one.ci95), behind]
        rows.append([one.key, one.value, digits(one.mean), *beside])
    return columns, rows


def lines_on_cases_needed(comparison: Comparison, difference: float) -> list[str]:
    """Return how many cases a difference needs, from the spread between the methods of each pair."""
    # Two equal runs have no spread to learn from.
    found = [one.difference for one in comparison.standings if one.difference and one.difference.std > 0]
    needed = [one.cases_for_asked for one in found]
    known = sorted(number for number in needed if number is not None)
    if not known:
        return [f"how many cases a difference of {difference:g} needs is not known: the runs do not differ"]
    span = f"{known[0]:,}" if known[0] == known[-1] else f"{known[0]:,} to {known[-1]:,}"
    shown = sorted(one.detectable for one in found if math.isfinite(one.detectable))
    unit = "patients" if comparison.patients < len(comparison.cases) else "cases"
    small = f"; {comparison.patients} {unit} show {digits(shown[0])} to {digits(shown[-1])}" if shown else ""
    return [f"to show a difference of {difference:g} {comparison.metric} with 80% power takes {span} {unit}{small}"]


def _full_row(one: Standing, comparison: Comparison) -> dict[str, object]:
    score, found = one.score, one.difference
    row: dict[str, object] = {"rank": one.rank, "run": one.name, comparison.metric: _exact(score.mean)}
    row |= {"low": _exact(score.ci95[0]), "high": _exact(score.ci95[1]), "std": _exact(score.std)}
    row |= {"median": _exact(score.median), "n": score.n, "infinite": score.infinite, "cases": one.cases}
    row |= {"against": found.against if found else ""}
    for name in ("mean", "wilcoxon", "wilcoxon_holm", "permutation", "permutation_holm", "effect_size",
                 "rank_biserial", "wins", "cases_needed"):  # fmt: skip
        row["difference" if name == "mean" else name] = _exact(getattr(found, name, None))
    row |= {"difference_low": _exact(found.ci95[0] if found else None)}
    row |= {"difference_high": _exact(found.ci95[1] if found else None)}
    row |= {"rank_low": one.rank_ci95[0], "rank_high": one.rank_ci95[1], "first": _exact(one.first)}
    row |= {"hours": _exact(one.hours), "per_hour": _exact(one.per_hour)}
    row |= {f"choice:{key}": value for key, value in one.choices.items()}
    return row | {f"mean:{name}": _exact(value) for name, value in one.means.items() if name != comparison.metric}


def _beside(found: Difference | None) -> Sequence[str]:
    if found is None:
        return ["-"] * 5
    p = (p_text(found.wilcoxon), p_text(found.wilcoxon_holm))
    return [_signed(found.mean), _interval(found.ci95), *p, f"{found.effect_size:.2f}"]


def _interval(ends: tuple[float, float]) -> str:
    return "-" if math.isnan(ends[0]) else f"{digits(ends[0])} to {digits(ends[1])}"


def _signed(value: float) -> str:
    return "-" if math.isnan(value) else f"{'+' if value > 0 else ''}{digits(value)}"


def _brief(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _exact(value: float | None) -> object:
    return "" if value is None or math.isnan(value) else value
