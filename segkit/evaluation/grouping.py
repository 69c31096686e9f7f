"""Which cases belong together: those of a patient, and those of a site, scanner or sex."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from segkit.foundation.errors import UsageError
from segkit.foundation.suggestions import did_you_mean

MOST_GROUPS = 20  # a column with more values is a measurement, not a group
UNKNOWN = "(unknown)"  # the group of cases whose cell is empty

Columns = Mapping[str, Mapping[str, str]]  # case -> column -> cell


@dataclass(frozen=True)
class Grouping:
    """Sets of cases for statistics.

    Attributes:
        groups: column -> case -> value, for statistics of each value.
        clusters: case -> patient, whose cases are drawn together; a case that is not named stands alone.
        cluster_by: the column that names patients; None where each case stands alone.
    """

    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)
    cluster_by: str | None = None


def grouping_from(
    columns: Columns, cases: Sequence[str], groups: Sequence[str] = (), cluster_by: str | None = None
) -> Grouping:
    """Return the grouping that columns of the cohort's table say.

    Args:
        columns: what the table says of each case; other cases may be in it.
        cases: those that are scored.
        groups: columns whose values are groups.
        cluster_by: the column whose equal values are one patient; None: each case stands alone.

    Raises:
        UsageError: when no case has such a column, or it has too many values to be groups.
    """
    found = {name: _cells(columns, cases, name, "groups") for name in groups}
    for name, cells in found.items():
        if len(set(cells.values())) > MOST_GROUPS:
            raise UsageError(
                f"groups: {name} has {len(set(cells.values()))} different values in {len(cells)} cases; a group needs "
                "several cases: leave it out, or add a column with its values in bins"
            )
    patients = _cells(columns, cases, cluster_by, "cluster_by") if cluster_by else {}
    known = {case: patient for case, patient in patients.items() if patient != UNKNOWN}
    return Grouping(found, known, cluster_by)


def cluster_numbers(cases: Sequence[str], clusters: Mapping[str, str]) -> list[int]:
    """Return the number of each case's cluster, counted from 0 in the order of their first cases."""
    numbers: dict[tuple[str, bool], int] = {}
    # A case without a patient is a cluster of its own, also where a patient is called as it is.
    return [numbers.setdefault((clusters.get(case, case), case in clusters), len(numbers)) for case in cases]


def _cells(columns: Columns, cases: Sequence[str], name: str, key: str) -> dict[str, str]:
    known = sorted({column for case in cases for column in columns.get(case, {})})
    if name not in known:
        hint = did_you_mean(name, known) or ";"
        there = f"columns: {', '.join(known)}" if known else "there are none: pass columns=FILE.csv"
        raise UsageError(f"{key}: no case has a column {name}{hint} {there}")
    return {case: columns.get(case, {}).get(name, "") or UNKNOWN for case in cases}
