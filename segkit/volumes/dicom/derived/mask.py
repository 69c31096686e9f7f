"""What a derived object says of a mask: its segments, and who drew it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Author:
    """What drew a mask.

    Attributes:
        name: of the model or data set.
        version: of it, e.g. the beginning of the hash of its weights.
        is_algorithm: False where a mask was handed to us and nobody said how it came about.
    """

    name: str
    version: str
    is_algorithm: bool = True


@dataclass(frozen=True)
class Segment:
    """One label of a mask.

    Attributes:
        number: the same in every object that is made of the mask: SEG, RTSTRUCT, structured report.
        name: as declared.
        values: that belong to it in the mask; of regions several.
    """

    number: int
    name: str
    values: tuple[int, ...]
