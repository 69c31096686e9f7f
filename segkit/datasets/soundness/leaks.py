"""Cases that stand on two sides of a split although they are of one patient, or one image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from segkit.datasets.case import Case
from segkit.datasets.soundness.findings import ERROR, Finding, found
from segkit.datasets.splits import Split

PARTS = ("training", "validation", "held_out")


def leaks(
    cases: Mapping[str, Case], split: Split, group_by: str | None, images: Mapping[str, Sequence[str]]
) -> Iterator[Finding]:
    """Yield a finding for each case whose patient, or whose very image, stands on an earlier side too.

    Args:
        cases: by name.
        split: of the cases.
        group_by: the column that names patients; None: only images are compared.
        images: hashes of the images of each case.
    """
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    for part in PARTS:
        for name in split.names(part):
            patient = cases[name].columns.get(group_by, "") if group_by else ""
            marks = [("patient", patient)] if patient else []
            marks += [("image", digest) for digest in images.get(name, ())]
            for mark in marks:
                other, side = seen.setdefault(mark, (name, part))
                if side != part:
                    same = f"of the same patient ({patient})" if mark[0] == "patient" else "of the same image"
                    message = f"it is {part.replace('_', ' ')} and {same} as {other}, which is {side.replace('_', ' ')}"
                    yield found(name, ERROR, "leak", message, next(iter(cases[name].images.values()), ""))
