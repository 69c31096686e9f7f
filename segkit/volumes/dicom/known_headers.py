"""The headers that were read last: a command opens one data set for training, for masks and for scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.headers import FEW, Headers, read_headers

State = tuple[int, int, int]  # bytes of a file, and when its content and its record last changed, ns

_last: tuple[list[DicomFile], dict[Path, State], Headers] | None = None  # of one export, so that memory stays bounded


def headers_of(files: Sequence[DicomFile], workers: int | None = None) -> Headers:
    """Return the headers of many objects; those of more than `FEW` are not read again while no file changes.

    Nothing is kept where a file could not be read: what was in the way may be gone the next time.
    """
    global _last
    if len(files) <= FEW:
        return read_headers(files, workers)
    states = _states(files)
    if _last and states and (_last[0], _last[1]) == (list(files), states):
        return _last[2]
    headers = read_headers(files, workers)
    _last = (list(files), states, headers) if states and not headers.unreadable else None
    return headers


def _states(files: Sequence[DicomFile]) -> dict[Path, State]:
    """Return the state of each file, of a zip for all its members; nothing where one is gone."""
    try:
        found = {path: path.stat() for path in {file.path for file in files}}
    except OSError:
        return {}
    return {path: (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for path, stat in found.items()}
