"""Further columns of cases, out of a table beside the data set."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

from segkit.datasets.case import Case
from segkit.foundation.errors import DataError
from segkit.foundation.suggestions import listed

CASE = "case"


def with_columns(cases: Sequence[Case], table: str | None) -> list[Case]:
    """Return the cases with the columns of a CSV added; a case that the table lacks stays as it is.

    Args:
        cases: of the data set.
        table: a CSV file with a column `case` and others; None: nothing is added.

    Raises:
        DataError: when the table cannot be read, has no column `case`, names a case twice, or
            none of the cases.
    """
    if table is None:
        return list(cases)
    found = [row for row in read_rows(Path(table), needs=[CASE]) if row[CASE]]
    rows = {row[CASE]: row for row in found}
    if len(rows) < len(found):
        twice = Counter(row[CASE] for row in found).most_common(1)[0][0]
        raise DataError(f"data.columns: {table} has several rows of the case {twice}: keep one")
    if not rows.keys() & {case.name for case in cases}:
        raise DataError(f"data.columns: {table} names none of the cases, e.g. {cases[0].name}")
    return [replace(case, columns={**case.columns, **rows.get(case.name, {})}) for case in cases]


def read_rows(path: Path, *, needs: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV or TSV file, empty cells as "".

    Args:
        path: separated by commas, semicolons or tabs.
        needs: columns that must be there.

    Raises:
        DataError: when it cannot be read or lacks a column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        # The header tells, since numbers in the rows may hold commas of their own.
        separator = max("\t;,", key=text.partition("\n")[0].count)
        reader = csv.DictReader(StringIO(text, newline=""), delimiter=separator)
        rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read the table {path}: {error}") from error
    missing = [column for column in needs if column not in (reader.fieldnames or [])]
    if missing:
        raise DataError(f"{path} has no column {missing[0]}; its columns are {listed(reader.fieldnames or [])}")
    return [{str(name): (value or "").strip() for name, value in row.items() if name} for row in rows]
