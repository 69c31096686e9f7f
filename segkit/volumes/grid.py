"""Where voxels lie: the one geometry of segkit (RAS+ millimetres)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import GeometryError

AFFINE_SIZE = 4
LAST_ROW = [0.0, 0.0, 0.0, 1.0]  # of an affine
LEAST_VOXEL = float(np.finfo(np.float32).tiny)  # mm3
SIGNS = {"RAS": (1.0, 1.0, 1.0), "LAS": (-1.0, 1.0, 1.0), "LPS": (-1.0, -1.0, 1.0)}  # what turns each space to RAS+
SHEAR_COSINE = 1e-4  # axes whose cosine is below this are orthogonal: 0.006 degrees, the noise of float32 headers
TOLERANCE = 1e-3  # mm
APART = 0.01  # voxels that the grids of one case may lie apart: tools round affines differently


@dataclass(frozen=True, eq=False)
class Grid:
    """A 2D or 3D lattice of voxel centres in RAS+ space.

    Attributes:
        shape: voxels along each array axis, (X, Y) or (X, Y, Z).
        affine: 4x4, voxel index (i, j, k, 1) to RAS+ mm; a 2D grid leaves the third column to its normal.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check shape and affine once, so that no later step needs to.

        Raises:
            GeometryError: when the grid is not 2D or 3D, empty, or its affine is not a finite invertible 4x4.
        """
        object.__setattr__(self, "shape", tuple(int(size) for size in self.shape))
        affine = np.array(self.affine, dtype=np.float64)
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        if len(self.shape) not in (2, 3) or min(self.shape) < 1:
            raise GeometryError(f"a grid has 2 or 3 axes of at least one voxel, not shape {self.shape}")
        if affine.shape != (AFFINE_SIZE, AFFINE_SIZE) or not np.isfinite(affine).all():
            raise GeometryError(f"an affine is a finite 4x4 matrix, not {affine.tolist()}")
        # Exact in nearly all files, and allclose takes longer than all else here.
        is_last_row = affine[3].tolist() == LAST_ROW or np.allclose(affine[3], LAST_ROW)
        if not is_last_row or abs(np.linalg.det(affine[:3, :3])) < LEAST_VOXEL:
            raise GeometryError(f"the affine does not map voxels to space one to one: {affine.tolist()}")

    @property
    def dims(self) -> int:
        """2 or 3."""
        return len(self.shape)

    @cached_property
    def spacing(self) -> tuple[float, ...]:
        """Distance in mm between voxel centres along each array axis."""
        return tuple(float(s) for s in np.linalg.norm(self.affine[:3, : self.dims], axis=0))

    @cached_property
    def voxel_mm3(self) -> float:
        """Volume of a voxel in mm3, sheared or not; a 2D pixel is as thick as its affine's third column says."""
        return abs(float(np.linalg.det(self.affine[:3, :3])))

    @cached_property
    def is_sheared(self) -> bool:
        """Whether the axes are not orthogonal, as in a CT with tilted gantry."""
        columns = self.affine[:3, : self.dims] / np.asarray(self.spacing)
        cosines = columns.T @ columns - np.eye(self.dims)
        return bool(np.abs(cosines).max() > SHEAR_COSINE)

    @property
    def lies_flat(self) -> bool:
        """Whether a 2D grid lies in the plane z = 0, so that two coordinates describe it."""
        return self.dims == 2 and not self.affine[2, [0, 1, 3]].any()

    def index_to(self, other: Grid) -> NDArray[np.float64]:
        """Return the 4x4 matrix that takes a voxel index (i, j, k, 1) of this grid to the fractional one in `other`."""
        return np.asarray(np.linalg.solve(other.affine, self.affine))

    def displacement_from(self, other: Grid) -> float:
        """Return the largest distance in mm between equal indices of both grids, found at a corner."""
        corners = np.array(np.meshgrid(*[(0, size - 1) for size in self.shape], indexing="ij")).reshape(self.dims, -1)
        indices = np.zeros((AFFINE_SIZE, corners.shape[1]))
        indices[: self.dims], indices[3] = corners, 1
        return float(np.linalg.norm(((self.affine - other.affine) @ indices)[:3], axis=0).max())

    def check_same_as(self, other: Grid, *, what: str, tolerance: float | None = None) -> None:
        """Make sure that equal indices of both grids are the same place.

        Args:
            other: the grid to compare with.
            what: names both grids in the error, e.g. `"a_mask.nii.gz and a.nii.gz"`.
            tolerance: largest distance in mm; None takes 0.001 mm, or 1% of the smallest spacing where that is less.

        Raises:
            GeometryError: when the shapes differ or a corner lies further off than `tolerance`.
        """
        if self.shape != other.shape:
            raise GeometryError(f"{what} have different shapes: {self.shape} and {other.shape} voxels")
        if tolerance is None:  # 0.001 mm is more than a voxel of microscopy
            tolerance = min(TOLERANCE, 0.01 * min(self.spacing))
        distance = self.displacement_from(other)
        if distance > tolerance:
            raise GeometryError(f"{what} have the same shape but lie up to {distance:.3g} mm apart")


def as_3d(grid: Grid) -> Grid:
    """Return a picture's grid as one slice, (X, Y) to (X, Y, 1); a 3D grid as it is."""
    return grid if grid.dims > 2 else Grid((*grid.shape, 1), grid.affine)


def affine_from(spacing: Sequence[float], origin: Sequence[float] = (0.0, 0.0, 0.0)) -> NDArray[np.float64]:
    """Return the 4x4 affine of an axis-aligned grid with `spacing` and first voxel centre `origin`, both in mm."""
    affine = np.eye(AFFINE_SIZE)
    affine[range(len(spacing)), range(len(spacing))] = spacing
    affine[: len(origin), 3] = origin
    return affine


def affine_from_steps(
    steps: Sequence[Sequence[float]] | NDArray[np.float64], origin: Sequence[float] | NDArray[np.float64], *, space: str
) -> NDArray[np.float64]:
    """Return the 4x4 RAS+ affine of a grid that is described by vectors.

    Args:
        steps: for each array axis the vector in mm, of 2 or 3 components, from one voxel centre to the next.
        origin: centre of the first voxel in mm, 2 or 3 components.
        space: in which space `steps` and `origin` are given, `RAS`, `LAS` or `LPS`.

    Returns:
        The affine; where only two steps are given its third column is their unit normal.
    """
    affine = np.eye(AFFINE_SIZE)
    affine[:3, :3] = 0
    for axis, step in enumerate(steps):
        affine[: len(step), axis] = step
    affine[: len(origin), 3] = origin
    if len(steps) == 2:
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        affine[:3, 2] = normal / (np.linalg.norm(normal) or 1)
    affine[:3] *= np.array(SIGNS[space])[:, None]
    return affine + 0.0  # no negative zeros
