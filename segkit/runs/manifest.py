"""`predictions.json`: which masks a folder holds, of which scans, model and settings.

While a command runs, what it adds stands in `predictions.jsonl`, a line a case (see `segkit.runs.register`). Array jobs
that share a folder have a pair of these each, `predictions_2_of_8.json`, and all of them are read as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from segkit.config.labels import is_declared
from segkit.config.shard import Shard
from segkit.foundation.errors import DataError
from segkit.foundation.files import write_json
from segkit.foundation.strangers import load_json, load_json_lines

NAME = "predictions"
WHOLE, JOURNAL = ".json", ".jsonl"
# Of a case, and what each must be.
ENTRY = {"mask": str, "key": str, "scan": str, "seconds": float, "volumes": dict, "files": dict, "expected_dice": dict}
NEEDED = {"mask", "key"}


@dataclass
class Manifest:
    """What a folder of masks says of itself.

    Attributes:
        labels: as the data set declared them.
        weights: sha256 of the weights of each model that made them.
        cases: case name to `mask` (its file), `key` (the hash of scan, model and settings), and where they are known
            `scan` (the hash of its images), `seconds` that the mask took, `volumes` of each label in ml, and `files`:
            what the mask was written as (`nifti`, `dicom_seg` ...) with the file; `mask` is the first of them; and
            `expected_dice` of each label.
        failed: case name to why it has no mask.
        saving: case name to what would be listed of a case whose files were about to be moved into the folder when its
            command was killed, with the sha256 of each file as `saved`.
    """

    labels: dict[str, Any] | None = None
    weights: list[str] = field(default_factory=list)
    cases: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    saving: dict[str, dict[str, Any]] = field(default_factory=dict)

    def mask(self, folder: Path, case: str) -> Path | None:
        """Return the mask of a case where it lies in the folder, else None."""
        path = folder / Path(self.cases.get(case, {}).get("mask", "")).name
        return path if case in self.cases and path.is_file() else None

    def beside_masks(self, folder: Path) -> set[Path]:
        """Return the files that belong to cases and are no masks to compare: other exports, probabilities, maps.

        The folder is among them where there are such: captures in it, which are images, make it no series of its own.
        """
        files = {
            place_in(folder, file)
            for entry in self.cases.values()
            for file in entry.get("files", {}).values()
            if file != entry["mask"]
        }
        return files | ({folder} if files else set())

    def is_whole(self, folder: Path, case: str) -> bool:
        """Tell whether every file of a case lies in the folder."""
        files = self.cases.get(case, {}).get("files", {})
        return self.mask(folder, case) is not None and all(place_in(folder, f).exists() for f in files.values())


def place_in(folder: Path, file: object) -> Path:
    """Return where a file that a manifest names lies; never out of the folder."""
    named = PurePosixPath(str(file))
    return folder / (named.name if named.is_absolute() or ".." in named.parts else named)


def read_manifest(folder: Path) -> Manifest:
    """Return what a folder's manifests say together; an empty one where there is none that can be used.

    Those of another model than the newest one's are left out.
    """
    paths = sorted({path.with_suffix(WHOLE) for path in folder.glob(f"{NAME}*{WHOLE}*")}, key=changed)
    parts = [part for path in paths if (part := read_part(path)).labels is not None or part.cases]
    whole = parts[-1] if parts else Manifest()
    same = [part for part in parts if part.weights == whole.weights]
    cases = {name: entry for part in same for name, entry in part.cases.items()}
    failed = {name: reason for part in same for name, reason in part.failed.items() if name not in cases}
    saving = {name: entry for part in same for name, entry in part.saving.items()}
    return Manifest(whole.labels, whole.weights, cases, failed, saving)


def changed(path: Path) -> tuple[int, str]:
    """Return when a manifest or its journal was changed last, for sorting."""
    both = (path, path.with_suffix(JOURNAL))
    return max((each.stat().st_mtime_ns for each in both if each.exists()), default=0), path.name


def read_part(path: Path) -> Manifest:
    """Return one manifest with its journal; an empty one where it cannot be used."""
    # The journal first: it is removed only once all that it says stands in the other.
    lines = [line for line in read_lines(path.with_suffix(JOURNAL)) if isinstance(line, Mapping)]
    part = read_whole(path)
    if lines and "labels" in lines[0]:
        begun = from_tree(lines[0])
        part = part if part.weights == begun.weights else begun
    for line in lines:
        add_line(part, line)
    return part


def read_lines(path: Path) -> list[Any]:
    """Return the lines of a journal; none where there is none."""
    try:
        return load_json_lines(path)
    except DataError:
        return []


def read_whole(path: Path) -> Manifest:
    """Return a manifest without its journal."""
    try:
        found = load_json(path)
    except DataError:  # masks can be made again, and what is not listed is made again
        return Manifest()
    return from_tree(found) if isinstance(found, Mapping) else Manifest()


def from_tree(found: Mapping[str, Any]) -> Manifest:
    """Return a manifest of what a file holds; what has not the form it should have is left out."""
    return Manifest(
        dict(found["labels"]) if is_declared(found.get("labels")) and found["labels"] else None,
        list(map(str, weights)) if isinstance(weights := found.get("weights"), list) else [],
        {name: known_of(entry) for name, entry in mapping(found.get("cases")).items() if is_entry(entry)},
        {name: str(reason) for name, reason in mapping(found.get("failed")).items()},
    )


def add_line(part: Manifest, line: Mapping[str, Any]) -> None:
    """Add what a line of a journal says of a case: the later line counts."""
    name = line.get("case")
    if not isinstance(name, str):
        return
    if is_entry(line.get("saving")):
        part.saving[name] = known_of(line["saving"]) | {"saved": dict(mapping(line["saving"].get("saved")))}
    elif is_entry(line.get("entry")):
        part.cases[name] = known_of(line["entry"])
        part.failed.pop(name, None)
    elif isinstance(line.get("failed"), str):
        part.failed[name] = line["failed"]
        part.cases.pop(name, None)


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


def path_of(folder: Path, shard: Shard | None = None) -> Path:
    """Return a folder's manifest, or that of one job of an array."""
    return folder / (NAME + (f"_{shard.index}_of_{shard.count}" if shard else "") + WHOLE)


def lock_of(folder: Path, shard: Shard | None = None) -> Path:
    """Return the file that is locked by the command that adds to a folder's manifest, or to that of one job."""
    return folder / f".{path_of(folder, shard).stem}.lock"


def write_manifest(folder: Path, manifest: Manifest, shard: Shard | None = None) -> None:
    """Write a folder's manifest, or that of one job of an array, whole or not at all."""
    kept = {name: getattr(manifest, name) for name in ("labels", "weights", "cases", "failed")}
    write_json(path_of(folder, shard), kept)
