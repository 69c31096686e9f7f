"""Tables in Parquet, by pyarrow or polars: whichever is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segkit.foundation.errors import DataError, MissingExtraError


def read_parquet(path: Path) -> list[dict[str, str]]:
    """Return the rows of a Parquet file, every cell as text and empty ones as "".

    Raises:
        DataError: when the file cannot be read.
        MissingExtraError: when neither pyarrow nor polars is installed.
    """
    try:
        rows = _rows(path)
    except MissingExtraError:
        raise
    except Exception as error:
        raise DataError(f"cannot read the table {path}: {' '.join(str(error).split())[:300]}") from error
    return [{str(name): "" if cell is None else str(cell).strip() for name, cell in row.items()} for row in rows]


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        import pyarrow.parquet
    except ImportError:
        return _rows_of_polars(path)
    rows: list[dict[str, Any]] = pyarrow.parquet.ParquetFile(path).read().to_pylist()
    return rows


def _rows_of_polars(path: Path) -> list[dict[str, Any]]:
    try:
        import polars
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", f"reading {path}") from error
    rows: list[dict[str, Any]] = polars.read_parquet(path).to_dicts()
    return rows
