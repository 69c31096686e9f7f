"""One method on several data sets: what it scores on each, and how it ranks over them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from segkit.evaluation.comparison.comparison import Comparison, Standing
from segkit.evaluation.comparison.sentences import digits
from segkit.foundation.errors import UsageError
from segkit.foundation.files import write_text
from segkit.foundation.suggestions import did_you_mean
from segkit.studies.leaderboard import Table
from segkit.studies.pooling import Pool

FILE = "by_data.csv"
_COLUMNS = ("method", "data", "rank", "mean", "low", "high", "cases", "hours")
DATA = "data"  # what begins the choices that say which data set, and where it lies


def across(found: Mapping[str, Comparison]) -> dict[str, dict[str, Standing]]:
    """Return method -> data set -> its standing there; the best mean rank first.

    A method is what its runs were asked but for the data set; those that were not trained on every set come last.
    """
    methods: dict[str, dict[str, Standing]] = {}
    for name, comparison in found.items():
        for standing in comparison.standings:
            methods.setdefault(method_of(standing.choices), {})[name] = standing
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
    writer.writerow([*_COLUMNS, "against", "difference", "difference_low", "difference_high", "wilcoxon_holm"])
    for method, standings in across(found).items():
        for name, one in standings.items():
            hours = "" if one.hours is None else one.hours
            told = one.difference
            beside = [told.against, told.mean, *told.ci95, told.wilcoxon_holm] if told else [""] * 5
            writer.writerow([method, name, one.rank, one.score.mean, *one.score.ci95, one.score.n, hours, *beside])
    write_text(output / FILE, text.getvalue())
    return output / FILE


def method_of(choices: Mapping[str, str]) -> str:
    """Return what tells a method from the others of its data set, which is the same on each of them."""
    return ",".join(f"{key}={value}" for key, value in choices.items() if key.partition(".")[0] != DATA) or "all runs"


def baselines(wanted: str, found: Mapping[str, Sequence[Pool]]) -> dict[str, str]:
    """Return by data set the name of the method there that a baseline means.

    Args:
        wanted: a method's choices but for the data set, as the results by data set show them, or its name on one set.
        found: the methods of each data set.

    Raises:
        UsageError: when a data set has no such method.
    """
    meant = next((method_of(each.choices) for of in found.values() for each in of if each.name == wanted), wanted)
    names = {data: {method_of(each.choices): each.name for each in of} for data, of in found.items()}
    for data, known in names.items():
        if meant not in known:
            hint = did_you_mean(meant, known) or ";"
            raise UsageError(f"baseline: on {data} there is no {meant}{hint} there are: {', '.join(known)}")
    return {data: known[meant] for data, known in names.items()}
