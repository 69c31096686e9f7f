"""Shapes as implicit functions: fields of signed distance in mm, negative inside, that can be combined and bent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]  # positions in mm, shape (3, X, Y, Z)
Field = NDArray[np.float32]  # signed distance in mm, shape (X, Y, Z), negative inside
Vector = Sequence[float] | NDArray[Any]  # two or three values

_TINY = 1e-6
_WAVES = 10  # of a displacement


def ellipsoid(points: Points, centre: Vector, radii: Vector, tilt: Vector = ()) -> Field:
    """Return the field of an ellipsoid, or of an endless elliptic cylinder along z when two radii are given.

    Args:
        points: positions in mm, shape (3, X, Y, Z).
        centre: mm, as many values as `radii` or more.
        radii: two or three semi-axes in mm.
        tilt: rotation about x, y and z in degrees (three radii only).

    Returns:
        Field in mm, shape (X, Y, Z): exact on the surface, first order beside it.

    Source: Inigo Quilez, "Ellipsoids - bound SDF": k0 (k0 - 1) / k1.
    """
    dims = len(radii)
    offsets = points[:dims] - np.asarray(centre[:dims], np.float32)[:, None, None, None]
    if len(tilt):
        offsets = np.tensordot(_rotation(tilt).T, offsets, 1)
    scaled = offsets / np.asarray(radii, np.float32)[:, None, None, None]
    k0 = np.sqrt(np.einsum("a...,a...->...", scaled, scaled))
    scaled /= np.asarray(radii, np.float32)[:, None, None, None]
    k1 = np.sqrt(np.einsum("a...,a...->...", scaled, scaled))
    return np.asarray(k0 * (k0 - 1) / np.maximum(k1, _TINY), np.float32)


def tube(points: Points, start: Vector, end: Vector, radius: float) -> Field:
    """Return the exact field of a straight tube with round ends; `start`, `end` and `radius` are in mm."""
    first = np.asarray(start, np.float32)
    axis = np.asarray(end, np.float32) - first
    offsets = points - first[:, None, None, None]
    along = np.clip(np.tensordot(axis, offsets, 1) / (axis @ axis), 0, 1)
    offsets = offsets - axis[:, None, None, None] * along
    return np.asarray(np.sqrt(np.einsum("a...,a...->...", offsets, offsets)) - radius, np.float32)


def union(*fields: Field, blend: float = 0.0) -> Field:
    """Return the field of all shapes together; `blend` mm rounds the creases between them.

    Source: Inigo Quilez, "smooth minimum", the quadratic polynomial.
    """

    def join(first: Field, second: Field) -> Field:
        overlap = np.maximum(blend - np.abs(first - second), 0)
        return np.asarray(np.minimum(first, second) - overlap * overlap / (4 * max(blend, _TINY)), np.float32)

    return reduce(join, fields)


def common(*fields: Field) -> Field:
    """Return the field of what all shapes share."""
    return reduce(np.maximum, fields)


def without(shape: Field, *cuts: Field) -> Field:
    """Return `shape` with every one of `cuts` taken out."""
    return reduce(lambda rest, cut: np.maximum(rest, -cut), cuts, shape)


def layer(field: Field, depth: float) -> Field:
    """Return the field of what lies less than `depth` mm on either side of a shape's surface."""
    return np.asarray(np.abs(field) - depth, np.float32)


def bent(points: Points, rng: np.random.Generator, *, amplitude: float) -> Points:
    """Move points by a smooth random displacement, so that shapes evaluated there come out deformed.

    The displacement is a sum of plane waves in space: it does not depend on the grid and never folds at the amplitudes
    used here, since the shortest wave is 100 mm long.

    Args:
        points: positions in mm, shape (3, X, Y, Z).
        rng: where directions, wavelengths, phases and amplitudes are drawn from.
        amplitude: standard deviation in mm of the displacement along each axis.

    Returns:
        Displaced positions in mm, shape (3, X, Y, Z).
    """
    moved = points.copy()
    for _ in range(_WAVES):
        direction = rng.normal(size=3)
        wave = 2 * np.pi / rng.uniform(100, 280) * direction / np.linalg.norm(direction)
        push = rng.normal(scale=amplitude * np.sqrt(2 / _WAVES), size=3).astype(np.float32)
        phase = np.tensordot(wave.astype(np.float32), points, 1) + rng.uniform(0, 2 * math.pi)
        moved += push[:, None, None, None] * np.cos(phase)
    return moved


def _rotation(degrees: Vector) -> NDArray[np.float32]:
    """Return the 3x3 rotation about x, then y, then z."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_euler("xyz", degrees, degrees=True).as_matrix(), np.float32)
