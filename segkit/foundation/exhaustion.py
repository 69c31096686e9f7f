"""Memory that ran out: recognised whoever says so, of the processor or of a GPU."""

from __future__ import annotations

import re

_SAID = re.compile(
    r"out of memory|can't allocate memory|not enough memory|cannot allocate memory|unable to allocate", re.I
)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception says that memory ran out: Python's, NumPy's, or PyTorch's on any device."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and _SAID.search(str(error)) is not None
