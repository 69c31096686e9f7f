import math

import numpy as np
import pytest

from segkit.evaluation.shapes.outline import outline_of

SQUARE = np.eye(3)[:, :2]


def test_a_pixel_is_a_rhombus_and_a_block_has_cut_corners():
    assert outline_of(np.ones((1, 1), bool), SQUARE) == pytest.approx((4 * math.sqrt(0.5), 0.5))
    assert outline_of(np.ones((2, 2), bool), SQUARE) == pytest.approx((4 + 4 * math.sqrt(0.5), 3.5))


def test_oblong_pixels():
    steps = np.array([[3.0, 0], [0, 4.0], [0, 0]])
    assert outline_of(np.ones((1, 1), bool), steps) == pytest.approx((4 * 2.5, 6))
    assert outline_of(np.ones((3, 1), bool), steps) == pytest.approx((4 * 2.5 + 2 * 6, 6 + 2 * 12))


def test_pixels_that_touch_at_a_corner_stay_apart():
    assert outline_of(np.eye(2, dtype=bool), SQUARE) == pytest.approx((8 * math.sqrt(0.5), 1))


def test_every_kind_of_square_equals_pyradiomics():
    # Figures of the compiled PyRadiomics 3.0.1.
    mask = np.random.default_rng(5).random((14, 15)) < 0.5
    steps = np.array([[0.8, 0], [0, 3.0], [0, 0]])
    assert outline_of(mask, steps) == pytest.approx((391.8351445326798, 243.6), rel=1e-11)


def test_skewed_pixels():
    steps = np.array([[1.0, 0.5], [0, 1.0], [0, 0]])
    sides = [math.hypot(0.5, 1) / 2, math.hypot(1.5, 1) / 2]  # between middles of neighbouring edges of a skewed cell
    assert outline_of(np.ones((1, 1), bool), steps) == pytest.approx((2 * sum(sides), 0.5))
