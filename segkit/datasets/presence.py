"""Which labels each case has, for splits that are stratified by them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from segkit.config.labels import Labels
from segkit.datasets.case import Case
from segkit.foundation.console import progress
from segkit.foundation.parallel import parallel_map
from segkit.volumes.label_values import label_values, value_counts
from segkit.volumes.reading import read


def label_presence(cases: Sequence[Case], labels: Labels, workers: int | None) -> dict[str, str]:
    """Return for each case the labels that its reference holds, as one text such as `liver, tumour`.

    Args:
        cases: those without a reference, or with one that cannot be read, have the text "".
        labels: of the data set.
        workers: processes; None: as many as cores allow.
    """
    outcomes = parallel_map(partial(labels_of, labels=labels), cases, workers=workers, name=lambda case: case.name)
    found = {outcome.name: outcome.value or "" for outcome in progress(outcomes, len(cases), "looking for labels")}
    return {case.name: found[case.name] for case in cases}


def labels_of(case: Case, labels: Labels) -> str:
    """Return the names of the foreground labels that a case's reference holds, "" where it has none."""
    if case.reference is None:
        return ""
    values = label_values(read(case.reference), str(case.reference), in_colour=labels.in_colour)
    found = set(value_counts(values)[0].tolist())
    return ", ".join(name for name in labels.foreground if found & set(labels.members[name]))
