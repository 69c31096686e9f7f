"""One function over many cases: in several processes where that pays, as many as memory holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from math import prod
from typing import TypeVar

from segkit.datasets.case import Case
from segkit.foundation.console import progress
from segkit.foundation.parallel import Outcome, parallel_map
from segkit.volumes.reading import read_grid
from segkit.volumes.selection import Location

FEW_VOXELS = 20_000_000  # looked at sooner in this process than others take to start
PROCESS = 150_000_000  # bytes that a worker has loaded before it reads anything

Value = TypeVar("Value")


def over_cases(
    function: Callable[[Case], Value],
    cases: Sequence[Case],
    voxels: Sequence[int],
    *,
    bytes_per_voxel: int,
    workers: int | None,
    what: str,
    limit: float | None = None,
) -> Iterator[Outcome[Case, Value]]:
    """Apply a function to each case, and show how far it is.

    Args:
        function: picklable; what it raises becomes the outcome's error.
        cases: any.
        voxels: of each case, that the function reads.
        bytes_per_voxel: that it takes at its peak.
        workers: processes; None: as many as cores and memory allow, this one alone where there is little to read.
        what: the work, in words.
        limit: seconds that a worker may be at one case; None: as long as it takes.

    Returns:
        the outcomes in the order of completion.
    """
    outcomes = parallel_map(
        function,
        cases,
        workers=1 if workers is None and sum(voxels) < FEW_VOXELS else workers,
        bytes_each=PROCESS + max(voxels, default=0) * bytes_per_voxel,
        name=lambda case: case.name,
        limit=limit,
    )
    return progress(outcomes, len(cases), what)


def voxels_in(places: Collection[Location]) -> int:
    """Return how many voxels some volumes have together, as their headers say; one that cannot be read has none.

    A file of several channels counts as often as it is named.
    """
    return sum(_voxels_of(place) * times for place, times in Counter(places).items())


def _voxels_of(place: Location) -> int:
    try:
        return prod(read_grid(place).shape)
    except Exception:  # noqa: BLE001 - whoever reads it in earnest says what is wrong with it
        return 0
