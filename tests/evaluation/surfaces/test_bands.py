import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from segkit.evaluation.surfaces import bands
from segkit.evaluation.surfaces.bands import band_of

masks = hnp.arrays(bool, (4, 6, 5))


@given(masks)
@settings(max_examples=40, deadline=None)
def test_by_default_a_band_is_what_one_erosion_takes_away(mask):
    eroded = ndimage.binary_erosion(np.pad(mask, 1), np.ones((3, 3, 3)))[1:-1, 1:-1, 1:-1]
    assert np.array_equal(band_of(mask, np.eye(3)), mask & ~eroded)


@pytest.mark.parametrize("looked_up", [0, 1000])
@given(masks, st.floats(0.3, 6))
@settings(max_examples=40, deadline=None)
def test_a_width_is_a_distance_in_mm(looked_up, mask, width):
    spacing = (0.5, 1.0, 2.0)
    away = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    before, bands.LOOKED_UP = bands.LOOKED_UP, looked_up  # both ways lead to the same band
    try:
        found = band_of(mask, np.diag(spacing), width)
    finally:
        bands.LOOKED_UP = before
    assert np.array_equal(found, mask & (away <= width * (1 + 1e-9)))


def test_a_plate_by_hand():
    mask = np.zeros((9, 9), bool)
    mask[1:8, 1:8] = True
    steps = np.eye(3)[:, :2] * 2.0
    assert band_of(mask, steps).sum() == 49 - 25
    assert band_of(mask, steps, 4.0).sum() == 49 - 9
