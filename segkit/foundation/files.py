"""Files and folders that are whole or absent, whatever kills the process that writes them."""

import errno
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from segkit.foundation.errors import DataError, SegkitError, one_line, reason_of_system
from segkit.foundation.plain import from_yaml, to_json, to_yaml

_UNIQUE = re.compile(r"(?P<machine>[0-9a-f]{8})-(?P<pid>\d{1,9})-[0-9a-f]{8}")
_LITTER = re.compile(rf"\..*\.(?P<unique>{_UNIQUE.pattern})\.tmp.*")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PROBE_BYTES = 1 << 16  # a full disk may still take a few
_being_written: set[Path] = set()


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file beside its place and move it there in one rename when the block succeeds.

    Args:
        path: the file to write; missing parents are created, a symbolic link is written through.

    Yields:
        A path in the same folder with all suffixes of `path`, for the block to write.

    Raises:
        OSError: when the disk is full, read-only or closed to us; it names the target, and nothing is left behind.
    """
    target = _prepared(path)
    with _temporary(target) as temporary:
        yield temporary
        _flush(temporary)
        temporary.replace(target)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Fill a folder beside its place and move it there in one rename when the block succeeds.

    Args:
        path: the folder to make; it must be absent or empty.

    Yields:
        An empty folder beside `path`, for the block to fill.

    Raises:
        SegkitError: when `path` exists and is not an empty folder, at the start or at the end.
        OSError: when the disk is full, read-only or closed to us; nothing is left behind.
    """
    target = _prepared(path)
    _require_absent_or_empty(target)
    with _temporary(target) as temporary:
        temporary.mkdir()
        yield temporary
        try:
            temporary.replace(target)
        except OSError:
            _require_absent_or_empty(target)
            raise


def _require_absent_or_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        raise SegkitError(f"{folder} exists and is not an empty folder: remove it or choose another place")


def _prepared(path: str | os.PathLike[str]) -> Path:
    target = Path(path)
    if target.is_symlink():
        target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    return target


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    temporary = temporary_name(target)
    _being_written.add(temporary)
    try:
        yield temporary
    except OSError as error:
        _name_target(error, temporary, target)
        raise
    finally:
        with suppress(OSError):
            remove(temporary)
        _being_written.discard(temporary)


def _name_target(error: OSError, temporary: Path, target: Path) -> None:
    """Put the file that people know into an error that names ours, or none because the disk is full."""
    # NumPy's tofile says "8192 requested and 1024 written" and gives no errno.
    if error.errno is None and str(error).endswith(" written"):
        error.errno, error.strerror = errno.ENOSPC, os.strerror(errno.ENOSPC)
    if error.errno in _FULL:  # also where a library copies from a file of its own, whose name the error bears
        error.filename = str(target)
        del error.filename2  # None in its place would be printed
    elif error.filename is not None:
        error.filename = str(error.filename).replace(str(temporary), str(target))
        del error.filename2


def temporary_name(target: Path) -> Path:
    """Return a hidden name beside `target`; once this process is dead, whatever bears it counts as litter."""
    return target.with_name(_beside(target, f"{_machine()}-{os.getpid()}-{os.urandom(4).hex()}"))


def _beside(target: Path, unique: str) -> str:
    suffixes = "".join(target.suffixes)
    stem = target.name.removesuffix(suffixes)
    if len(os.fsencode(target.name)) > 180:  # 255 bytes is the limit of common file systems
        stem, suffixes = f"{zlib.crc32(os.fsencode(target.name)):08x}", target.suffix[:40]
    return f".{stem}.{unique}.tmp{suffixes}"


def _machine() -> str:
    # Process numbers mean something on one machine only; on a shared disk the others' files are left alone.
    import platform

    return f"{zlib.crc32(platform.node().encode()):08x}"


def remove_litter(folder: str | os.PathLike[str]) -> None:
    """Remove what dead processes of this machine have left half written directly in a folder."""
    found = ((name, _LITTER.fullmatch(name)) for name in _hidden(Path(folder)))
    _remove_dead(Path(folder), {name: match["unique"] for name, match in found if match})


def _sweep(target: Path) -> None:
    before, after = _beside(target, "\0").split("\0")
    names = [name for name in _hidden(target.parent) if name.startswith(before) and name.endswith(after)]
    _remove_dead(target.parent, {name: name[len(before) : len(name) - len(after)] for name in names})


def _hidden(folder: Path) -> list[str]:
    # Names are enough, and folders may hold many.
    return [name for name in os.listdir(folder) if name.startswith(".")]  # noqa: PTH208


def _remove_dead(folder: Path, uniques: Mapping[str, str]) -> None:
    """Remove those of some files (name to what is its own in it) whose process of this machine is dead."""
    for name, unique in uniques.items():
        match = _UNIQUE.fullmatch(unique)
        if match and match["machine"] == _machine() and not _is_alive(int(match["pid"]), folder / name):
            with suppress(OSError):
                remove(folder / name)


def _is_alive(pid: int, temporary: Path) -> bool:
    if pid == os.getpid():  # a container gives each of its runs the same number
        return temporary in _being_written
    import psutil

    return bool(psutil.pid_exists(pid))


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it; what is gone already is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def staging_folder(beside: str | os.PathLike[str]) -> Iterator[Path]:
    """Make a hidden folder for files that are moved to their places later; what is left in it at the end goes with it.

    The folder around it is not listed, which may hold the files of thousands: `remove_litter` goes before the first.

    Args:
        beside: a path in the folder that the files will be moved to, after which it is called.

    Raises:
        OSError: when the disk is full, read-only or closed to us.
    """
    target = Path(beside)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(target) as temporary:
        temporary.mkdir()
        yield temporary


def append_line(path: str | os.PathLike[str], line: str) -> None:
    """Append a line in one piece: whoever reads meanwhile sees all of it or nothing, whatever kills this process.

    It is not forced onto the disk: of a machine that loses its power the last lines may be lost.

    Args:
        path: the file, made where it is missing.
        line: ASCII text that ends with a line end.

    Raises:
        OSError: when the line cannot be written whole.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        written = os.write(descriptor, line.encode("ascii"))
        if written < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
    finally:
        os.close(descriptor)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text atomically, with the line ends that `text` holds.

    Raises:
        OSError: when the file cannot be written; the old one stays.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write strict JSON atomically; numbers that are not finite become null.

    Args:
        path: the file to write.
        value: what `plain` accepts: also dataclasses, paths, NumPy scalars and arrays.

    Raises:
        TypeError: when something in `value` has no plain form.
        OSError: when the file cannot be written; the old one stays.
    """
    write_text(path, to_json(value) + "\n")


def write_yaml(path: str | os.PathLike[str], value: Any) -> None:
    """Write YAML atomically, keys in their order.

    Args:
        path: the file to write.
        value: what `plain` accepts: also dataclasses, paths, NumPy scalars and arrays.

    Raises:
        TypeError: when something in `value` has no plain form.
        OSError: when the file cannot be written; the old one stays.
    """
    write_text(path, to_yaml(value))


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file.

    Raises:
        DataError: when the file is not JSON; the message names it.
        OSError: when the file cannot be read.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{os.fspath(path)} is not JSON: {error}") from error


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """Read a YAML file with safe tags only.

    Raises:
        DataError: when the file is not YAML or asks for a Python object; the message names it.
        OSError: when the file cannot be read.
    """
    import yaml

    try:
        return from_yaml(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{os.fspath(path)} is not YAML: {one_line(error)}") from error


def check_writable(folder: str | os.PathLike[str]) -> None:
    """Make a folder and prove that files can be written in it.

    Raises:
        SegkitError: when it is not a folder, is closed to us, or lies on a full or read-only disk.
    """
    folder = Path(folder)
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _temporary(_prepared(folder / "probe")) as probe:
            probe.write_bytes(bytes(_PROBE_BYTES))
            _flush(probe)
    except OSError as error:
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise SegkitError(f"{folder} cannot be written: {_reason(error)}; choose another folder") from error


def _reason(error: OSError) -> str:
    is_in_the_way = isinstance(error, NotADirectoryError | FileExistsError)
    return "it, or a part of its path, is a file and not a folder" if is_in_the_way else reason_of_system(error)
