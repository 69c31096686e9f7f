"""Locks between processes that a dead process cannot hold."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segkit.foundation.console import say
from segkit.foundation.durations import format_duration
from segkit.foundation.errors import SegkitError

_POLL_SECONDS = 0.1


@contextmanager
def lock(path: str | os.PathLike[str], *, doing: str, timeout: float | None = None) -> Iterator[None]:
    """Hold a lock file for the length of the block; the system frees it when the process dies.

    Args:
        path: the lock file itself; it is created, with its parents, and stays in place afterwards.
        doing: what the holder does, for the line that a waiting process prints ("preparing hippocampus").
        timeout: how long to wait in seconds; None waits without end.

    Raises:
        SegkitError: when another process still holds the lock after `timeout` seconds.
        OSError: when the lock file cannot be made.
    """
    from filelock import FileLock, Timeout

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(path, poll_interval=_POLL_SECONDS)  # the system's own lock, which dies with its holder
    try:
        held.acquire(timeout=0)
    except Timeout:
        say(f"waiting for another process that is {doing} ({path})")
        try:
            held.acquire(timeout=-1 if timeout is None else timeout)
        except Timeout:
            waited = format_duration(timeout or 0)
            raise SegkitError(f"another process is still {doing} after {waited}: {path} is locked") from None
    try:
        yield
    finally:
        held.release()
