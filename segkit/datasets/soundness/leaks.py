"""Cases that stand on two sides of a split although they are of one patient, or one image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from segkit.config.options import SplitOptions
from segkit.datasets.case import PART, TEST, Case
from segkit.datasets.soundness.findings import ERROR, Finding, found
from segkit.datasets.splits import ALL, Split, read_held_out, reused_split
from segkit.foundation.strangers import load_json

PARTS = ("training", "validation", "held_out")


def leaks(
    cases: Mapping[str, Case], split: Split, group_by: str | None, images: Mapping[str, Sequence[str]]
) -> Iterator[Finding]:
    """Yield a finding for each case whose patient, or whose very image, stands on another side too.

    Of one image it is the later case by name, as for duplicates; of one patient the case that stands on the later side.

    Args:
        cases: by name.
        split: of the cases.
        group_by: the column that names patients; None: only images are compared.
        images: hashes of the images of each case.
    """
    sides = {name: part for part in PARTS for name in split.names(part)}
    found_in: dict[str, Finding] = {}
    first: dict[str, str] = {}
    for name in sorted(sides):
        for digest in images.get(name, ()):
            other = first.setdefault(digest, name)
            if sides[other] != sides[name]:
                found_in.setdefault(name, _leak(cases[name], sides[name], "of the same image", other, sides[other]))
    seen: dict[str, str] = {}
    for name, side in sides.items():
        patient = cases[name].columns.get(group_by, "") if group_by else ""
        other = seen.setdefault(patient, name) if patient else name
        if sides[other] != side:
            same = f"of the same patient ({patient})"
            found_in.setdefault(name, _leak(cases[name], side, same, other, sides[other]))
    yield from (found_in[name] for name in sorted(found_in))


def _leak(case: Case, side: str, same: str, other: str, its_side: str) -> Finding:
    message = f"it is {side.replace('_', ' ')} and {same} as {other}, which is {its_side.replace('_', ' ')}"
    return found(case.name, ERROR, "leak", message, next(iter(case.images.values()), ""))


def written_splits(cases: Mapping[str, Case], options: SplitOptions) -> Iterator[Split]:
    """Yield the splits that somebody wrote down: of each fold of a file, of a held-out list, of the layout itself.

    One that is drawn keeps the cases of a patient, and equal images, together; one that is written may divide them.

    Raises:
        DataError: when a file cannot be read or names cases that the data set does not have.
    """
    everyone = list(cases.values())
    if options.file:
        stored = load_json(Path(options.file))
        folds = [str(fold) for fold in range(len(stored))] if isinstance(stored, list) else [ALL]
        for fold in folds:
            yield reused_split(Path(options.file), everyone, fold)
        return
    held_out = {case.name for case in everyone if case.columns.get(PART) == TEST}
    if options.held_out:
        held_out = set(read_held_out(Path(options.held_out), everyone))
    elif options.held_out_fraction or options.outer_folds:
        return
    if held_out:
        training = tuple(sorted(case.name for case in everyone if case.name not in held_out and case.reference))
        yield Split(training, (), tuple(sorted(held_out)))
