"""What is read as one volume without being one file: a series of an export, or segments drawn on one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

from segkit.volumes.grid import Grid
from segkit.volumes.volume import Volume


class Selection(ABC):
    """Parts of files that read as one volume. Equal selections are equal objects, so that they can be keys."""

    @abstractmethod
    def read(self) -> Volume:
        """Return the volume.

        Raises:
            DataError: when a file cannot be read; the message names it.
            GeometryError: when the parts lie on no common grid.
        """

    @abstractmethod
    def read_grid(self) -> Grid:
        """Return the grid alone, without reading voxels; raises as `read` does."""

    @abstractmethod
    def exists(self) -> bool:
        """Tell whether every file is there."""

    @abstractmethod
    def content(self) -> list[str]:
        """Return what the volume is made of, to be hashed: the sha256 of each file, and which parts are taken how.

        Raises:
            OSError: when a file cannot be read.
        """

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called in messages and tables; nothing that names a patient."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Bytes of all files together."""

    @property
    @abstractmethod
    def parent(self) -> Path:
        """A folder that holds the first file."""

    @abstractmethod
    def __str__(self) -> str:
        """Return where it lies and which part is meant, without anything that names a patient."""


Location = Path | Selection  # where a volume is read from


def without_folders(text: str, folders: Iterable[Path]) -> str:
    """Return a message with files called by their names alone, for what is handed on: folders may name patients."""
    for folder in sorted({str(folder) for folder in folders}, key=len, reverse=True):
        text = text.replace(f"{folder}/", "")
    return text


def bytes_of(place: Location) -> int:
    """Return the size of a file, of the files in a folder, or of a selection."""
    if isinstance(place, Selection):
        return place.size
    return sum(each.stat().st_size for each in place.iterdir()) if place.is_dir() else place.stat().st_size


def has_many_files(place: Location) -> bool:
    """Tell whether many files' headers must be read to know the grid."""
    return isinstance(place, Selection) or place.is_dir()
