from itertools import permutations

import numpy as np
import pytest
from scipy import ndimage

from segkit.preparation import splines
from segkit.preparation.splines import along, spline_weights


def in_memory_order(shape, order) -> np.ndarray:
    """Noise of `shape` whose axes lie in memory in `order`, the slowest first."""
    array = np.random.default_rng(0).normal(size=[shape[axis] for axis in order]).astype(np.float32)
    return array.transpose(np.argsort(order))


def test_weights_by_hand():
    assert spline_weights(np.array([-0.5, 0.0, 0.25, 1.5]), 2, 1).tolist() == [[1, 0], [1, 0], [0.75, 0.25], [0, 1]]
    assert spline_weights(np.array([0.3]), 1, 3).tolist() == [[1]]
    np.testing.assert_allclose(spline_weights(np.arange(4.0), 4, 3), np.eye(4), atol=1e-7)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 40, 300])
def test_weights_equal_scipys_interpolation(order, size):
    edges = [-0.5, 0, size - 1, size - 0.5]
    places = np.append(np.random.default_rng(1).uniform(-0.5, size - 0.5, 60), edges)
    units = [ndimage.map_coordinates(unit, places[None], order=order, mode="nearest") for unit in np.eye(size)]
    weights = spline_weights(places, size, order)
    np.testing.assert_allclose(weights, np.stack(units, axis=1), atol=2e-7)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)


def test_weights_cannot_be_changed_for_others():
    weights = spline_weights(np.array([0.5]), 2, 1)
    with pytest.raises(ValueError, match="read-only"):
        weights[0] = 0


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_an_axis_is_multiplied_whatever_the_order_in_memory(axis, order):
    array = in_memory_order((6, 5, 7), order)
    weights = np.random.default_rng(1).normal(size=(4, array.shape[axis])).astype(np.float32)
    expected = np.moveaxis(np.tensordot(weights, array, axes=(1, axis)), 0, axis)
    np.testing.assert_allclose(along(array, axis, weights), expected, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_long_axis_is_multiplied_in_blocks(axis):
    shape = [3, 4, 5]
    shape[axis] = 4 * splines.BLOCK
    array = in_memory_order(shape, (2, 1, 0))
    weights = spline_weights(np.linspace(0, shape[axis] - 1, 3 * splines.BLOCK + 7), shape[axis], 3)
    assert len(splines._blocks(weights)) == 4
    expected = np.moveaxis(np.tensordot(weights, array, axes=(1, axis)), 0, axis)
    np.testing.assert_allclose(along(array, axis, weights), expected, atol=1e-5)


def test_the_last_axis_brings_c_order():
    array = in_memory_order((6, 5, 7), (2, 1, 0))
    assert along(array, 2, np.ones((3, 7), np.float32)).flags.c_contiguous
    assert along(array, 0, np.ones((3, 6), np.float32)).flags.c_contiguous
