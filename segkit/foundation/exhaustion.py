"""Memory that ran out: recognised whoever says so, of the processor or of a GPU."""

from __future__ import annotations

import re

# Of PyTorch and NumPy, of the C libraries below them, and of cuBLAS and cuDNN (CUBLAS_STATUS_ALLOC_FAILED).
_SAID = re.compile(r"out of memory|not enough memory|can(no|')t allocate memory|unable to allocate|alloc_failed", re.I)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception says that memory ran out: Python's, NumPy's, or PyTorch's on any device."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and _SAID.search(str(error)) is not None
