"""Prepared cases on disk: content-addressed, whole or absent, checksummed, shared by all runs, read as memory maps."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import Labels
from segkit.config.plan import Plan
from segkit.datasets.case import Case
from segkit.foundation.console import warn
from segkit.foundation.errors import DataError
from segkit.foundation.files import atomic_folder
from segkit.foundation.hashing import file_hash, value_hash
from segkit.foundation.locks import lock
from segkit.foundation.plain import to_yaml
from segkit.foundation.strangers import load_array, load_yaml
from segkit.preparation.contents import content_of
from segkit.preparation.positions import class_positions
from segkit.preparation.prepare import prepare
from segkit.preparation.resampling import labels_onto
from segkit.preparation.scans import read_reference, read_scan
from segkit.volumes.grid import Grid

FORMAT = 2  # of what is stored and of the numbers in it; raised whenever either changes
IMAGE, REFERENCE, POSITIONS, RECORD = "image.npy", "reference.npy", "positions.npy", "case.yaml"
USED = "used.json"  # sizes and times of the files when their checksums were last compared; its own time: last used
VERIFIED_FOR = 30 * 86400.0  # seconds until checksums are compared again though nothing seems to have changed


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
        return load_array(self.folder / IMAGE, mmap=True)

    @property
    def reference(self) -> NDArray[np.uint8]:
        """Stored classes, shape (X, Y, Z); 255 where ignored."""
        return load_array(self.folder / REFERENCE, mmap=True)

    @property
    def positions(self) -> list[NDArray[np.integer]]:
        """Per foreground class that the case has, (n, 3) voxel indices."""
        found = load_array(self.folder / POSITIONS, mmap=True)
        stops = np.cumsum(self.record["positions"])
        return [part for part in np.split(found, stops[:-1]) if len(part)]

    @cached_property
    def record(self) -> dict[str, Any]:
        """Grids and counts."""
        return dict(load_yaml(self.folder / RECORD))

    @property
    def grid(self) -> Grid:
        """The prepared grid."""
        return Grid(tuple(self.record["shape"]), np.array(self.record["affine"]))

    @property
    def scan_grid(self) -> Grid:
        """The scan's own 3D grid."""
        return Grid(tuple(self.record["scan_shape"]), np.array(self.record["scan_affine"]))


def decisions_of(plan: Plan) -> list[Any]:
    """Return what a plan decides about prepared arrays; the names of channels change nothing."""
    names = list(plan.normalisation)
    onto = [names.index(plan.onto[name]) if name in plan.onto else None for name in names]
    decided = [plan.orientation, plan.spacing, plan.order, onto, list(plan.normalisation.values()), plan.transforms]
    return [*decided, plan.previous, plan.on_scan] if plan.previous or plan.on_scan else decided


def folder_of(case: Case, plan: Plan, labels: Labels, store: Path) -> Path:
    """Return where a prepared case lies: by the content of its files and all that decides what becomes of them.

    Raises:
        DataError: when a channel is missing, or a file does not exist or cannot be read.
    """
    meaning = [sorted(labels.stored.items()), labels.in_colour] if case.reference or case.previous else None
    key = value_hash([FORMAT, content_of(case, plan.inputs), decisions_of(plan), meaning])
    return store / key[:2] / key


def lock_of(folder: Path) -> Path:
    """Return the file that is locked by whoever writes, looks at or removes a prepared case."""
    return folder.with_name(f"{folder.name}.lock")


def prepare_case(case: Case, *, plan: Plan, labels: Labels, store: Path) -> PreparedCase:
    """Return a case from the store, preparing it first where it is not there, or is damaged.

    Args:
        case: with its reference.
        plan: how it is prepared.
        labels: of the data set.
        store: folder of all prepared cases.

    Raises:
        DataError: when an image or the reference cannot be used.
        GeometryError: when the reference does not lie on the scan's grid.
    """
    folder = folder_of(case, plan, labels, store)
    with lock(lock_of(folder), doing=f"preparing {case.name}"):
        if not is_stored(case, folder):
            write_case(case, plan, labels, folder)
    return PreparedCase(case.name, folder)


def stored_case(case: Case, *, plan: Plan, labels: Labels, store: Path) -> PreparedCase | None:
    """Return a case if it is in the store; None where it has to be prepared.

    Raises:
        DataError: when a channel is missing, or a file does not exist or cannot be read.
    """
    folder = folder_of(case, plan, labels, store)
    if not folder.exists():
        return None
    with lock(lock_of(folder), doing=f"preparing {case.name}"):
        return PreparedCase(case.name, folder) if is_stored(case, folder) else None


def is_stored(case: Case, folder: Path) -> bool:
    """Say whether a prepared case is in the store, and note that it was used; a damaged one is removed.

    Its checksums are compared when a size or time of its files has changed since they last were, or that is long ago:
    a store of hundreds of gigabytes is not read through before every training.
    """
    if not folder.exists():
        return False
    if stamp_of(folder) != trusted_stamp(folder) and not is_sound(case.name, folder):
        return False
    os.utime(folder / USED)
    return True


def verified(name: str, folder: Path) -> bool:
    """Compare the checksums of a prepared case, and say whether it is sound; a damaged one is removed."""
    with lock(lock_of(folder), doing=f"comparing checksums of {name}"):
        return not folder.exists() or is_sound(name, folder)


def is_sound(name: str, folder: Path) -> bool:
    """Compare checksums; a damaged case is removed, which is said."""
    try:
        verify(folder)
    except DataError as error:
        warn(f"{error}; {name} is prepared anew")
        shutil.rmtree(folder)
        return False
    used = (folder / USED).stat().st_mtime_ns if (folder / USED).exists() else time.time_ns()
    write_stamp(folder)
    os.utime(folder / USED, ns=(used, used))  # a look is no use
    return True


def stamp_of(folder: Path) -> dict[str, list[int]]:
    """Return size in bytes and time of change in ns of each file of a prepared case."""
    files = {path.name: path.stat() for path in folder.iterdir() if path.name != USED}
    return {name: [files[name].st_size, files[name].st_mtime_ns] for name in sorted(files)}


def trusted_stamp(folder: Path) -> dict[str, list[int]] | None:
    """Return the stamp of a prepared case when its checksums were last compared; None when that is too long ago."""
    try:
        known = json.loads((folder / USED).read_bytes())
        return dict(known["files"]) if time.time() - float(known["verified"]) < VERIFIED_FOR else None
    except (OSError, ValueError, TypeError, KeyError):
        return None  # the checksums themselves will say whether anything is wrong


def write_stamp(folder: Path) -> None:
    """Note that the checksums of a prepared case were just compared, or made."""
    (folder / USED).write_text(json.dumps({"verified": time.time(), "files": stamp_of(folder)}), encoding="utf-8")


def verify(folder: Path) -> None:
    """Compare every checksum of a prepared case.

    Raises:
        DataError: naming the first file that is missing or not as it was written.
    """
    record = load_yaml(folder / RECORD)
    sums = record.pop("sha256", None) if isinstance(record, dict) else None
    if not isinstance(sums, dict) or value_hash(record) != sums.pop(RECORD, None):
        raise DataError(f"{folder / RECORD} is damaged")
    for name, checksum in sums.items():
        if not (folder / name).is_file() or file_hash(folder / name) != checksum:
            raise DataError(f"{folder / name} is missing or damaged")


def write_case(case: Case, plan: Plan, labels: Labels, folder: Path) -> None:
    """Prepare one case into `folder`, which appears whole.

    Raises:
        DataError: when the scan or its reference cannot be used.
    """
    scan = read_scan(case.images, plan.inputs)
    if plan.previous and case.previous is None:
        raise DataError("there is no mask of the earlier stage for it")
    if case.previous is not None:
        scan = replace(scan, previous=read_reference(case.previous, scan.grid, labels))
    prepared, scan_grid = prepare(scan, plan), scan.grid
    del scan  # its voxels: the reference is read when the image's are gone
    record: dict[str, Any] = {
        "case": case.name,
        "images": str(next(iter(case.images.values())).parent),
        "plan": value_hash(decisions_of(plan)),
        "shape": list(prepared.grid.shape),
        "affine": prepared.grid.affine.tolist(),
        "scan_shape": list(scan_grid.shape),
        "scan_affine": scan_grid.affine.tolist(),
    }
    grid, arrays = prepared.grid, {IMAGE: prepared.image}
    del prepared
    with atomic_folder(folder) as temporary:
        sums = written(temporary, arrays)
        if case.reference is not None:
            classes = labels_onto(read_reference(case.reference, scan_grid, labels), scan_grid, grid)
            found = class_positions(classes.astype(np.uint8, copy=False), labels.classes)
            record["positions"] = [len(part) for part in found]
            sums |= written(temporary, {REFERENCE: classes, POSITIONS: np.concatenate(found)})
        record["sha256"] = {**sums, RECORD: value_hash(record)}
        (temporary / RECORD).write_text(to_yaml(record), encoding="utf-8")
        write_stamp(temporary)


def written(folder: Path, arrays: dict[str, NDArray[Any]]) -> dict[str, str]:
    """Write arrays by name, letting go of each, and return the sha256 of each file."""
    sums = {}
    for name in list(arrays):
        np.save(folder / name, arrays.pop(name), allow_pickle=False)
        sums[name] = file_hash(folder / name)
    return sums


def total_bytes(cases: Iterable[PreparedCase]) -> int:
    """Return the size on disk of prepared cases in bytes."""
    return sum(file.stat().st_size for case in cases for file in case.folder.iterdir())
