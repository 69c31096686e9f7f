"""A table of paths: CSV, TSV or Parquet, one row a case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segkit.datasets.case import Case, Layout
from segkit.datasets.columns import CASE, read_rows
from segkit.datasets.dataset_json import check_unique
from segkit.datasets.parquet import read_parquet
from segkit.foundation.errors import DataError
from segkit.foundation.suggestions import did_you_mean, listed
from segkit.volumes.reading import stem

IMAGE = "image"  # the column of the only channel, or of files that hold all channels
REFERENCES = ("reference", "label", "mask")  # the first of these columns that a table has
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class Table(Layout):
    """A row a case: `case,T1,T2,reference,patient`, with a column per channel name, or `image` where one file is all.

    Without a column `case` a case is called as its first image. Columns that are no paths become the case's columns.

    Attributes:
        table: CSV, TSV or Parquet; paths in it are relative to its folder. An empty cell under `reference` (or
            `label`, `mask`): the case has none.
    """

    table: str

    def cases(self, channels: Iterable[str]) -> list[Case]:
        """Return the case of every row, sorted by name.

        Raises:
            DataError: when the table cannot be read, is empty, lacks a channel's column, or names a case twice.
            MissingExtraError: when it is Parquet and nothing that reads it is installed.
        """
        path, names = Path(self.table), list(channels)
        rows = read_parquet(path) if path.suffix.lower() in PARQUET else read_rows(path, needs=[])
        if not rows:
            raise DataError(f"{path} holds no rows")
        sources = image_columns(names, list(rows[0]), path)
        reference = next((column for column in REFERENCES if column in rows[0]), None)
        taken = {*sources.values(), CASE, *([reference] if reference else [])}
        cases = []
        for number, row in enumerate(rows, start=1):
            cells = {channel: row[column] for channel, column in sources.items()}
            name = row.get(CASE) or next((stem(cell) for cell in cells.values() if cell), "")
            if not name:
                raise DataError(f"{path}: row {number} names neither a case nor an image")
            images = placed(cells, name, path.parent)
            label = row.get(reference, "") if reference else ""
            others = {column: cell for column, cell in row.items() if column not in taken}
            cases.append(Case(name, images, path.parent / label if label else None, others))
        check_unique([case.name for case in cases], str(path))
        return sorted(cases, key=lambda case: case.name)


def image_columns(channels: Sequence[str], columns: Sequence[str], path: Path) -> dict[str, str]:
    """Return the column of each channel.

    Raises:
        DataError: when a channel has none, and there is no column `image` either.
    """
    missing = [channel for channel in channels if channel not in columns]
    if not missing:
        return {channel: channel for channel in channels}
    if IMAGE in columns and len(missing) == len(channels):
        return dict.fromkeys(channels, IMAGE)
    hint = did_you_mean(missing[0], columns) or ";"
    raise DataError(f"{path} has no column {missing[0]}{hint} its columns are {listed(columns)}")


def placed(cells: Mapping[str, str], name: str, folder: Path) -> dict[str, Path]:
    """Return the paths of a row; for an empty cell the path where one would look for that channel's file."""
    known = next((cell for cell in cells.values() if cell), "")
    suffix = Path(known).name[len(stem(known)) :] if known else ""
    home = (folder / known).parent if known else folder
    return {
        channel: folder / cell if cell else home / (f"{name}_{channel}{suffix}" if len(cells) > 1 else name)
        for channel, cell in cells.items()
    }
