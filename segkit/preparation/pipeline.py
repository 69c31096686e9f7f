"""A whole data set: fingerprints, plan, prepared cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from segkit.config.options import PlanOptions
from segkit.config.plan import Plan
from segkit.datasets.case import Case
from segkit.foundation.console import error, progress
from segkit.foundation.errors import CasesFailedError
from segkit.foundation.files import atomic_file
from segkit.foundation.hashing import value_hash
from segkit.foundation.parallel import parallel_map
from segkit.foundation.strangers import load_array
from segkit.preparation.fingerprint import CaseFingerprint, fingerprint, fingerprint_case
from segkit.preparation.normalisation import channels_of
from segkit.preparation.planner import make_plan
from segkit.preparation.store import LAYOUT, PreparedCase, content_of, prepare_case
from segkit.volumes.reading import read_grid

BYTES_PER_VOXEL = 40  # the file's values, float32 copies for resampling, the prepared array and its masks
FEW_VOXELS = 20_000_000  # prepared sooner in this process than others take to start

Value = TypeVar("Value")


def plan_dataset(
    cases: Sequence[Case],
    options: PlanOptions,
    *,
    channels: Mapping[str, str],
    labels: Mapping[str, int],
    levels: int,
    transforms: Sequence[Mapping[str, Any]],
    store: Path,
    workers: int | None,
) -> Plan:
    """Read every case's fingerprint and plan.

    Args:
        cases: those that train and validate.
        options: what is decided already.
        channels: name to intensity family.
        labels: name to value, in class order.
        levels: the most that the network has features for.
        transforms: MONAI intensity transforms that follow the normalisation.
        store: where fingerprints are kept, by the content of the case.
        workers: processes; None: as many as cores and memory allow.

    Raises:
        CasesFailedError: when cases cannot be used, each named in a line.
    """
    count = sum(channels_of(family) for family in channels.values())
    read = partial(
        stored_fingerprint, channels=count, orientation=options.orientation, labels=dict(labels), store=store
    )
    found = for_each(read, cases, workers, what="reading fingerprints")
    return make_plan(fingerprint(found), options, channels=channels, levels=levels, transforms=transforms)


def prepare_dataset(
    cases: Sequence[Case], plan: Plan, *, labels: Mapping[str, int], store: Path, workers: int | None
) -> list[PreparedCase]:
    """Prepare every case that is not in the store yet.

    Args:
        cases: with references.
        plan: how they are prepared.
        labels: name to value, in class order.
        store: folder of all prepared cases.
        workers: processes; None: as many as cores and memory allow.

    Returns:
        the prepared cases in the order of `cases`.

    Raises:
        CasesFailedError: when cases cannot be used, each named in a line; the others are prepared.
    """
    prepared = partial(prepare_case, plan=plan, labels=dict(labels), store=store)
    return for_each(prepared, cases, workers, what="preparing cases")


def stored_fingerprint(
    case: Case, *, channels: int, orientation: str | None, labels: Mapping[str, int], store: Path
) -> CaseFingerprint:
    """Return a case's fingerprint, read again only when the case has changed.

    Raises:
        DataError: when an image or the reference cannot be used.
        GeometryError: when the reference does not lie on the image's grid.
    """
    key = value_hash([LAYOUT, content_of(case), channels, orientation, list(labels.values())])
    path = store / "fingerprints" / f"{key}.npy"
    if path.exists():
        stored = load_array(path)
        return CaseFingerprint(tuple(stored["shape"].tolist()), tuple(stored["spacing"].tolist()), stored["foreground"])
    found = fingerprint_case(case, channels=channels, orientation=orientation, labels=labels)
    record = np.array(
        (found.shape, found.spacing, found.foreground),
        dtype=[("shape", "i8", 3), ("spacing", "f8", 3), ("foreground", "f4", found.foreground.shape)],
    )
    with atomic_file(path) as temporary:
        np.save(temporary, record, allow_pickle=False)
    return found


def for_each(
    function: Callable[[Case], Value], cases: Sequence[Case], workers: int | None, *, what: str
) -> list[Value]:
    """Apply a function to each case, side by side within memory, and name the cases that fail.

    Raises:
        CasesFailedError: when any case failed; the others were finished.
    """
    largest, total = 0, 0
    for case in cases:
        try:
            voxels = int(np.prod(read_grid(next(iter(case.images.values()))).shape)) * len(case.images)
        except Exception:  # noqa: BLE001, S112 - the worker that reads the case says what is wrong with it
            continue
        largest, total = max(largest, voxels), total + voxels
    outcomes = parallel_map(
        function,
        cases,
        workers=1 if workers is None and total < FEW_VOXELS else workers,
        bytes_each=largest * BYTES_PER_VOXEL,
        name=lambda case: case.name,
    )
    values: dict[int, Value] = {}
    failed: list[str] = []
    for outcome in progress(outcomes, len(cases), what):
        if outcome.value is None:
            error(f"{outcome.name}: {outcome.error}")
            failed.append(outcome.name)
        else:
            values[outcome.index] = outcome.value
    if failed:
        raise CasesFailedError(f"{len(failed)} of {len(cases)} cases cannot be used: {', '.join(sorted(failed)[:5])}")
    return [values[index] for index in range(len(cases))]
