"""Functions that the tests of parallel_map run in worker processes."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np

from segkit.foundation.errors import DataError
from segkit.foundation.files import atomic_file
from segkit.foundation.parallel import parallel_map


class Opaque:
    """Cannot be pickled."""

    def __reduce__(self):
        raise ValueError("opaque")


def square(number):
    return number * number


def process_of(number):
    return os.getpid()


def fail_on_odd(number):
    if number % 4 == 1:
        raise DataError(f"case {number} is odd:\n  it has {number} voxels")
    if number % 4 == 3:
        raise KeyError(number)
    return number


def kill_on_three(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_the_first_time(path):
    """Of the first four paths, kill the worker that sees one for the first time, while it is at it."""
    if int(path.name[-1]) < 4 and not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def hang_on_three(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGSTOP)
    return number


def doze(seconds):
    time.sleep(seconds)
    return seconds


def die_after_zero(number):
    """Give the value, and die a moment later when nothing is left to do."""
    if number == 0:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return number


def exit_on_three(number):
    if number == 3:
        sys.exit(7)
    return number


def crash_on_three(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    return number


def opaque_on_three(number):
    return Opaque() if number == 3 else number


def run_out_of_memory(number):
    raise MemoryError


def size_of(array):
    return int(array.nbytes)


def large(number):
    return np.full(2_000_000, number, dtype=np.uint8)


def write_and_sleep(path):
    """Say on disk that the work began, then hold a half-written file open for a minute."""
    with atomic_file(path) as temporary:
        temporary.write_text("half")
        Path(f"{path}.began").write_text(str(os.getpid()))
        time.sleep(60)
    return path


def environment(number):
    return os.environ["OMP_NUM_THREADS"], signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def nested(number):
    return [outcome.value for outcome in parallel_map(square, range(number), workers=2)]
