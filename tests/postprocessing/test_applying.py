"""Rules applied to whole masks."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from segkit.config.labels import labels_from
from segkit.config.rules import Rule
from segkit.postprocessing.applying import apply_rules

LABELS = labels_from({"background": 0, "liver": 1, "tumour": 2})
REGIONS = labels_from({"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}, [1, 2, 3])
MAPS = arrays(np.uint8, array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=7), elements=st.integers(0, 3))
EVERY = {name: Rule(True, 2.5, True) for name in ("whole", "core", "enhancing")}


def picture(text):
    return np.array([[int(cell) for cell in row] for row in text.split()], np.uint8)


def naive(values, value, least):
    """Over the whole volume, component by component."""
    result = values.copy()
    labelled, count = ndimage.label(values == value, np.ones((3,) * values.ndim))
    for number in range(1, count + 1):
        if (labelled == number).sum() < least:
            result[labelled == number] = 0
    return result


@given(MAPS, st.integers(1, 9))
def test_small_components_go_as_in_the_naive_version(values, voxels):
    rules = {"liver": Rule(smallest_mm3=0.3 * voxels), "tumour": Rule(smallest_mm3=0.6)}
    after = apply_rules(values, rules, LABELS, 0.3)
    assert np.array_equal(after, naive(naive(values, 1, voxels), 2, 2))


@given(MAPS)
def test_rules_change_their_own_label_and_never_the_mask_given(values):
    before = values.copy()
    after = apply_rules(values, {"tumour": Rule(True, 3, True)}, LABELS, 1.0)
    assert np.array_equal(values, before)
    assert after.dtype == values.dtype
    changed = after != before
    assert set(np.unique(before[changed])) <= {0, 2}
    assert set(np.unique(after[changed])) <= {0, 2}


@given(MAPS)
def test_a_second_time_removes_nothing_more(values):
    rules = {"liver": Rule(keep_largest=True), "tumour": Rule(smallest_mm3=3)}
    once = apply_rules(values, rules, LABELS, 1.0)
    assert np.array_equal(apply_rules(once, rules, LABELS, 1.0), once)


@given(MAPS)
def test_what_rules_do_to_regions_holds_the_regions_together(values):
    after = apply_rules(values, EVERY, REGIONS, 1.0)
    for members in ((1, 2, 3), (2, 3), (3,)):
        inside = np.isin(after, members)
        _, before_filling = ndimage.label(inside, np.ones((3,) * values.ndim))
        assert before_filling <= 1 or members != (1, 2, 3)
    assert set(np.unique(after)) <= {0, 1, 2, 3}


def test_a_volume_in_mm3_of_exactly_the_threshold_stays():
    for voxels, volume in product(range(1, 60), (0.1, 0.3, 0.7, 1.1, 2.9)):
        values = np.ones((1, voxels), np.uint8)
        assert apply_rules(values, {"liver": Rule(smallest_mm3=voxels * volume)}, LABELS, volume).all()
        assert not apply_rules(values, {"liver": Rule(smallest_mm3=voxels * volume * 1.001)}, LABELS, volume).any()


def test_of_equal_components_the_first_stays():
    rules = {"liver": Rule(keep_largest=True)}
    assert np.array_equal(apply_rules(picture("11011 00000 11000"), rules, LABELS, 1.0), picture("11000 00000 00000"))


def test_without_rules_the_mask_itself_comes_back():
    values = picture("101")
    assert apply_rules(values, {}, LABELS, 1.0) is values
    assert apply_rules(values, {"liver": Rule()}, LABELS, 1.0) is values


def test_an_absent_label_and_one_at_the_border():
    rules = {"liver": Rule(True, 2, True), "tumour": Rule(True, 2, True)}
    assert not apply_rules(np.zeros((3, 4, 5), np.uint8), rules, LABELS, 1.0).any()
    full = np.ones((3, 4, 5), np.uint8)
    assert np.array_equal(apply_rules(full, rules, LABELS, 1.0), full)


def test_the_liver_closes_over_a_speck_of_tumour():
    values = picture("11111 12111 11111")
    rules = {"tumour": Rule(smallest_mm3=2), "liver": Rule(fill_holes=True)}
    assert np.array_equal(apply_rules(values, rules, LABELS, 1.0), np.ones_like(values))


def test_a_label_of_several_values_is_one_and_other_values_of_background_work():
    labels = labels_from({"background": 9, "kidney": [4, 5], "cyst": 7})
    values = np.array([[4, 5, 9, 4, 9, 7, 9, 7, 7]], np.uint8)
    rules = {"kidney": Rule(keep_largest=True), "cyst": Rule(smallest_mm3=2)}
    assert apply_rules(values, rules, labels, 1.0).tolist() == [[4, 5, 9, 9, 9, 9, 9, 7, 7]]


def test_colours_are_values_as_any():
    labels = labels_from({"background": "#000000", "vessel": "#FF8000"})
    values = np.array([[0xFF8000, 0, 0xFF8000, 0xFF8000]], np.uint32)
    assert apply_rules(values, {"vessel": Rule(keep_largest=True)}, labels, 1.0).tolist() == [
        [0, 0, 0xFF8000, 0xFF8000]
    ]


@pytest.mark.parametrize(
    ("rules", "after"),
    [
        ({"whole": Rule(keep_largest=True)}, "1123100000 1131200000"),  # the union; nothing stays outside of it
        ({"core": Rule(keep_largest=True)}, "1123100101 1131200101"),  # taken off, core leaves whole
        ({"enhancing": Rule(smallest_mm3=3)}, "1122100202 1121200202"),  # and enhancing leaves core
    ],
)
def test_rules_of_regions(rules, after):
    values = picture("1123100303 1131200303")
    assert np.array_equal(apply_rules(values, rules, REGIONS, 1.0), picture(after))
