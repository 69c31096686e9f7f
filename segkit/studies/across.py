"""One method on several data sets: what it scores on each, and how it ranks over them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from segkit.evaluation.comparison.comparison import Comparison, Standing
from segkit.evaluation.comparison.sentences import digits
from segkit.foundation.files import write_text
from segkit.studies.leaderboard import Table

FILE = "by_data.csv"
DATA = "data"  # what begins the choices that say which data set, and where it lies


def across(found: Mapping[str, Comparison]) -> dict[str, dict[str, Standing]]:
    """Return method -> data set -> its standing there; the best mean rank first.

    A method is what its runs were asked but for the data set; those that were not trained on every set come last.
    """
    methods: dict[str, dict[str, Standing]] = {}
    for name, comparison in found.items():
        for standing in comparison.standings:
            methods.setdefault(_method(standing), {})[name] = standing
    return dict(sorted(methods.items(), key=lambda each: (len(found) - len(each[1]), mean_rank(each[1]))))


def mean_rank(standings: Mapping[str, Standing]) -> float:
    """Return the mean of the ranks on the data sets, which no set's scale or difficulty dominates.

    Source: Demsar 2006, Journal of Machine Learning Research 7, "Statistical comparisons of classifiers over multiple
    data sets".
    """
    return fmean(standing.rank for standing in standings.values())


def across_table(found: Mapping[str, Comparison]) -> Table:
    """Return columns and rows for the console."""
    metric = next(iter(found.values())).metric
    rows = [
        [
            method,
            *(digits(standings[name].score.mean) if name in standings else "-" for name in found),
            f"{mean_rank(standings):.2f}",
        ]
        for method, standings in across(found).items()
    ]
    return ["method", *(f"{metric} on {name}" for name in found), "mean rank"], rows


def write_across(found: Mapping[str, Comparison], output: Path) -> Path:
    """Write a line per method and data set, in full figures, and return the file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "data", "rank", "mean", "low", "high", "cases", "hours"])
    for method, standings in across(found).items():
        for name, one in standings.items():
            hours = "" if one.hours is None else one.hours
            writer.writerow([method, name, one.rank, one.score.mean, *one.score.ci95, one.score.n, hours])
    write_text(output / FILE, text.getvalue())
    return output / FILE


def _method(standing: Standing) -> str:
    own = [f"{key}={value}" for key, value in standing.choices.items() if key.partition(".")[0] != DATA]
    return ",".join(own) or "all runs"
