"""What a planner must know of a data set: sizes, spacings, intensities of labelled voxels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.channels import Channel
from segkit.config.labels import IGNORED, Labels
from segkit.datasets.case import Case
from segkit.foundation.counted import generator
from segkit.preparation.grids import cropped, nonzero_box, orthogonal, reoriented
from segkit.preparation.intensity_transforms import on_scan
from segkit.preparation.scans import Scan, read_reference, read_scan
from segkit.preparation.standard_scale import PERCENTS, percentiles_of
from segkit.volumes.boxes import Box

SAMPLES = 10_000  # voxels a case whose intensities are kept
MARGIN = 4  # without a reference, the middle of an image: a quarter off each side


@dataclass(frozen=True, eq=False)
class CaseFingerprint:
    """One case as the planner sees it.

    Attributes:
        shape: voxels per oriented axis after cropping to nonzero voxels.
        spacing: mm per oriented axis.
        foreground: intensities of up to `SAMPLES` labelled voxels, shape (C, n), in the channels' units; of the middle
            of the image where there is no reference.
        kept: share of the scan's voxels that cropping leaves, 0 to 1.
        labelled: whether there is a reference.
        percentiles: `standard_scale.PERCENTS` of each channel's anatomy, shape (C, 11), in the channels' units.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    foreground: NDArray[np.float32]
    kept: float = 1.0
    labelled: bool = True
    percentiles: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, len(PERCENTS)), np.float32))


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """A data set as the planner sees it.

    Attributes:
        shapes: (cases, 3) voxels.
        spacings: (cases, 3) mm.
        foreground: intensities of labelled voxels of all cases, shape (C, n).
        kept: share of a scan's voxels that cropping leaves, median over cases.
        percentiles: of each case's channels, shape (cases, C, 11).
    """

    shapes: NDArray[np.int64]
    spacings: NDArray[np.float64]
    foreground: NDArray[np.float32]
    kept: float = 1.0
    percentiles: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0, len(PERCENTS)), np.float32))


def fingerprint_case(
    case: Case,
    *,
    channels: Mapping[str, Channel],
    orientation: str | None,
    labels: Labels,
    transforms: Sequence[Mapping[str, Any]] = (),
) -> CaseFingerprint:
    """Read one case and keep what the planner needs.

    Args:
        case: to be read.
        channels: those that it must have.
        orientation: axis codes of prepared arrays; None keeps the scan's.
        labels: of the data set.
        transforms: of `preprocessing.on_scan`.

    Raises:
        DataError: when an image or the reference cannot be used.
        UsageError: when a transform changes more than intensities.
        GeometryError: when the channels or the reference do not lie on one grid.
    """
    scan = on_scan(read_scan(case.images, channels), transforms)
    box = nonzero_box(scan.array)
    inside = cropped(scan.grid, box)
    grid = reoriented(orthogonal(inside), orientation)
    if case.reference is None:
        places = middle_of(scan, box)
    else:
        places = np.flatnonzero(is_foreground(labels)[read_reference(case.reference, scan.grid, labels)])
    if places.size > SAMPLES:
        places = generator(0).choice(places, SAMPLES, replace=False)
    foreground = scan.array.reshape(len(scan.array), -1)[:, places].astype(np.float32)
    kept = float(np.prod(inside.shape) / np.prod(scan.grid.shape))
    percentiles = np.stack([percentiles_of(channel[box]) for channel in scan.array])
    return CaseFingerprint(grid.shape, grid.spacing, foreground, kept, case.reference is not None, percentiles)


def is_foreground(labels: Labels) -> NDArray[np.bool_]:
    """Return whether a stored class belongs to any label but the background, shape (256,); ignored ones do not."""
    table = np.zeros(IGNORED + 1, dtype=bool)
    table[: labels.classes] = labels.membership.any(axis=0)
    return table


def middle_of(scan: Scan, box: Box) -> NDArray[np.int64]:
    """Return the flat indices of the voxels in the middle half of a box along each axis."""
    middle = np.zeros(scan.grid.shape, dtype=bool)
    cuts = [(part.stop - part.start) // MARGIN for part in box]
    middle[tuple(slice(part.start + cut, part.stop - cut) for part, cut in zip(box, cuts, strict=True))] = True
    return np.flatnonzero(middle)


def fingerprint(cases: Sequence[CaseFingerprint]) -> Fingerprint:
    """Gather the fingerprints of cases; middles of images count where no case has a reference."""
    telling = [case for case in cases if case.labelled] or cases
    return Fingerprint(
        np.array([case.shape for case in cases]),
        np.array([case.spacing for case in cases]),
        np.concatenate([case.foreground for case in telling], axis=1),
        float(np.median([case.kept for case in cases])),
        np.stack([case.percentiles for case in cases]),
    )
