"""The fingerprints of a data set's cases: read side by side, kept by content, read again only when a case changes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segkit.config.channels import Channel
from segkit.config.labels import Labels
from segkit.datasets.case import Case
from segkit.datasets.side_by_side import over_cases, voxels_in
from segkit.foundation.errors import DataError
from segkit.foundation.files import atomic_file
from segkit.foundation.hashing import value_hash
from segkit.foundation.strangers import load_array
from segkit.preparation.contents import content_of
from segkit.preparation.fingerprint import CaseFingerprint, fingerprint_case

FORMAT = 3  # of what is stored and of the numbers in it; raised whenever either changes
BYTES_PER_VOXEL = 16  # the file's values, their copy in one array, the reference, masks of nonzero and labelled voxels


def read_fingerprints(
    cases: Sequence[Case],
    *,
    channels: Mapping[str, Channel],
    labels: Labels,
    orientation: str | None,
    store: Path,
    workers: int | None,
    transforms: Sequence[Mapping[str, Any]] = (),
    limit: float | None = None,
) -> tuple[list[CaseFingerprint], dict[str, str]]:
    """Read the fingerprint of every case, side by side within memory.

    Args:
        cases: those that train and validate.
        channels: those that each case must have.
        labels: of the data set.
        orientation: axis codes of prepared arrays; None keeps each scan's.
        store: folder in which fingerprints are kept, by the content of the case.
        workers: processes; None: as many as cores and memory allow.
        transforms: of `preprocessing.on_scan`.
        limit: seconds that a worker may be at one case; None: as long as it takes.

    Returns:
        the fingerprints of the cases that can be used, in the order of `cases`, and the reason for each other by name.
    """
    read = partial(
        stored_fingerprint, channels=dict(channels), labels=labels, orientation=orientation, store=store,
        transforms=transforms,
    )  # fmt: skip
    outcomes = over_cases(
        read,
        cases,
        [voxels_in(case.images.values()) for case in cases],
        bytes_per_voxel=BYTES_PER_VOXEL,
        workers=workers,
        what="reading fingerprints",
        limit=limit,
    )
    found: dict[int, CaseFingerprint] = {}
    failed: dict[str, str] = {}
    for outcome in outcomes:
        if outcome.value is None:
            failed[outcome.name] = outcome.error or "it cannot be used"
        else:
            found[outcome.index] = outcome.value
    return [found[index] for index in sorted(found)], failed


def stored_fingerprint(
    case: Case,
    *,
    channels: Mapping[str, Channel],
    labels: Labels,
    orientation: str | None,
    store: Path,
    transforms: Sequence[Mapping[str, Any]] = (),
) -> CaseFingerprint:
    """Return a case's fingerprint, read again only when the case, or what is read of it, has changed.

    Args:
        case: to be read.
        channels: those that it must have.
        labels: of the data set.
        orientation: axis codes of prepared arrays; None keeps the scan's.
        store: folder in which fingerprints are kept.
        transforms: of `preprocessing.on_scan`.

    Raises:
        DataError: when an image or the reference cannot be used.
        GeometryError: when the reference does not lie on the image's grid.
    """
    wanted = [[name, channel.family, channel.onto] for name, channel in channels.items()]
    meaning = [sorted(labels.stored.items()), labels.membership, labels.in_colour]
    before = [list(transforms)] if transforms else []
    key = value_hash([FORMAT, content_of(case, channels), wanted, orientation, meaning, *before])
    path = store / "fingerprints" / f"{key}.npy"
    if known := kept_fingerprint(path):
        return known
    found = fingerprint_case(case, channels=channels, orientation=orientation, labels=labels, transforms=transforms)
    kinds = [("shape", "i8", 3), ("spacing", "f8", 3), ("kept", "f8"), ("labelled", "?")]
    record = np.array(
        (found.shape, found.spacing, found.kept, found.labelled, found.foreground, found.percentiles),
        dtype=[*kinds, *((name, "f4", getattr(found, name).shape) for name in ("foreground", "percentiles"))],
    )
    # A full disk is no fault of the case, which would be left out for it: whoever fills the store says so.
    with suppress(OSError), atomic_file(path) as temporary:
        np.save(temporary, record, allow_pickle=False)
    return found


def kept_fingerprint(path: Path) -> CaseFingerprint | None:
    """Return a fingerprint that was kept, and note that it was used; None where there is none, or a damaged one."""
    try:
        os.utime(path)
        stored = load_array(path)
    except (OSError, DataError):
        return None
    shape, spacing = tuple(stored["shape"].tolist()), tuple(stored["spacing"].tolist())
    kept, labelled = float(stored["kept"]), bool(stored["labelled"])
    return CaseFingerprint(shape, spacing, stored["foreground"], kept, labelled, stored["percentiles"])
