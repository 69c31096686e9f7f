"""Measurements as a table: text of a CSV file, columns of values, and a summary for the console."""

from __future__ import annotations

import csv
import io
from statistics import median

from segkit.evaluation.features import Cell
from segkit.evaluation.features.extent import AREA, VOLUME
from segkit.evaluation.measure import Measurements


def as_csv(measurements: Measurements) -> str:
    """Return one line per case, label and component; a cell is empty where its figure is undefined."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(measurements.columns)
    for row in measurements.rows:
        writer.writerow([_written(row.get(column)) for column in measurements.columns])
    return text.getvalue()


def _written(cell: Cell) -> str:
    return "" if cell is None else repr(cell) if isinstance(cell, float) else str(cell)


def as_columns(measurements: Measurements) -> dict[str, list[Cell]]:
    """Return column -> cells, None where a figure is undefined."""
    return {column: [row.get(column) for row in measurements.rows] for column in measurements.columns}


def summary_of(measurements: Measurements) -> tuple[list[str], list[list[str]]]:
    """Return columns and rows for the console: per label how many cases have it, and how large it is in these."""
    measure = VOLUME if VOLUME in measurements.columns else AREA
    whole = [row for row in measurements.rows if row["component"] is None]
    rows = []
    for label in dict.fromkeys(str(row["label"]) for row in whole):
        of_label = [row for row in whole if row["label"] == label]
        sizes = [float(row[measure] or 0) for row in of_label if row["voxels"] and row.get(measure) is not None]
        spread = [f"{figure:.4g}" for figure in (median(sizes), min(sizes), max(sizes))] if sizes else ["-"] * 3
        rows.append([label, str(sum(bool(row["voxels"]) for row in of_label)), *spread])
    return ["label", "cases", f"median {measure}", "smallest", "largest"], rows
