"""What a case is made of: the hashes of its files, by which finished work is recognised."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from segkit.datasets.case import Case, check_has
from segkit.foundation.errors import DataError
from segkit.foundation.hashing import array_hash, file_hash, value_hash
from segkit.volumes.reading import read
from segkit.volumes.selection import Location, Selection

DETACHED = (".hdr", ".img", ".mhd", ".nhdr")  # half of a volume; the other half is in a second file


def hashes(case: Case) -> dict[str, str]:
    """Return the sha256 of each file of a case by its role; a DICOM folder counts as the hash of its files.

    Raises:
        DataError: when a file does not exist or cannot be read.
    """
    others = {"reference": case.reference, "previous": case.previous}
    paths = {**case.images, **{role: path for role, path in others.items() if path}}
    return {role: content_hash(path) for role, path in paths.items()}


def content_of(case: Case, channels: Iterable[str] | None = None) -> list[str | None]:
    """Return the hashes of a case's images, then its reference's, None where there is none, and an earlier mask's.

    Args:
        case: whose files are read.
        channels: the images that count, in order; None: all.

    Raises:
        DataError: when a channel is missing, or a file does not exist or cannot be read.
    """
    names = list(case.images if channels is None else channels)
    check_has(case.images, names)
    images = [content_hash(case.images[name]) for name in names]
    earlier = [content_hash(case.previous)] if case.previous else []
    return [*images, content_hash(case.reference) if case.reference else None, *earlier]


def content_hash(path: Location) -> str:
    """Return the sha256 of a file, of the files of a folder in order of name, or of what a selection takes.

    A header whose voxels lie in a second file counts with those voxels.

    Raises:
        DataError: when the file, or such a second one, does not exist or cannot be read.
    """
    try:
        if isinstance(path, Selection):
            return value_hash(path.content())
        if path.is_dir():
            return value_hash([file_hash(file) for file in sorted(path.iterdir()) if file.is_file()])
        if path.suffix.lower() in DETACHED:
            return value_hash([file_hash(path), array_hash(read(path).array)])
        status = path.stat()
        return remembered_hash(path, status.st_size, status.st_mtime_ns)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error


@cache
def remembered_hash(path: Path, size: int, changed: int) -> str:
    """Return the sha256 of a file, computed once in a process while its size and time of change stay."""
    return file_hash(path)
