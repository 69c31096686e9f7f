"""A copy of what is printed, with times, in a file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

JOURNAL = logging.getLogger("segkit")  # console prints go here too; silent unless someone listens
JOURNAL.addHandler(logging.NullHandler())
JOURNAL.setLevel(logging.INFO)
JOURNAL.propagate = False


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Append everything that is printed inside the block to a file, each line with its time.

    Raises:
        OSError: when the file cannot be written.
    """
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    JOURNAL.addHandler(handler)
    try:
        yield
    finally:
        JOURNAL.removeHandler(handler)
        handler.close()
