"""Where DICOM objects lie: files, folders of any depth, members of a zip; nothing is reached outside what was named."""

from __future__ import annotations

import hashlib
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO

from segkit.foundation.archives import ENCRYPTED, leaves
from segkit.foundation.errors import DataError
from segkit.foundation.folders import names_by_folder
from segkit.volumes.bounded import open_bounded

FORMAT_NAME = "dicom"  # in the source of volumes that were read from such objects
PREAMBLE, MAGIC = 128, b"DICM"
ZIP = ".zip"
SUSPECT_BYTES, SUSPECT_RATIO = 1 << 26, 200  # a member that unpacks to more than both is taken for a bomb


@dataclass(frozen=True, order=True)
class DicomFile:
    """One DICOM object: a file on disk, or a member of a zip, which is read where it lies.

    Attributes:
        path: the file, or the zip.
        member: name inside the zip; "" of a file on disk.
    """

    path: Path
    member: str = ""

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the object's bytes for reading; a zip's member can seek, slowly backwards.

        Raises:
            OSError: when the file cannot be read.
            DataError: when the zip is damaged.
        """
        if not self.member:
            with open_bounded(self.path) as file:
                yield file
            return
        try:
            unpacked = _archive(self.path).open(self.member)
        except (zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError) as error:
            raise DataError(f"{self}: cannot be unpacked: {error}") from error
        with unpacked:
            try:
                yield unpacked
            except (zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
                raise DataError(f"{self}: cannot be unpacked: the zip is damaged") from error

    @property
    def name(self) -> str:
        """The last part of the file's or the member's name."""
        return PurePosixPath(self.member).name if self.member else self.path.name

    @property
    def size(self) -> int:
        """Bytes, as the file system or the zip's table says."""
        if not self.member:
            return self.path.stat().st_size
        return _archive(self.path).getinfo(self.member).file_size

    def __str__(self) -> str:
        """Return the path, for a member followed by its name."""
        return f"{self.path}: {self.member}" if self.member else str(self.path)


def _archive(path: Path) -> zipfile.ZipFile:
    """Return an open zip; its table, which may list thousands of members, is read once while it does not change."""
    status = path.stat()
    return _opened_archive(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _opened_archive(path: Path, size: int, changed: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def dicom_files(path: Path, *, below: bool = True) -> list[DicomFile]:
    """Return the DICOM objects in a file, a zip or a folder, sorted by path.

    Args:
        path: what was named. Hidden files, and whatever does not begin as DICOM files do, are passed over in folders
            and zips; links to folders are not followed, zips inside folders not opened.
        below: whether folders inside a folder are looked through too.

    Raises:
        DataError: when a zip is damaged, encrypted, a bomb, or has a member that points outside.
    """
    if path.is_dir():
        return [DicomFile(file) for file in files_in(path, below=below) if _may_be_dicom(DicomFile(file))]
    if is_zip(path):
        return [file for file in _members(path) if _may_be_dicom(file)]
    return [DicomFile(path)]


def is_zip(path: Path) -> bool:
    """Tell whether a file is a zip, by its suffix and its first bytes."""
    return path.suffix.lower() == ZIP and zipfile.is_zipfile(path)


def is_dicom(file: DicomFile) -> bool:
    """Tell whether an object begins with DICOM's preamble and prefix (PS3.10, 7.1)."""
    try:
        return _has_prefix(file)
    except (OSError, DataError):
        return False


def _may_be_dicom(file: DicomFile) -> bool:
    """Tell the same, but True of what cannot be opened: reading it will say why, where its slice would be missed."""
    try:
        return _has_prefix(file)
    except (OSError, DataError):
        return True


def _has_prefix(file: DicomFile) -> bool:
    with file.open() as stream:
        return begins_as_dicom(stream)


def begins_as_dicom(stream: IO[bytes]) -> bool:
    """Tell whether an open file begins with preamble and prefix, and leave it behind them."""
    return stream.read(PREAMBLE + len(MAGIC))[PREAMBLE:] == MAGIC


def files_in(folder: Path, *, below: bool = True) -> Iterator[Path]:
    """Yield the files in a folder, and in those below it, in order; hidden ones are passed over."""
    for parent, names in names_by_folder(folder, below=below):
        paths = (parent / name for name in names if not name.startswith("."))
        yield from (path for path in paths if path.is_file())  # opening a pipe would wait for its other end


def _members(path: Path) -> Iterator[DicomFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{path} is a damaged zip: {error}") from error
    if sum(member.compress_size for member in members) > path.stat().st_size:
        raise DataError(f"{path}: its members overlap, which only a zip bomb's do; nothing was unpacked")
    for member in sorted(members, key=lambda each: each.filename):
        _check_member(path, member)
        if not PurePosixPath(member.filename).name.startswith("."):
            yield DicomFile(path, member.filename)


def _check_member(path: Path, member: zipfile.ZipInfo) -> None:
    """Refuse a member that leaves the zip, cannot be opened, or unpacks to far more than a scan does.

    Raises:
        DataError: naming zip and member.
    """
    where = f"{path}: {member.filename}"
    if leaves(member.orig_filename) or leaves(member.filename):
        raise DataError(f"{where}: points outside the zip; nothing was unpacked")
    if member.flag_bits & ENCRYPTED:
        raise DataError(f"{where}: is encrypted; unpack it with its password first")
    if is_suspect(member.file_size, member.compress_size):
        raise DataError(
            f"{where}: would unpack {member.compress_size} bytes to {member.file_size}, as a zip bomb does; nothing "
            "was unpacked"
        )


def is_suspect(unpacked: int, stored: int) -> bool:
    """Tell whether so many stored bytes become so many more that they are no scan."""
    return unpacked > SUSPECT_BYTES and unpacked > SUSPECT_RATIO * max(1, stored)


def digest(file: DicomFile) -> str:
    """Return the sha256 of an object's bytes.

    Raises:
        OSError: when it cannot be read.
        DataError: when its zip is damaged.
    """
    with file.open() as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
