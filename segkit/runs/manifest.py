"""`predictions.json`: which masks a folder holds, of which scans, model and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.config.labels import is_declared
from segkit.foundation.errors import DataError
from segkit.foundation.files import write_json
from segkit.foundation.strangers import load_json

NAME = "predictions.json"


@dataclass
class Manifest:
    """What a folder of masks says of itself.

    Attributes:
        labels: as the data set declared them.
        weights: sha256 of the weights of each model that made them.
        cases: case name to `mask` (its file) and `key` (the hash of scan, model and settings).
        failed: case name to why it has no mask.
    """

    labels: dict[str, Any] | None = None
    weights: list[str] = field(default_factory=list)
    cases: dict[str, dict[str, str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def mask(self, folder: Path, case: str) -> Path | None:
        """Return the mask of a case where it lies in the folder, else None."""
        path = folder / Path(self.cases.get(case, {}).get("mask", "")).name
        return path if case in self.cases and path.is_file() else None


def read_manifest(folder: Path) -> Manifest:
    """Return a folder's manifest; an empty one where there is none that can be used."""
    try:
        found = load_json(folder / NAME) if (folder / NAME).is_file() else {}
    except DataError:  # masks can be made again, and what is not listed is made again
        return Manifest()
    if not isinstance(found, Mapping):
        return Manifest()
    cases = mapping(found.get("cases"))
    labels = dict(found["labels"]) if is_declared(found.get("labels")) else None
    return Manifest(
        labels or None,
        [str(weights) for weights in found.get("weights") or []],
        {name: {key: str(entry[key]) for key in ("mask", "key")} for name, entry in cases.items() if is_entry(entry)},
        {name: str(reason) for name, reason in mapping(found.get("failed")).items()},
    )


def is_entry(entry: Any) -> bool:
    """Say whether a case's entry is whole."""
    return isinstance(entry, Mapping) and {"mask", "key"} <= set(entry)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, and nothing for anything else."""
    return value if isinstance(value, Mapping) else {}


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a folder's manifest, whole or not at all."""
    write_json(folder / NAME, manifest)
