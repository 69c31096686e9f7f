"""Where the labelled voxels of a prepared case lie, class by class, for patches that are to hold some."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.counted import generator

MOST = 10_000  # positions kept of a class
FEWEST = 500  # kept of a class however small the case
SHARE = 16  # positions of all classes together take at most 1 in so many voxels, where that leaves each FEWEST
SLAB = 1 << 18  # voxels looked at together
NUMBERS = 256  # that a uint8 can be

Positions = NDArray[np.integer]


def position_limit(voxels: int, classes: int) -> int:
    """Return how many positions of each foreground class are kept in a case of so many voxels."""
    return min(MOST, max(FEWEST, voxels // (SHARE * max(1, classes - 1))))


def class_positions(reference: NDArray[np.uint8], classes: int) -> list[Positions]:
    """Return voxel indices of each foreground class, drawn evenly where it has more than are kept.

    Memory beside the reference is bounded, however large it is.

    Args:
        reference: stored classes, shape (X, Y, Z) in C order; numbers from `classes` on (255: ignored) are passed over.
        classes: how many there are, the background included.

    Returns:
        for each of the classes 1, 2 ... an array (n, 3), sorted; int16 where the shape allows.
    """
    flat = reference.reshape(-1)
    limit = position_limit(flat.size, classes)
    counts = np.zeros(NUMBERS, np.int64)
    for _, slab in slabs(flat):
        counts += np.bincount(slab, minlength=NUMBERS)
    # Which of a class's voxels are kept is drawn before they are found: the n-th, the m-th ...
    kept = [drawn(int(counts[index]), limit, index) for index in range(1, classes)]
    found: list[list[NDArray[np.intp]]] = [[] for _ in kept]
    seen = np.zeros(NUMBERS, np.int64)
    for start, slab in slabs(flat):
        places = np.flatnonzero(slab)
        places = places[np.argsort(slab[places], kind="stable")]
        here = np.bincount(slab, minlength=NUMBERS)
        here[0] = 0
        stops = np.cumsum(here)
        for index in np.flatnonzero(here[:classes]):
            ranks = kept[index - 1] - seen[index]
            ranks = ranks[np.searchsorted(ranks, 0) : np.searchsorted(ranks, here[index])]
            found[index - 1].append(places[stops[index] - here[index] + ranks] + start)
        seen += here
    return [as_indices(parts, reference.shape) for parts in found]


def slabs(flat: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield parts of a flat array, each with the index of its first voxel."""
    for start in range(0, flat.size, SLAB):
        yield start, flat[start : start + SLAB]


def drawn(count: int, limit: int, index: int) -> NDArray[np.int64]:
    """Return which of `count` voxels of a class are kept, in order."""
    if count <= limit:
        return np.arange(count)
    return np.sort(generator(index).choice(count, limit, replace=False))


def as_indices(parts: list[NDArray[np.intp]], shape: tuple[int, ...]) -> Positions:
    """Return flat places as voxel indices, (n, 3)."""
    flat = np.concatenate(parts) if parts else np.empty(0, np.intp)
    indices = np.stack(np.unravel_index(flat, shape), axis=1)
    return indices.astype(np.int16 if max(shape) <= np.iinfo(np.int16).max else np.int32)
