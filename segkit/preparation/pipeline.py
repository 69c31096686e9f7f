"""A whole data set in the store: what is missing is prepared, side by side within disk and memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import TypeVar

from segkit.config.labels import Labels
from segkit.config.plan import Plan
from segkit.datasets.case import Case
from segkit.datasets.side_by_side import FEW_VOXELS, PROCESS
from segkit.foundation.console import progress
from segkit.foundation.errors import CasesFailedError
from segkit.foundation.failures import failures_said
from segkit.foundation.parallel import parallel_map
from segkit.foundation.suggestions import some_of
from segkit.preparation.disk import check_disk, disk_needed, memory_needed
from segkit.preparation.fingerprint import CaseFingerprint
from segkit.preparation.grids import orthogonal, respaced_shape, target_grid
from segkit.preparation.store import PreparedCase, prepare_case, stored_case
from segkit.preparation.upkeep import keep_in_use
from segkit.volumes.grid import as_3d
from segkit.volumes.reading import read_grid

FEW_TO_LOOK_UP = 100 * FEW_VOXELS  # their files are hashed sooner in this process
STRIDE = 7919  # a prime: processes that follow each other begin far apart

Value = TypeVar("Value")


@dataclass(frozen=True)
class CaseSize:
    """How large a case is, as far as headers and fingerprints tell.

    Attributes:
        scan: voxels of the scan's grid, or of a larger one that a channel has of its own.
        prepared: voxels of the prepared grid.
        sheared: whether the scan's grid is.
    """

    scan: tuple[int, ...] = (0,)
    prepared: tuple[int, ...] = (0,)
    sheared: bool = False

    def memory(self, channels: int) -> int:
        """Return the bytes in which it is prepared."""
        return memory_needed(self.scan, self.prepared, channels=channels, sheared=self.sheared)


def prepare_dataset(
    cases: Sequence[Case],
    plan: Plan,
    *,
    labels: Labels,
    store: Path,
    workers: int | None,
    fingerprints: Mapping[str, CaseFingerprint] | None = None,
    limit: float | None = None,
) -> list[PreparedCase]:
    """Prepare every case that is not in the store yet.

    Args:
        cases: with references.
        plan: how they are prepared.
        labels: of the data set.
        store: folder of all prepared cases.
        workers: processes; None: as many as cores and memory allow.
        fingerprints: of cases by name, where known: they say what cropping leaves, headers only what it begins with.
        limit: seconds that a worker may be at one case; None: as long as it takes.

    Returns:
        the prepared cases in the order of `cases`.

    Raises:
        CasesFailedError: when cases cannot be used, each named in a line; the others are prepared.
        DataError: when the disk has no room for what is missing; nothing was prepared then.
    """
    keep_in_use(store)
    known = fingerprints or {}
    sizes = {case.name: size_of(case, plan, known.get(case.name)) for case in cases}
    find = partial(stored_case, plan=plan, labels=labels, store=store)
    few = voxels(sizes.values()) * len(plan.channels) < FEW_TO_LOOK_UP
    found, failed = attempted(
        find, cases, workers=1 if few and workers is None else workers, what="looking up prepared cases"
    )
    missing = [case for case in cases if case.name in found and found[case.name] is None]
    if missing:
        check_disk([disk_of(case, sizes[case.name], plan, labels) for case in missing], len(cases), store)
        made, also_failed = prepare_missing(missing, sizes, plan, labels, store, workers, limit)
        found, failed = {**found, **made}, [*failed, *also_failed]
    if failed:
        raise CasesFailedError(f"{len(failed)} of {len(cases)} cases cannot be used: {some_of(sorted(failed))}")
    return [case for name in (case.name for case in cases) if (case := found[name]) is not None]


def prepare_missing(
    cases: Sequence[Case], sizes: Mapping[str, CaseSize], plan: Plan, labels: Labels, store: Path, workers: int | None,
    limit: float | None = None,
) -> tuple[dict[str, PreparedCase], list[str]]:  # fmt: skip
    """Prepare cases side by side; return those that succeeded by name, and the names of the others."""
    channels = plan.width
    known = [sizes[case.name] for case in cases]
    # Runs that prepare the same cases at once begin at different ones, so that they share the work.
    first = os.getpid() * STRIDE % len(cases)
    return attempted(
        partial(prepare_case, plan=plan, labels=labels, store=store),
        [*cases[first:], *cases[:first]],
        workers=1 if workers is None and voxels(known) * channels < FEW_VOXELS else workers,
        bytes_each=PROCESS + max(size.memory(channels) for size in known),
        what="preparing cases",
        limit=limit,
    )


def attempted(
    function: Callable[[Case], Value], cases: Sequence[Case], *, workers: int | None, what: str, bytes_each: int = 0,
    limit: float | None = None,
) -> tuple[dict[str, Value], list[str]]:  # fmt: skip
    """Apply a function to each case, side by side within memory, and say in a line why a case fails.

    Returns:
        the values by the case's name, and the names of the cases that failed.
    """
    outcomes = parallel_map(
        partial(in_a_list, function), cases, workers=workers, bytes_each=bytes_each, name=lambda case: case.name,
        limit=limit,
    )  # fmt: skip
    values: dict[str, Value] = {}
    failed: list[str] = []
    with failures_said() as tell:
        for outcome in progress(outcomes, len(cases), what):
            if outcome.value is None:
                tell(outcome.name, str(outcome.error))
                failed.append(outcome.name)
            else:
                values[outcome.name] = outcome.value[0]
    return values, failed


def in_a_list(function: Callable[[Case], Value], case: Case) -> list[Value]:
    """Return what a function returns in a list: in an outcome, None stands for a failure."""
    return [function(case)]


def size_of(case: Case, plan: Plan, fingerprint: CaseFingerprint | None) -> CaseSize:
    """Return how large a case is and becomes; without a fingerprint, as if nothing were cropped."""
    try:
        grid, *others = (as_3d(read_grid(case.images[name])) for name in (next(iter(plan.inputs)), *plan.onto))
    except Exception:  # noqa: BLE001 - whoever prepares the case says what is wrong with it
        return CaseSize()
    if fingerprint is None:
        prepared = target_grid(orthogonal(grid), plan).shape
    else:
        prepared = respaced_shape(fingerprint.shape, fingerprint.spacing, plan.spacing)
    return CaseSize(max((each.shape for each in (grid, *others)), key=prod), prepared, grid.is_sheared)


def disk_of(case: Case, size: CaseSize, plan: Plan, labels: Labels) -> int:
    """Return the bytes of disk that a case needs."""
    return disk_needed(size.prepared, channels=plan.width, classes=labels.classes if case.reference else 0)


def voxels(sizes: Iterable[CaseSize]) -> int:
    """Return the voxels of all scans together."""
    return sum(prod(size.scan) for size in sizes)
