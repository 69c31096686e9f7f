"""Tables in Parquet, by pyarrow or polars: whichever is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from segkit.foundation.errors import DataError, MissingExtraError
from segkit.foundation.files import atomic_file


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
    except Exception as error:  # whatever pyarrow and polars raise of a damaged file
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


def check_parquet(purpose: str) -> None:
    """Make sure, before any work, that Parquet can be read and written.

    Raises:
        MissingExtraError: when neither pyarrow nor polars is installed.
    """
    if find_spec("pyarrow") is None and find_spec("polars") is None:
        raise MissingExtraError("pyarrow", "parquet", purpose)


def write_parquet(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write a Parquet file, whole or not at all.

    Args:
        path: the file to write.
        columns: name -> cells, all of one type or None; whole numbers stay whole, and a column of None alone is one of
            numbers.

    Raises:
        MissingExtraError: when neither pyarrow nor polars is installed.
        OSError: when the file cannot be written; the old one stays.
    """
    check_parquet(f"writing {path}")
    filled = {name: [cell for cell in cells if cell is not None] for name, cells in columns.items()}
    has_fractions = {name: any(isinstance(cell, float) for cell in cells or [0.0]) for name, cells in filled.items()}
    with atomic_file(path) as temporary:
        if find_spec("pyarrow") is None:
            import polars

            types = {name: polars.Float64 for name, has_some in has_fractions.items() if has_some}
            polars.DataFrame(dict(columns), schema_overrides=types).write_parquet(temporary)
        else:
            import pyarrow
            import pyarrow.parquet

            types = {name: pyarrow.float64() for name, has_some in has_fractions.items() if has_some}
            arrays = {name: pyarrow.array(cells, type=types.get(name)) for name, cells in columns.items()}
            pyarrow.parquet.write_table(pyarrow.table(arrays), temporary)
