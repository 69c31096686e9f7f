"""glibc's allocator, told to keep what a training frees: every step asks for the same large blocks again."""

from __future__ import annotations

import ctypes
import sys

# Parameter numbers of <malloc.h>.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_NEVER, _PAD_BYTES = 2**31 - 1, 64 * 2**20


def keep_freed_memory() -> bool:
    """Ask the allocator not to hand freed memory back to the system, so that its pages need not be faulted in again.

    Returns:
        whether there was a glibc to ask.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return all([mallopt(_MMAP_MAX, 0), mallopt(_TRIM_THRESHOLD, _NEVER), mallopt(_TOP_PAD, _PAD_BYTES)])
