"""A case: one subject's images and, where known, its reference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One subject.

    Attributes:
        name: unique in its data set; names its masks and its rows in every table.
        images: channel name to file or DICOM folder, in channel order.
        reference: the expert's segmentation; None where there is none.
    """

    name: str
    images: Mapping[str, Path]
    reference: Path | None = None


class Layout(ABC):
    """A way in which cases lie on disk."""

    @abstractmethod
    def cases(self, channels: Iterable[str]) -> list[Case]:
        """Return every case, sorted by name."""
