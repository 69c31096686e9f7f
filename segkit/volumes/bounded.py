"""Files of which no more is asked for than there is."""

from __future__ import annotations

import io
import os
from pathlib import Path

FEW_BYTES = 1 << 16  # a read of no more needs no second look


class BoundedFile(io.BufferedReader):
    """A file on disk for libraries that ask for what a header claims: Python takes that memory before it reads."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes."""
        if size is not None and size > FEW_BYTES:
            size = min(size, max(0, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(size)


def open_bounded(path: Path) -> BoundedFile:
    """Open a file for reading.

    Raises:
        OSError: when it cannot be read.
    """
    return BoundedFile(path.open("rb", buffering=0))
