"""Further columns of cases, out of a table beside the data set."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from segkit.datasets.case import Case
from segkit.foundation.errors import DataError

CASE = "case"


def with_columns(cases: Sequence[Case], table: str | None) -> list[Case]:
    """Return the cases with the columns of a CSV added; a case that the table lacks stays as it is.

    Args:
        cases: of the data set.
        table: a CSV file with a column `case` and others; None: nothing is added.

    Raises:
        DataError: when the table cannot be read, has no column `case`, or names none of the cases.
    """
    if table is None:
        return list(cases)
    rows = {row[CASE]: row for row in read_rows(Path(table), needs=[CASE])}
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
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the table {path}: {error}") from error
    head = text.partition("\n")[0]
    separator = max("\t;,", key=head.count)
    reader = csv.DictReader(text.splitlines(), delimiter=separator)
    missing = [column for column in needs if column not in (reader.fieldnames or [])]
    if missing:
        raise DataError(f"{path} has no column {missing[0]}; its columns are {', '.join(reader.fieldnames or [])}")
    return [{str(name): (value or "").strip() for name, value in row.items() if name} for row in reader]
