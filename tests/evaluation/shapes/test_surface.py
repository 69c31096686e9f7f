import math

import numpy as np
import pytest

from segkit.evaluation.shapes.surface import surface_of

SQRT3 = math.sqrt(3)
CUBIC = np.eye(3)


def test_a_voxel_is_an_octahedron():
    surface = surface_of(np.ones((1, 1, 1), bool), CUBIC)  # with half axes of 1/2
    assert surface.area == pytest.approx(SQRT3, rel=1e-12)
    assert surface.volume == pytest.approx(1 / 6, rel=1e-12)


def test_a_block_of_eight_by_hand():
    # Six faces of 1 x 1, twelve edges 1 long and cut at sqrt(1/2), eight corners cut by triangles of side sqrt(1/2).
    surface = surface_of(np.ones((2, 2, 2), bool), CUBIC)
    assert surface.area == pytest.approx(6 + 12 * math.sqrt(0.5) + 8 * SQRT3 / 8, rel=1e-12)
    assert surface.volume == pytest.approx(8 - 12 * 1 / 8 - 8 * (1 / 8 - 1 / 48), rel=1e-12)


def test_voxels_of_any_size_and_direction():
    # The octahedron with half axes 0.5, 1 and 2.5: each of eight faces is half the cross product of two sides.
    steps = np.diag([1.0, 2.0, 5.0])
    a, b, c = np.diag([0.5, 1.0, 2.5])
    area = 8 * np.linalg.norm(np.cross(b - a, c - a)) / 2
    assert surface_of(np.ones((1, 1, 1), bool), steps).area == pytest.approx(area, rel=1e-12)
    assert surface_of(np.ones((1, 1, 1), bool), steps).volume == pytest.approx(10 / 6, rel=1e-12)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    mask = np.random.default_rng(1).random((5, 6, 4)) < 0.5
    turned, straight = surface_of(mask, turn @ steps), surface_of(mask, steps)
    assert turned == pytest.approx(straight, rel=1e-12)


def test_a_ball_approaches_a_sphere():
    radius = 20
    x, y, z = np.ogrid[-22:23, -22:23, -22:23]
    surface = surface_of(x**2 + y**2 + z**2 <= radius**2, CUBIC)
    assert surface.volume == pytest.approx(4 / 3 * math.pi * radius**3, rel=0.01)
    assert 1 < surface.area / (4 * math.pi * radius**2) < 1.12  # a stepped surface is larger, and stays so


@pytest.mark.parametrize(
    ("spacing", "area", "volume"),
    [((1.0, 1.0, 1.0), 3792.073652318779, 1570.9166666666667), ((0.8, 0.7, 3.0), 6894.686480913357, 2639.139999999988)],
)
def test_every_kind_of_cube_equals_pyradiomics(spacing, area, volume):
    # Figures of the compiled PyRadiomics 3.0.1 for a mask that holds each of the 254 kinds of cubes.
    mask = np.random.default_rng(5).random((14, 15, 16)) < 0.5
    assert surface_of(mask, np.diag(spacing)) == pytest.approx((area, volume), rel=1e-11)


def test_crosswise_corners_are_parted_by_the_one_that_decides():
    mask = np.zeros((1, 2, 2), bool)
    mask[0, 0, 0] = mask[0, 1, 1] = True  # two voxels that touch along an edge
    assert surface_of(mask, CUBIC).volume != pytest.approx(surface_of(mask[:, ::-1], CUBIC).volume, rel=1e-6)
