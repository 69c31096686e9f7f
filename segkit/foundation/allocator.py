"""glibc's allocator, told to keep what a training frees, and not to keep the large blocks that a prediction frees."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping

# Parameter numbers of <malloc.h>.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -2, -3, -4
_NEVER, _PAD_BYTES = 2**31 - 1, 64 * 2**20
_LARGE_BYTES, _LOOSE_BYTES = 2**20, 8 * 2**20


def keep_freed_memory() -> bool:
    """Ask the allocator not to hand freed memory back to the system, so that its pages need not be faulted in again.

    A training asks for the same large blocks at every step.

    Returns:
        whether there was a glibc to ask.
    """
    return _told({_MMAP_MAX: 0, _TRIM_THRESHOLD: _NEVER, _TOP_PAD: _PAD_BYTES})


def hand_back_large_blocks() -> bool:
    """Ask the allocator to hand blocks of 1 MiB and more back to the system as soon as they are freed.

    By itself it keeps blocks of up to 32 MiB once it has seen some, and small ones that are still in use lie between
    them: a prediction held 50 MiB that nobody used.

    Returns:
        whether there was a glibc to ask.
    """
    return _told({_MMAP_THRESHOLD: _LARGE_BYTES, _TRIM_THRESHOLD: _LOOSE_BYTES})


def _told(parameters: Mapping[int, int]) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    done = [mallopt(parameter, value) for parameter, value in parameters.items()]
    return all(done)
