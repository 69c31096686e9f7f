from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.inferers import sliding_window_inference
from monai.transforms import Resize
from scipy import ndimage
from streams import Stored, random_image, random_logits, small_network, stream_of, work_for

from segkit.config.labels import labels_from
from segkit.inference.restoring import as_values, labels_on_scan
from segkit.preparation.grids import cropped, orthogonal, reoriented, respaced
from segkit.volumes.grid import Grid, affine_from

SCAN = Grid((20, 24, 10), affine_from((0.8, 0.8, 3.0), (-5, 7, 11)))
LABELS = labels_from({"background": 0, "a": 1, "b": 2})
REGIONS = labels_from({"background": 0, "whole": [1, 2, 4], "core": [2, 4], "edge": 4}, [1, 2, 4])


def restored(logits, grid, scan, labels=LABELS, axis=None, pieces=1, settled=None):
    stream = stream_of(Stored(), logits, grid=grid, classes=len(logits))
    work = work_for(stream, scan)
    work = replace(work, pieces=pieces, axis=work.axis if axis is None else axis, chunk=2)
    return labels_on_scan(stream, scan, labels, work, settled)


def whole_then_largest(logits, shape):
    """Return labels the simple way, and where the two best logits differ by more than rounding."""
    whole = np.asarray(Resize(shape, mode="trilinear", align_corners=False)(logits))
    top = np.sort(whole, axis=0)
    return whole.argmax(0), top[-1] - top[-2] > 1e-3


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("spacing", [(1.3, 1.3, 2.0), (0.5, 1.0, 3.0)])
def test_equal_to_interpolating_every_class_and_taking_the_largest(axis, pieces, spacing):
    grid = respaced(SCAN, spacing)
    logits = random_logits(grid.shape)
    expected, clear = whole_then_largest(logits, SCAN.shape)
    assert (restored(logits, grid, SCAN, axis=axis, pieces=pieces) == expected)[clear].all()
    assert clear.mean() > 0.99
    assert len(np.unique(expected)) == 3


def test_a_real_network_is_equal_to_monais_windows_and_a_resampled_whole():
    grid = respaced(SCAN, (1.3, 1.3, 2.0))
    network, image = small_network(), random_image(grid.shape)
    with torch.no_grad():
        batch = torch.from_numpy(image.astype(np.float32))[None]
        logits = sliding_window_inference(batch, (8, 8, 8), 2, network, overlap=0.5, mode="gaussian")[0].numpy()
    expected, clear = whole_then_largest(logits, SCAN.shape)
    stream = stream_of(network, image, grid=grid)
    for axis in range(3):
        work = replace(work_for(stream, SCAN), axis=axis, pieces=2)
        assert (labels_on_scan(stream, SCAN, LABELS, work) == expected)[clear].all()


@given(st.sampled_from(["RAS", "PIR", "LPS", "SAL", "ASL"]), st.integers(0, 2), st.integers(1, 5))
@settings(max_examples=15, deadline=None)
def test_turned_axes_come_back_exactly(codes, axis, pieces):
    grid = reoriented(SCAN, codes)
    logits = random_logits(grid.shape, seed=axis)
    labels = restored(logits, grid, SCAN, axis=axis, pieces=pieces)
    index = np.stack(np.meshgrid(*map(np.arange, SCAN.shape), indexing="ij")).reshape(3, -1)
    x, y, z = np.rint(SCAN.index_to(grid)[:3] @ np.vstack([index, np.ones(index.shape[1])])).astype(int)
    assert (labels.ravel() == logits[:, x, y, z].argmax(0)).all()


def test_a_tilted_scan_is_equal_to_scipys_interpolation():
    affine = affine_from((1.0, 1.0, 2.5))
    affine[1, 2] = 0.9
    scan = Grid((14, 16, 9), affine)
    grid = respaced(orthogonal(scan), (1.2, 1.2, 2.0))
    logits = random_logits(grid.shape)
    matrix = scan.index_to(grid)
    whole = np.stack([
        ndimage.affine_transform(each, matrix[:3, :3], matrix[:3, 3], scan.shape, order=1, mode="nearest")
        for each in logits
    ])  # fmt: skip
    top = np.sort(whole, axis=0)
    clear = top[-1] - top[-2] > 1e-3
    for axis in range(3):
        labels = restored(logits, grid, scan, axis=axis, pieces=2)
        assert (labels == whole.argmax(0))[clear].all()


@pytest.mark.parametrize("spacing", [(None, None, None), (1.0, 1.0, 2.0)])
def test_what_was_cropped_away_is_background(spacing):
    box = (slice(4, 16), slice(5, 24), slice(2, 9))
    grid = respaced(cropped(SCAN, box), spacing)
    logits = np.stack([np.zeros(grid.shape), np.ones(grid.shape)]).astype(np.float32)
    expected = np.zeros(SCAN.shape, np.uint8)
    expected[box] = 1
    assert np.array_equal(restored(logits, grid, SCAN, labels_from({"background": 0, "a": 1})), expected)


def test_regions_are_equal_to_interpolating_each_and_overwriting_in_order():
    grid = respaced(SCAN, (1.3, 1.3, 2.0))
    logits = random_logits(grid.shape)
    whole = np.asarray(Resize(SCAN.shape, mode="trilinear", align_corners=False)(logits))
    expected = np.zeros(SCAN.shape, int)
    for index, logit in enumerate(whole, start=1):
        expected[logit > 0] = index
    clear = np.abs(whole).min(axis=0) > 1e-3
    assert (restored(logits, grid, SCAN, REGIONS) == expected)[clear].all()
    assert len(np.unique(expected)) == 4


def test_labels_on_the_prepared_grid_are_given_too():
    grid = respaced(SCAN, (0.5, 1.0, 1.0))
    logits = random_logits(grid.shape)
    for axis in range(3):
        settled = np.full(grid.shape, 9, np.uint8)
        restored(logits, grid, SCAN, axis=axis, pieces=2, settled=settled)
        assert np.array_equal(settled, logits.argmax(0))


def test_by_hand():
    # Two voxels become four: their centres lie at -0.25, 0.25, 0.75 and 1.25 of the two.
    grid, scan = Grid((2, 1, 1), np.diag([2.0, 1, 1, 1])), Grid((4, 1, 1), affine_from((1.0, 1.0, 1.0), (-0.5,)))
    logits = np.array([[0, 0], [3, -5]], np.float32).reshape(2, 2, 1, 1)  # in between 1, then -3
    labels = labels_from({"background": 0, "a": 1})
    assert restored(logits, grid, scan, labels).ravel().tolist() == [1, 1, 0, 0]
    equal = np.array([[1, 1], [1, 1]], np.float32).reshape(2, 2, 1, 1)  # of equals the first
    assert restored(equal, grid, scan, labels).ravel().tolist() == [0, 0, 0, 0]


def test_masks_hold_the_values_of_the_data_set():
    classes = labels_from({"background": 0, "a": 300, "b": 7})
    values = as_values(np.array([0, 1, 2, 2], np.uint8), classes)
    assert (values.tolist(), values.dtype) == ([0, 300, 7, 7], np.uint16)
    assert as_values(np.array([0, 1, 2, 3], np.uint8), REGIONS).tolist() == [0, 1, 2, 4]
    kept = np.array([0, 2, 1], np.uint8)
    assert as_values(kept, LABELS) is kept
