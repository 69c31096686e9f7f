"""What is kept of a case gives the Dice that the rules themselves would give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from segkit.config.labels import labels_from
from segkit.config.rules import Rule
from segkit.evaluation.cases import evaluate_arrays
from segkit.postprocessing.applying import apply_rules
from segkit.postprocessing.tallies import tally
from segkit.volumes.grid import Grid, affine_from

LABELS = labels_from({"background": 0, "liver": 1, "tumour": 2, "ignore": 9})
REGIONS = labels_from({"background": 0, "whole": [1, 2], "core": 2, "ignore": 9}, [1, 2])
RULES = [Rule(), Rule(keep_largest=True), *(Rule(smallest_mm3=volume) for volume in (1.0, 2.0, 5.0, 50.0))]
SHAPE = (6, 5, 4)
GRID = Grid(SHAPE, affine_from((0.5, 1, 1)))


def dice_of(mask, reference, labels, name):
    dice = evaluate_arrays(mask, reference, GRID, labels.declared)[name]["dice"]
    return 1.0 if np.isnan(dice) else dice  # both are empty


@given(
    arrays(np.uint8, SHAPE, elements=st.integers(0, 2)),
    arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 1, 2, 9])),
    st.sampled_from(RULES),
)
@settings(deadline=None)
def test_dice_after_removal_is_that_of_the_mask_after_it(mask, reference, rule):
    for labels in (LABELS, REGIONS):
        tallies = tally(mask, reference, labels, GRID.voxel_mm3)
        for name in labels.foreground:
            after = apply_rules(mask, {name: rule}, labels, GRID.voxel_mm3)
            assert tallies[name].dice(rule) == pytest.approx(dice_of(after, reference, labels, name))


@given(arrays(np.uint8, SHAPE, elements=st.integers(0, 2)), arrays(np.uint8, SHAPE, elements=st.integers(0, 2)))
@settings(deadline=None)
def test_dice_after_filling_is_that_of_the_mask_after_it(mask, reference):
    for labels in (LABELS, REGIONS):
        tallies = tally(mask, reference, labels, GRID.voxel_mm3)
        for name in labels.foreground:
            after = apply_rules(mask, {name: Rule(fill_holes=True)}, labels, GRID.voxel_mm3)
            assert tallies[name].dice(Rule(fill_holes=True)) == pytest.approx(dice_of(after, reference, labels, name))


def test_a_tally_by_hand():
    mask = np.array([[1, 1, 0, 1, 0, 2, 0, 1]], np.uint8)
    reference = np.array([[1, 0, 0, 1, 9, 1, 0, 9]], np.uint8)
    liver = tally(mask, reference, LABELS, 2.0)["liver"]
    # The last voxel is ignored, so three are scored; two of them hit, of three that the reference has.
    assert liver.dice(Rule()) == pytest.approx(2 * 2 / (3 + 3))
    assert liver.dice(Rule(keep_largest=True)) == pytest.approx(2 * 1 / (2 + 3))
    assert liver.dice(Rule(smallest_mm3=5.0)) == 0.0
    assert liver.volumes.tolist() == [2.0, 2.0, 4.0]
    assert (liver.plain.sizes.tolist(), liver.plain.numbers.tolist()) == ([1, 2], [2, 1])


def test_two_empty_masks_agree():
    empty, speck = np.zeros((2, 4, 4), np.uint8)
    speck[0, 0] = 2
    assert tally(empty, empty, LABELS, 1.0)["tumour"].dice(Rule()) == 1.0
    lone = tally(speck, empty, LABELS, 1.0)["tumour"]
    assert (lone.dice(Rule()), lone.dice(Rule(smallest_mm3=2.0)), lone.dice(Rule(keep_largest=True))) == (0, 1, 0)


def test_what_is_kept_of_a_noisy_mask_is_small():
    mask = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(60, 60, 60)), 0.6) > 0.9
    kept = tally(mask.astype(np.uint8), mask.astype(np.uint8), LABELS, 1.0)["liver"].plain
    assert kept.numbers.sum() > 900
    assert len(kept.sizes) <= np.sqrt(2 * mask.sum()) + 1
