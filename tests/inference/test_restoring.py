import numpy as np
import pytest
from monai.transforms import Resize

from segkit.config.labels import labels_from
from segkit.inference.restoring import labels_on_scan, mask_on_scan, regions_on_scan
from segkit.preparation.grids import cropped, reoriented, respaced
from segkit.volumes.grid import Grid, affine_from

SCAN = Grid((20, 24, 10), affine_from((0.8, 0.8, 3.0), (-5, 7, 11)))


def logits_on(grid, classes=3):
    return np.random.default_rng(0).normal(size=(classes, *grid.shape)).astype(np.float32)


def test_equal_to_interpolating_every_class_and_taking_the_largest():
    grid = respaced(SCAN, (1.3, 1.3, 2.0))
    logits = logits_on(grid)
    whole = np.asarray(Resize(SCAN.shape, mode="trilinear", align_corners=False)(logits))
    restored = labels_on_scan(logits, grid, SCAN)
    top = np.sort(whole, axis=0)
    clear = top[-1] - top[-2] > 1e-3
    assert (restored == whole.argmax(0))[clear].all()
    assert clear.mean() > 0.99


def test_turned_axes_come_back_exactly():
    grid = reoriented(SCAN, "PIR")
    logits = logits_on(grid)
    restored = labels_on_scan(logits, grid, SCAN)
    assert restored.shape == SCAN.shape
    for index in [(0, 0, 0), (3, 20, 7), (19, 23, 9)]:
        there = np.rint((SCAN.index_to(grid) @ [*index, 1])[:3]).astype(int)
        assert restored[index] == logits[(slice(None), *there)].argmax()


@pytest.mark.parametrize("spacing", [(None, None, None), (1.0, 1.0, 2.0)])
def test_what_was_cropped_away_is_background(spacing):
    box = (slice(4, 16), slice(5, 24), slice(2, 9))
    grid = respaced(cropped(SCAN, box), spacing)
    logits = np.stack([np.zeros(grid.shape), np.ones(grid.shape)]).astype(np.float32)
    restored = labels_on_scan(logits, grid, SCAN)
    expected = np.zeros(SCAN.shape, np.uint8)
    expected[box] = 1
    assert np.array_equal(restored, expected)


def test_regions_are_equal_to_interpolating_each_and_overwriting_in_order():
    grid = respaced(SCAN, (1.3, 1.3, 2.0))
    logits = logits_on(grid)
    whole = np.asarray(Resize(SCAN.shape, mode="trilinear", align_corners=False)(logits))
    expected = np.zeros(SCAN.shape, int)
    for index, logit in enumerate(whole, start=1):
        expected[logit > 0] = index
    clear = np.abs(whole).min(axis=0) > 1e-3
    assert (regions_on_scan(logits, grid, SCAN) == expected)[clear].all()


def test_masks_hold_the_values_of_the_data_set():
    logits = np.array([[1.0, -1, 3, 1], [-1, 1, 2, -1], [-1, -1, 5, 2]], np.float32).reshape(3, 4, 1, 1)
    grid = Grid((4, 1, 1), affine_from((1.0, 1.0, 1.0)))
    classes = labels_from({"background": 0, "a": 300, "b": 7})
    mask = mask_on_scan(logits, grid, grid, classes)
    assert (mask.ravel().tolist(), mask.dtype) == ([0, 300, 7, 7], np.uint16)
    regions = labels_from({"background": 0, "whole": [1, 2, 4], "core": [2, 4], "edge": 4}, [1, 2, 4])
    assert mask_on_scan(logits, grid, grid, regions).ravel().tolist() == [1, 2, 4, 4]
