"""Which cases train, which validate, which stay untouched."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segkit.config.options import SplitOptions
from segkit.datasets.case import PART, TEST, Case
from segkit.datasets.folds import Group, balanced_folds, grouped
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.strangers import load_json

ALL = "all"
BY_LABELS = "labels"  # stratified by which labels a case has
HELD_OUT, OUTER, INNER = (1,), (2,), ()  # independent streams of the seed


@dataclass(frozen=True)
class Split:
    """Case names by what they are for, each list sorted; no name stands in two."""

    training: tuple[str, ...]
    validation: tuple[str, ...]
    held_out: tuple[str, ...]

    def names(self, part: str) -> tuple[str, ...]:
        """Return the names of `training`, `validation` or `held_out`."""
        return {"training": self.training, "validation": self.validation, "held_out": self.held_out}[part]


def split_cases(
    cases: Sequence[Case],
    options: SplitOptions,
    fold: str,
    *,
    together: Sequence[Collection[str]] = (),
    strata: Mapping[str, str] | None = None,
) -> Split:
    """Split a data set.

    Args:
        cases: every case of the data set.
        options: what is held out, number of folds, seed, groups and strata.
        fold: `all` trains on every case that is not held out; `0`, `1` ... lets that fold validate.
        together: further sets of case names that must stay on one side, such as those of identical images.
        strata: what `stratify_by` says of each case; None reads the column of that name.

    Raises:
        DataError: when the held-out list names unknown cases or divides a group, or nothing remains to train on.
        UsageError: when there is no column of the name of `group_by` or `stratify_by`.
    """
    if options.file:
        return reused_split(Path(options.file), cases, fold)
    groups = grouped(cases, options.group_by, together)
    kinds = strata if strata is not None else strata_column(cases, options.stratify_by)
    held_out = held_out_cases(cases, groups, options, kinds)
    usable, untouched = labelled(groups, cases), set(held_out)
    where = options.held_out or "the layout"
    check_undivided(groups, untouched, {name for group in usable for name in group}, where)
    rest = [group for group in usable if untouched.isdisjoint(group)]
    validation: tuple[str, ...] = ()
    if fold != ALL:
        folds = options.folds if isinstance(options.folds, int) else len(rest)
        validation = chosen_fold(rest, folds, int(fold), options.seed, INNER, kinds, "data.split.folds")
    training = tuple(sorted({name for group in rest for name in group} - set(validation)))
    if not training:
        raise DataError("no case is left to train on: each is held out, validates or has no reference")
    return Split(training, validation, held_out)


def count_folds(
    cases: Sequence[Case],
    options: SplitOptions,
    *,
    together: Sequence[Collection[str]] = (),
    strata: Mapping[str, str] | None = None,
) -> int:
    """Return how many folds there are; of leave-one-out, as many as there are cases, or groups, that are not held out.

    Args:
        cases: every case of the data set.
        options: number of folds, groups, and what is held out.
        together: further sets of case names that must stay on one side.
        strata: what `stratify_by` says of each case; None reads the column of that name.

    Raises:
        DataError: when a file cannot be read, or the held-out list names unknown cases.
        UsageError: when there is no column of the name of `group_by` or `stratify_by`.
    """
    if options.file:
        found = load_json(Path(options.file))
        return len(found) if isinstance(found, list) else 1
    if isinstance(options.folds, int):
        return options.folds
    groups = grouped(cases, options.group_by, together)
    kinds = strata if strata is not None else strata_column(cases, options.stratify_by)
    held_out = set(held_out_cases(cases, groups, options, kinds))
    return sum(held_out.isdisjoint(group) for group in labelled(groups, cases))


def held_out_cases(
    cases: Sequence[Case], groups: Sequence[Group], options: SplitOptions, kinds: Mapping[str, str] | None
) -> tuple[str, ...]:
    """Return the names of the cases that never train: listed, drawn, one outer fold, or the layout's own test part."""
    if options.held_out:
        return read_held_out(Path(options.held_out), cases)
    usable = labelled(groups, cases)
    if options.held_out_fraction:
        # Shares of about that size, in the first of which every stratum is as frequent as in all.
        parts = max(2, round(1 / options.held_out_fraction))
        shares = balanced_folds(usable, parts, options.seed, HELD_OUT, kinds)
        return drawn_share(shares, options.held_out_fraction * sum(map(len, usable)))
    if options.outer_folds:
        count, chosen = options.outer_folds, options.outer_fold or 0
        return chosen_fold(usable, count, chosen, options.seed, OUTER, kinds, "data.split.outer_folds")
    return tuple(sorted(case.name for case in cases if case.columns.get(PART) == TEST and case.reference is not None))


def drawn_share(shares: Sequence[Sequence[Group]], wanted: float) -> tuple[str, ...]:
    """Return groups of the shares in turn until about `wanted` cases are drawn."""
    drawn: list[str] = []
    for group in (group for share in shares for group in share):
        # A group is not divided: it is drawn while half of it or more is wanted, and one is drawn in any case.
        if len(drawn) + len(group) / 2 > wanted and drawn:
            break
        drawn += group
    return tuple(sorted(drawn))


def chosen_fold(
    groups: Sequence[Group],
    folds: int,
    fold: int,
    seed: int,
    stream: tuple[int, ...],
    kinds: Mapping[str, str] | None,
    key: str,
) -> tuple[str, ...]:
    """Return the case names of one of several folds.

    Raises:
        DataError: when there are fewer groups than folds, or the fold is not one of them.
    """
    if len(groups) < folds:
        raise DataError(f"{len(groups)} cases or groups with references cannot make {key}={folds} folds")
    if not 0 <= fold < folds:
        raise DataError(f"fold {fold} is not one of the {folds} of {key} (0 to {folds - 1})")
    members = balanced_folds(groups, folds, seed, stream, kinds)[fold]
    return tuple(sorted(name for group in members for name in group))


def labelled(groups: Sequence[Group], cases: Sequence[Case]) -> list[Group]:
    """Return the groups without the cases that have no reference, and without groups that are empty then."""
    known = {case.name for case in cases if case.reference is not None}
    kept = [tuple(name for name in group if name in known) for group in groups]
    return [group for group in kept if group]


def strata_column(cases: Sequence[Case], name: str | None) -> dict[str, str] | None:
    """Return the stratum of each case out of a column of the data set's table; None where none is asked for.

    Raises:
        UsageError: when no case has a column of that name.
    """
    if name is None:
        return None
    known = sorted({known for case in cases for known in case.columns})
    if name not in known:
        columns = ", ".join(known) or "none (data.columns=CSV)"
        raise UsageError(f"data.split.stratify_by: no case has a column {name}; columns: {columns}")
    return {case.name: case.columns.get(name, "") for case in cases}


def check_undivided(groups: Sequence[Group], held_out: Set[str], usable: Set[str], where: str) -> None:
    """Refuse held-out cases whose patient, or whose very image, would train.

    Raises:
        DataError: naming a case on either side.
    """
    for group in groups:
        inside = held_out & set(group)
        outside = usable & set(group) - inside
        if inside and outside:
            raise DataError(
                f"{where} holds out {min(inside)} but not {min(outside)}, which is of the same patient or the same "
                "image: hold out both or neither"
            )


def read_held_out(path: Path, cases: Sequence[Case]) -> tuple[str, ...]:
    """Return the case names of a held-out list, one a line, sorted.

    Raises:
        DataError: when the file is missing or names a case that the data set does not have.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"data.split.held_out: cannot read {path}: {error}") from error
    names = sorted({line.strip() for line in lines} - {""})
    unknown = sorted(set(names) - {case.name for case in cases})
    if unknown:
        raise DataError(f"{path} holds out {unknown[0]} ({len(unknown)} in all), which the data set does not have")
    return tuple(names)


def reused_split(path: Path, cases: Sequence[Case], fold: str) -> Split:
    """Return the split of an earlier run's `split.json`, or a fold of nnU-Net's `splits_final.json`.

    Raises:
        DataError: when it cannot be read, names cases that the data set does not have, or one case twice.
    """
    found = load_json(path)
    if isinstance(found, list):
        if fold == ALL or int(fold) >= len(found):
            raise DataError(f"{path} holds the folds 0 to {len(found) - 1}; pass training.fold=K")
        entry = found[int(fold)] if isinstance(found[int(fold)], dict) else {}
        found = {"training": entry.get("train"), "validation": entry.get("val"), "held_out": []}
    split = split_from(found, where=str(path))
    names = [*split.training, *split.validation, *split.held_out]
    unknown = sorted(set(names) - {case.name for case in cases})
    if unknown or len(set(names)) < len(names):
        wrong = f"names {unknown[0]}, which the data set does not have" if unknown else "names a case twice"
        raise DataError(f"data.split.file: {path} {wrong}")
    return split


def split_from(mapping: Any, *, where: str) -> Split:
    """Read a split back from its json.

    Args:
        mapping: what `split.json` holds.
        where: the file, for the error.

    Raises:
        DataError: when it is not three lists of names.
    """
    parts = ("training", "validation", "held_out")
    lists = [mapping.get(part) if isinstance(mapping, dict) else None for part in parts]
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists):
        raise DataError(f"{where} is not a split: it needs the lists {', '.join(parts)}")
    return Split(*(tuple(sorted(names)) for names in lists if names is not None))
