"""Why a scan could not be segmented, in a line."""

from __future__ import annotations

from segkit.foundation.errors import SegkitError, said_by_system
from segkit.volumes.reading import one_line


def reason_of(problem: Exception) -> str:
    """Return what a person needs to know of a failure; the type stands before what nobody foresaw."""
    if isinstance(problem, OSError):
        return " ".join(said_by_system(problem).split())
    known = isinstance(problem, SegkitError)
    return one_line(problem) if known else f"{type(problem).__name__}: {one_line(problem)}"
