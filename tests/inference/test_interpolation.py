"""Labels between voxels are those of eight weighted sums, rounded in the same order."""

from itertools import product

import numpy as np
import pytest
from streams import random_logits

from segkit.inference.interpolation import around, labels_between, logits_between, slabs
from segkit.inference.planes import LabelledPlanes, Planes, places_of, runs_at_hand
from segkit.inference.route import route_across
from segkit.preparation.grids import orthogonal, respaced
from segkit.volumes.grid import Grid, affine_from

EXACT = 1e-3
STRAIGHT = Grid((9, 11, 6), affine_from((0.8, 0.8, 3.0), (-5, 7, 11)))
TILTED = Grid((7, 9, 6), STRAIGHT.affine + np.pad([[0.9]], ((1, 2), (2, 1))))


def cell(place, size):
    """Return the voxels around a place along an axis with their weights."""
    inside = min(max(place, 0.0), size - 1.0)
    low, share = int(inside), inside - int(inside)
    if share > 1 - EXACT:
        low, share = low + 1, 0.0
    return [(low, 1 - share), (low + 1, share)] if share >= EXACT else [(low, 1.0)]


def summed(logits, place):
    """Return the logits (K,) at a place between voxels of (K, X, Y, Z); None beyond the outer faces."""
    if any(not -0.5 - EXACT <= each <= size - 0.5 + EXACT for each, size in zip(place, logits.shape[1:], strict=True)):
        return None
    total = np.zeros(len(logits), np.float32)
    for (x, s), (y, t), (z, w) in product(*(cell(*each) for each in zip(place, logits.shape[1:], strict=True))):
        total += np.float32(s * t * w) * logits[:, x, y, z]
    return total


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("scan", [STRAIGHT, TILTED])
@pytest.mark.parametrize("is_regions", [False, True])
def test_equal_to_the_last_bit_to_one_voxel_after_another(scan, axis, is_regions):
    grid = respaced(orthogonal(scan), (1.3, 1.0, 2.0))
    logits = random_logits(grid.shape, classes=4)
    route = route_across(axis, grid, scan)
    turned = np.ascontiguousarray(logits.transpose(*(1 + each for each in route.source), 0))
    planes = LabelledPlanes(iter(np.split(turned, [2, 5])), is_regions=is_regions)
    rows, seen = range(1, route.planes[1]), 0
    for run in runs_at_hand(planes, route):
        axes = around(planes, route, 0, run, rows)
        labels = labels_between(planes, axes)
        inside = np.broadcast_to(axes[0].inside & axes[1].inside & axes[2].inside, labels.shape)
        for plane, row, column in product(*map(range, labels.shape)):
            place = route.matrix @ [run[plane], rows[row], column, 1]
            expected = summed(turned.transpose(3, 0, 1, 2), place)
            assert inside[plane, row, column] == (expected is not None)
            if expected is None:
                assert labels[plane, row, column] == 0
                continue
            index = [np.array([each]) for each in (plane, row, column)]
            assert np.array_equal(logits_between(planes, axes, index)[0], expected)
            assert labels[plane, row, column] == places_of(expected, is_regions=is_regions)
            seen += 1
    assert seen > 100


def test_planes_are_let_go_of_before_the_next_are_finished():
    held = []

    def finished():
        for first in range(0, 12, 4):
            held.append((planes.first, len(planes.logits)))
            yield np.full((4, 2, 2, 3), first, np.float32)

    planes = Planes(finished())
    for plane in range(11):
        planes.reach(plane, plane + 1)
        assert planes.logits[plane - planes.first, 0, 0, 0] == plane // 4 * 4
    assert held == [(0, 0), (3, 1), (7, 1)]


def test_planes_are_cut_so_that_few_voxels_are_looked_at_together():
    route = route_across(0, Grid((5, 400, 400), np.eye(4)), Grid((5, 400, 400), np.eye(4)))
    assert list(slabs(range(1, 5), route, range(400))) == [range(1, 2), range(2, 3), range(3, 4), range(4, 5)]
    assert list(slabs(range(1, 5), route, range(300))) == [range(1, 3), range(3, 5)]


def test_what_stands_at_a_voxel():
    values = np.array([[1, 3, 3], [0.5, 0.2, -1]], np.float32)
    assert places_of(values, is_regions=False).tolist() == [1, 0]
    assert places_of(values, is_regions=True).tolist() == [3, 2]
    assert places_of(values, is_regions=True, above=0.3).tolist() == [3, 1]
