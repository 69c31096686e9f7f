"""Whether this process was asked to stop.

The exception that a signal raises can be lost: a library that is being imported may catch whatever its own imports
raise. What takes long asks here too.
"""

from __future__ import annotations

import threading

_asked = threading.Event()


def note_stop() -> None:
    """Remember that this process was asked to stop."""
    _asked.set()


def forget_stop() -> None:
    """Begin anew: another command runs in this process."""
    _asked.clear()


def stop_was_asked() -> bool:
    """Say whether this process was asked to stop since its command began."""
    return _asked.is_set()
