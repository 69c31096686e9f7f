"""One input tried: what came back, and whether anything happened that must not."""

import os
import resource
import signal
import sys
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from segkit.foundation.errors import SegkitError
from segkit.foundation.exhaustion import is_out_of_memory

MOST_SECONDS = 5.0  # of the processor
SLOWER = 4  # times, while each allocation is counted
SLACK = 48 << 20  # bytes that reading anything may take beside its voxels
MOST_OF_VOXELS = 4  # times the bytes of the array that came back
MOST_INFLATED = 1032  # what a byte of DEFLATE can become
SLACK_OF_ADDRESSES = 512 << 20  # bytes that stacks and arenas of threads may reserve beside
STATM, STATUS, FORGET = Path("/proc/self/statm"), Path("/proc/self/status"), Path("/proc/self/clear_refs")
RUNS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pickle.find_class", "ctypes.dlopen")
CONNECTS = ("socket.connect", "socket.bind", "socket.getaddrinfo", "urllib.Request")
CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.chmod", "shutil.rmtree")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CANARY = "hostile"  # a package that nobody but a file could ask for


class TooLongError(BaseException):
    """Not an Exception: no reader may take it for damage."""


_SEEN: list[list[str]] = []  # of the input that is tried


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if not _SEEN:
        return
    if event in RUNS or event in CONNECTS:
        _SEEN[-1].append(f"{event} {str(arguments)[:120]}")
    elif event == "open" and isinstance(arguments[0], str | bytes) and (arguments[2] or 0) & WRITES:
        _note_change("wrote", arguments[0])
    elif event in CHANGES:
        _note_change(event, arguments[0])


def _note_change(what: str, path: Any) -> None:
    name = os.path.realpath(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else str(path)
    is_pythons = name.startswith("/dev/") or name.endswith((".pyc", ".nbi", ".nbc")) or "__pycache__" in name
    if not is_pythons:
        _SEEN[-1].append(f"{what} {name}")


class CanaryWatch:
    """Hears of every import, also of `importlib.import_module`, of which the audit says nothing."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        """Note an import that only a file can have asked for; never find anything."""
        if _SEEN and name.split(".")[0] == CANARY:
            _SEEN[-1].append(f"imported {name}")


sys.addaudithook(_note)
sys.meta_path.insert(0, CanaryWatch)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Yield a list of what is run, reached, imported by the file's choice, or changed on disk meanwhile."""
    _SEEN.append([])
    try:
        yield _SEEN[-1]
    finally:
        _SEEN.clear()


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


@contextmanager
def limited_memory(most: int) -> Iterator[None]:
    """Let the process address `most` bytes more than it does; what asks for more meets a `MemoryError` (Linux)."""
    if not STATM.exists():
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(STATM.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextmanager
def traced(is_wanted: bool) -> Iterator[Callable[[], int]]:
    """Yield what tells the most bytes that Python and NumPy held at once, 0 where nobody counts."""
    if is_wanted:
        tracemalloc.start(1)
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def complaint(
    read: Callable[[Path], Any], folder: Path, *, names_files: bool = True, is_traced: bool = True
) -> str | None:
    """Try one input; return what is wrong with how it was dealt with, None where all is well.

    Args:
        read: opens what lies in the folder; returns the bytes of voxels that it gave.
        folder: with the files of one input.
        names_files: whether a refusal has to name one of them.
        is_traced: whether each allocation is counted, which makes much slower; otherwise memory that is written to
            is, and what would take far more than it may gets none.
    """
    stored = sum(entry.stat().st_size for entry in _files_below(folder))
    may_take = SLACK + MOST_INFLATED * stored
    peak_before, gave, wrong = forget_peak(), 0, None
    room = nullcontext() if is_traced else limited_memory(SLACK_OF_ADDRESSES + may_take)
    with watched() as seen, warnings.catch_warnings(), traced(is_traced) as most_traced:
        warnings.simplefilter("ignore")
        try:
            with room, limited_seconds(MOST_SECONDS * (SLOWER if is_traced else 1)):
                gave = int(read(folder) or 0)
        except TooLongError:
            wrong = f"computes for more than {MOST_SECONDS:.0f} s"
        except SegkitError as error:
            wrong = _wrong_with(error, folder, names_files)
        except BaseException as error:  # noqa: BLE001  (any other exception is a bug of ours)
            wrong = f"raises {type(error).__name__}: {str(error)[:200]} at {_origin(error)}"
        held, grown = most_traced(), peak() - peak_before
    if max(held, grown - SLACK) > max(may_take, SLACK + MOST_OF_VOXELS * gave):
        wrong = wrong or f"takes {max(held, grown) >> 20} MB for {stored} bytes that hold {gave} bytes of voxels"
    return wrong or (seen[0] if seen else None)


def _files_below(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files_below(Path(entry.path))
            else:
                yield entry


def forget_peak() -> int:
    """Have the system measure the peak of resident memory anew, where it can; return the peak so far, in bytes."""
    with suppress(OSError):
        FORGET.write_text("5")
    return peak()


def peak() -> int:
    """Return the peak of resident memory in bytes, since it was last forgotten."""
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << (0 if sys.platform == "darwin" else 10)
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


def _wrong_with(error: SegkitError, folder: Path, names_files: bool) -> str | None:
    message = str(error)
    if any(is_out_of_memory(cause) for cause in _causes(error)):
        return f"asks for more memory than the file could need: {message[:200]}"
    if "\n" in message.strip():
        return f"says more than a line: {message[:200]!r}"
    if not names_files:
        return None if message.strip() else "says nothing"
    names = {str(folder), *(entry.name for entry in _files_below(folder))}
    return None if any(name in message for name in names) else f"names no file: {message[:200]!r}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


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
