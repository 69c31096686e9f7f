"""Loops compiled by numba; what is compiled is kept in numba's cache for the next process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function; other threads run meanwhile."""
    return _compiled(function, reorders=False)


def compiled_reordering(function: Function) -> Function:
    """Compile a function whose sums may be reordered; other threads run meanwhile."""
    return _compiled(function, reorders=True)


def _compiled(function: Function, *, reorders: bool) -> Function:
    return cast("Function", numba.njit(cache=True, nogil=True, fastmath=reorders)(function))
