"""How often a label is missing from masks, references or both."""

from __future__ import annotations

from collections.abc import Mapping

from segkit.evaluation.confusion import Counts


def empty_counts(counts: Mapping[str, Mapping[str, Counts]]) -> dict[str, dict[str, int]]:
    """Return for each label in how many cases it is missing, and where.

    Args:
        counts: case -> label -> voxels in both masks, in one and in none; without a label that nobody drew in a case.

    Returns:
        Label -> `both` (in neither mask nor reference), `mask` (missed), `reference` (invented) -> cases.
    """
    labels = dict.fromkeys(label for by_label in counts.values() for label in by_label)
    found = {}
    for label in labels:
        drawn = [by_label[label] for by_label in counts.values() if label in by_label]
        sides = [(not seen.in_mask, not seen.in_reference) for seen in drawn]
        found[label] = {
            "both": sides.count((True, True)),
            "mask": sides.count((True, False)),
            "reference": sides.count((False, True)),
        }
    return found
