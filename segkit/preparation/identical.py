"""Cases whose images are the same: they must not stand on both sides of a split."""

from __future__ import annotations

from collections.abc import Sequence

from segkit.datasets import Case
from segkit.foundation.console import progress
from segkit.preparation.contents import content_hash
from segkit.volumes.selection import bytes_of

FEW_BYTES = 1 << 30  # read before one would wonder


def together_by_content(cases: Sequence[Case]) -> list[set[str]]:
    """Return the sets of cases whose images are the same bytes; only files of equal size are read.

    A case that lacks a file is like no other: whoever uses it says so.
    """
    sizes: dict[tuple[int, ...], list[Case]] = {}
    for case in cases:
        if not all(place.exists() for place in case.images.values()):
            continue
        sizes.setdefault(tuple(map(bytes_of, case.images.values())), []).append(case)
    names: dict[tuple[str, ...], set[str]] = {}
    alike = [case for same in sizes.values() if len(same) > 1 for case in same]
    is_short = sum(sum(size) * len(same) for size, same in sizes.items() if len(same) > 1) <= FEW_BYTES
    for case in alike if is_short else progress(alike, what="comparing images of one size"):
        names.setdefault(tuple(map(content_hash, case.images.values())), set()).add(case.name)
    return [same for same in names.values() if len(same) > 1]
