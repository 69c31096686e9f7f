"""A case: one subject's images and, where known, its reference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from segkit.foundation.errors import DataError
from segkit.volumes.selection import Location

PART, TEST = "part", "test"  # the column in which a layout says that a case is for testing only


@dataclass(frozen=True)
class Case:
    """One subject.

    Attributes:
        name: unique in its data set; names its masks and its rows in every table.
        images: channel name to file, DICOM folder or series of an export, in channel order. Channels that share one
            file are its array channels in that order. Where a file should lie but does not, its path stands here all
            the same, and whoever needs it says so.
        reference: the expert's segmentation, or where it should lie; None where the data set promises none.
        columns: what else a table says of the case, e.g. `{"patient": "17", "site": "A"}`.
        previous: the mask of an earlier stage, which the network is shown beside the images; None: there is none.
    """

    name: str
    images: Mapping[str, Location]
    reference: Location | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    previous: Location | None = None


def check_has(images: Mapping[str, Location], channels: Iterable[str]) -> None:
    """Make sure that a case has some channels.

    Raises:
        DataError: naming those that it lacks.
    """
    absent = [name for name in channels if name not in images]
    if absent:
        raise DataError(f"the case has no channel {', '.join(absent)}; it has {', '.join(images) or 'none'}")


@dataclass(frozen=True)
class Description:
    """What a layout's own files say of its data set; None where they say nothing.

    Attributes:
        channels: as `data.channels` would declare them.
        labels: as `data.labels` would.
        region_order: as `data.region_order` would.
    """

    channels: dict[str, Any] | None = None
    labels: dict[str, Any] | None = None
    region_order: list[int] | None = None


class Layout(ABC):
    """A way in which cases lie on disk."""

    @abstractmethod
    def cases(self, channels: Iterable[str]) -> list[Case]:
        """Return every case, sorted by name; a case that lacks files is among them, with the paths that it lacks."""

    def describe(self) -> Description:
        """Return what the layout's own files say of channels and labels."""
        return Description()
