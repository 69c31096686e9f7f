"""Which labels each case has, for splits that are stratified by them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from segkit.config.labels import Labels
from segkit.datasets.case import Case
from segkit.datasets.side_by_side import over_cases, voxels_in
from segkit.datasets.splits import BY_LABELS
from segkit.volumes.label_values import label_values, value_counts
from segkit.volumes.reading import read

BYTES_PER_VOXEL = 24  # of a reference: float64 as read, or three colours as whole numbers and what they are joined to


def strata_by_labels(
    cases: Sequence[Case], labels: Labels, stratify_by: str | None, workers: int | None
) -> dict[str, str] | None:
    """Return the stratum of each case where its labels decide it; None where a column does, or nothing.

    Args:
        cases: of the data set.
        labels: of the data set.
        stratify_by: `data.split.stratify_by`.
        workers: processes; None: as many as cores and memory allow.
    """
    return label_presence(cases, labels, workers) if stratify_by == BY_LABELS else None


def label_presence(cases: Sequence[Case], labels: Labels, workers: int | None) -> dict[str, str]:
    """Return for each case the labels that its reference holds, as one text such as `liver, tumour`.

    Args:
        cases: those without a reference, or with one that cannot be read, have the text "".
        labels: of the data set.
        workers: processes; None: as many as cores and memory allow.
    """
    outcomes = over_cases(
        partial(labels_of, labels=labels),
        cases,
        [voxels_in([case.reference] if case.reference else []) for case in cases],
        bytes_per_voxel=BYTES_PER_VOXEL,
        workers=workers,
        what="looking for labels",
    )
    found = {outcome.name: outcome.value or "" for outcome in outcomes}
    return {case.name: found[case.name] for case in cases}


def labels_of(case: Case, labels: Labels) -> str:
    """Return the names of the foreground labels that a case's reference holds, "" where it has none."""
    if case.reference is None:
        return ""
    values = label_values(read(case.reference), str(case.reference), in_colour=labels.in_colour)
    found = set(value_counts(values)[0].tolist())
    return ", ".join(name for name in labels.foreground if found & set(labels.members[name]))
