import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from segkit.volumes.boxes import occupied_box

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=7))


@given(MASKS)
def test_the_box_is_what_scipy_finds(inside):
    found = ndimage.find_objects(inside.astype(np.int8))
    assert occupied_box(inside) == (found[0] if found else None)
    assert occupied_box(np.asfortranarray(inside)) == occupied_box(inside)
    assert occupied_box(np.where(inside, -0.5, 0.0)) == occupied_box(inside)


@given(arrays(bool, array_shapes(min_dims=4, max_dims=4, min_side=1, max_side=4)), st.booleans())
def test_leading_axes_are_joined_and_not_cut(channels, is_fortran):
    array = np.asfortranarray(channels) if is_fortran else channels
    assert occupied_box(array, leading=1) == occupied_box(channels.any(axis=0))


@pytest.mark.parametrize("value", [np.nan, -1.0, np.inf])
def test_whatever_is_not_zero_counts(value):
    array = np.zeros((3, 4))
    array[1, 2] = value
    assert occupied_box(array) == (slice(1, 2), slice(2, 3))
