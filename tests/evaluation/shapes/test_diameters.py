import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from segkit.evaluation.shapes import diameters
from segkit.evaluation.shapes.diameters import diameter_in_planes, maximum_diameter, vertices_of

STEPS = np.diag([1.0, 2.0, 5.0])


def test_a_voxel():
    vertices = vertices_of(np.ones((1, 1, 1), bool))
    assert sorted(map(tuple, vertices)) == [(1, 2, 2), (2, 1, 2), (2, 2, 1), (2, 2, 3), (2, 3, 2), (3, 2, 2)]
    assert maximum_diameter(vertices, STEPS) == 5
    assert [diameter_in_planes(vertices, axis, STEPS) for axis in range(3)] == [5, 5, 2]


def test_a_plane_between_two_slices_counts():
    # Voxels of two slices meet there; within a slice nothing is as far apart.
    mask = np.zeros((9, 1, 2), bool)
    mask[0, 0, 0] = mask[8, 0, 1] = True
    assert diameter_in_planes(vertices_of(mask), 2, STEPS) == 8


def test_equals_pyradiomics():
    # Figures of the compiled PyRadiomics 3.0.1.
    vertices = vertices_of(np.random.default_rng(5).random((14, 15, 16)) < 0.5)
    steps = np.diag([0.8, 0.7, 3.0])
    planes = [diameter_in_planes(vertices, axis, steps) for axis in (2, 1, 0)]
    assert planes == pytest.approx([14.882204137828511, 49.113745530146645, 48.990203102253005], rel=1e-12)
    assert maximum_diameter(vertices, steps) == pytest.approx(50.08193287004806, rel=1e-12)


def by_hand(mask: np.ndarray, steps: np.ndarray, axis: int | None) -> float:
    """Compare every pair of vertices."""
    vertices = vertices_of(mask)
    groups = [vertices] if axis is None else [vertices[vertices[:, axis] == p] for p in np.unique(vertices[:, axis])]
    return max(max(pdist(group @ steps.T / 2), default=0.0) for group in groups)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 0.95))
def test_equals_the_comparison_of_all_pairs(seed, share):
    random = np.random.default_rng(seed)
    mask = random.random(random.integers(1, 8, 3)) < share
    mask.flat[random.integers(mask.size)] = True
    steps = random.normal(size=(3, 3))  # sheared, and turned anyhow
    vertices = vertices_of(mask)
    assert maximum_diameter(vertices, steps) == pytest.approx(by_hand(mask, steps, None), rel=1e-12)
    for axis in range(3):
        assert diameter_in_planes(vertices, axis, steps) == pytest.approx(by_hand(mask, steps, axis), rel=1e-12)


def test_the_hull_is_taken_of_many_points_and_not_of_a_line(monkeypatch):
    hulls = []
    monkeypatch.setattr(diameters, "ConvexHull", lambda points: hulls.append(len(points)) or ConvexHull(points))
    x, y, z = np.ogrid[-12:13, -12:13, -12:13]
    assert maximum_diameter(vertices_of(x**2 + y**2 + z**2 <= 144), np.eye(3)) == 25
    line = np.zeros((200, 2), np.intp)
    line[:, 0] = 2 * np.arange(200)
    assert diameters._farthest(line, np.eye(3)[:, :2]) == 199
    assert len(hulls) == 2


ConvexHull = diameters.ConvexHull


def test_in_2d():
    mask = np.ones((3, 4), bool)
    assert maximum_diameter(vertices_of(mask), np.eye(3)[:, :2]) == pytest.approx(math.hypot(2, 4))
