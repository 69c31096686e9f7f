"""Zip files: a stranger's, checked before anything in it is read, and our own, the same bytes for the same members."""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from segkit.foundation.errors import DataError, said_by_library

LARGEST_PACKED = 4 << 20  # bytes that a compressed member may unpack to: ours are pages of text
MOST_MEMBERS = 1000
ENCRYPTED = 1  # the bit in a member's flags
SIGNATURE = b"PK\x03\x04"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can state
FILE_MODE = 0o644


@dataclass(frozen=True)
class Member:
    """A file inside a zip whose table was checked.

    Attributes:
        archive: the zip.
        name: of the member.
        size: bytes that reading it takes; None where the zip has no such member.
    """

    archive: Path
    name: str
    size: int | None

    def __str__(self) -> str:
        """Return the zip's path, followed by the member's name."""
        return f"{self.archive}: {self.name}"

    def is_file(self) -> bool:
        """Tell whether the zip has this member."""
        return self.size is not None

    def hash(self) -> str:
        """Return the sha256 of the member's bytes in hexadecimal."""
        return hashlib.sha256(self.read_bytes()).hexdigest()

    def read_bytes(self) -> bytes:
        """Read the member; no more than its size is taken out, whatever the zip has become meanwhile.

        Raises:
            OSError: when the zip cannot be read.
            DataError: when the member is absent, damaged, or not as large as the zip's table said.
        """
        size = self.size or 0
        with _refusals(self.archive), zipfile.ZipFile(self.archive) as archive, archive.open(self.name) as stream:
            content = stream.read(size + 1)
        if len(content) != size:
            raise DataError(f"{self} is not as large as its zip says")
        return content


@dataclass(frozen=True)
class ArchiveFolder:
    """A folder inside a zip whose table was checked; `folder / name` is a file in it, as with `Path`.

    Attributes:
        archive: the zip.
        prefix: of its members' names, "" for the top level.
        sizes: every member of the zip and its bytes.
    """

    archive: Path
    prefix: str
    sizes: Mapping[str, int]

    def __str__(self) -> str:
        """Return the zip's path, followed by the folder's name unless it is the top level."""
        return f"{self.archive}: {self.prefix.rstrip('/')}" if self.prefix else str(self.archive)

    def __truediv__(self, name: str) -> Member:
        """Return a file of this folder."""
        return Member(self.archive, self.prefix + name, self.sizes.get(self.prefix + name))

    def folder(self, name: str) -> ArchiveFolder:
        """Return a folder inside this one."""
        return ArchiveFolder(self.archive, f"{self.prefix}{name}/", self.sizes)


def checked_members(path: Path, expected: Callable[[str], bool]) -> dict[str, int]:
    """Read the table of a stranger's zip, and nothing else of it.

    What is stored is as large as it says; what is compressed could unpack to any size, and may be small only.

    Args:
        path: the zip.
        expected: tells whether a name belongs in such a file.

    Returns:
        each member's name and size in bytes.

    Raises:
        OSError: when the file cannot be read.
        DataError: when it is no whole zip, or holds members that are not expected, twice there, links, encrypted, or
            larger than the file can honestly hold; nothing was unpacked then.
    """
    with _refusals(path), path.open("rb") as stream:
        if stream.read(len(SIGNATURE)) != SIGNATURE:
            raise DataError(f"{path} is no zip")
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise DataError(f"{path} holds {len(members)} members, more than {MOST_MEMBERS}")
    sizes: dict[str, int] = {}
    for member in members:
        wrong = _wrong_name(member, expected, sizes) or _wrong_content(member)
        if wrong:
            raise DataError(f"{path}: the member {member.orig_filename[:100]!r} {wrong}; nothing in the file was read")
        sizes[member.filename] = member.file_size
    if sum(member.compress_size for member in members) > path.stat().st_size:
        raise DataError(f"{path} claims to hold more bytes than it has; nothing in the file was read")
    return sizes


def leaves(name: str) -> bool:
    """Tell whether a relative name, with either kind of slash, leads out of the folder that it is relative to."""
    parts = name.replace("\\", "/").split("/")
    return ".." in parts or parts[0] == "" or ":" in parts[0]


def _wrong_name(member: zipfile.ZipInfo, expected: Callable[[str], bool], before: Mapping[str, int]) -> str:
    """Say what is wrong with a member's name, "" where nothing is."""
    name = member.orig_filename  # as it stands in the file: zipfile cuts `filename` at a zero byte
    if leaves(name):
        return "points outside the file"
    if name != member.filename or not expected(name):
        return "does not belong there"
    return "is there twice" if name in before else ""


def _wrong_content(member: zipfile.ZipInfo) -> str:
    """Say why a member must not be read, "" where it may be."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or member.is_dir():
        return "is a link or a folder"
    if member.flag_bits & ENCRYPTED:
        return "is encrypted"
    if member.compress_type == zipfile.ZIP_STORED:
        return "" if member.file_size == member.compress_size else "is stored, but not as large as it says"
    if member.compress_type != zipfile.ZIP_DEFLATED:
        return "is compressed in a way that is not read"
    if member.file_size > LARGEST_PACKED:
        return f"would unpack to {member.file_size} bytes, and what is compressed may have {LARGEST_PACKED}"
    return ""


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Turn whatever a damaged zip raises into one line."""
    try:
        yield
    except (DataError, OSError):
        raise
    except Exception as error:  # zipfile raises BadZipFile, KeyError, RuntimeError, struct.error, zlib.error ...
        raise DataError(f"{path} is no whole zip: {said_by_library(error)}") from error


def write_archive(path: Path, members: Mapping[str, str | Path]) -> None:
    """Write a zip whose bytes depend on its members alone: sorted, stored, without times, owners or modes of their own.

    Args:
        path: the file to write; `segkit.foundation.files.atomic_file` gives one.
        members: name to text, or to a file that is copied piece by piece.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in sorted(members.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = 3, (stat.S_IFREG | FILE_MODE) << 16  # Unix, on any system
            if isinstance(content, str):
                archive.writestr(entry, content.encode())
                continue
            entry.file_size = content.stat().st_size  # tells zipfile whether the entry needs 64 bits
            with content.open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)
