"""Holes of a label: by hand, beside SciPy, MONAI and SimpleITK, and beside a naive version over the whole volume."""

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from segkit.config.labels import labels_from
from segkit.config.rules import Rule
from segkit.postprocessing.applying import apply_rules

ORGANS = labels_from({"background": 0, "liver": 1, "tumour": 2})
MAPS = arrays(np.uint8, array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=8), elements=st.integers(0, 2))


def filled(values, *names, labels=ORGANS):
    return apply_rules(np.asarray(values), {name: Rule(fill_holes=True) for name in names}, labels, 1.0)


def picture(text):
    return np.array([[int(cell) for cell in row] for row in text.split()], np.uint8)


def naive(values, value):
    """The definition, over the whole volume: fill each pocket of background that the label encloses and touches."""
    result = values.copy()
    flat = values.squeeze()
    inside = np.atleast_1d(flat == value)
    free = ndimage.binary_fill_holes(inside) & np.atleast_1d(flat == 0)
    pockets, count = ndimage.label(free)
    for number in range(1, count + 1):
        if (ndimage.binary_dilation(pockets == number) & inside).any():
            np.atleast_1d(result.squeeze())[pockets == number] = value
    return result


@given(MAPS)
def test_filling_equals_the_naive_version(values):
    assert np.array_equal(filled(values, "liver"), naive(values, 1))
    assert np.array_equal(filled(np.asfortranarray(values), "tumour"), naive(values, 2))


@given(arrays(bool, array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=8)))
def test_one_label_alone_is_filled_as_by_scipy_and_simpleitk(inside):
    ours = filled(inside.astype(np.uint8), "liver") > 0
    assert np.array_equal(ours, ndimage.binary_fill_holes(inside))
    theirs = SimpleITK.BinaryFillhole(SimpleITK.GetImageFromArray(inside.astype(np.uint8)), fullyConnected=False)
    assert np.array_equal(ours, SimpleITK.GetArrayFromImage(theirs) > 0)


@pytest.mark.parametrize("seed", range(3))
def test_monai_fills_the_same_of_one_label(seed):
    from monai.transforms import FillHoles

    inside = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(24, 20, 16)), 1) > -0.1
    theirs = FillHoles(connectivity=1)(inside[None].astype(np.uint8))[0] > 0
    assert theirs.sum() > inside.sum()
    assert np.array_equal(filled(inside.astype(np.uint8), "liver") > 0, theirs)


def test_a_tumour_in_the_liver_stays_where_monai_erases_it():
    from monai.transforms import FillHoles

    values = np.zeros((9, 9, 9), np.uint8)
    values[1:8, 1:8, 1:8] = 1
    values[3:6, 3:6, 3:6] = 2
    values[2, 2, 2] = 0
    expected = values.copy()
    expected[2, 2, 2] = 1
    assert np.array_equal(filled(values, "liver"), expected)
    assert (FillHoles()(values[None])[0] == 2).sum() == 0


def test_a_gap_between_tumour_and_liver_is_a_hole_of_the_liver():
    gap = picture("11111 12001 12201 11111")
    assert np.array_equal(filled(gap, "liver", "tumour"), picture("11111 12111 12211 11111"))
    assert np.array_equal(filled(gap, "tumour"), gap)


def test_a_gap_beside_a_tumour_at_the_surface_is_open():
    within = picture("0000000 0111110 0110210 0111110 0000000")
    assert np.array_equal(filled(within, "liver"), picture("0000000 0111110 0111210 0111110 0000000"))
    surface = picture("0000000 0111110 0110220 0111110 0000000")
    assert np.array_equal(filled(surface, "liver"), surface)
    assert np.array_equal(filled(surface, "liver", "tumour"), surface)


def test_a_hole_inside_the_tumour_is_the_tumours():
    necrosis = picture("1111111 1222221 1220221 1222221 1111111")
    assert np.array_equal(filled(necrosis, "liver"), necrosis)
    assert np.array_equal(filled(necrosis, "liver", "tumour"), picture("1111111 1222221 1222221 1222221 1111111"))


def test_a_gap_between_organs_is_a_hole_of_none():
    gap = picture("1112222 1100022 1112222")
    assert np.array_equal(filled(gap, "liver", "tumour"), gap)


def test_a_hole_open_to_the_border_is_none_and_corners_close_one():
    assert np.array_equal(filled(picture("101 101 111"), "liver"), picture("101 101 111"))
    assert np.array_equal(filled(picture("010 101 010"), "liver"), picture("010 111 010"))


def test_a_ring_in_one_slice_of_a_volume_has_no_hole_and_in_a_picture_it_has():
    ring = picture("111 101 111")
    volume = np.zeros((3, 3, 4), np.uint8)
    volume[..., 2] = ring
    assert np.array_equal(filled(volume, "liver"), volume)
    for flat in (ring, ring[..., None], ring[None]):
        assert np.array_equal(filled(flat, "liver"), np.ones_like(flat))


def test_a_hole_of_a_region_shows_what_holds_it():
    labels = labels_from({"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}, [1, 2, 3])
    tumour = picture("111111 122221 120121 122221 111111")
    assert np.array_equal(filled(tumour, "core", labels=labels), picture("111111 122221 122221 122221 111111"))
    assert np.array_equal(filled(tumour, "whole", labels=labels), tumour.clip(0) + (tumour == 0))
