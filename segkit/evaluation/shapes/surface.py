"""Area of the surface around a mask, and the volume within."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segkit.evaluation.shapes.corners import corners_inside
from segkit.evaluation.shapes.cubes import KINDS, triangles_of


class Surface(NamedTuple):
    """Area in mm2 and volume in mm3."""

    area: float
    volume: float


def surface_of(mask: NDArray[np.bool_], steps: NDArray[np.float64]) -> Surface:
    """Return area and volume of the marching-cubes surface at half height between inside and outside.

    No triangle is ever made: cubes of one kind hold the same triangles, so that kinds are counted. The volume is the
    sum of the tetrahedra between each triangle and the first voxel beside the mask's box.

    Args:
        mask: shape (X, Y, Z), with at least one voxel, cropped to its box.
        steps: shape (3, 3), column n the step in mm from a voxel to the next along axis n.

    Source: IBSI reference manual, "Volume (mesh)" RNU0 and "Surface area (mesh)" C0JK.
    """
    kinds, places = _cubes(mask)
    counts = np.bincount(kinds, minlength=KINDS)
    sums = np.stack([np.bincount(kinds, weights=place, minlength=KINDS) for place in places])  # of where the cubes lie
    own, lean = _tetrahedra()
    volume = float(counts @ own + (sums.T * lean).sum()) * abs(float(np.linalg.det(steps)))
    area = sum(count * area_of(_triangles(kind), steps) for kind, count in enumerate(counts.tolist()) if count)
    return Surface(area, volume)


def _cubes(mask: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], tuple[NDArray[np.intp], ...]]:
    """Return number and place of each cube that the surface runs through, shapes (n,) and 3 x (n,)."""
    numbers = corners_inside(np.pad(mask, 1).view(np.uint8))
    flat = numbers.reshape(-1)
    crossed = np.flatnonzero((flat != 0) & (flat != KINDS - 1))
    return flat[crossed], np.unravel_index(crossed, numbers.shape)


@cache
def _triangles(kind: int) -> NDArray[np.float64]:
    """Return the triangles of a cube in voxels from its first corner, shape (n, 3 vertices, 3 axes)."""
    return np.asarray(triangles_of(kind), dtype=np.float64).reshape(-1, 3, 3) / 2


def area_of(triangles: NDArray[np.float64], steps: NDArray[np.float64]) -> float:
    """Return the area of triangles in mm2.

    Args:
        triangles: places of their corners in voxels, shape (n, 3 vertices, 3 axes).
        steps: shape (3, 3), column n the step in mm from a voxel to the next along axis n.
    """
    corners = triangles @ steps.T
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(np.linalg.norm(normals, axis=1).sum()) / 2


@cache
def _tetrahedra() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return per kind the volume of its tetrahedra for a cube at the origin, and what a step away adds to it.

    Shapes (256,) and (256, 3), in voxels: the tetrahedron of triangle a, b, c and a corner at distance d is
    (a + d) . n / 6 with n = (b - a) x (c - a), which is linear in d.
    """
    own, lean = np.zeros(KINDS), np.zeros((KINDS, 3))
    for kind in range(KINDS):
        first, second, third = np.moveaxis(_triangles(kind), 1, 0)
        normals = np.cross(second - first, third - first)
        own[kind], lean[kind] = (first * normals).sum() / 6, normals.sum(axis=0) / 6
    return own, lean
