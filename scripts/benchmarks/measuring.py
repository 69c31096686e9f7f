"""What benchmarks share: a command of segkit, how long a call takes and how much memory a process (Linux)."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ONE_CORE = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def segkit(*words: object) -> None:
    """Run a command of segkit, quietly unless it fails."""
    subprocess.run([sys.executable, "-m", "segkit", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def trained_for(length: str) -> str:
    """Return the option of a training that lasts so long: a time with its unit, or a number of steps.

    A busy machine does not change what a number of steps comes to.
    """
    return f"training.{'steps' if length.isdigit() else 'budget'}={length}"


def measured(call: Callable[[], Any], repeats: int) -> tuple[Any, dict[str, float]]:
    """Return a call's last result, its median seconds, and at its peak the MiB beside what the process had before."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts again from here
    before, seconds = kib_of("VmRSS"), []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return result, {"seconds": statistics.median(seconds), "mib": (kib_of("VmHWM") - before) / 1024}


def kib_of(entry: str) -> int:
    """Return an entry of this process's status."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{entry}:"))
