"""The worker's side of `parallel_map`: a process that serves items until its parent closes the pipe or dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

from segkit.foundation.errors import SegkitError, StoppedError, one_line

Item = TypeVar("Item")
Value = TypeVar("Value")


def attempt(function: Callable[[Item], Value], item: Item) -> tuple[Value | None, str | None, str | None]:
    """Call the function; give its value, or the error in one line and the trace of an unforeseen one."""
    try:
        return function(item), None, None
    except StoppedError:
        raise
    except SegkitError as error:
        return None, one_line(error), None
    except Exception as error:  # noqa: BLE001  (any failure of one item is that item's outcome)
        return None, f"{type(error).__name__}: {one_line(error)}".removesuffix(": "), traceback.format_exc()


def _end(*_: object) -> None:
    # Leaving by an exception lets half-written files be removed, which a second signal must not cut short.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + signal.SIGTERM)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def work(pipe: Connection, threads: int) -> None:
    """Serve items until the parent closes the pipe or dies."""
    # Set before the function's module is imported by unpickling it: NumPy and torch read these once.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, str(threads))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(OSError):  # when memory runs out, the kernel should take a worker and spare the parent
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
    with suppress(EOFError, OSError):
        function = pipe.recv()
        pipe.send(None)
        while True:
            result = attempt(function, pipe.recv())
            try:
                pipe.send(result)
            except OSError:
                raise
            except Exception as error:  # noqa: BLE001  (pickling runs the value's own code)
                pipe.send((None, f"the result cannot be sent back: {one_line(error)}", None))
