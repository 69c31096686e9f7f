"""Which cases train, which validate, which stay untouched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segkit.config.options import SplitOptions
from segkit.datasets.case import Case
from segkit.foundation.counted import generator
from segkit.foundation.errors import DataError


@dataclass(frozen=True)
class Split:
    """Case names by what they are for, each list sorted; no name stands in two."""

    training: tuple[str, ...]
    validation: tuple[str, ...]
    held_out: tuple[str, ...]

    def names(self, part: str) -> tuple[str, ...]:
        """Return the names of `training`, `validation` or `held_out`."""
        return {"training": self.training, "validation": self.validation, "held_out": self.held_out}[part]


def split_cases(cases: Sequence[Case], options: SplitOptions, fold: str) -> Split:
    """Split a data set.

    Args:
        cases: every case of the data set.
        options: held-out list, number of folds, seed of the folds.
        fold: `all` trains on every case that is not held out; `0`, `1` ... lets that fold validate.

    Raises:
        DataError: when the held-out list names unknown cases, or nothing remains to train or validate on.
    """
    held_out = read_held_out(Path(options.held_out), cases) if options.held_out else ()
    rest = sorted(case.name for case in cases if case.reference is not None and case.name not in held_out)
    validation: Sequence[str] = ()
    if fold != "all":
        if len(rest) < options.folds:
            raise DataError(f"{len(rest)} cases with references cannot make data.split.folds={options.folds} folds")
        shuffled = [rest[index] for index in generator(options.seed).permutation(len(rest))]
        validation = sorted(shuffled[int(fold) :: options.folds])
    training = tuple(name for name in rest if name not in validation)
    if not training:
        raise DataError("no case is left to train on: each is held out, validates or has no reference")
    return Split(training, tuple(validation), tuple(held_out))


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
    return Split(*(tuple(names) for names in lists if names is not None))
