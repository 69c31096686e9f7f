"""Grids on the way from a scan to its prepared array; two grids are all that the way back needs."""

from __future__ import annotations

from collections.abc import Sequence

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from segkit.config.plan import AXES, Plan
from segkit.foundation.errors import DataError
from segkit.volumes.boxes import Box, occupied_box
from segkit.volumes.grid import Grid

AXIS_PAIRS = ("LR", "PA", "IS")


def cropped(grid: Grid, box: Box) -> Grid:
    """Return the part of a grid that `box` leaves."""
    affine = grid.affine.copy()
    affine[:3, 3] = (grid.affine @ [*(part.start for part in box), 1])[:3]
    return Grid(tuple(part.stop - part.start for part in box), affine)


def reoriented(grid: Grid, codes: str | None) -> Grid:
    """Return the same voxels with axes ordered and directed as `codes`, e.g. `RAS`; None leaves them.

    Raises:
        DataError: when `codes` do not name each of the three axes once.
    """
    if codes is None:
        return grid
    if len(codes) != AXES or any(sum(code in pair for code in codes) != 1 for pair in AXIS_PAIRS):
        raise DataError(f"plan.orientation: {codes!r} are not three axis codes such as RAS or LPS")
    wanted = nib.orientations.axcodes2ornt(tuple(codes))
    transform = nib.orientations.ornt_transform(nib.orientations.io_orientation(grid.affine), wanted)
    to_old = nib.orientations.inv_ornt_aff(transform, grid.shape)
    shape = [0] * AXES
    for axis, (target, _) in enumerate(transform):
        shape[int(target)] = grid.shape[axis]
    return Grid(tuple(shape), grid.affine @ to_old)


def respaced_shape(shape: Sequence[int], spacing: Sequence[float], wanted: Sequence[float | None]) -> tuple[int, ...]:
    """Return the voxels along each axis at another spacing (mm; None: as it is), at least one."""
    return tuple(
        size if new is None else max(1, round(size * own / new))
        for size, own, new in zip(shape, spacing, wanted, strict=True)
    )


def respaced(grid: Grid, spacing: Sequence[float | None]) -> Grid:
    """Return a grid over the same extent, its spacing as near to `spacing` (mm; None: as it is) as voxels allow."""
    shape = respaced_shape(grid.shape, grid.spacing, spacing)
    # The outer faces of the first and last voxels stay where they are, so the first centre moves by half the change.
    scale = np.divide(grid.shape, shape)
    step = np.diag([*scale, 1.0])
    step[:3, 3] = (scale - 1) / 2
    return Grid(shape, grid.affine @ step)


def orthogonal(grid: Grid) -> Grid:
    """Return an orthogonal grid that covers a sheared one: its in-plane axes and their normal."""
    if not grid.is_sheared:
        return grid
    axes = grid.affine[:3, :3]
    spacing = np.asarray(grid.spacing)
    first = axes[:, 0] / spacing[0]
    second = axes[:, 1] - first * (first @ axes[:, 1])
    second /= np.linalg.norm(second)
    third = np.cross(first, second)
    third *= np.sign(third @ axes[:, 2])
    directions = np.stack([first, second, third], axis=1)
    # Distances between slices and rows are measured along the new axes, not along the slanted ones.
    spacing = np.abs(np.einsum("ij,ij->j", directions, axes))
    corners = np.array(np.meshgrid(*[(-0.5, size - 0.5) for size in grid.shape], indexing="ij")).reshape(3, -1)
    places = directions.T @ (axes @ corners + grid.affine[:3, 3:])
    low, high = places.min(axis=1), places.max(axis=1)
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = directions @ (low + spacing / 2)
    return Grid(tuple(int(n) for n in np.maximum(1, np.ceil((high - low) / spacing - 1e-6))), affine)


def target_grid(grid: Grid, plan: Plan) -> Grid:
    """Return the prepared grid of a (cropped, orthogonal) scan grid: the plan's orientation and spacing."""
    return respaced(reoriented(grid, plan.orientation), plan.spacing)


def nonzero_box(array: NDArray[np.generic]) -> Box:
    """Return the box of voxels that are not zero in any channel of (C, X, Y, Z); the whole array where all are."""
    return occupied_box(array, leading=1) or tuple(slice(0, size) for size in array.shape[1:])
