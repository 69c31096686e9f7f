"""What happens to a command: it is killed, or its disk fails, at the n-th change that it makes in its folders."""

import atexit
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
TEMPORARY = "temporary"  # the folder of an attempt that serves as its /tmp
FAULT, FOLDER = "SEGKIT_TEST_FAULT", "SEGKIT_TEST_FOLDER"  # what a trial's process is told


@dataclass(frozen=True)
class Fault:
    """What happens to an attempt.

    Attributes:
        at: number of the event, from 1.
        delay: seconds after it, of a kill.
        number: the error of everything that is written from then on (ENOSPC, EIO); None: the process is killed.
        trial: name of the trial of a sweep that it befalls; None: the command itself.
        of_parent: whether, at that moment of the trial, the sweep is killed instead, which the trial has to notice.
    """

    at: int
    delay: float = 0.0
    number: int | None = None
    trial: str | None = None
    of_parent: bool = False

    def strike(self, count: int, is_write: bool) -> None:
        """Do it, where this event is the one.

        Raises:
            OSError: of a disk that is full or broken.
        """
        if self.number is not None:
            if count >= self.at and is_write:
                raise OSError(self.number, os.strerror(self.number))
        elif count == self.at and self.of_parent:
            os.kill(os.getppid(), signal.SIGKILL)
        elif count == self.at and self.delay:
            signal.setitimer(signal.ITIMER_REAL, self.delay)  # unheard, it ends the process as SIGKILL does
        elif count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def attempt(folder: Path, words: Sequence[str], fault: Fault | None = None) -> tuple[int, int]:
    """Run a command in a copy of this process; return its exit code (-9 or -14 when killed) and the events it had.

    Args:
        folder: in which it is typed; its cache and its temporary files lie there too.
        words: of the command.
        fault: what happens to it; None: it is left alone.
    """
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reads)
        os._exit(_run(folder, words, fault, writes))
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), int(told or 0)


def _run(folder: Path, words: Sequence[str], fault: Fault | None, pipe: int) -> int:
    os.chdir(folder)
    (folder / TEMPORARY).mkdir(exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder / TEMPORARY)
    os.environ["SEGKIT_CACHE"] = str(folder / "cache")
    silent = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    _let_trials_be_struck(folder, fault)
    counted = counting(folder, fault if fault is not None and fault.trial is None else None)
    from segkit.cli import main

    code = main(list(words))
    signal.setitimer(signal.ITIMER_REAL, 0)
    atexit._run_exitfuncs()  # which os._exit would skip
    with suppress(BrokenPipeError):
        os.write(pipe, str(counted()).encode())
    return code


def counting(folder: Path, fault: Fault | None) -> Callable[[], int]:
    """Count this process's changes below a folder, and let a fault happen to it; return what tells the count."""
    own, count = os.path.realpath(folder), 0

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        is_write = event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & WRITES)
        if not (is_write or event in CHANGES) or not isinstance(arguments[0], str | os.PathLike):
            return
        if os.path.realpath(arguments[0]).startswith(own):
            count += 1
            if fault is not None:
                fault.strike(count, is_write)

    sys.addaudithook(hear)
    return lambda: count


def _let_trials_be_struck(folder: Path, fault: Fault | None) -> None:
    """Have the local launcher start each trial by `tests.faults.trial`, and the one that is meant told of its fault."""
    from segkit.studies import local

    def command(trial: local.Trial) -> list[str]:
        is_meant = fault is not None and fault.trial == trial.name
        told = json.dumps(asdict(fault)) if is_meant and fault else ""
        os.environ.update({FAULT: told, FOLDER: str(folder), "PYTHONPATH": str(PROJECT)})
        return [sys.executable, "-m", "tests.faults.trial", "train", "--config", str(trial.config)]

    local.command_of = command


def told_fault() -> Fault | None:
    """Return the fault that this process, a trial's, was told of."""
    told = os.environ.get(FAULT, "")
    return Fault(**json.loads(told)) if told else None
