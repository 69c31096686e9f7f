"""The way of planes: finished one after another on the prepared grid, they become planes of the scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor

import numpy as np
from numpy.typing import NDArray

from segkit.config.plan import AXES
from segkit.volumes.grid import Grid

Order = tuple[int, int, int]
SIDEWAYS = 1e-9  # voxels that an axis may stray over its length: what rounding leaves


@dataclass(frozen=True, eq=False)
class Route:
    """From the prepared grid to the scan's, one plane of the scan at a time.

    Attributes:
        source: prepared axes: across planes, then their rows and columns.
        target: scan axes: across planes, then those that follow the rows and columns most.
        shape: voxels of the prepared grid in the order of `source`.
        planes: voxels of the scan's grid in the order of `target`.
        matrix: shape (3, 4), takes an index of the scan, in the order of `target`, to its place, in that of `source`.
    """

    source: Order
    target: Order
    shape: Order
    planes: Order
    matrix: NDArray[np.float64]

    @property
    def order(self) -> range:
        """The planes of the scan in the order in which the prepared planes below them are finished."""
        count = self.planes[0]
        return range(count) if self.matrix[0, 0] >= 0 else range(count - 1, -1, -1)

    def places(self, planes: range, rows: range) -> list[NDArray[np.float64]]:
        """Return where voxels of the scan lie along each prepared axis, in arrays that broadcast.

        Args:
            planes: of the scan.
            rows: of these planes; all columns.

        Returns:
            for each axis fractional indices, shape (planes, rows, columns), with one entry along those axes of the scan
            that do not move along it.
        """
        voxels = np.ix_(planes, rows, range(self.planes[2]))
        places = []
        for *steps, start in self.matrix:
            place = np.full((1, 1, 1), start)
            for step, voxel, size in zip(steps, voxels, self.planes, strict=True):
                if abs(step) * (size - 1) > SIDEWAYS:
                    place = place + step * voxel
            places.append(place)
        return places

    def planes_below(self, plane: int) -> tuple[int, int]:
        """Return the first and last prepared plane between which a plane of the scan lies."""
        return self._reach(0, (plane, plane), (0, self.planes[1] - 1))

    def rows_below(self, rows: range) -> tuple[int, int]:
        """Return the first and last prepared row that rows of the scan, in any plane, lie between."""
        return self._reach(1, (0, self.planes[0] - 1), (rows[0], rows[-1]))

    def _reach(self, axis: int, planes: tuple[int, int], rows: tuple[int, int]) -> tuple[int, int]:
        across, along, column, start = map(float, self.matrix[axis])
        ends = zip((across, along, column), (planes, rows, (0, self.planes[2] - 1)), strict=True)
        moves = [sorted((step * first, step * last)) for step, (first, last) in ends]
        places = (start + sum(move[0] for move in moves), start + sum(move[1] for move in moves))
        low, high = (min(max(place, 0.0), self.shape[axis] - 1.0) for place in places)
        return floor(low), min(floor(high) + 1, self.shape[axis] - 1)


def route_across(axis: int, grid: Grid, scan_grid: Grid) -> Route:
    """Return the way whose planes lie across one axis of the scan.

    Args:
        axis: of the scan.
        grid: the prepared grid.
        scan_grid: the scan's 3D grid.
    """
    matrix = scan_grid.index_to(grid)
    followed = crossed(matrix, scan_grid)
    across = int(followed[:, axis].argmax())
    rest = [other for other in range(AXES) if other != axis]
    # Parts are cut along rows: the longer axis gives the narrower ones.
    rows = max((other for other in range(AXES) if other != across), key=lambda other: grid.shape[other])
    if followed[rows, rest[0]] < followed[rows, rest[1]]:
        rest.reverse()
    return _route((axis, rest[0], rest[1]), matrix, grid, scan_grid)


def route_through(target: Order, grid: Grid, scan_grid: Grid) -> Route:
    """Return the way whose planes, rows and columns are given axes of the scan."""
    return _route(target, scan_grid.index_to(grid), grid, scan_grid)


def _route(target: Order, matrix: NDArray[np.float64], grid: Grid, scan_grid: Grid) -> Route:
    followed = crossed(matrix, scan_grid)
    across = int(followed[:, target[0]].argmax())
    one, other = (axis for axis in range(AXES) if axis != across)
    # The prepared axis that the rows cross more than the columns do, beside what the other one does.
    straight = followed[one, target[1]] + followed[other, target[2]]
    turned = followed[other, target[1]] + followed[one, target[2]]
    source = (across, one, other) if straight >= turned else (across, other, one)
    turned_matrix = matrix[list(source)][:, [*target, AXES]]
    return Route(source, target, picked(grid.shape, source), picked(scan_grid.shape, target), turned_matrix)


def crossed(matrix: NDArray[np.float64], scan_grid: Grid) -> NDArray[np.float64]:
    """Return how many prepared voxels along each axis (rows) each axis of the scan (columns) crosses.

    Args:
        matrix: shape (4, 4), takes an index of the scan to its place on the prepared grid.
        scan_grid: the scan's grid.
    """
    size = np.maximum(np.asarray(scan_grid.shape) - 1, 1)
    return np.asarray(np.abs(matrix[:AXES, :AXES]) * size)


def picked(values: Sequence[int], order: Order) -> Order:
    """Return three numbers in another order."""
    return values[order[0]], values[order[1]], values[order[2]]


def parts(count: int, pieces: int) -> list[range]:
    """Cut 0..count into so many runs of nearly equal length, none of them empty."""
    ends = [round(index * count / min(pieces, count)) for index in range(min(pieces, count) + 1)]
    return [range(begin, end) for begin, end in pairwise(ends)]
