"""The nearest element of one surface from each element of another, on a common lattice."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from segkit.evaluation.surfaces.elements import Elements

SHIFTS = 1024  # steps that are tried at most, about
CALL = 4000  # tries that take as long as the calls around one step's
STARTED, BUILT, LOOKED_UP = 100_000, 60, 800  # tries that take as long as a tree: any, per point in it, per look-up
STALE = 0.8  # share of elements still waiting, below which those that wait are gathered
LEAF = 24  # points compared one by one: measured on surfaces of 1e4 to 1e6 points
QUERY = 1 << 18  # points looked up together: 6 MB


def nearest(start: Elements, target: Elements, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each element of `start` the distance in mm to the nearest one of `target`, shape (n,).

    Surfaces of a mask and its reference mostly lie a few voxels apart: there the short steps of the lattice are tried,
    shortest first, until one hits the other surface. What is farther off is looked up in a k-d tree of points in mm, so
    that islands far away cost no more than others, and sheared grids need no resampling.

    Args:
        start: elements on the lattice of `target`.
        target: at least one element.
        steps: shape (3, dims), column n the step in mm from a voxel to the next along axis n.
    """
    distances = np.empty(start.places.size)
    left = _tried(start, target, steps, distances)
    if left.size:
        tree = KDTree(target.points(steps), leafsize=LEAF, compact_nodes=False, balanced_tree=False)
        for first in range(0, left.size, QUERY):
            chosen = left[first : first + QUERY]
            distances[chosen] = tree.query(start.points(steps, chosen))[0]
    return distances


def _tried(
    start: Elements, target: Elements, steps: NDArray[np.float64], distances: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Write the distances that short steps find, and return the elements for which they find none."""
    shifts, lengths, reach = _short_shifts(tuple(map(tuple, steps.tolist())))
    shape = [size + 2 * most for size, most in zip(target.shape, reach, strict=True)]
    is_target = np.zeros(shape, bool)
    flat, offsets = is_target.reshape(-1), shifts @ np.array(is_target.strides)  # a boolean is a byte
    flat[_padded(target, reach, shape)] = True
    lowest = int(offsets.min())  # as all places and offsets are taken from here, none is negative
    left, places = np.arange(start.places.size), _padded(start, reach, shape) + lowest
    waiting, spent = np.ones(left.size, bool), 0
    for tried, (offset, length) in enumerate(zip(offsets.tolist(), lengths.tolist(), strict=True), start=1):
        found = np.flatnonzero(flat[offset - lowest :][places] & waiting)
        distances[left[found]] = length
        waiting[found] = False
        spent += left.size + CALL
        if np.count_nonzero(waiting) < STALE * left.size:
            left, places = left[waiting], places[waiting]
            waiting = np.ones(left.size, bool)
        ahead = (left.size + CALL) * (len(offsets) - tried)
        if not left.size or min(spent, ahead) > STARTED + BUILT * target.places.size + LOOKED_UP * left.size:
            break  # nothing waits; or a tree would have been ready by now, and the other steps would take as long again
    return left[waiting]


def _padded(elements: Elements, reach: tuple[int, ...], shape: list[int]) -> NDArray[np.intp]:
    """Return the flat places of elements in a lattice that is `reach` wider on every side."""
    indices = [index + most for index, most in zip(elements.indices, reach, strict=True)]
    return np.ravel_multi_index(indices, shape, mode="wrap")  # which checks nothing: none is outside


@lru_cache(maxsize=64)  # masks of one cohort share few grids
def _short_shifts(
    steps: tuple[tuple[float, ...], ...],
) -> tuple[NDArray[np.intp], NDArray[np.float64], tuple[int, ...]]:
    """Return the shortest steps on a lattice, all up to some length, their lengths in mm, and how far they reach.

    Shapes (n, dims), (n,) and (dims,); shortest first, the one to the place itself being the first.
    """
    columns = np.array(steps)
    dims = columns.shape[1]
    voxel = float(np.sqrt(np.linalg.det(columns.T @ columns)))
    radius = (SHIFTS * voxel * (3 / (4 * np.pi) if dims > 2 else 1 / np.pi)) ** (1 / dims)
    reach = np.floor(radius * np.linalg.norm(np.linalg.pinv(columns), axis=1)).astype(int).tolist()
    shifts = np.array(list(product(*[range(-most, most + 1) for most in reach])))
    lengths = np.linalg.norm(shifts @ columns.T, axis=1)
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] <= radius]
    return shifts[order], lengths[order], tuple(reach)
