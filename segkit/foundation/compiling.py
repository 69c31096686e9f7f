"""Loops compiled by numba; what is compiled is kept in numba's cache for the next process."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

LOOPS = "*loops.py"  # files of functions that call each other, in one folder

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function of a file called as `LOOPS`; other threads run meanwhile."""
    settings: Any = numba.config
    given = settings.CACHE_DIR
    settings.CACHE_DIR = cache_folder(Path(function.__code__.co_filename).parent, given)
    try:
        # Without fastmath, which reorders sums otherwise in a function's own code than in the copy that is kept beside
        # its caller: the process that compiles runs the one, each later one the other, and a training would not go on
        # bit for bit. It is no faster here either.
        return cast("Function", numba.njit(cache=True, nogil=True)(function))
    finally:
        settings.CACHE_DIR = given


@cache
def cache_folder(sources: Path, given: str = "") -> str:
    """Return where the code compiled from a folder's loops is kept: elsewhere as soon as any of them changes.

    numba itself looks at the file of a function alone, and would go on with what it copied from another one.

    Args:
        sources: folder of the files.
        given: `NUMBA_CACHE_DIR`; "" keeps it beside the files, or in the user's cache where nobody may write there.
    """
    users = os.path.expanduser("~/.cache/segkit/compiled")  # noqa: PTH111 - as numba does; Path's raises without a home
    own = sources / "__pycache__" if os.access(sources, os.W_OK) else users
    content = b"".join(path.read_bytes() for path in sorted(sources.glob(LOOPS)))
    return str(Path(given or own) / sha256(content).hexdigest()[:16])
