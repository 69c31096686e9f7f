"""One input tried: what came back, and whether anything happened that must not."""

import os
import resource
import signal
import sys
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segkit.foundation.errors import SegkitError

MOST_SECONDS = 5.0  # of the processor
SLACK = 48 << 20  # bytes that reading anything may take beside its voxels
MOST_OF_VOXELS = 4  # times the bytes of the array that came back
MOST_INFLATED = 1032  # what a byte of DEFLATE can become
RUNS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pickle.find_class", "ctypes.dlopen")
CONNECTS = ("socket.connect", "socket.bind", "socket.getaddrinfo", "urllib.Request")
CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.chmod", "shutil.rmtree")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CANARY = "hostile"  # a package that nobody but a file could ask for


class TooLongError(BaseException):
    """Not an Exception: no reader may take it for damage."""


@dataclass
class _Watched:
    folder: str = ""
    seen: list[str] | None = None


_WATCHED = _Watched()


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _WATCHED.seen is None:
        return
    if event in RUNS or event in CONNECTS:
        _WATCHED.seen.append(f"{event} {str(arguments)[:120]}")
    elif event == "import" and str(arguments[0]).split(".")[0] == CANARY:
        _WATCHED.seen.append(f"imported {arguments[0]}")
    elif event == "open" and isinstance(arguments[0], str | bytes) and (arguments[2] or 0) & WRITES:
        _note_outside("wrote", arguments[0])
    elif event in CHANGES:
        _note_outside(event, arguments[0])


def _note_outside(what: str, path: Any) -> None:
    name = os.path.realpath(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else str(path)
    is_own = (
        name.startswith((_WATCHED.folder, "/dev/")) or name.endswith((".pyc", ".nbi", ".nbc")) or "__pycache__" in name
    )
    if not is_own and _WATCHED.seen is not None:
        _WATCHED.seen.append(f"{what} {name}")


sys.addaudithook(_note)


@contextmanager
def watched(folder: Path) -> Iterator[list[str]]:
    """Yield a list of what is run, reached, imported by the file's choice, or changed outside `folder`, meanwhile."""
    _WATCHED.folder, _WATCHED.seen = os.path.realpath(folder), []
    try:
        yield _WATCHED.seen
    finally:
        _WATCHED.seen = None


@contextmanager
def limited_seconds(most: float) -> Iterator[None]:
    """Raise `TooLongError` once the process has computed for so long."""

    def stop(*_: object) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, most)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def complaint(read: Callable[[Path], Any], folder: Path, *, names_files: bool = True) -> str | None:
    """Try one input; return what is wrong with how it was dealt with, None where all is well.

    Args:
        read: opens what lies in the folder; returns the bytes of voxels that it gave.
        folder: with the files of one input, which may be written into.
        names_files: whether a refusal has to name one of them.
    """
    stored = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    peak_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gave, wrong = 0, None
    with watched(folder) as seen, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tracemalloc.start(1)
        try:
            with limited_seconds(MOST_SECONDS):
                gave = int(read(folder) or 0)
        except TooLongError:
            wrong = f"computes for more than {MOST_SECONDS:.0f} s"
        except SegkitError as error:
            wrong = _wrong_with(str(error), folder, names_files)
        except BaseException as error:  # noqa: BLE001  (any other exception is a bug of ours)
            wrong = f"raises {type(error).__name__}: {str(error)[:200]} at {_origin(error)}"
        finally:
            taken = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_before) << 10
    bound = SLACK + max(MOST_OF_VOXELS * gave, MOST_INFLATED * stored)
    if max(taken, grown - SLACK) > bound:
        wrong = wrong or f"takes {max(taken, grown) >> 20} MB for {stored} bytes that hold {gave} bytes of voxels"
    return wrong or (seen[0] if seen else None)


def _wrong_with(message: str, folder: Path, names_files: bool) -> str | None:
    if "\n" in message.strip():
        return f"says more than a line: {message[:200]!r}"
    if not names_files:
        return None if message.strip() else "says nothing"
    names = {str(folder), *(path.name for path in folder.rglob("*"))}
    return None if any(name in message for name in names) else f"names no file: {message[:200]!r}"


def _origin(error: BaseException) -> str:
    trace, place = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "/segkit/" in code.co_filename:
            place = f"{Path(code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    with suppress(AttributeError):
        error.__traceback__ = None
    return place
