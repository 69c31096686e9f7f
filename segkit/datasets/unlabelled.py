"""Which labels the references of some cases lack, because nobody drew them: `data.annotated`."""

from __future__ import annotations

from collections.abc import Sequence

from segkit.config.labels import Labels
from segkit.datasets.case import Case
from segkit.foundation.errors import UsageError
from segkit.foundation.suggestions import did_you_mean, listed

SEPARATOR = ";"


def unlabelled_of(cases: Sequence[Case], column: str | None, labels: Labels) -> dict[str, frozenset[str]]:
    """Return for each case the labels that nobody drew in it; cases in which all were drawn are left out.

    Args:
        cases: of the data set.
        column: that names the labels drawn in a case, separated by `;`; empty: all of them. None: all in every case.
        labels: of the data set.

    Raises:
        UsageError: when no case has the column, or it names a label that is not declared.
    """
    if column is None:
        return {}
    if not any(column in case.columns for case in cases):
        raise UsageError(f"data.annotated: no case has a column {column}; data.columns=CSV adds columns")
    background, found = next(iter(labels.members)), {}
    for case in cases:
        words = [word.strip() for word in case.columns.get(column, "").split(SEPARATOR)]
        drawn = [word for word in words if word and word != background]
        for name in drawn:
            if name not in labels.foreground:
                hint = did_you_mean(name, labels.foreground)
                known = listed(labels.foreground)
                raise UsageError(f"data.annotated: {column} of {case.name} names {name}, no label of {known}{hint}")
        if any(words) and set(drawn) != set(labels.foreground):
            found[case.name] = frozenset(labels.foreground) - set(drawn)
    return found
