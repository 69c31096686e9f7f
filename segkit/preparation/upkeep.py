"""What lies in the cache, since when nothing has used it, and how it is removed while others work in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.files import remove_litter, temporary_name
from segkit.foundation.strangers import load_yaml
from segkit.preparation.store import IMAGE, POSITIONS, RECORD, REFERENCE, USED, lock_of

TAG = "CACHEDIR.TAG"  # by which backup tools, too, know a folder that can be made again: https://bford.info/cachedir/
TAG_TEXT = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file marks a cache of segkit: prepared cases and fingerprints. `segkit cache clean` empties it.\n"
)
IN_USE = "in_use"  # folder of one locked file per process that works with prepared cases
FINGERPRINTS = "fingerprints"
STEP_SECONDS = "step_seconds"  # of training steps that the planner timed
CASE_FILES = frozenset({IMAGE, REFERENCE, POSITIONS, RECORD, USED})
PREFIX = re.compile(r"[0-9a-f]{2}")
KEY = re.compile(r"[0-9a-f]{64}")
KEPT = {FINGERPRINTS: re.compile(r"[0-9a-f]{64}\.npy"), STEP_SECONDS: re.compile(r"[0-9a-f]{64}\.json")}

_held: dict[Path, Any] = {}


@dataclass(frozen=True)
class Entry:
    """One thing in the cache: a prepared case (a folder), a fingerprint or a timing (files).

    Attributes:
        path: where it lies.
        size: bytes.
        used: when something last used it, seconds since 1970.
        record: what `case.yaml` says; nothing for a file.
    """

    path: Path
    size: int
    used: float
    record: dict[str, Any]


def keep_in_use(store: Path) -> None:
    """Mark a folder as a cache, and what this process uses of it from now on as in use until the process ends.

    What killed processes left half written is removed.
    """
    from filelock import FileLock

    store.mkdir(parents=True, exist_ok=True)
    store = store.resolve()
    in_use_since(store)  # marks of processes that have ended go
    if not (store / TAG).exists():
        (store / TAG).write_text(TAG_TEXT, encoding="utf-8")
    if store not in _held:
        (store / IN_USE).mkdir(exist_ok=True)
        # The system frees the lock however the process ends; the file's time says since when it works here.
        mark = FileLock(store / IN_USE / f"{os.getpid()}-{os.urandom(4).hex()}.lock")
        mark.acquire()
        os.utime(mark.lock_file)
        _held[store] = mark
    for folder in folders(store):
        with suppress(FileNotFoundError):
            remove_litter(folder)


def in_use_since(store: Path) -> float | None:
    """Return since when the oldest living process works with the cache; None where none does."""
    since = []
    marks = sorted((store / IN_USE).glob("*.lock")) if (store / IN_USE).is_dir() else []
    for path in marks:
        with suppress(FileNotFoundError):
            changed = path.stat().st_mtime
            with unlocked(path) as is_free:
                if is_free:
                    path.unlink()  # its process has ended
                else:
                    since.append(changed)
    return min(since, default=None)


@contextmanager
def unlocked(path: Path) -> Iterator[bool]:
    """Hold a lock file for the length of the block if nobody else does; give whether that is so."""
    from filelock import FileLock, Timeout

    mark = FileLock(path)
    try:
        mark.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        mark.release()


def check_is_cache(store: Path) -> None:
    """Refuse a folder that segkit has not marked as its cache.

    Raises:
        UsageError: when it has not.
    """
    tag = store / TAG
    if not tag.is_file() or tag.is_symlink() or tag.read_bytes() != TAG_TEXT.encode():
        raise UsageError(f"paths.cache: {store} is no cache of segkit (its {TAG} would say so): nothing was touched")


def folders(store: Path) -> list[Path]:
    """Return the folders of a cache that hold entries; links are no part of it."""
    found = [path for path in sorted(store.iterdir()) if path.is_dir() and not path.is_symlink()]
    return [path for path in found if PREFIX.fullmatch(path.name) or path.name in KEPT]


def inside(folder: Path) -> list[Path]:
    """Return what lies in a folder; nothing where another process has just removed it."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def prepared_entries(store: Path) -> list[Entry]:
    """Return the prepared cases of a cache."""
    found = []
    for folder in folders(store):
        for path in inside(folder):
            if KEY.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                with suppress(FileNotFoundError):  # another process removes it just now
                    found.append(prepared_entry(path))
    return found


def prepared_entry(folder: Path) -> Entry:
    """Return one prepared case as an entry; a damaged record counts as an empty one."""
    size = sum(path.lstat().st_size for path in folder.iterdir())
    try:
        record = load_yaml(folder / RECORD)
    except DataError:
        record = {}
    return Entry(folder, size, last_use(folder), record if isinstance(record, dict) else {})


def file_entries(store: Path, kind: str) -> list[Entry]:
    """Return the fingerprints of a cache, or the timings of steps."""
    folder = store / kind
    if folder not in folders(store):
        return []
    found = []
    for path in inside(folder):
        if KEPT[kind].fullmatch(path.name) and not path.is_symlink():
            with suppress(FileNotFoundError):
                status = path.lstat()
                found.append(Entry(path, status.st_size, status.st_mtime, {}))
    return found


def last_use(folder: Path) -> float:
    """Return when a prepared case was last used."""
    mark = folder / USED
    return (mark if mark.is_file() else folder).stat().st_mtime


def is_ours(folder: Path) -> bool:
    """Say whether a prepared case's folder holds nothing but the files that segkit writes there."""
    return all(path.name in CASE_FILES and not path.is_symlink() and path.is_file() for path in folder.iterdir())


def remove(entry: Entry, store: Path, before: float = inf) -> bool:
    """Remove one entry of a cache, unless it is in use or holds files that are not segkit's.

    Args:
        entry: found earlier; others may have used or removed it meanwhile.
        store: the cache.
        before: what was used at this time or later stays, seconds since 1970.

    Returns:
        whether it was removed.
    """
    with suppress(FileNotFoundError):  # another process was faster
        if entry.path.is_dir():
            return remove_prepared(entry.path, store, before)
        if entry.path.lstat().st_mtime < earliest(store, before):
            entry.path.unlink()
            return True
    return False


def remove_prepared(folder: Path, store: Path, before: float) -> bool:
    """Remove a prepared case; say whether that was done."""
    with unlocked(lock_of(folder)) as is_free:
        if not is_free or not is_ours(folder) or last_use(folder) >= earliest(store, before):
            return False
        doomed = temporary_name(folder)  # whole or absent under its own name, also if this process is killed here
        folder.rename(doomed)
        for name in CASE_FILES:
            (doomed / name).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            doomed.rmdir()
        lock_of(folder).unlink(missing_ok=True)
    return True


def earliest(store: Path, before: float) -> float:
    """Return the time from which on what was used stays: `before`, or when the oldest living process began."""
    since = in_use_since(store)
    return before if since is None else min(before, since)


def remove_remains(store: Path) -> None:
    """Remove what killed processes left, locks that belong to nothing, and folders that are empty."""
    is_idle = in_use_since(store) is None
    for folder in folders(store):
        with suppress(FileNotFoundError):
            remove_litter(folder)
        for path in inside(folder):
            is_lock = path.suffix == ".lock" and KEY.fullmatch(path.stem) and not path.is_symlink()
            if is_lock and not path.with_suffix("").exists():
                with suppress(FileNotFoundError), unlocked(path) as is_free:
                    if is_free:
                        path.unlink(missing_ok=True)
        if is_idle:  # else another process may be about to write there
            with suppress(OSError):
                folder.rmdir()
