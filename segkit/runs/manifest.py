"""`predictions.json`: which masks a folder holds, of which scans, model and settings.

Array jobs that share a folder write one each, `predictions_2_of_8.json`, and all of them are read as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.config.labels import is_declared
from segkit.config.shard import Shard
from segkit.foundation.errors import DataError
from segkit.foundation.files import write_json
from segkit.foundation.strangers import load_json

NAME = "predictions.json"
ENTRY = {
    "mask": str,
    "key": str,
    "scan": str,
    "seconds": float,
    "volumes": dict,
    "files": dict,
}  # of a case, and what each must be
NEEDED = {"mask", "key"}


@dataclass
class Manifest:
    """What a folder of masks says of itself.

    Attributes:
        labels: as the data set declared them.
        weights: sha256 of the weights of each model that made them.
        cases: case name to `mask` (its file), `key` (the hash of scan, model and settings), and where they are known
            `scan` (the hash of its images), `seconds` that the mask took, `volumes` of each label in ml, and `files`:
            what the mask was written as (`nifti`, `dicom_seg` ...) with the file; `mask` is the first of them.
        failed: case name to why it has no mask.
    """

    labels: dict[str, Any] | None = None
    weights: list[str] = field(default_factory=list)
    cases: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def mask(self, folder: Path, case: str) -> Path | None:
        """Return the mask of a case where it lies in the folder, else None."""
        path = folder / Path(self.cases.get(case, {}).get("mask", "")).name
        return path if case in self.cases and path.is_file() else None

    def is_whole(self, folder: Path, case: str) -> bool:
        """Tell whether every file of a case lies in the folder."""
        files = self.cases.get(case, {}).get("files", {})
        return self.mask(folder, case) is not None and all(
            (folder / Path(str(f)).name).is_file() for f in files.values()
        )

    def further(self, folder: Path) -> set[Path]:
        """Return the files in which masks stand once more, in another form than `mask`."""
        forms = {str(file) for entry in self.cases.values() for file in entry.get("files", {}).values()}
        return {folder / Path(file).name for file in forms - {entry["mask"] for entry in self.cases.values()}}


def read_manifest(folder: Path) -> Manifest:
    """Return what a folder's manifests say together; an empty one where there is none that can be used.

    Those of another model than the newest one's are left out.
    """
    paths = sorted(folder.glob("predictions*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    parts = [part for path in paths if (part := read_part(path)).labels is not None or part.cases]
    whole = parts[-1] if parts else Manifest()
    same = [part for part in parts if part.weights == whole.weights]
    cases = {name: entry for part in same for name, entry in part.cases.items()}
    failed = {name: reason for part in same for name, reason in part.failed.items() if name not in cases}
    return Manifest(whole.labels, whole.weights, cases, failed)


def read_part(path: Path) -> Manifest:
    """Return one manifest; an empty one where it cannot be used."""
    try:
        found = load_json(path)
    except DataError:  # masks can be made again, and what is not listed is made again
        return Manifest()
    if not isinstance(found, Mapping):
        return Manifest()
    cases = mapping(found.get("cases"))
    labels = dict(found["labels"]) if is_declared(found.get("labels")) else None
    return Manifest(
        labels or None,
        [str(weights) for weights in found.get("weights") or []],
        {name: known_of(entry) for name, entry in cases.items() if is_entry(entry)},
        {name: str(reason) for name, reason in mapping(found.get("failed")).items()},
    )


def is_entry(entry: Any) -> bool:
    """Say whether a case's entry is whole."""
    return isinstance(entry, Mapping) and set(entry) >= NEEDED


def known_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of a case; what has not the form it should have is not."""
    needed = {name: str(entry[name]) for name in NEEDED}
    return needed | {name: entry[name] for name, kind in ENTRY.items() if type(entry.get(name)) is kind}


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, and nothing for anything else."""
    return value if isinstance(value, Mapping) else {}


def write_manifest(folder: Path, manifest: Manifest, shard: Shard | None = None) -> None:
    """Write a folder's manifest, or that of one job of an array, whole or not at all."""
    write_json(folder / (f"predictions_{shard.index}_of_{shard.count}.json" if shard else NAME), manifest)
