"""A process that ends in good order when the one that started it is gone, even if that was killed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping

_VARIABLE = "SEGKIT_TETHER"


def tethered(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment that tells a process to follow its parent, which holds the other end of its stdin."""
    return {**environment, _VARIABLE: "stdin"}


def follow_parent() -> None:
    """Send this process SIGTERM once its stdin ends, where the parent asked for that with `tethered`.

    Whatever kills the parent, the system closes its end of the pipe; a signal on the parent's death exists on Linux
    alone.
    """
    if os.environ.pop(_VARIABLE, None) is not None:  # taken away: our own children are no business of that parent
        threading.Thread(target=_stop_at_the_end_of_stdin, daemon=True).start()


def _stop_at_the_end_of_stdin() -> None:
    try:
        while os.read(0, 1):
            continue
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
