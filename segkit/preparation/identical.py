"""Cases whose images are the same: they must not stand on both sides of a split."""

from __future__ import annotations

from collections.abc import Sequence

from segkit.datasets import Case
from segkit.preparation.contents import content_hash
from segkit.volumes.selection import bytes_of


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
    for case in (case for alike in sizes.values() if len(alike) > 1 for case in alike):
        names.setdefault(tuple(map(content_hash, case.images.values())), set()).add(case.name)
    return [same for same in names.values() if len(same) > 1]
