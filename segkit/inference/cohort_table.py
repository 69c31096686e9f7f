"""`predictions.parquet`, or `.csv` where nothing writes Parquet: a row for each case of a folder of masks."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Any

from segkit.datasets.parquet import write_parquet
from segkit.foundation.files import atomic_file
from segkit.foundation.hashing import value_hash
from segkit.runs.manifest import Manifest

DONE, FAILED = "done", "failed"


def write_cases(folder: Path, manifest: Manifest, share: float = 0) -> Path:
    """Write the table of a folder's manifest, whole or not at all, and return its path.

    Columns: `case`, `status` (done, failed), `mask` (file), `reason` (of a failure), `seconds`, `scan` and `model`
    (hashes of the images and of the weights), `volume_ml_LABEL` for each label, and
    `expected_dice_LABEL` where probabilities were computed for each voxel; with these `flagged`, true for the `share`
    of the cases whose expected Dice is lowest, and empty where that is less than one case.
    """
    columns = columns_of(manifest, share)
    if find_spec("pyarrow") or find_spec("polars"):
        path = folder / "predictions.parquet"
        write_parquet(path, columns)
        return path
    path = folder / "predictions.csv"
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def columns_of(manifest: Manifest, share: float = 0) -> dict[str, list[Any]]:
    """Return the cells of each column, cases in the order of their names; None where something is not known."""
    names = sorted({*manifest.cases, *manifest.failed})
    entries = [manifest.cases.get(name, {}) for name in names]
    labels = sorted({label for entry in entries for label in entry.get("volumes", {})})
    expected = sorted({label for entry in entries for label in entry.get("expected_dice", {})})
    return {
        "case": list(names),
        "status": [DONE if entry else FAILED for entry in entries],
        "mask": [entry.get("mask") for entry in entries],
        "reason": [None if name in manifest.cases else manifest.failed[name] for name in names],
        "seconds": [entry.get("seconds") for entry in entries],
        "scan": [entry.get("scan") for entry in entries],
        "model": [value_hash(manifest.weights)] * len(names),
        **{f"volume_ml_{label}": [number_of(entry, "volumes", label) for entry in entries] for label in labels},
        **{
            f"expected_dice_{label}": [number_of(entry, "expected_dice", label) for entry in entries]
            for label in expected
        },
        **({"flagged": flags_of(entries, share)} if expected else {}),
    }


def flags_of(entries: Sequence[dict[str, Any]], share: float) -> list[bool | None]:
    """Return which entries are the `share` with the lowest mean expected Dice; None where there is none to go by.

    One scan is always the lowest of a folder of one: where the share is less than a case, nothing is said of any.
    """
    known = [[dice for dice in entry.get("expected_dice", {}).values() if dice is not None] for entry in entries]
    means = {place: fmean(dice) for place, dice in enumerate(known) if dice}
    if share * len(means) < 1:
        return [None] * len(entries)
    lowest = set(sorted(means, key=lambda place: means[place])[: math.ceil(share * len(means))])
    return [place in lowest if place in means else None for place in range(len(entries))]


def number_of(entry: dict[str, Any], kind: str, label: str) -> float | None:
    """Return what an entry knows of a label, None where it does not."""
    value = entry.get(kind, {}).get(label)
    return float(value) if isinstance(value, int | float) else None
