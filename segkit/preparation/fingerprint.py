"""What a planner must know of a data set: sizes, spacings, intensities of labelled voxels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segkit.datasets.case import Case
from segkit.foundation.counted import generator
from segkit.preparation.grids import cropped, nonzero_box, orthogonal, reoriented
from segkit.preparation.scans import read_reference, read_scan

SAMPLES = 10_000  # labelled voxels a case whose intensities are kept


@dataclass(frozen=True, eq=False)
class CaseFingerprint:
    """One case as the planner sees it.

    Attributes:
        shape: voxels per oriented axis after cropping to nonzero voxels.
        spacing: mm per oriented axis.
        foreground: intensities of up to `SAMPLES` labelled voxels, shape (C, n), in the channels' units.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    foreground: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """A data set as the planner sees it.

    Attributes:
        shapes: (cases, 3) voxels.
        spacings: (cases, 3) mm.
        foreground: intensities of labelled voxels of all cases, shape (C, n).
    """

    shapes: NDArray[np.int64]
    spacings: NDArray[np.float64]
    foreground: NDArray[np.float32]


def fingerprint_case(
    case: Case, *, channels: int, orientation: str | None, labels: Mapping[str, int]
) -> CaseFingerprint:
    """Read one case and keep what the planner needs.

    Args:
        case: to be read.
        channels: array channels that its images must have.
        orientation: axis codes of prepared arrays; None keeps the scan's.
        labels: name to value in the reference, in class order.

    Raises:
        DataError: when an image or the reference cannot be used.
        GeometryError: when the reference does not lie on the image's grid.
    """
    scan = read_scan(case.images, channels=channels)
    grid = reoriented(orthogonal(cropped(scan.grid, nonzero_box(scan.array))), orientation)
    inside: NDArray[np.float32] = np.empty((len(scan.array), 0), np.float32)
    if case.reference is not None:
        labelled = np.flatnonzero(read_reference(case.reference, scan.grid, labels))
        if labelled.size > SAMPLES:
            labelled = generator(0).choice(labelled, SAMPLES, replace=False)
        inside = scan.array.reshape(len(scan.array), -1)[:, labelled].astype(np.float32)
    return CaseFingerprint(grid.shape, grid.spacing, inside)


def fingerprint(cases: Sequence[CaseFingerprint]) -> Fingerprint:
    """Gather the fingerprints of cases."""
    return Fingerprint(
        np.array([case.shape for case in cases]),
        np.array([case.spacing for case in cases]),
        np.concatenate([case.foreground for case in cases], axis=1),
    )
