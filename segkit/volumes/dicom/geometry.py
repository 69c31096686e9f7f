"""From planes to a grid: spacing from positions, shear of a tilted gantry kept, gaps named or filled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import GeometryError
from segkit.volumes.dicom.datasets import tag_of
from segkit.volumes.dicom.instances import Plane
from segkit.volumes.dicom.stacks import EVEN_GAP, SAME_PLACE, Stack, along_normal, is_even, normal_of
from segkit.volumes.grid import Grid, affine_from_steps

REFUSE, RESAMPLE = "refuse", "resample"
SHOWN = 5  # gaps or places named in a message
MOST_SLICES = 1 << 15  # more in one grid are no scan, but positions that are wrong
STRAIGHT_MM = 0.5  # planes of an uneven stack that lie further than this beside one line make no grid at all


def grid_of(stack: Stack, gaps: str = REFUSE) -> Grid:
    """Return the grid of a volume.

    Args:
        stack: its planes. Z spacing comes from their positions; SliceThickness serves a single slice only.
        gaps: of uneven slices: `refuse`, or `resample` to take an even grid from the first to the last one.

    Returns:
        shape (columns, rows, slices), RAS+ affine; (columns, rows) of a picture.

    Raises:
        GeometryError: when slices lie unevenly and `gaps` is `refuse`, or in no line.
    """
    first = stack.planes[0]
    columns, rows = first.instance.encoding.shape
    if first.frame.place is None:
        between_columns, between_rows = first.frame.spacing or (1.0, 1.0)
        return Grid((columns, rows), np.diag([between_columns, between_rows, 1.0, 1.0]))
    assert first.frame.spacing is not None
    steps = [
        np.array(axis) * spacing
        for axis, spacing in zip(
            (first.frame.place.axes[:3], first.frame.place.axes[3:]), first.frame.spacing, strict=True
        )
    ]
    if is_even(stack.planes):
        count, step = len(stack.planes), even_step(stack.planes)
    elif gaps == RESAMPLE:
        places, step = even_places(stack.planes)
        count = len(places)
    else:
        raise GeometryError(unevenness(stack.planes))
    return Grid((columns, rows, count), affine_from_steps(np.array([*steps, step]), first.position, space="LPS"))


def even_step(planes: Sequence[Plane]) -> NDArray[np.float64]:
    """Return the vector in mm from each plane to the next, LPS; for a single one SliceThickness along the normal."""
    if len(planes) > 1:
        return np.asarray((planes[-1].position - planes[0].position) / (len(planes) - 1))
    return normal_of(planes) * (planes[0].frame.thickness or 1.0)


def even_places(planes: Sequence[Plane]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where slices of an even grid lie between the first and the last plane, and the step between them.

    The spacing is the smallest gap where all are whole multiples of it (slices are missing), else the median gap.

    Returns:
        places along the normal in mm from the first plane, shape (slices,); the step, an LPS vector in mm, shape (3,).

    Raises:
        GeometryError: when two planes lie in one place, or the planes do not follow a line.
    """
    along = along_normal(planes)
    gaps = np.diff(along)
    if gaps.min() < SAME_PLACE:
        raise GeometryError(unevenness(planes))
    extent = planes[-1].position - planes[0].position
    beside = np.array([plane.position - planes[0].position for plane in planes]) - np.outer(
        (along - along[0]) / (along[-1] - along[0]), extent
    )
    if np.linalg.norm(beside, axis=1).max() > STRAIGHT_MM:
        raise GeometryError(f"its slices do not follow one line: {tag_of('ImagePositionPatient')} leaves it")
    spacing = gaps.min() if missing_places(planes) else np.median(gaps)
    count = max(1, round(float((along[-1] - along[0]) / spacing)))
    if count > MOST_SLICES:
        raise GeometryError(f"an even grid by {tag_of('ImagePositionPatient')} would have {count} slices")
    return np.linspace(0, along[-1] - along[0], count + 1), extent / count


def missing_places(planes: Sequence[Plane]) -> list[float]:
    """Return where slices are missing, mm along the normal from the first; nothing where gaps are otherwise uneven."""
    along = along_normal(planes)
    gaps = np.diff(along)
    multiples = gaps / gaps.min()
    if np.abs(multiples - np.round(multiples)).max() > EVEN_GAP or multiples.sum() > MOST_SLICES:
        return []
    return [
        float(start - along[0] + turn * gap / count)
        for start, gap, count in zip(along[:-1], gaps, np.round(multiples).astype(int), strict=True)
        for turn in range(1, count)
    ]


def unevenness(planes: Sequence[Plane]) -> str:
    """Say in one line what is uneven: slices in one place, missing ones by position, or gaps by file."""
    gaps = np.diff(along_normal(planes))
    position = tag_of("ImagePositionPatient")
    files = [plane.instance.file.name for plane in planes]
    if gaps.min() < SAME_PLACE:
        at = int(gaps.argmin())
        return f"has two slices in the same place ({files[at]} and {files[at + 1]} by {position})"
    missing = missing_places(planes)
    usual = gaps.min() if missing or len(gaps) < 3 else np.median(gaps)
    odd = [at for at in np.argsort(-np.abs(gaps - usual), kind="stable") if abs(gaps[at] - usual) > EVEN_GAP * usual]
    named = ", ".join(f"{gaps[at]:.4g} mm from {files[at]} to {files[at + 1]}" for at in sorted(odd[:SHOWN]))
    where = ", ".join(_shown(planes[0].position + normal_of(planes) * place) for place in missing[:SHOWN])
    more = " ..." if len(missing) > SHOWN else ""
    lost = (
        f": {len(missing)} slice{'s are' if len(missing) > 1 else ' is'} missing, at {where}{more}" if missing else ""
    )
    whole = "they drift along the stack"
    return (
        f"has uneven gaps between slices by {position}: {usual:.4g} mm, but {named or whole}{lost}; "
        "dicom.gaps=resample fills them by interpolation"
    )


def _shown(position: NDArray[np.float64]) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in position + 0.0) + "]"
