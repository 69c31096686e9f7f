"""Prepared cases on disk: content-addressed, whole or absent, shared by all runs, read as memory maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.plan import Plan
from segkit.datasets.case import Case
from segkit.foundation.counted import generator
from segkit.foundation.files import atomic_folder, read_yaml, write_yaml
from segkit.foundation.hashing import array_hash, file_hash, value_hash
from segkit.foundation.locks import lock
from segkit.foundation.strangers import load_array
from segkit.preparation.prepare import prepare
from segkit.preparation.resampling import labels_onto
from segkit.preparation.scans import read_reference, read_scan
from segkit.volumes.grid import Grid
from segkit.volumes.reading import read

LAYOUT = 1  # of what is stored and of the numbers in it; raised whenever either changes
POSITIONS = 10_000  # per class, kept for foreground sampling
DETACHED = (".hdr", ".img", ".mhd", ".nhdr")  # half of a volume; the other half is in a second file


@dataclass(frozen=True)
class PreparedCase:
    """One case in the store; its arrays are memory maps, opened anew each time: a map holds a file open.

    Attributes:
        name: of the case.
        folder: where its arrays lie.
    """

    name: str
    folder: Path

    @property
    def image(self) -> NDArray[Any]:
        """Shape (C, X, Y, Z), normalised."""
        return load_array(self.folder / "image.npy", mmap=True)

    @property
    def reference(self) -> NDArray[np.uint8]:
        """Class indices, shape (X, Y, Z)."""
        return load_array(self.folder / "reference.npy", mmap=True)

    @property
    def positions(self) -> list[NDArray[np.int32]]:
        """Per foreground class that the case has, (n, 3) voxel indices."""
        found = load_array(self.folder / "positions.npy", mmap=True)
        stops = np.cumsum(self.record["positions"])
        return [part for part in np.split(found, stops[:-1]) if len(part)]

    @cached_property
    def record(self) -> dict[str, Any]:
        """Grids and counts."""
        return dict(read_yaml(self.folder / "case.yaml"))

    @property
    def grid(self) -> Grid:
        """The prepared grid."""
        return Grid(tuple(self.record["shape"]), np.array(self.record["affine"]))

    @property
    def scan_grid(self) -> Grid:
        """The scan's own 3D grid."""
        return Grid(tuple(self.record["scan_shape"]), np.array(self.record["scan_affine"]))


def hashes(case: Case) -> dict[str, str]:
    """Return the sha256 of each file of a case by its role; a DICOM folder counts as the hash of its files."""
    paths = {**case.images, **({"reference": case.reference} if case.reference else {})}
    return {role: content_hash(path) for role, path in paths.items()}


def content_of(case: Case) -> list[str | None]:
    """Return the hashes of a case's images in channel order, then its reference's; None where there is none."""
    return [*map(content_hash, case.images.values()), content_hash(case.reference) if case.reference else None]


def content_hash(path: Path) -> str:
    """Return the sha256 of a file, or of the files of a folder in order of name.

    A header whose voxels lie in a second file counts with those voxels.

    Raises:
        DataError: when such a second file cannot be read.
    """
    if path.is_dir():
        return value_hash([file_hash(file) for file in sorted(path.iterdir()) if file.is_file()])
    if path.suffix.lower() in DETACHED:
        return value_hash([file_hash(path), array_hash(read(path).array)])
    status = path.stat()
    return remembered_hash(path, status.st_size, status.st_mtime_ns)


@cache
def remembered_hash(path: Path, size: int, changed: int) -> str:
    """Return the sha256 of a file, computed once in a process while its size and time of change stay."""
    return file_hash(path)


def prepare_case(case: Case, *, plan: Plan, labels: Mapping[str, int], store: Path) -> PreparedCase:
    """Return a case from the store, preparing it first where it is not there yet.

    Args:
        case: with its reference.
        plan: how it is prepared.
        labels: name to value in the reference, in class order.
        store: folder of all prepared cases.

    Raises:
        DataError: when an image or the reference cannot be used.
        GeometryError: when the reference does not lie on the scan's grid.
    """
    decisions = [plan.orientation, plan.spacing, list(plan.normalisation.values()), plan.transforms]
    key = value_hash([LAYOUT, content_of(case), decisions, list(labels.values())])
    folder = store / key[:2] / key
    if not folder.exists():
        with lock(store / key[:2] / f"{key}.lock", doing=f"preparing {case.name}"):
            if not folder.exists():
                write_case(case, plan, labels, folder)
    return PreparedCase(case.name, folder)


def write_case(case: Case, plan: Plan, labels: Mapping[str, int], folder: Path) -> None:
    """Prepare one case into `folder`, which appears whole."""
    scan = read_scan(case.images, channels=len(plan.channels))
    prepared = prepare(scan, plan)
    record = {
        "case": case.name,
        "shape": list(prepared.grid.shape),
        "affine": prepared.grid.affine.tolist(),
        "scan_shape": list(prepared.scan_grid.shape),
        "scan_affine": prepared.scan_grid.affine.tolist(),
    }
    with atomic_folder(folder) as temporary:
        np.save(temporary / "image.npy", prepared.image, allow_pickle=False)
        if case.reference is not None:
            classes = labels_onto(read_reference(case.reference, scan.grid, labels), scan.grid, prepared.grid)
            found = [class_positions(classes == index, index) for index in range(1, len(labels))]
            record["positions"] = [len(part) for part in found]
            np.save(temporary / "reference.npy", classes, allow_pickle=False)
            np.save(temporary / "positions.npy", np.concatenate(found), allow_pickle=False)
        write_yaml(temporary / "case.yaml", record)


def class_positions(mask: NDArray[np.bool_], index: int) -> NDArray[np.int32]:
    """Return up to `POSITIONS` voxel indices of a class, (n, 3), drawn evenly where it has more."""
    found = np.flatnonzero(mask)
    if found.size > POSITIONS:
        found = np.sort(generator(index).choice(found, POSITIONS, replace=False))
    return np.stack(np.unravel_index(found, mask.shape), axis=1).astype(np.int32)


def total_bytes(cases: Iterable[PreparedCase]) -> int:
    """Return the size on disk of prepared cases in bytes."""
    return sum(file.stat().st_size for case in cases for file in case.folder.iterdir())
