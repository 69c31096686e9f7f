"""Why a scan could not be segmented, in a line."""

from __future__ import annotations

from segkit.foundation.errors import SegkitError, one_line, said_by_library, said_by_system


def reason_of(problem: Exception) -> str:
    """Return what a person needs to know of a failure; the type stands before what nobody foresaw."""
    if isinstance(problem, OSError):
        return one_line(said_by_system(problem))
    said = said_by_library(problem)
    return said if isinstance(problem, SegkitError) else f"{type(problem).__name__}: {said}"
