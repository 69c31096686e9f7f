"""Why a scan could not be segmented, in a line."""

from __future__ import annotations

from segkit.foundation.errors import SegkitError
from segkit.volumes.reading import one_line


def reason_of(problem: Exception) -> str:
    """Return what a person needs to know of a failure; the type stands before what nobody foresaw."""
    known = isinstance(problem, SegkitError | OSError)
    return one_line(problem) if known else f"{type(problem).__name__}: {one_line(problem)}"
