"""Loops compiled by numba; what is compiled is kept in numba's cache for the next process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function; other threads run meanwhile."""
    # Without fastmath, which reorders sums otherwise in a function's own code than in the copy that is kept beside its
    # caller: the process that compiles runs the one, each later one the other, and a training would not go on bit for
    # bit. It is no faster here either.
    return cast("Function", numba.njit(cache=True, nogil=True)(function))
